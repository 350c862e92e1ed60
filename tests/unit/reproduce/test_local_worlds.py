"""Worlds of known local dimension: their shape, their sizes, and what may not set clusters apart."""

import numpy as np
import pytest

from crossgap.reproduce.local_worlds import local_world


def test_each_cluster_is_a_sphere_of_its_dimension():
    world = local_world(noise=0.0, gap=0.0)
    assert world.x.shape == world.y.shape == (2000, 64)
    assert np.array_equal(world.x, world.y)
    assert world.dimensions.tolist() == np.linspace(2, 20, 20).round().tolist()
    for cluster, dimension in enumerate(world.dimensions):
        rows = world.x[world.clusters == cluster]
        values = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
        assert np.count_nonzero(values > 1e-9) == dimension
        flat = np.linalg.svd(rows - rows[0])[2][:dimension]  # the sphere lies in a flat of that many dimensions
        points = (rows - rows[0]) @ flat.T
        centre = np.linalg.lstsq(2 * points, (points**2).sum(axis=1), rcond=None)[0]
        assert np.linalg.norm(points - centre, axis=1) == pytest.approx(1.0)


def test_sizes_vary_apart_from_dimension_and_span_a_factor_of_twelve():
    world = local_world(seed=3)
    sizes = np.bincount(world.clusters)
    assert sizes.min() >= 59
    assert sizes.max() <= 141
    assert abs(np.corrcoef(sizes, world.dimensions)[0, 1]) < 0.6
    by_size = local_world(driver="size")
    sizes = np.bincount(by_size.clusters)
    assert set(by_size.dimensions) == {8}
    assert sizes.max() / sizes.min() == pytest.approx(12, abs=1)


def test_the_gap_and_the_noise():
    world = local_world(gap=1.5, noise=0.06)
    gap = world.x - world.y
    assert gap.mean(axis=0) == pytest.approx(1.5 * np.eye(64)[0], abs=0.01)
    assert gap.std(axis=0) == pytest.approx(0.06 * np.sqrt(2), rel=0.1)


def test_options_and_seed():
    plain = local_world(pairs=200, clusters=4)
    assert np.array_equal(local_world(pairs=200, clusters=4).x, plain.x)
    assert not np.array_equal(local_world(pairs=200, clusters=4, seed=1).x, plain.x)
    assert local_world(pairs=200, clusters=4, ambient=30).x.shape == (200, 30)
    far = local_world(pairs=200, clusters=4, centre_length=50.0)
    assert np.linalg.norm(far.x[0]) > 40


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"driver": "luck"}, "driver must be 'dimension' or 'size', but it is 'luck'"),
        ({"clusters": 1}, "clusters must be at least 2"),
        ({"pairs": 399}, "pairs must be at least 400"),
        ({"ambient": 19}, "ambient must be at least 20"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        local_world(**options)

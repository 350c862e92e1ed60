"""The two-cone pairs: shape, determinism, one world, cones, and what is shared."""

import numpy as np
import pytest

from crossgap import measure
from crossgap.data.synthetic import two_cone_pairs


def _unit_heads(x, y, rng, d=64):
    heads = [rng.uniform(-1, 1, (x.shape[1], d)) / np.sqrt(x.shape[1]) for _ in range(2)]
    return [rows @ head for rows, head in zip((x, y), heads, strict=True)]


def _explained(rows, targets, train=2000):
    """Share of the targets' variance on unseen rows that a linear map from the rows explains."""
    features = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    weights = np.linalg.lstsq(features[:train], targets[:train], rcond=None)[0]
    rest = targets[train:] - features[train:] @ weights
    return 1 - rest.var(axis=0).sum() / targets[train:].var(axis=0).sum()


def test_shapes_types_and_scale():
    x, y = two_cone_pairs(500, seed=3)
    for rows in (x, y):
        assert rows.shape == (500, 128)
        assert rows.dtype == np.float32
        assert rows.std() == pytest.approx(1.0, abs=1e-5)
    assert not np.allclose(x, y)


def test_one_seed_is_one_world():
    x, y = two_cone_pairs(50, seed=7)
    again, _ = two_cone_pairs(50, seed=7)
    other, _ = two_cone_pairs(50, seed=8)
    assert np.array_equal(x, again)
    assert not np.allclose(x, other)
    longer = two_cone_pairs(200, seed=7)
    for short, long in zip((x, y), longer, strict=True):
        factor = short[0, 0] / long[0, 0]
        np.testing.assert_allclose(long[:50] * factor, short, rtol=1e-4, atol=1e-5)


def test_the_formula_row_by_row():
    x, y = two_cone_pairs(6, seed=2, latent=3, nuisance=2, hidden=5, dimension=4)
    world, things = (np.random.default_rng(s) for s in np.random.SeedSequence(2).spawn(2))
    drawn = things.standard_normal((6, 7))
    for rows, columns in ((x, [0, 1, 2, 3, 4]), (y, [0, 1, 2, 5, 6])):
        w1, b = world.standard_normal((5, 5)), world.standard_normal(5)
        w2 = world.standard_normal((5, 4))
        expected = np.zeros((6, 4))
        for i in range(6):
            for j in range(4):
                for h in range(5):
                    before = sum(drawn[i, c] * w1[k, h] / 5**0.5 for k, c in enumerate(columns)) + b[h]
                    expected[i, j] += max(before, 0.0) * w2[h, j] / 5**0.5
        np.testing.assert_allclose(rows, expected / expected.std(), rtol=1e-5, atol=1e-6)


def test_each_modality_lies_in_a_cone_and_untrained_heads_in_two(rng):
    for seed in range(4):
        x, y = two_cone_pairs(1000, seed=seed)
        assert measure.resultant_length(x) > 0.5
        assert measure.resultant_length(y) > 0.5
        heads = _unit_heads(x, y, rng)
        assert 0.9 < measure.centroid_distance(*heads) < 1.5
        assert measure.linear_separability(*heads, n_splits=1) > 0.99


def test_the_modalities_share_the_latent_and_not_the_nuisance():
    x, y = two_cone_pairs(3000, seed=1)
    shared_only = two_cone_pairs(3000, seed=1, nuisance=0)
    apart = _explained(x, y)
    assert 0.3 < apart < 0.7  # y's own nuisance cannot be told from x
    assert _explained(*shared_only) > apart + 0.2
    noisier = two_cone_pairs(3000, seed=1, nuisance=64)
    assert _explained(*noisier) < apart - 0.2


@pytest.mark.parametrize(
    ("option", "value"), [("latent", 10), ("nuisance", 4), ("hidden", 100), ("dimension", 32), ("seed", 5)]
)
def test_every_option_matters(option, value):
    x, _ = two_cone_pairs(20)
    changed, _ = two_cone_pairs(20, **{option: value})
    assert changed.shape != x.shape or not np.allclose(changed, x)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"n": 0}, "n"),
        ({"latent": 0}, "latent"),
        ({"nuisance": -1}, "nuisance"),
        ({"hidden": 0}, "hidden"),
        ({"dimension": 0}, "dimension"),
    ],
)
def test_sizes_that_are_refused(options, name):
    with pytest.raises(ValueError, match=f"^{name} must be at least"):
        two_cone_pairs(**{"n": 5, **options})


def test_unlike_rows_leave_the_others_as_they_are():
    x, y = two_cone_pairs(300, seed=1)
    longer_x, longer_y = two_cone_pairs(400, seed=1, unlike=100)
    np.testing.assert_array_equal(longer_x[:300], x)
    np.testing.assert_array_equal(longer_y[:300], y)
    plain_x, _ = two_cone_pairs(400, seed=1)
    assert abs(longer_x[300:].std() / plain_x[300:].std() - 1) > 0.1  # another distribution


@pytest.mark.parametrize("unlike", [-1, 300, 400])
def test_unlike_rows_leave_some_that_are_not(unlike):
    with pytest.raises(ValueError, match="unlike must be at least 0 and below n = 300"):
        two_cone_pairs(300, unlike=unlike)

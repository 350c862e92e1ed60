"""What maps ignore: the pictures turn with the space and do not depend on the order or the lengths of rows."""

import numpy as np
import pytest

from crossgap.maps import linear_map, neighbours_kept

KEPT = {"rotate the space", "other lengths", "rotate the map", "scale the map", "shift the map", "reorder"}


@pytest.fixture
def groups(rng):
    return rng.normal(size=(40, 5)) + 1, rng.exponential(size=(30, 5)) - 1


@pytest.fixture
def rotation(rng):
    return np.linalg.qr(rng.normal(size=(5, 5)))[0]


@pytest.mark.parametrize("count", [1, 2])
def test_a_linear_map_ignores_rotation_lengths_and_order(groups, rotation, rng, count):
    groups = groups[:count]
    expected = linear_map(*groups)
    turned = linear_map(*(rows @ rotation for rows in groups))
    longer = linear_map(*(rows * rng.uniform(0.5, 2, size=(len(rows), 1)) for rows in groups))
    orders = [rng.permutation(len(rows)) for rows in groups]
    reordered = linear_map(*(rows[order] for rows, order in zip(groups, orders, strict=True)))
    for position, placed in enumerate(expected.coordinates):
        np.testing.assert_allclose(turned.coordinates[position], placed, atol=1e-9)
        np.testing.assert_allclose(longer.coordinates[position], placed, atol=1e-9)
        np.testing.assert_allclose(reordered.coordinates[position], placed[orders[position]], atol=1e-9)


def test_a_linear_map_notices_a_shift(groups):
    x, y = groups
    assert not np.allclose(linear_map(x + 1, y).coordinates[1], linear_map(x, y).coordinates[1], atol=1e-3)


@pytest.mark.parametrize("change", sorted(KEPT | {"stretch the map", "mispair", "shift the space"}))
def test_neighbours_kept(groups, rotation, rng, change):
    rows = np.concatenate(groups)
    coordinates = np.concatenate(linear_map(*groups).coordinates)
    order = rng.permutation(len(rows))
    angle = np.array([[0.6, 0.8], [-0.8, 0.6]])
    changed = {
        "rotate the space": (rows @ rotation, coordinates),
        "other lengths": (rows * rng.uniform(0.5, 2, size=(len(rows), 1)), coordinates),
        "rotate the map": (rows, coordinates @ angle),
        "scale the map": (rows, 7 * coordinates),
        "shift the map": (rows, coordinates + 5),
        "reorder": (rows[order], coordinates[order]),
        "stretch the map": (rows, coordinates * [9, 1]),
        "mispair": (rows, coordinates[order]),
        "shift the space": (rows + 1, coordinates),
    }[change]
    same = neighbours_kept(*changed, k=5) == pytest.approx(neighbours_kept(rows, coordinates, k=5), abs=1e-12)
    assert same == (change in KEPT)

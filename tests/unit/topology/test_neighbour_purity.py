import numpy as np
import pytest
import torch

from crossgap import topology
from crossgap.errors import DegenerateError


def _by_double_loop(x, y, k, unit):
    rows = np.concatenate([x, y]).astype(float)
    if unit:
        rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    same = 0
    for i, row in enumerate(rows):
        distances = np.linalg.norm(rows - row, axis=1)
        distances[i] = np.inf
        for j in np.argsort(distances, kind="stable")[:k]:
            same += (i < len(x)) == (j < len(x))
    return same / (len(rows) * k)


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("k", [1, 15, 99])
@pytest.mark.parametrize("d", [2, 30])
def test_purity_is_that_of_a_double_loop(rng, unit, k, d):
    x, y = rng.normal(size=(60, d)), rng.normal(size=(40, d)) + 0.3
    found = topology.neighbour_purity(x, y, k=k, unit=unit)
    assert found == pytest.approx(_by_double_loop(x, y, k, unit), abs=1e-12)
    assert topology.neighbour_purity(y, x, k=k, unit=unit) == pytest.approx(found, abs=1e-12)


def test_all_neighbours_have_the_purity_of_chance(rng):
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(20, 3))
    chance = topology.neighbour_purity_by_chance(30, 20)
    assert topology.neighbour_purity(x, y, k=49) == pytest.approx(chance)
    assert chance == (30 * 29 + 20 * 19) / (50 * 49)


def test_shuffled_labels_have_the_purity_of_chance_on_average(rng):
    rows = rng.normal(size=(50, 4))
    found = [
        topology.neighbour_purity(shuffled[:35], shuffled[35:], k=5)
        for shuffled in (rng.permutation(rows) for _ in range(300))
    ]
    assert abs(np.mean(found) - topology.neighbour_purity_by_chance(35, 15)) < 0.005


def test_a_gap_is_pure_and_matched_pairs_are_below_chance(rng):
    x = rng.normal(size=(50, 5))
    assert topology.neighbour_purity(x, x + 30.0, unit=False) == 1.0
    assert topology.neighbour_purity(x, x + 1e-3, k=1) == 0.0


def test_k_and_unit_matter_and_tensors_are_taken(rng):
    x, y = rng.normal(size=(2, 60, 4)).astype(np.float32)
    y += 0.5
    values = {topology.neighbour_purity(x, y, k=k, unit=unit) for k in (5, 15) for unit in (True, False)}
    assert len(values) == 4
    assert topology.neighbour_purity(x, y) == topology.neighbour_purity(x, y, k=15)
    for unit in (True, False):
        there = topology.neighbour_purity(torch.tensor(x), torch.tensor(y), unit=unit)
        assert there == topology.neighbour_purity(x, y, unit=unit)


def test_real_pairs_are_pure(coco):
    assert topology.neighbour_purity(coco["image"], coco["text"]) == 1.0


def test_messages():
    x, y = np.ones((3, 2)), np.ones((4, 2))
    for k in (0, 7):
        with pytest.raises(ValueError, match=rf"k must be from 1 to n \+ m - 1 = 6, but it is {k}"):
            topology.neighbour_purity(x, y, k=k)
    with pytest.raises(ValueError, match="n and m must be at least 1, but they are 3 and 0"):
        topology.neighbour_purity_by_chance(3, 0)
    with pytest.raises(ValueError, match="2 and 5 dimensions"):
        topology.neighbour_purity(x, np.ones((4, 5)), k=1)
    with pytest.raises(DegenerateError, match="x must have at least one row"):
        topology.neighbour_purity(np.ones((0, 2)), y, k=1)
    y[3] = 0
    with pytest.raises(ValueError, match="y must have rows of a length above zero, but row 3"):
        topology.neighbour_purity(x, y, k=1)
    assert topology.neighbour_purity(x, y, k=1, unit=False) <= 1
    y[1] = np.nan
    with pytest.raises(ValueError, match="y must be finite, but row 1"):
        topology.neighbour_purity(x, y, k=1, unit=False)

"""The protocol of group means."""

import dataclasses
from itertools import pairwise

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.gap_energy_ratio import gap_constancy
from crossgap.measure.gap_groups import gap_groups


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def test_golden(coco):
    groups = gap_groups(coco["image"], coco["text"])
    assert groups.group_length_mean == pytest.approx(0.854, abs=1e-3)
    assert groups.consecutive_cosine_mean == pytest.approx(0.991, abs=1e-3)
    assert groups.orthogonality_x_mean == pytest.approx(0.0, abs=1e-3)
    assert groups.orthogonality_x_std == pytest.approx(0.069, abs=0.002)
    assert groups.orthogonality_y_std == pytest.approx(0.077, abs=0.002)
    assert groups.residual_coordinate_mean == pytest.approx(0.0, abs=1e-9)
    assert groups.residual_direction_mean == pytest.approx(-0.006, abs=0.01)
    assert groups.residual_direction_std == pytest.approx(0.103, abs=0.01)
    assert (groups.pairs, groups.dimension, groups.group_size, groups.groups) == (500, 512, 100, 5)
    assert (groups.n_shuffles, groups.seed, groups.left_out) == (20, 0, 0)


def test_golden_untrained(coco):
    groups = gap_groups(coco["image_random_init"], coco["text_random_init"])
    assert groups.group_length_mean == pytest.approx(1.138, abs=1e-3)
    assert groups.consecutive_cosine_mean == pytest.approx(0.995, abs=1e-3)


def test_single_pairs_are_the_honest_version(coco):
    groups = gap_groups(coco["image"], coco["text"], group_size=1)
    constancy = float(gap_constancy(coco["image"], coco["text"]))
    assert groups.consecutive_cosine_mean == pytest.approx(constancy, abs=0.005)


@pytest.mark.parametrize("size", [1, 7])
def test_equals_a_plain_loop(size, rng):
    x, y = rng.normal(size=(1300, 4)) + 1, rng.normal(size=(1300, 4)) - 1
    result = gap_groups(x, y, group_size=size, n_shuffles=2, seed=5)
    a, b = unit(x), unit(y)
    g = (a - b).mean(axis=0)
    random = np.random.default_rng(5)
    seen = {name: [] for name in ("length", "cosine", "x", "y", "residual")}
    means = []
    for _ in range(2):
        order = random.permutation(1300)[: 1300 // size * size]
        groups = [(a - b)[order[i : i + size]].mean(axis=0) for i in range(0, len(order), size)]
        seen["length"] += [np.linalg.norm(h) for h in groups]
        seen["cosine"] += [unit(h) @ unit(k) for h, k in pairwise(groups)]
        for i, j in pairwise(order):
            seen["x"].append(unit(a[j] - a[i]) @ unit(g))
            seen["y"].append(unit(b[j] - b[i]) @ unit(g))
            seen["residual"].append(unit((a - b)[i] - g) @ unit((a - b)[j] - g))
        means.append(((a - b)[order] - g).mean())
    expected = {
        "group_length": "length",
        "consecutive_cosine": "cosine",
        "orthogonality_x": "x",
        "orthogonality_y": "y",
        "residual_direction": "residual",
    }
    for field, name in expected.items():
        assert getattr(result, f"{field}_mean") == pytest.approx(np.mean(seen[name]))
        assert getattr(result, f"{field}_std") == pytest.approx(np.std(seen[name]))
    assert result.residual_coordinate_mean == pytest.approx(np.mean(means), abs=1e-12)
    assert result.left_out == 0


def test_numpy_torch_and_narrow_types_agree(rng):
    x, y = rng.normal(size=(60, 4)) + 1, rng.normal(size=(60, 4)) - 1
    expected = dataclasses.astuple(gap_groups(x, y, group_size=10))
    tensors = dataclasses.astuple(gap_groups(torch.from_numpy(x), torch.from_numpy(y), group_size=10, check=False))
    assert tensors == pytest.approx(expected)
    assert all(type(value) in (int, float) for value in tensors)
    narrow = gap_groups(x.astype(np.float32), y.astype(np.float32), group_size=10)
    assert dataclasses.astuple(narrow) == pytest.approx(expected, abs=1e-6)


def test_every_option_matters(rng):
    x, y = rng.normal(size=(60, 4)) + 1, rng.normal(size=(60, 4)) - 1
    options = [{}, {"group_size": 6}, {"n_shuffles": 3}, {"seed": 1}]
    lengths = {gap_groups(x, y, **{"group_size": 7, **option}).consecutive_cosine_mean for option in options}
    assert len(lengths) == 4


def test_neighbours_without_a_direction_are_counted(rng):
    x = np.concatenate([np.tile(np.eye(3)[:1], (15, 1)), unit(rng.normal(size=(5, 3)))])
    groups = gap_groups(x, -unit(rng.normal(size=(20, 3)) + 1), group_size=5, n_shuffles=2)
    assert 0 < groups.left_out < 2 * 19


def test_messages(rng):
    x, y = rng.normal(size=(6, 3)) + 1, rng.normal(size=(6, 3)) - 1
    with pytest.raises(ValueError, match="group_size must be at least 1, but it is 0"):
        gap_groups(x, y, group_size=0)
    with pytest.raises(ValueError, match="n_shuffles must be at least 1, but it is 0"):
        gap_groups(x, y, group_size=1, n_shuffles=0)
    with pytest.raises(DegenerateError, match="6 pairs do not fill two groups of 100"):
        gap_groups(x, y)
    with pytest.raises(DegenerateError, match="the means of x and y coincide"):
        gap_groups(x, x[::-1].copy(), group_size=1)
    with pytest.raises(DegenerateError, match="all rows of x coincide"):
        gap_groups(np.ones((6, 3)), y, group_size=2)
    with pytest.raises(DegenerateError, match="all rows of y coincide"):
        gap_groups(x, -np.ones((6, 3)), group_size=2)
    square = np.array([[0.8, 0.6], [0.8, -0.6]])
    with pytest.raises(DegenerateError, match="all pairs have one and the same gap"):
        gap_groups(square, square * [-1, 1], group_size=1)
    with pytest.raises(DegenerateError, match="no two groups in a row have a gap"):
        gap_groups(np.eye(3)[[0, 1]], np.eye(3)[[0, 2]], group_size=1)
    with pytest.raises(ValueError, match="must pair row by row"):
        gap_groups(x, y[:4])
    with pytest.raises(ValueError, match="y must be finite, but row 0"):
        gap_groups(x, np.full((6, 3), np.nan), group_size=1)

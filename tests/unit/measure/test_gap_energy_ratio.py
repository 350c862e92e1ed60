"""Constancy of the gap from pair to pair."""

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.centroid_distance import centroid_distance
from crossgap.measure.gap_energy_ratio import (
    check_gap,
    gap_blocks,
    gap_constancy,
    gap_direction,
    gap_direction_per_pair,
    gap_energy_ratio,
)
from crossgap.measure.gap_vector import gap_vector

SCALARS = [gap_energy_ratio, gap_direction, gap_constancy]


class Reader:
    """Rows that can only be sliced."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self.rows[rows]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def pairs(rng):
    x = rng.normal(size=(1100, 5)) + 1.0
    return x, x + rng.normal(size=x.shape) - 2.0


def test_golden(coco):
    x, y = coco["image"], coco["text"]
    assert gap_energy_ratio(x, y) == pytest.approx(0.5252, abs=1e-4)
    assert gap_constancy(x, y) == pytest.approx(0.5246, abs=1e-4)
    assert gap_direction(x, y) == pytest.approx(0.72497, abs=1e-4)
    x, y = coco["image_random_init"], coco["text_random_init"]
    assert gap_energy_ratio(x, y) == pytest.approx(0.664, abs=5e-4)


def test_a_constant_gap_is_constant(rng):
    tail = rng.normal(size=(20, 3))
    tail = 0.6 * unit(tail)
    x = np.concatenate([np.full((20, 1), 0.8), tail], axis=1)
    y = np.concatenate([np.full((20, 1), -0.8), tail], axis=1)
    for quantity in SCALARS:
        assert quantity(x, y) == pytest.approx(1.0)
    assert gap_vector(x, y) == pytest.approx([1.6, 0.0, 0.0, 0.0])


def test_equals_a_plain_double_loop(pairs):
    x, y = (unit(rows) for rows in pairs)
    gaps = x - y
    g = gaps.mean(axis=0)
    ratio = g @ g / np.mean([row @ row for row in gaps])
    cosines = [row @ g / np.linalg.norm(row) / np.linalg.norm(g) for row in gaps]
    directions = unit(gaps)
    total = sum((directions[i + 1 :] @ a).sum() for i, a in enumerate(directions))
    n = len(gaps)
    assert gap_vector(*pairs) == pytest.approx(g)
    assert gap_energy_ratio(*pairs) == pytest.approx(ratio)
    assert gap_direction_per_pair(*pairs) == pytest.approx(np.array(cosines))
    assert gap_direction(*pairs) == pytest.approx(np.mean(cosines))
    assert gap_constancy(*pairs) == pytest.approx(total / (n * (n - 1) / 2))


def test_the_gap_vector_has_the_length_of_the_centroid_distance(rng):
    x, y = rng.normal(size=(9, 4)) + 1, rng.normal(size=(7, 4))
    assert np.linalg.norm(gap_vector(x, y)) == pytest.approx(float(centroid_distance(x, y)))


@pytest.mark.parametrize("quantity", [*SCALARS, gap_vector, gap_direction_per_pair])
def test_numpy_torch_and_readers_agree(quantity, pairs):
    expected = quantity(*pairs)
    result = quantity(*(torch.from_numpy(rows) for rows in pairs))
    assert result.dtype == torch.float64
    assert result.numpy() == pytest.approx(expected, abs=1e-12)
    assert quantity(*(Reader(rows) for rows in pairs)) == pytest.approx(expected, abs=1e-12)
    assert quantity(*(rows.astype(np.float32) for rows in pairs)) == pytest.approx(expected, abs=1e-6)
    assert quantity(*(rows.astype(np.float16) for rows in pairs)) == pytest.approx(expected, abs=5e-3)
    assert quantity(*pairs, check=False) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("quantity", [*SCALARS, gap_vector])
def test_gradients(quantity, rng):
    x, y = (torch.tensor(rng.normal(size=(4, 3)) + shift, requires_grad=True) for shift in (2, -2))
    assert torch.autograd.gradcheck(lambda a, b: quantity(a, b, check=False), (x, y))


@pytest.mark.parametrize("quantity", [gap_energy_ratio, gap_direction, gap_vector])
def test_weights_are_repeated_rows(quantity, pairs, rng):
    x, y = (rows[:30] for rows in pairs)
    weights = rng.integers(0, 3, size=(30, 4))
    result = quantity(x, y, weights=weights)
    assert result.shape[0] == 4
    for column in range(4):
        rows = np.repeat(np.arange(30), weights[:, column])
        assert result[column] == pytest.approx(quantity(x[rows], y[rows]))
    tensors = quantity(torch.from_numpy(x), torch.from_numpy(y), weights=weights)
    assert tensors.numpy() == pytest.approx(result)


def test_weighted_constancy_leaves_out_copies(pairs, rng):
    x, y = (rows[:30] for rows in pairs)
    weights = rng.integers(0, 3, size=(30, 4))
    directions = unit(unit(x) - unit(y))
    for value, w in zip(gap_constancy(x, y, weights=weights), weights.T, strict=True):
        products = np.outer(w, w) * (1 - np.eye(30))
        assert value == pytest.approx((products * (directions @ directions.T)).sum() / products.sum())
    assert gap_constancy(x, y, weights=np.ones((30, 1))) == pytest.approx(gap_constancy(x, y))


def test_a_gap_vector_takes_weights_of_both_sides(rng):
    x, y = rng.normal(size=(6, 3)) + 1, rng.normal(size=(4, 3))
    w, v = rng.integers(1, 3, size=(6, 2)), rng.integers(1, 3, size=(4, 2))
    result = gap_vector(x, y, weights=(w, v))
    expected = gap_vector(np.repeat(x, w[:, 1], axis=0), np.repeat(y, v[:, 1], axis=0))
    assert result[1] == pytest.approx(expected)


def test_blocks_cover_every_pair(pairs):
    x, y = (unit(rows) for rows in pairs)
    assert np.concatenate([gaps for _, gaps in gap_blocks(*pairs)]) == pytest.approx(x - y)


@pytest.mark.parametrize("quantity", SCALARS)
def test_pairs_that_coincide(quantity, rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(DegenerateError, match="coincide"):
        quantity(x, x.copy())
    with pytest.raises(DegenerateError, match="coincide"):
        quantity(x, x.copy(), weights=np.ones((5, 2)))


def test_messages(rng):
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    y[2] = 3 * x[2]
    for quantity in (gap_direction, gap_constancy, gap_direction_per_pair):
        with pytest.raises(DegenerateError, match="row 2 of x coincides with row 2 of y"):
            quantity(x, y)
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        gap_constancy(x[:1], y[:1])
    with pytest.raises(DegenerateError, match="the gap has no direction"):
        check_gap(np.zeros(3))
    for quantity in SCALARS:
        with pytest.raises(ValueError, match="must pair row by row"):
            quantity(x, y[:4])
        with pytest.raises(ValueError, match="y must have rows of a length above zero, but row 1"):
            quantity(x, np.where(np.arange(5)[:, None] == 1, 0.0, y))
    with pytest.raises(ValueError, match="share one space"):
        gap_vector(x, y[:, :2])

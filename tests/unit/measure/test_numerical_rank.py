"""Numerical rank, stable rank and the count of singular values above one."""

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.numerical_rank import numerical_rank, singular_values_above_one, stable_rank

QUANTITIES = [numerical_rank, singular_values_above_one, stable_rank]


@pytest.mark.parametrize("k", [2, 3, 6])
def test_k_equal_directions_count_k(k):
    square = np.concatenate([np.eye(k), -np.eye(k)])
    x = np.concatenate([square, np.zeros((2 * k, 2))], axis=1)
    for quantity in QUANTITIES:
        assert quantity(x) == pytest.approx(k)


def test_equals_the_formulas(rng):
    x = rng.normal(size=(1100, 6)) * np.arange(1, 7) + 1
    rows = x / np.linalg.norm(x, axis=1, keepdims=True)
    s = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    assert stable_rank(x) == pytest.approx((s**2).sum() / s[0] ** 2)
    assert numerical_rank(x, tolerance=0.5) == (s > 0.5 * s[0]).sum()
    x = x[:20]
    rows = rows[:20]
    s = np.linalg.svd(rows - rows.mean(axis=0), compute_uv=False)
    assert singular_values_above_one(x) == (s > 1).sum()


def test_real_embeddings_have_full_rank(coco):
    assert numerical_rank(coco["image"]) == 499


def test_every_option_matters(rng):
    x = rng.normal(size=(60, 8)) * np.arange(1, 9) + 3
    assert stable_rank(x, centre=False) < stable_rank(x)
    assert numerical_rank(x, tolerance=0.9) < numerical_rank(x)
    flat = np.concatenate([np.eye(2), np.eye(2)])
    assert (numerical_rank(flat), numerical_rank(flat, centre=False)) == (1, 2)
    assert (singular_values_above_one(flat), singular_values_above_one(flat, centre=False)) == (1, 2)


def test_float16_needs_a_higher_tolerance(rng):
    x = (rng.normal(size=(50, 3)) @ rng.normal(size=(3, 10))).astype(np.float16)
    assert numerical_rank(x) > numerical_rank(x, tolerance=1e-2) == 3


@pytest.mark.parametrize("tolerance", [0, 1, float("nan")])
def test_a_tolerance_lies_between_0_and_1(tolerance):
    with pytest.raises(ValueError, match="tolerance must lie between 0 and 1"):
        numerical_rank(np.eye(3), tolerance=tolerance)


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
def test_gradients(shape, rng):
    x = torch.tensor(rng.normal(size=shape), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: stable_rank(a, check=False), (x,))


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_numpy_and_torch_agree(quantity, rng):
    x = rng.normal(size=(30, 6)) + 1
    expected = quantity(x)
    assert expected.dtype == np.float64
    assert expected.ndim == 0
    result = quantity(torch.from_numpy(x))
    assert result.dtype == torch.float64
    assert float(result) == pytest.approx(expected)
    assert quantity(x, check=False) == pytest.approx(expected)
    weighted = quantity(x, weights=np.full((30, 3), 1))
    assert weighted == pytest.approx(np.full(3, expected))
    assert quantity(torch.from_numpy(x), weights=np.full((30, 3), 1)).shape == (3,)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_few_rows_cap_the_count(quantity, rng):
    assert quantity(rng.normal(size=(7, 40))) <= 6 + 1e-9


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_rows_in_one_direction(quantity):
    with pytest.raises(DegenerateError, match="one and the same direction"):
        quantity(np.ones((4, 3)))
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        quantity(np.ones((1, 3)))

"""Entropy rank."""

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.entropy_rank import entropy_rank


@pytest.mark.parametrize(
    ("group", "golden"),
    [("image", 104.59), ("text", 96.93), ("image_random_init", 3.44), ("text_random_init", 92.14)],
)
def test_golden(coco, group, golden):
    assert entropy_rank(coco[group]) == pytest.approx(golden, abs=5e-3)


@pytest.mark.parametrize("k", [2, 3, 6])
def test_k_equal_directions_count_k(k):
    square = np.concatenate([np.eye(k), -np.eye(k)])
    x = np.concatenate([square, np.zeros((2 * k, 2))], axis=1)
    assert entropy_rank(x) == pytest.approx(k)


def shares(x):
    rows = x / np.linalg.norm(x, axis=1, keepdims=True)
    v = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    return v / v.sum()


def test_equals_the_formula(rng):
    x = rng.normal(size=(1100, 6)) * np.arange(1, 7) + 1
    p = shares(x)
    assert entropy_rank(x) == pytest.approx(np.exp(-(p * np.log(p)).sum()))


def test_every_option_matters(rng):
    x = rng.normal(size=(60, 8)) * np.arange(1, 9) + 6
    assert entropy_rank(x, spectrum="singular") > entropy_rank(x)
    assert entropy_rank(x, centre=False) < entropy_rank(x)


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
def test_gradients(shape, rng):
    x = torch.tensor(rng.normal(size=shape), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: entropy_rank(a, check=False), (x,))


def test_numpy_and_torch_agree(rng):
    x = rng.normal(size=(30, 6)) + 1
    expected = entropy_rank(x)
    assert expected.dtype == np.float64
    assert expected.ndim == 0
    result = entropy_rank(torch.from_numpy(x))
    assert result.dtype == torch.float64
    assert float(result) == pytest.approx(expected)
    assert entropy_rank(x, check=False) == pytest.approx(expected)
    weighted = entropy_rank(x, weights=np.full((30, 3), 1))
    assert weighted == pytest.approx(np.full(3, expected))
    assert entropy_rank(torch.from_numpy(x), weights=np.full((30, 3), 1)).shape == (3,)


def test_few_rows_cap_the_count(rng):
    assert entropy_rank(rng.normal(size=(7, 40))) <= 6 + 1e-9


def test_rows_in_one_direction():
    with pytest.raises(DegenerateError, match="one and the same direction"):
        entropy_rank(np.ones((4, 3)))
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        entropy_rank(np.ones((1, 3)))

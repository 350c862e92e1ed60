"""Participation ratio."""

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.participation_ratio import participation_ratio, participation_ratio_of


@pytest.mark.parametrize(
    ("group", "golden"),
    [("image", 42.7), ("text", 41.71), ("image_random_init", 2.19), ("text_random_init", 48.4)],
)
def test_golden(coco, group, golden):
    assert participation_ratio(coco[group]) == pytest.approx(golden, abs=5e-3)


@pytest.mark.parametrize("k", [2, 3, 6])
def test_k_equal_directions_count_k(k):
    square = np.concatenate([np.eye(k), -np.eye(k)])
    x = np.concatenate([square, np.zeros((2 * k, 2))], axis=1)
    assert participation_ratio(x) == pytest.approx(k)


def shares(x):
    rows = x / np.linalg.norm(x, axis=1, keepdims=True)
    v = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    return v / v.sum()


def test_equals_the_formula(rng):
    x = rng.normal(size=(1100, 6)) * np.arange(1, 7) + 1
    p = shares(x)
    assert participation_ratio(x) == pytest.approx(1 / (p**2).sum())


def test_every_option_matters(rng):
    x = rng.normal(size=(60, 8)) * np.arange(1, 9) + 6
    assert participation_ratio(x, spectrum="singular") > participation_ratio(x)
    assert participation_ratio(x, centre=False) < participation_ratio(x)


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
def test_gradients(shape, rng):
    x = torch.tensor(rng.normal(size=shape), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: participation_ratio(a, check=False), (x,))


def test_numpy_and_torch_agree(rng):
    x = rng.normal(size=(30, 6)) + 1
    expected = participation_ratio(x)
    assert expected.dtype == np.float64
    assert expected.ndim == 0
    result = participation_ratio(torch.from_numpy(x))
    assert result.dtype == torch.float64
    assert float(result) == pytest.approx(expected)
    assert participation_ratio(x, check=False) == pytest.approx(expected)
    weighted = participation_ratio(x, weights=np.full((30, 3), 1))
    assert weighted == pytest.approx(np.full(3, expected))
    assert participation_ratio(torch.from_numpy(x), weights=np.full((30, 3), 1)).shape == (3,)


def test_few_rows_cap_the_count(rng):
    assert participation_ratio(rng.normal(size=(7, 40))) <= 6 + 1e-9


def test_rows_in_one_direction():
    with pytest.raises(DegenerateError, match="one and the same direction"):
        participation_ratio(np.ones((4, 3)))
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        participation_ratio(np.ones((1, 3)))


def test_of_given_values():
    values = np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 0.0, 0.0, 0.0]])
    assert participation_ratio_of(values).tolist() == pytest.approx([100 / 30, 1])

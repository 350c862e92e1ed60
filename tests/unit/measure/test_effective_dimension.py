"""Effective dimension."""

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.effective_dimension import check_share, components_for_share, effective_dimension


@pytest.mark.parametrize(
    ("group", "golden"),
    [("image", 296), ("text", 277), ("image_random_init", 25), ("text_random_init", 230)],
)
def test_golden(coco, group, golden):
    assert effective_dimension(coco[group]) == golden


@pytest.mark.parametrize("k", [2, 3, 6])
def test_k_equal_directions_count_k(k):
    square = np.concatenate([np.eye(k), -np.eye(k)])
    x = np.concatenate([square, np.zeros((2 * k, 2))], axis=1)
    assert effective_dimension(x) == k


def shares(x):
    rows = x / np.linalg.norm(x, axis=1, keepdims=True)
    v = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    return v / v.sum()


def test_equals_the_formula(rng):
    x = rng.normal(size=(1100, 6)) * np.arange(1, 7) + 1
    p = shares(x)
    for q in (0.3, 0.6, 0.9, 0.95):
        assert effective_dimension(x, quantile=q) == np.argmax(np.cumsum(p) > q) + 1


def test_every_option_matters(rng):
    x = rng.normal(size=(60, 8)) * np.arange(1, 9) + 6
    assert effective_dimension(x, quantile=0.5) < effective_dimension(x)
    assert effective_dimension(x, quantile=0.9, spectrum="singular") > effective_dimension(x, quantile=0.9)
    assert effective_dimension(x, quantile=0.7, centre=False) < effective_dimension(x, quantile=0.7)


def test_components_for_share():
    values = np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 0.0, 0.0, 0.0]])
    assert components_for_share(values, 0.5).tolist() == [2, 1]
    assert components_for_share(values, 0.95).tolist() == [4, 1]
    assert components_for_share(values, 1.0).tolist() == [4, 4]


@pytest.mark.parametrize("share", [0, 1, -0.5, float("nan")])
def test_a_share_lies_between_0_and_1(share):
    with pytest.raises(ValueError, match="quantile must lie between 0 and 1"):
        effective_dimension(np.eye(3), quantile=share)
    with pytest.raises(ValueError, match="variance must lie between 0 and 1"):
        check_share(share, "variance")


def test_numpy_and_torch_agree(rng):
    x = rng.normal(size=(30, 6)) + 1
    expected = effective_dimension(x)
    assert expected.dtype == np.float64
    assert expected.ndim == 0
    result = effective_dimension(torch.from_numpy(x))
    assert result.dtype == torch.float64
    assert float(result) == pytest.approx(expected)
    assert effective_dimension(x, check=False) == pytest.approx(expected)
    weighted = effective_dimension(x, weights=np.full((30, 3), 1))
    assert weighted == pytest.approx(np.full(3, expected))
    assert effective_dimension(torch.from_numpy(x), weights=np.full((30, 3), 1)).shape == (3,)


def test_few_rows_cap_the_count(rng):
    assert effective_dimension(rng.normal(size=(7, 40))) <= 6 + 1e-9


def test_rows_in_one_direction():
    with pytest.raises(DegenerateError, match="one and the same direction"):
        effective_dimension(np.ones((4, 3)))
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        effective_dimension(np.ones((1, 3)))

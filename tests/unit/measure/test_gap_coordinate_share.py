"""Share of the gap in its largest coordinates."""

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.gap_coordinate_share import gap_coordinate_share
from crossgap.measure.gap_vector import gap_vector


@pytest.mark.parametrize(("k", "share"), [(1, 0.346), (2, 0.686), (5, 0.755), (10, 0.802)])
def test_golden(coco, k, share):
    assert gap_coordinate_share(coco["image"], coco["text"], coordinates=k) == pytest.approx(share, abs=5e-4)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_equals_the_formula(k, rng):
    x, y = rng.normal(size=(1100, 4)) + 1, rng.normal(size=(30, 4))
    squares = np.sort(gap_vector(x, y) ** 2)[::-1]
    expected = squares[:k].sum() / squares.sum()
    assert gap_coordinate_share(x, y, coordinates=k) == pytest.approx(expected)
    tensors = gap_coordinate_share(torch.from_numpy(x), torch.from_numpy(y), coordinates=k, check=False)
    assert tensors.dtype == torch.float64
    assert float(tensors) == pytest.approx(expected)


def test_weights_are_repeated_rows(rng):
    x, y = rng.normal(size=(20, 4)) + 1, rng.normal(size=(20, 4))
    weights = rng.integers(0, 3, size=(20, 3))
    result = gap_coordinate_share(x, y, coordinates=2, weights=weights)
    for value, w in zip(result, weights.T, strict=True):
        repeated = gap_coordinate_share(np.repeat(x, w, axis=0), np.repeat(y, w, axis=0), coordinates=2)
        assert value == pytest.approx(repeated)


def test_gradients(rng):
    x, y = (torch.tensor(rng.normal(size=(4, 3)), requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: gap_coordinate_share(a, b, check=False), (x, y))


def test_messages(rng):
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    for k in (0, 4):
        with pytest.raises(ValueError, match=f"coordinates must lie between 1 and the dimension, 3, but it is {k}"):
            gap_coordinate_share(x, y, coordinates=k)
    with pytest.raises(DegenerateError, match="the means of x and y coincide"):
        gap_coordinate_share(x, x[::-1].copy())
    with pytest.raises(ValueError, match="share one space"):
        gap_coordinate_share(x, y[:, :2])

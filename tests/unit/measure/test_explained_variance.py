"""Cumulative explained variance."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from crossgap.errors import DegenerateError
from crossgap.measure.effective_dimension import effective_dimension
from crossgap.measure.explained_variance import explained_variance, explained_variance_area


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("shape", [(1100, 6), (6, 10)])
def test_equals_scikit_learn(shape, rng):
    x = rng.normal(size=shape) + 1
    expected = np.cumsum(PCA().fit(unit(x)).explained_variance_ratio_)
    curve = explained_variance(x)
    assert curve.shape == (min(shape),)
    assert curve == pytest.approx(expected)
    assert explained_variance(torch.from_numpy(x)).numpy() == pytest.approx(expected)
    assert explained_variance(x, check=False) == pytest.approx(expected)
    weighted = explained_variance(x, weights=np.ones((shape[0], 2)))
    assert weighted.shape == (2, min(shape))
    assert weighted[0] == pytest.approx(expected)


def test_golden(coco):
    assert explained_variance_area(coco["image"]) == pytest.approx(0.90774, abs=1e-5)
    assert explained_variance_area(coco["text"]) == pytest.approx(0.91745, abs=1e-5)
    curve = explained_variance(coco["image"])
    assert np.argmax(curve > 0.99) + 1 == effective_dimension(coco["image"]) == 296
    assert curve[-1] == 1.0


def test_area_takes_weights(rng):
    x = rng.normal(size=(20, 4))
    area = explained_variance_area(x, weights=np.ones((20, 2)), check=False)
    assert area == pytest.approx(np.full(2, explained_variance_area(x)))


def test_gradients(rng):
    x = torch.tensor(rng.normal(size=(9, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: explained_variance(a, check=False)[:2], (x,))


def test_messages():
    for quantity in (explained_variance, explained_variance_area):
        with pytest.raises(DegenerateError, match="one and the same direction"):
            quantity(np.ones((4, 3)))

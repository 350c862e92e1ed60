import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.matched_cosine import matched_cosine, matched_cosine_per_pair

# torch says so once, when a checked length is read from a tensor that has a gradient


@pytest.mark.parametrize(("suffix", "value"), [("", 0.30992), ("_random_init", 0.02853)])
def test_golden_values(coco, suffix, value):
    assert float(matched_cosine(coco["image" + suffix], coco["text" + suffix])) == pytest.approx(value, abs=1e-5)


def test_pairs_by_position_over_several_blocks(rng):
    x, y = rng.normal(size=(1300, 3)), rng.normal(size=(1300, 3))
    expected = (unit_rows(x) * unit_rows(y)).sum(axis=1)
    assert matched_cosine_per_pair(x, y) == pytest.approx(expected, abs=1e-12)
    assert float(matched_cosine(x, y)) == pytest.approx(expected.mean(), abs=1e-12)
    items = np.arange(1300)
    assert matched_cosine_per_pair(x, y, x_items=items, y_items=items) == pytest.approx(expected, abs=1e-12)


def test_items_match_many_rows(rng):
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(6, 3))
    x_items, y_items = ["a", "b", "c", "x"], ["b", "a", "a", "c", "b", "y"]
    pairs = [(0, 1), (0, 2), (1, 0), (1, 4), (2, 3)]
    expected = [float(unit_rows(x)[i] @ unit_rows(y)[j]) for i, j in pairs]
    assert matched_cosine_per_pair(x, y, x_items=x_items, y_items=y_items) == pytest.approx(expected)
    assert float(matched_cosine(x, y, x_items=x_items, y_items=y_items)) == pytest.approx(np.mean(expected))
    w = np.array([[2, 1], [0, 3], [1, 1], [5, 0]], np.uint8)
    w_y = np.array([[0, 3], [2, 1], [2, 1], [1, 1], [0, 3], [7, 7]], np.uint8)
    weighted = matched_cosine(x, y, x_items=x_items, y_items=y_items, weights=(w, w_y))
    by_pair = np.array([[2, 1], [2, 1], [0, 3], [0, 3], [1, 1]])
    assert weighted == pytest.approx(by_pair.T @ np.array(expected) / by_pair.sum(axis=0))


def test_weights_equal_repeated_rows(rng):
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(40, 3))
    w = rng.poisson(1, (40, 3)).astype(np.uint8)
    expected = [float(matched_cosine(np.repeat(x, w[:, k], axis=0), np.repeat(y, w[:, k], axis=0))) for k in range(3)]
    assert matched_cosine(x, y, weights=w) == pytest.approx(expected, abs=1e-12)


def test_torch_agrees_and_has_a_gradient(rng):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    a = torch.tensor(x, requires_grad=True)
    value = matched_cosine(a, torch.tensor(y))
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(float(matched_cosine(x, y)), abs=1e-12)
    value.backward()
    assert a.grad.abs().max() > 0
    assert float(matched_cosine(x.astype(np.float16), y.astype(np.float16))) == pytest.approx(value.item(), abs=1e-3)


def test_messages(rng):
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    with pytest.raises(DegenerateError, match=r"no row of x \(4 rows\) matches a row of y \(5 rows\)"):
        matched_cosine(x, y)
    with pytest.raises(ValueError, match="both sides or for none"):
        matched_cosine(x, y, x_items=[1, 2, 3, 4])
    with pytest.raises(ValueError, match="share one space"):
        matched_cosine(x, y[:4, :2])
    with pytest.raises(ValueError, match="matched rows must carry equal weights"):
        matched_cosine(x, x, weights=(np.ones((4, 2)), np.zeros((4, 2))))
    x[2] = 0
    with pytest.raises(ValueError, match="row 2 is all zeros"):
        matched_cosine(x, x)
    assert matched_cosine_per_pair(x, x, check=False)[2] == 0

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.unmatched_cosine import unmatched_cosine

# torch says so once, when a checked length is read from a tensor that has a gradient


def plain(x, y, keep, a, b):
    weight = np.outer(a, b) * keep
    return (unit_rows(x) @ unit_rows(y).T * weight).sum() / weight.sum()


@pytest.mark.parametrize(("suffix", "value"), [("", 0.16160), ("_random_init", 0.02778)])
def test_golden_values(coco, suffix, value):
    assert float(unmatched_cosine(coco["image" + suffix], coco["text" + suffix])) == pytest.approx(value, abs=1e-5)


def test_equals_a_double_loop_with_and_without_items(rng):
    x, y = rng.normal(size=(1200, 3)) + 0.3, rng.normal(size=(1200, 3)) + 0.3
    one = np.ones(1200)
    assert float(unmatched_cosine(x, y)) == pytest.approx(plain(x, y, 1 - np.eye(1200), one, one), abs=1e-12)
    assert float(unmatched_cosine(x, y[:5])) == pytest.approx(plain(x, y[:5], 1, one, np.ones(5)), abs=1e-12)
    a, b = rng.integers(40, size=1200), rng.integers(40, size=1200)
    value = float(unmatched_cosine(x, y, x_items=a, y_items=b))
    assert value == pytest.approx(plain(x, y, a[:, None] != b[None], one, one), abs=1e-12)


@pytest.mark.parametrize("library", [np.asarray, torch.tensor])
def test_weights_count_rows_without_their_matches(rng, library):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(30, 3))
    items, others = rng.integers(5, size=20), rng.integers(5, size=30)
    a, b = rng.poisson(1, (20, 3)).astype(np.uint8), rng.poisson(1, (30, 3)).astype(np.uint8)
    for ids, keep in (((items, others), items[:, None] != others[None]), ((None, None), 1.0)):
        expected = [plain(x, y, keep, a[:, k].astype(float), b[:, k].astype(float)) for k in range(3)]
        value = unmatched_cosine(library(x), library(y), x_items=ids[0], y_items=ids[1], weights=(a, b))
        assert value.tolist() == pytest.approx(expected, abs=1e-9)


def test_torch_agrees_and_has_a_gradient(rng):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    a = torch.tensor(x, requires_grad=True)
    value = unmatched_cosine(a, torch.tensor(y))
    assert value.dtype == torch.float64
    assert value.ndim == 0
    assert value.item() == pytest.approx(float(unmatched_cosine(x, y)), abs=1e-12)
    value.backward()
    assert a.grad.abs().max() > 0
    assert unmatched_cosine(torch.tensor(x), torch.tensor(y[:4])).ndim == 0
    assert float(unmatched_cosine(x.astype(np.float16), y.astype(np.float16))) == pytest.approx(value.item(), abs=1e-3)


def test_messages(rng):
    x = rng.normal(size=(4, 3))
    with pytest.raises(DegenerateError, match="every row of x matches every row of y"):
        unmatched_cosine(x, x, x_items=[0] * 4, y_items=[0] * 4)
    with pytest.raises(ValueError, match="both sides or for none"):
        unmatched_cosine(x, x, y_items=[0] * 4)
    with pytest.raises(ValueError, match="share one space"):
        unmatched_cosine(x, x[:, :2])
    x[3] = np.inf
    with pytest.raises(ValueError, match="row 3 holds a NaN or an infinity"):
        unmatched_cosine(x, x)

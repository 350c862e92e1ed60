import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.relative_modality_gap import relative_modality_gap

# torch says so once, when a checked length is read from a tensor that has a gradient


def plain(x, y, pairs):
    def dissimilarity(u, v):
        return (1 - unit_rows(u) @ unit_rows(v).T) / 2

    def within(u):
        return dissimilarity(u, u)[~np.eye(len(u), dtype=bool)].mean()

    pair = np.mean([dissimilarity(x, y)[i, j] for i, j in pairs])
    return pair / (pair + (within(x) + within(y)) / 2)


@pytest.mark.parametrize(("suffix", "value"), [("", 0.59146), ("_random_init", 0.74784)])
def test_golden_values(coco, suffix, value):
    assert float(relative_modality_gap(coco["image" + suffix], coco["text" + suffix])) == pytest.approx(value, abs=1e-5)


def test_equals_a_double_loop_with_and_without_items(rng):
    x, y = rng.normal(size=(30, 3)) + 0.3, rng.normal(size=(30, 3))
    assert float(relative_modality_gap(x, y)) == pytest.approx(plain(x, y, [(i, i) for i in range(30)]), abs=1e-12)
    captions = np.repeat(np.arange(6), 5)
    value = float(relative_modality_gap(x[:6], y, x_items=np.arange(6), y_items=captions))
    assert value == pytest.approx(plain(x[:6], y, list(zip(captions, range(30), strict=True))), abs=1e-12)


def test_pairs_that_coincide_count_as_a_thousandth():
    x = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert float(relative_modality_gap(x, x)) == pytest.approx(1e-3 / (1e-3 + 1.0))


def test_weights_count_items(rng):
    x, y = rng.normal(size=(30, 3)) + 0.3, rng.normal(size=(30, 3))
    ones = relative_modality_gap(x, y, weights=np.ones((30, 2), np.uint8))
    assert ones == pytest.approx([float(relative_modality_gap(x, y))] * 2)
    chosen = (np.arange(30) % 3 == 0).astype(np.uint8)[:, None]
    expected = float(relative_modality_gap(x[::3], y[::3]))
    assert relative_modality_gap(x, y, weights=chosen) == pytest.approx([expected])
    value = relative_modality_gap(torch.tensor(x), torch.tensor(y), weights=3 * chosen)
    within = [(1 - u @ u.T)[~np.eye(10, dtype=bool)].mean() / 2 for u in (unit_rows(x[::3]), unit_rows(y[::3]))]
    assert value.tolist() == pytest.approx([expected])
    assert sum(within) > 0


def test_torch_agrees_and_has_a_gradient(rng):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    a = torch.tensor(x, requires_grad=True)
    value = relative_modality_gap(a, torch.tensor(y))
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(float(relative_modality_gap(x, y)), abs=1e-12)
    value.backward()
    assert a.grad.abs().max() > 0
    half = relative_modality_gap(x.astype(np.float16), y.astype(np.float16))
    assert float(half) == pytest.approx(value.item(), abs=1e-3)


def test_messages(rng):
    x = rng.normal(size=(4, 3))
    with pytest.raises(DegenerateError, match="x must have at least 2 rows"):
        relative_modality_gap(x[:1], x[:1])
    with pytest.raises(DegenerateError, match="no row of x"):
        relative_modality_gap(x, x[:3])
    with pytest.raises(ValueError, match="share one space"):
        relative_modality_gap(x, x[:, :2])
    with pytest.raises(ValueError, match="matched rows must carry equal weights"):
        relative_modality_gap(x, x, weights=(np.ones((4, 1)), np.eye(4)[:, :1] + 1))
    x[1] = 0
    with pytest.raises(ValueError, match="row 1 is all zeros"):
        relative_modality_gap(x, x)

import math

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure import cross_uniformity


def by_loops(x, y, t, matched):
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    values = [
        math.exp(-t * ((x[i] - y[j]) ** 2).sum()) for i in range(len(x)) for j in range(len(y)) if not matched(i, j)
    ]
    return math.log(sum(values) / len(values))


@pytest.mark.parametrize("t", [1.0, 2.0, 25.0])
def test_equals_a_double_loop(rng, t):
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 4))
    expected = by_loops(x, y, t, lambda i, j: i == j)
    assert float(cross_uniformity(x, y, t=t)) == pytest.approx(expected, rel=1e-10)


def test_unequal_groups_pair_nothing(rng):
    x, y = rng.normal(size=(9, 4)), rng.normal(size=(14, 4))
    assert float(cross_uniformity(x, y)) == pytest.approx(by_loops(x, y, 2.0, lambda i, j: False), rel=1e-10)


def test_item_ids_leave_out_all_captions_of_a_picture(rng):
    x, y = rng.normal(size=(4, 4)), rng.normal(size=(20, 4))
    items = list("abcd"), np.repeat(list("dcba"), 5)
    expected = by_loops(x, y, 2.0, lambda i, j: items[0][i] == items[1][j])
    assert float(cross_uniformity(x, y, x_items=items[0], y_items=items[1])) == pytest.approx(expected, rel=1e-10)


def test_matches_are_left_out_in_every_block(rng):
    x, y = rng.normal(size=(5200, 3)), rng.normal(size=(5200, 3))
    order = rng.permutation(5200)
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    potentials = np.exp(4 * (a @ b.T - 1))
    potentials[order, np.arange(5200)] = 0
    expected = math.log(potentials.sum() / (5200 * 5199))
    assert float(cross_uniformity(x, y, x_items=np.arange(5200), y_items=order)) == pytest.approx(expected, rel=1e-10)


def test_golden_values_on_clip(coco):
    assert float(cross_uniformity(coco["image"], coco["text"])) == pytest.approx(-3.33427, abs=1e-4)
    random = cross_uniformity(coco["image_random_init"], coco["text_random_init"])
    assert float(random) == pytest.approx(-3.88310, abs=1e-4)


def test_weights_and_torch(rng):
    x, y = rng.normal(size=(15, 4)), rng.normal(size=(15, 4))
    counts = rng.integers(3, size=(15, 4)).astype(np.uint8)
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y))
    potentials = np.exp(4 * (a @ b.T - 1))
    np.fill_diagonal(potentials, 0)
    for value, w in zip(cross_uniformity(x, y, weights=counts), counts.T.astype(float), strict=True):
        assert float(value) == pytest.approx(math.log(w @ potentials @ w / (w.sum() ** 2 - (w * w).sum())))
    tensors = torch.from_numpy(x).requires_grad_(), torch.from_numpy(y).requires_grad_()
    assert float(cross_uniformity(*tensors).detach()) == pytest.approx(float(cross_uniformity(x, y)), rel=1e-12)
    assert torch.autograd.gradcheck(lambda p, q: cross_uniformity(p, q, check=False), tensors)


def test_messages(rng):
    x = rng.normal(size=(3, 4))
    with pytest.raises(DegenerateError, match="no unmatched pair is left"):
        cross_uniformity(x[:1], x[:1])
    with pytest.raises(ValueError, match="given for both sides or for none"):
        cross_uniformity(x, x, x_items=[1, 2, 3])
    with pytest.raises(ValueError, match="one for each of the 3 rows"):
        cross_uniformity(x, x, x_items=[1, 2], y_items=[1, 2, 3])
    with pytest.raises(ValueError, match="share one space"):
        cross_uniformity(x, x[:, :2])
    with pytest.raises(ValueError, match="t must be"):
        cross_uniformity(x, x, t=-1)

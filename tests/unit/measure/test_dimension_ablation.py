import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.dimension_ablation import dimension_ablation, neighbourhood_test


def test_real_pairs(coco):
    result = dimension_ablation(coco["image"], coco["text"], most=3)
    assert set(result.removed[:2]) == {442, 362}
    assert result.gap[0] == pytest.approx(0.85135, abs=1e-5)
    assert (result.recall_x_to_y[0], result.recall_y_to_x[0]) == pytest.approx((0.552, 0.506))
    assert list(result.gap) == sorted(result.gap, reverse=True)
    assert len(result.gap) == len(result.recall_x_to_y) == len(result.recall_y_to_x) == 4


@pytest.mark.parametrize("library", [np.asarray, torch.tensor])
def test_equals_a_plain_loop_with_items(rng, library):
    x, y = rng.normal(size=(8, 6)) + np.array([0, 0, 3, 0, 1, 0]), rng.normal(size=(20, 6))
    items, others = np.arange(8), rng.integers(10, size=20)
    result = dimension_ablation(library(x), library(y), most=3, x_items=items, y_items=others)
    u, v = unit_rows(x), unit_rows(y)
    order = np.argsort(-np.abs(u.mean(0) - v.mean(0)))
    assert result.removed == tuple(order[:3])
    right = items[:, None] == others[None]
    for m in range(4):
        a, b = unit_rows(np.delete(u, order[:m], axis=1)), unit_rows(np.delete(v, order[:m], axis=1))
        scores = a @ b.T
        assert result.gap[m] == pytest.approx(np.linalg.norm(a.mean(0) - b.mean(0)), abs=1e-6)
        forth = right[np.arange(8), scores.argmax(axis=1)][right.any(axis=1)].mean()
        back = right[scores.argmax(axis=0), np.arange(20)][right.any(axis=0)].mean()
        assert (result.recall_x_to_y[m], result.recall_y_to_x[m]) == pytest.approx((forth, back))


def test_neighbourhood_test_equals_a_plain_loop(rng):
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 4))[:, :3]
    values = []
    for i in range(12):
        others = np.arange(12) != i
        a, b = unit_rows(x)[others] @ unit_rows(x)[i], unit_rows(y)[others] @ unit_rows(y)[i]
        pairs = [(j, k) for j in range(11) for k in range(j)]
        values.append(np.mean([(a[j] - a[k]) * (b[j] - b[k]) < 0 for j, k in pairs]))
        assert values[-1] == pytest.approx((1 - kendalltau(a, b)[0]) / 2)
    assert float(neighbourhood_test(x, y)) == pytest.approx(np.mean(values))
    assert float(neighbourhood_test(torch.tensor(x), torch.tensor(y))) == pytest.approx(np.mean(values))
    w = rng.poisson(1, (12, 3))
    assert neighbourhood_test(x, y, weights=w) == pytest.approx(np.array(values) @ w / w.sum(axis=0))
    assert float(neighbourhood_test(x, -x)) == 0


def test_anchors_are_a_seeded_sample(rng):
    x, y = rng.normal(size=(1100, 3)), rng.normal(size=(1100, 3))
    first, again, other = (float(neighbourhood_test(x, y, anchors=20, seed=seed)) for seed in (0, 0, 1))
    assert first == again != other
    assert first == pytest.approx(0.5, abs=0.05)


def test_messages(rng):
    x, y = rng.normal(size=(4, 3)), rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="most must be at least 0 and below the 3 dimensions, but it is 20"):
        dimension_ablation(x, x)
    with pytest.raises(DegenerateError, match="no row of x"):
        dimension_ablation(x, y, most=1)
    with pytest.raises(ValueError, match="share one space"):
        dimension_ablation(x, y[:4, :2], most=1)
    lone = np.array([[9.0, 0.0], [9.0, 1.0]])
    with pytest.raises(ValueError, match="row 0 is all zeros"):
        dimension_ablation(lone, -lone, most=1)
    dimension_ablation(lone, -lone, most=1, check=False)
    with pytest.raises(DegenerateError, match="at least 3 rows"):
        neighbourhood_test(x[:2], x[:2])
    with pytest.raises(ValueError, match="pair row by row"):
        neighbourhood_test(x, y)
    with pytest.raises(ValueError, match="anchors must be at least 1"):
        neighbourhood_test(x, x, anchors=0)
    with pytest.raises(DegenerateError, match="all neighbours of row 0 are equally similar"):
        neighbourhood_test(np.eye(4), np.eye(4))
    x[1] = 0
    with pytest.raises(ValueError, match="row 1 is all zeros"):
        neighbourhood_test(x, x)

import numpy as np
import pytest
import torch
from scipy.spatial import procrustes

from crossgap.compare.procrustes_distance import procrustes_distance
from crossgap.errors import DegenerateError


def by_hand(x, y):
    """Bring both to mean 0 and size 1, turn one onto the other, and look."""
    width = max(x.shape[1], y.shape[1])
    a, b = (np.pad(rows - rows.mean(axis=0), [(0, 0), (0, width - rows.shape[1])]) for rows in (x, y))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    left, _, right = np.linalg.svd(b.T @ a)
    return np.linalg.norm(a - b @ left @ right)


@pytest.mark.parametrize("n", [5, 60])
def test_equals_the_distance_after_turning(two_spaces, normalised, n):
    x, y = (rows[:n] for rows in two_spaces)
    assert procrustes_distance(x, y) == pytest.approx(by_hand(normalised(x), normalised(y)))
    assert procrustes_distance(x, y, unit=False) == pytest.approx(by_hand(x, y))
    assert procrustes_distance(x, y, squared=True) == pytest.approx(by_hand(normalised(x), normalised(y)) ** 2)


def test_no_other_rotation_is_better(rng, two_spaces, normalised):
    x, y = two_spaces[0], two_spaces[1][:, :5]
    a, b = (normalised(rows) - normalised(rows).mean(axis=0) for rows in (x, y))
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    for _ in range(50):
        rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
        assert np.linalg.norm(a - b @ rotation) >= procrustes_distance(x, y)


def test_scipy_scales_too(two_spaces):
    x, y = two_spaces[0], two_spaces[1][:, :5]
    disparity = procrustes(x, y)[2]
    overlap = 1 - float(procrustes_distance(x, y, unit=False, squared=True)) / 2
    assert disparity == pytest.approx(1 - overlap**2)


def test_it_is_a_metric(rng):
    a, b, c = rng.normal(size=(3, 30, 4))
    assert procrustes_distance(a, b) + procrustes_distance(b, c) >= procrustes_distance(a, c)
    assert procrustes_distance(a, a) == pytest.approx(0, abs=1e-7)
    along, across = (np.outer(np.arange(4.0) - 1.5, [1.0]), np.array([[1.0], [-1.0], [-1.0], [1.0]]))
    assert procrustes_distance(along, across, unit=False) == pytest.approx(np.sqrt(2))


def test_on_real_pairs(coco):
    """No golden number is published; this stands so that a change is seen."""
    assert procrustes_distance(coco["image"], coco["text"]) == pytest.approx(0.773967, abs=1e-6)


def test_weights_hold_the_rotation(two_spaces, normalised):
    x, y = (normalised(rows) for rows in two_spaces)
    weights = np.random.default_rng(1).integers(0, 4, (60, 3))
    left, _, right = np.linalg.svd((x - x.mean(axis=0)).T @ (y - y.mean(axis=0)), full_matrices=False)
    values = procrustes_distance(x, y, weights=weights)
    for value, counts in zip(values, weights.T, strict=True):
        a, b = (np.repeat(rows, counts, axis=0) for rows in (x, y))
        a, b = (rows - rows.mean(axis=0) for rows in (a, b))
        overlap = np.sum((a @ left) * (b @ right.T)) / np.linalg.norm(a) / np.linalg.norm(b)
        assert value == pytest.approx(np.sqrt(2 - 2 * overlap))
        assert value >= procrustes_distance(a, b, unit=False) - 1e-12
    squares = procrustes_distance(x, y, squared=True, weights=weights)
    assert squares == pytest.approx(values**2)


def test_a_replicate_without_spread_is_as_far_as_can_be(two_spaces):
    weights = np.zeros((60, 2))
    weights[3, 0], weights[:3, 1] = 5, 1
    alone, few = procrustes_distance(*two_spaces, weights=weights)
    assert alone == pytest.approx(np.sqrt(2))
    assert 0 < few < np.sqrt(2)


def test_gradients(rng):
    x, y = (torch.tensor(rng.normal(size=(12, 4)), requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: procrustes_distance(a, b, check=False), (x, y))


def test_messages(rng):
    x, same = rng.normal(size=(6, 4)), np.ones((6, 4))
    for a, b, name in ((same, x, "x"), (x, same, "y")):
        with pytest.raises(DegenerateError, match=f"the rows of {name} must differ, but they do not"):
            procrustes_distance(a, b)

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.neighbourhood_preservation import (
    neighbourhood_preservation,
    neighbourhood_preservation_per_row,
    shared_neighbours,
)


def by_hand(x, y, k):
    shares = []
    for i, a in enumerate(x):
        lists = []
        for rows in (x, y):
            scores = [(-np.inf if j == i else a @ b) for j, b in enumerate(rows)]
            lists.append(set(np.argsort(scores)[-k:]))
        shares.append(len(lists[0] & lists[1]) / k)
    return np.array(shares)


@pytest.mark.parametrize("k", [1, 5, 39])
def test_equals_a_double_loop(rng, normalised, k):
    x = normalised(rng.normal(size=(40, 6)) + 0.5)
    y = normalised(x + 0.3 * rng.normal(size=x.shape) - 0.7)
    shares = by_hand(x, y, k)
    np.testing.assert_allclose(neighbourhood_preservation_per_row(3 * x, y, k=k), shares)
    assert neighbourhood_preservation(x, 2 * y, k=k) == pytest.approx(shares.mean())
    assert neighbourhood_preservation(x, x, k=k) == 1


def test_on_real_pairs(coco):
    """No golden number is published; these stand so that a change is seen."""
    assert neighbourhood_preservation(coco["image"], coco["text"]) == pytest.approx(0.3056, abs=1e-9)
    assert neighbourhood_preservation(coco["text"], coco["image"]) == pytest.approx(0.3214, abs=1e-9)


def test_unrelated_groups_share_by_chance(rng):
    x, y = rng.normal(size=(400, 16)), rng.normal(size=(400, 16))
    assert neighbourhood_preservation(x, y) == pytest.approx(10 / 399, abs=0.01)


def test_a_reflected_group_shares_nothing(rng):
    x = rng.normal(size=(100, 4))
    assert neighbourhood_preservation(x, -x) < 0.02


def test_weights_repeat_rows(rng):
    x = rng.normal(size=(50, 4))
    y = x + rng.normal(size=x.shape)
    weights = rng.integers(0, 4, (50, 3))
    shares = neighbourhood_preservation_per_row(x, y)
    values = neighbourhood_preservation(x, y, weights=weights)
    assert values == pytest.approx([np.repeat(shares, column).mean() for column in weights.T])


def test_torch(rng):
    x = rng.normal(size=(50, 4))
    y = x + rng.normal(size=x.shape)
    found = neighbourhood_preservation(torch.tensor(x), torch.tensor(y), check=False)
    assert found.dtype == torch.float64
    assert float(found) == pytest.approx(float(neighbourhood_preservation(x, y)))
    assert neighbourhood_preservation_per_row(torch.tensor(x), torch.tensor(y)).shape == (50,)


def test_shared_neighbours_counts_entries():
    assert shared_neighbours(np.array([[1, 2], [3, 4]]), np.array([[2, 5], [4, 3]])).tolist() == [0.5, 1.0]


def test_messages(rng):
    x = rng.normal(size=(8, 3))
    for k in (0, 8):
        with pytest.raises(ValueError, match="k must lie between 1 and the 7 rows that a row can find"):
            neighbourhood_preservation(x, x, k=k)
    with pytest.raises(ValueError, match="must share one space"):
        neighbourhood_preservation(x, x[:, :2], k=2)
    with pytest.raises(ValueError, match="must pair row by row"):
        neighbourhood_preservation(x, x[:5], k=2)
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        neighbourhood_preservation(x[:1], x[:1], k=1)
    with pytest.raises(ValueError, match="weights must have shape"):
        neighbourhood_preservation(x, x, k=2, weights=np.ones((3, 1)))
    x[4] = 0
    with pytest.raises(ValueError, match="row 4 is all zeros"):
        neighbourhood_preservation(x, x, k=2)

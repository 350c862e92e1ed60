import numpy as np
import pytest

from crossgap.compare.cknna import cknna
from crossgap.errors import DegenerateError


def by_hand(x, y, k, weights=None):
    n = len(x)
    weights = np.ones(n) if weights is None else weights

    def kernel(rows):
        products = rows @ rows.T
        means = [np.mean([products[i, j] for j in range(n) if j != i]) for i in range(n)]
        nearest = [set(np.argsort([(-np.inf if j == i else products[i, j]) for j in range(n)])[-k:]) for i in range(n)]
        return products - np.array(means)[:, None], nearest

    def alignment(a, b):
        return sum(weights[i] * a[0][i, j] * b[0][i, j] for i in range(n) for j in a[1][i] & b[1][i])

    a, b = kernel(x), kernel(y)
    return alignment(a, b) / np.sqrt(alignment(a, a) * alignment(b, b))


@pytest.mark.parametrize("k", [1, 6, 59])
def test_equals_a_double_loop(two_spaces, normalised, k):
    x, y = two_spaces
    assert cknna(x, y, k=k) == pytest.approx(by_hand(normalised(x), normalised(y), k))
    assert cknna(x, x, k=k) == pytest.approx(1)


def test_on_real_pairs(coco):
    """No golden number is published; this stands so that a change is seen."""
    assert cknna(coco["image"], coco["text"]) == pytest.approx(0.289961, abs=1e-6)


def test_weights(two_spaces, normalised):
    x, y = two_spaces
    weights = np.random.default_rng(1).integers(0, 4, (60, 3))
    values = cknna(x, y, k=5, weights=weights)
    assert values == pytest.approx([by_hand(normalised(x), normalised(y), 5, column) for column in weights.T])
    assert cknna(x, y, k=5, weights=np.zeros((60, 1))).tolist() == [0]


def test_clip_matters(rng):
    x = rng.normal(size=(80, 40))
    y = x.copy()
    y[:, 3] += 200 * rng.normal(size=80)
    assert cknna(x, y, clip=0.95) > cknna(x, y)


def test_messages(two_spaces):
    with pytest.raises(ValueError, match="k must lie between 1 and the 59 rows"):
        cknna(*two_spaces, k=0)
    with pytest.raises(DegenerateError, match="all rows of one space are equally similar"):
        cknna(np.eye(12), np.random.default_rng(0).normal(size=(12, 3)))

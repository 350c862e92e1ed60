import numpy as np
import pytest

from crossgap.measure import linear_separability
from crossgap.measure.held_out import rows_together


def test_items_that_no_group_shares_are_split_by_point():
    assert rows_together(3, 3, None, [0, 1, 2], [3, 4, 5]) is None
    assert rows_together(3, 3, "pair", [0, 1, 2], [3, 4, 5]) is not None
    x, y = rows_together(3, 3, None, [0, 1, 2], [2, 4, 5])
    assert x[2] == y[0]
    assert len(set(x) | set(y)) == 5
    assert rows_together(3, 2, None, None, None) is None


def test_large_ids_of_two_integer_types_stay_apart():
    a, b = np.array([2**63 + 1, 7], dtype=np.uint64), np.array([7, 2**63 - 1], dtype=np.int64)
    x, y = rows_together(2, 2, None, a, b)
    assert x[1] == y[0]
    assert len(set(x) | set(y)) == 3


@pytest.mark.parametrize("seed", range(20))
def test_twelve_rows_against_twelve_others_have_a_split(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(12, 3)) + 3, rng.normal(size=(12, 3)) - 3
    assert linear_separability(x, y, x_items=np.arange(12), y_items=np.arange(12) + 12, seed=seed) > 0.9

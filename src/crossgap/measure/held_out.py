"""Which rows of two groups train and which test, whole items on one side."""

from typing import Any, NamedTuple

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import one_kind

__all__ = ["HeldOut", "deal_test_sets", "rows_together"]


class HeldOut(NamedTuple):
    """Disjoint test sets of one permutation: the number of the set of each row, ``sets`` where it is in none."""

    x_set: np.ndarray
    y_set: np.ndarray
    sets: int


def rows_together(
    n: int, m: int, split_by: str | None, x_items: Any, y_items: Any
) -> tuple[np.ndarray, np.ndarray] | None:
    """Number what must stay together, for each row of x and of y; None where every row may go its own way."""
    if (x_items is None) != (y_items is None):
        raise ValueError("item ids must be given for both sides or for none, but they were given for one; give both.")
    if split_by == "point":
        return None
    if x_items is None:
        if n == m:
            return np.arange(n), np.arange(m)
        if split_by is None:
            return None
        raise ValueError(
            f"split_by='pair' needs rows that pair, but x and y have {n} and {m} rows and no item ids; "
            f"give x_items and y_items, or split_by='point'."
        )
    x_items, y_items = np.asarray(x_items), np.asarray(y_items)
    for items, rows in ((x_items, n), (y_items, m)):
        if items.shape != (rows,):
            raise ValueError(f"item ids must be one for each of the {rows} rows, but their shape is {items.shape}.")
    x_items, y_items = one_kind(x_items, y_items)
    if split_by is None and not np.isin(x_items, y_items).any():
        return None
    numbers = np.unique(np.concatenate([x_items, y_items]), return_inverse=True)[1]
    return numbers[:n], numbers[n:]


def deal_test_sets(
    n: int, m: int, units: tuple[np.ndarray, np.ndarray] | None, n_splits: int, test_share: float, seed: int
) -> list[HeldOut]:
    """Deal the test sets: as many from each permutation as fit, then the next permutation."""
    rng = np.random.default_rng(seed)
    most = max(1, int(1 / test_share + 1e-9))
    rounds = []
    for first in range(0, n_splits, most):
        count = min(most, n_splits - first)
        if units is None:
            part = HeldOut(_dealt(n, count, test_share, rng), _dealt(m, count, test_share, rng), count)
        else:
            sets = _dealt(max(int(units[0].max()), int(units[1].max())) + 1, count, test_share, rng)
            part = HeldOut(sets[units[0]], sets[units[1]], count)
        for number in range(count):
            for rows in (part.x_set, part.y_set):
                tested = np.count_nonzero(rows == number)
                if tested in (0, len(rows)):
                    raise DegenerateError(
                        f"a split with test_share={test_share} leaves a group {tested} of its {len(rows)} rows to test "
                        f"on; every group needs rows on both sides: change test_share, or give more items."
                    )
        rounds.append(part)
    return rounds


def _dealt(units: int, count: int, test_share: float, rng: np.random.Generator) -> np.ndarray:
    """Number the test set of each unit: set 0 is the end of a permutation, set 1 what comes before it, and so on."""
    permutation = rng.permutation(units)
    edges = [int(units * max(0.0, 1 - number * test_share) + 1e-9) for number in range(count + 1)]
    sets = np.full(units, count)
    for number in range(count):
        sets[permutation[edges[number + 1] : edges[number]]] = number
    return sets

"""Which rows belong together, from the ids of their items."""

from typing import Any

import numpy as np

__all__ = ["join_items", "matched_rows"]


def matched_rows(n: int, m: int, x_items: Any = None, y_items: Any = None) -> tuple[np.ndarray, np.ndarray]:
    """Return every (row of x, row of y) of one item, in the order of the rows of x.

    Without ids rows pair by position where there are equally many, and nothing pairs otherwise.
    """
    if x_items is None and y_items is None:
        rows = np.arange(n if n == m else 0)
        return rows, rows
    if x_items is None or y_items is None:
        raise ValueError("item ids must be given for both sides or for none, but they were given for one; give both.")
    x_items, y_items = np.asarray(x_items), np.asarray(y_items)
    for items, rows in ((x_items, n), (y_items, m)):
        if items.shape != (rows,):
            raise ValueError(f"item ids must be one for each of the {rows} rows, but their shape is {items.shape}.")
    return join_items(x_items, y_items)


def join_items(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every (row of a, row of b) with equal ids, in the order of a's rows, then of b's."""
    order = np.argsort(b, kind="stable")
    low = np.searchsorted(b[order], a, side="left")
    high = np.searchsorted(b[order], a, side="right")
    count = high - low
    a_rows = np.repeat(np.arange(len(a)), count)
    within = np.arange(len(a_rows)) - np.repeat(np.cumsum(count) - count, count)
    return a_rows, order[np.repeat(low, count) + within]

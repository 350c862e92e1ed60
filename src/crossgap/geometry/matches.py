"""Which rows belong together, from the ids of their items."""

from typing import Any

import numpy as np

__all__ = ["join_items", "matched_rows", "one_kind", "same_item"]


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


def one_kind(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return ids of two groups in types that compare: as strings where one side is signed and the other not, say.

    NumPy would bring int64 and uint64 together in float64, where ids above 2^53 run into each other.
    """
    return (a, b) if a.dtype.kind == b.dtype.kind else (a.astype(str), b.astype(str))


def join_items(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return every (row of a, row of b) with equal ids, in the order of a's rows, then of b's."""
    a, b = one_kind(a, b)
    order = np.argsort(b, kind="stable")
    low = np.searchsorted(b[order], a, side="left")
    high = np.searchsorted(b[order], a, side="right")
    count = high - low
    a_rows = np.repeat(np.arange(len(a)), count)
    within = np.arange(len(a_rows)) - np.repeat(np.cumsum(count) - count, count)
    return a_rows, order[np.repeat(low, count) + within]


def same_item(items: np.ndarray | None, rows: slice, columns: slice) -> np.ndarray | None:
    """Return which cosines of a block of pair-aligned rows join rows of one item; None where none does.

    Without ids each pair is an item of its own.
    """
    if items is None:
        return np.eye(rows.stop - rows.start, dtype=bool) if rows == columns else None
    same = items[rows, None] == items[None, columns]
    return same if same.any() else None

"""What may stand in the brackets of a reader of rows: a slice, an integer array, a mask or one number."""

from typing import Any

import numpy as np

__all__ = ["row_index"]


def row_index(key: Any, n: int) -> slice | np.ndarray:
    """Return the rows meant by ``key`` among ``n``: a slice of step 1 within bounds, or an array of row numbers."""
    if isinstance(key, slice):
        start, stop, step = key.indices(n)
        return slice(start, max(start, stop)) if step == 1 else np.arange(start, stop, step)
    index = np.asarray(key)
    if index.dtype == np.bool_ and index.shape == (n,):
        return np.flatnonzero(index)
    if index.size == 0 and index.ndim == 1:
        return np.zeros(0, np.int64)
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise TypeError(
            f"rows of a file are taken by a slice or a one-dimensional array of row numbers, but the index has "
            f"shape {index.shape} and dtype {index.dtype}; use rows[start:stop]."
        )
    index = np.where(index < 0, index + n, index)
    if index.min() < 0 or index.max() >= n:
        raise IndexError(f"row numbers must lie below {n}, but they range up to {np.asarray(key).max()}; check them.")
    return index

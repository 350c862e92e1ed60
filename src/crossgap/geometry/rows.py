"""Rows of vectors, taken in blocks: the one place where inputs are checked and brought to length 1.

*Rows* are anything with ``shape == (n, d)``, a ``dtype`` and slicing along the first axis: a NumPy array, a torch
tensor on any device, or a reader of a file larger than memory (``crossgap.data``). Every kernel takes rows by
``row_blocks`` or ``unit_blocks``, so all three work everywhere, and memory stays at a few blocks.
"""

from collections.abc import Iterator
from typing import Any

import array_api_compat
import numpy as np

from crossgap.errors import DegenerateError

__all__ = [
    "BLOCK_ROWS",
    "Array",
    "Rows",
    "as_float",
    "as_numpy",
    "check_finite",
    "check_lengths",
    "check_pair",
    "check_rows",
    "check_same_dimension",
    "coincide",
    "group_weights",
    "inverse_lengths",
    "is_numpy",
    "materialise",
    "namespace",
    "row_blocks",
    "row_weights",
    "take_rows",
    "unit_blocks",
    "unit_rows",
]

Array = Any  # a NumPy array or a torch tensor; shapes are written in the docstrings
Rows = Any  # an Array of shape (n, d), or a reader that slices like one

BLOCK_ROWS = 1024  # rows of 512 float32 numbers: 2 MiB, which stays in the second-level cache


def namespace(x: Rows) -> Any:
    """Return the array API namespace of ``x``; readers of files give NumPy arrays."""
    return array_api_compat.array_namespace(x) if array_api_compat.is_array_api_obj(x) else _NUMPY


def is_numpy(x: Rows) -> bool:
    """Return whether blocks of ``x`` are NumPy arrays."""
    return namespace(x) is _NUMPY


_NUMPY = array_api_compat.array_namespace(np.zeros(1))


def check_rows(x: Rows, name: str = "x", *, least: int = 1) -> tuple[int, int]:
    """Return ``(n, d)`` of rows, or say in one sentence why ``x`` is none. Reads no data."""
    if not hasattr(x, "shape") or not hasattr(x, "dtype"):
        raise TypeError(
            f"{name} must be an array of shape (n, d), but it is a {type(x).__name__}; "
            f"convert it first: numpy.asarray({name})."
        )
    if len(x.shape) != 2:
        raise ValueError(
            f"{name} must have shape (n, d), one vector a row, but its shape is {tuple(x.shape)}; "
            f"for a single vector use {name}[None, :]."
        )
    if not _is_real_floating(x):
        raise TypeError(
            f"{name} must hold floating-point numbers, but its dtype is {x.dtype}; "
            f"convert it first, for example to float32 (and undo any quantisation)."
        )
    n, d = int(x.shape[0]), int(x.shape[1])
    if d == 0:
        raise ValueError(f"{name} must have at least one dimension, but its shape is {(n, d)}; check how it was saved.")
    if n < least:
        rows = "one row" if least == 1 else f"{least} rows"
        raise DegenerateError(f"{name} must have at least {rows} for this quantity, but it has {n}; give more vectors.")
    return n, d


def check_same_dimension(x: Rows, y: Rows, names: tuple[str, str] = ("x", "y")) -> None:
    """Raise unless both hold vectors of the same length, in arrays of one library."""
    if x.shape[1] != y.shape[1]:
        raise ValueError(
            f"{names[0]} and {names[1]} must share one space, but their vectors have {x.shape[1]} and {y.shape[1]} "
            f"dimensions; embed both with the same model."
        )
    libraries = [namespace(rows).__name__.split(".")[-1] for rows in (x, y)]
    if libraries[0] != libraries[1]:
        raise TypeError(
            f"{names[0]} and {names[1]} must be arrays of one library, but {names[0]} is of {libraries[0]} and "
            f"{names[1]} of {libraries[1]}; convert one."
        )


def check_pair(x: Rows, y: Rows, *, least: int = 1) -> tuple[int, int]:
    """Return ``(n, d)`` of two aligned sets of rows, row i of ``x`` paired with row i of ``y``."""
    n, d = check_rows(x, "x", least=least)
    m, _ = check_rows(y, "y", least=least)
    check_same_dimension(x, y)
    if n != m:
        raise ValueError(
            f"x and y must pair row by row, but they have {n} and {m} rows; align them first: "
            f"crossgap.Embeddings.from_arrays(..., items=...).pairs(...)."
        )
    return n, d


def row_blocks(x: Rows, size: int = BLOCK_ROWS, *, start: int = 0) -> Iterator[tuple[slice, Array]]:
    """Yield ``(rows, block)`` from row ``start`` on; each block is an array in floating point of at least 32 bits."""
    n = int(x.shape[0])
    for first in range(start, n, size):
        rows = slice(first, min(first + size, n))
        yield rows, as_float(x[rows])


def unit_blocks(
    x: Rows, size: int = BLOCK_ROWS, *, start: int = 0, name: str = "x", check: bool = True
) -> Iterator[tuple[slice, Array]]:
    """Yield ``(rows, block)`` with every row divided by its length."""
    for rows, block in row_blocks(x, size, start=start):
        yield rows, unit_rows(block, name=name, check=check, first=rows.start)


def unit_rows(x: Array, *, name: str = "x", check: bool = True, first: int = 0) -> Array:
    """Divide each row by its length; ``first`` is the number of the first row, for messages.

    With ``check`` a row of length zero or with a NaN or infinity is an error that names the row. Without it such rows
    become zero or stay as they are, as a training step wants.
    """
    xp = namespace(x)
    x = as_float(x)
    return x * inverse_lengths(x, name=name, check=check, first=first, xp=xp)[:, None]


def coincide(x: Rows, *, unit: bool = True) -> bool:
    """Return whether all rows, with ``unit`` brought to length 1, equal the first one up to the rounding of their type.

    A spread about the mean does not tell: the mean of equal rows is theirs up to rounding only. Reads rows until one
    differs; with ``unit`` rows must have been checked before.
    """
    first = None
    for _, block in unit_blocks(x, check=False) if unit else row_blocks(x):
        block = block.detach() if hasattr(block, "detach") else block
        first = block[:1] if first is None else first
        xp = namespace(block)
        reach = max(_LEAST, _SAME * xp.finfo(block.dtype).eps * float(xp.max(xp.abs(first))))
        if float(xp.max(xp.abs(block - first))) > reach:
            return False
    return True


def check_lengths(x: Rows, name: str = "x") -> None:
    """Read all rows once and refuse one of zeros, or with a NaN or an infinity, by its number."""
    for rows, block in row_blocks(x):
        inverse_lengths(block, name=name, first=rows.start)


def check_finite(x: Rows, name: str = "x") -> None:
    """Read all rows once and refuse one with a NaN or an infinity, by its number; rows of zeros may stand."""
    for rows, block in row_blocks(x):
        _check_finite(block, name, rows.start)


def _check_finite(x: Array, name: str, first: int) -> None:
    xp = namespace(x)
    finite = xp.all(xp.isfinite(x), axis=-1)
    if not bool(xp.all(finite)):
        row = first + int(xp.argmin(xp.astype(finite, xp.int8)))
        raise ValueError(
            f"{name} must be finite, but row {row} holds a NaN or an infinity; "
            f"drop such rows or embed them again (crossgap doctor lists them)."
        )


def inverse_lengths(x: Array, *, name: str = "x", check: bool = True, first: int = 0, xp: Any = None) -> Array:
    """Return 1 / length of every row of a block, checked as ``unit_rows`` says."""
    xp = namespace(x) if xp is None else xp
    with np.errstate(over="ignore"):  # seen below
        squares = np.vecdot(x, x) if xp is _NUMPY else xp.sum(x * x, axis=-1)
    if check:
        seen = squares.detach() if hasattr(squares, "detach") else squares
        smallest, largest = float(xp.min(seen)), float(xp.max(seen))  # NaN fails both comparisons below
        if not (smallest > _TINY and largest < _HUGE):
            return _checked_inverses(x, xp, name, first)
    else:
        squares = xp.clip(squares, 1e-24, None)
    return 1.0 / xp.sqrt(squares)


_TINY, _HUGE = 1e-30, 1e30
_SAME = 8.0  # units in the last place of the largest coordinate up to which two rows coincide
_LEAST = 1e-75  # the least difference whose fourth power is above 0


def _checked_inverses(x: Array, xp: Any, name: str, first: int) -> Array:
    """Find the bad row and say so, or take the lengths again without under- or overflow."""
    _check_finite(x, name, first)
    largest = xp.max(xp.abs(x), axis=-1)
    usable = largest >= xp.finfo(x.dtype).smallest_normal
    if not bool(xp.all(usable)):
        row = first + int(xp.argmin(xp.astype(usable, xp.int8)))
        raise ValueError(
            f"{name} must have rows of a length above zero, but row {row} is all zeros; "
            f"drop such rows or embed them again (crossgap doctor lists them)."
        )
    scaled = x / largest[:, None]
    return 1.0 / largest / xp.sqrt(xp.sum(scaled * scaled, axis=-1))


def as_float(x: Array) -> Array:
    """Return ``x`` in float32 if its type is narrower (float16, bfloat16), else unchanged."""
    xp = namespace(x)
    return xp.astype(x, xp.float32) if x.dtype.itemsize < 4 else x


def materialise(x: Rows) -> Array:
    """Return rows as one array in memory."""
    return as_float(x if array_api_compat.is_array_api_obj(x) else x[0 : x.shape[0]])


def as_numpy(x: Rows, dtype: Any = None) -> np.ndarray:
    """Return rows as one NumPy array, off the device and without their gradient, in their own precision or another."""
    rows = materialise(x)
    return np.asarray(rows.detach().cpu().numpy() if hasattr(rows, "detach") else rows, dtype=dtype)


def take_rows(x: Rows, index: np.ndarray) -> Array:
    """Return the rows numbered by ``index`` as one array."""
    if array_api_compat.is_torch_array(x):
        return x[namespace(x).asarray(index, device=x.device)]
    return x[index]


def row_weights(weights: Any, n: int, name: str = "weights") -> np.ndarray | None:
    """Check a matrix of weights: one row for each row of the data, one column for each weighting of them."""
    if weights is None:
        return None
    weights = np.asarray(weights)
    if weights.ndim != 2 or weights.shape[0] != n:
        raise ValueError(
            f"{name} must have shape (n, b) with n = {n}, one column for each weighting, but its shape is "
            f"{weights.shape}; see crossgap.measure.bootstrap_weights."
        )
    return weights


def _is_real_floating(x: Rows) -> bool:
    name = str(x.dtype)
    return "float" in name and "complex" not in name


def group_weights(weights: Any, n: int, m: int) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Split the weightings of two groups: one matrix for both where row i pairs with row i, else a tuple of two."""
    if isinstance(weights, tuple):
        if len(weights) != 2:
            raise ValueError(f"weights must be one matrix or a tuple of two, (x, y), but {len(weights)} were given.")
        x_weights, y_weights = row_weights(weights[0], n, "weights[0]"), row_weights(weights[1], m, "weights[1]")
        if x_weights is None or y_weights is None or x_weights.shape[1] != y_weights.shape[1]:
            raise ValueError("weights of x and of y must have equally many columns, one for each weighting; give both.")
        return x_weights, y_weights
    return row_weights(weights, n), row_weights(weights, m)

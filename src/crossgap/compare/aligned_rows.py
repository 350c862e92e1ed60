"""Two sets of rows of the same items, in two spaces that may have different dimensions."""

from collections.abc import Iterator

import numpy as np

from crossgap.geometry.means import mean_row, mean_unit_row, wide
from crossgap.geometry.rows import Array, Rows, check_rows, is_numpy, namespace, row_blocks, unit_blocks

__all__ = ["as_numpy", "centred_blocks", "check_aligned", "check_finite"]


def check_aligned(x: Rows, y: Rows, *, least: int) -> int:
    """Return the number of rows of both, row i of ``x`` the same item as row i of ``y``. Reads no data."""
    n, _ = check_rows(x, "x", least=least)
    m, _ = check_rows(y, "y", least=least)
    if n != m:
        raise ValueError(
            f"x and y must hold the same items row by row, but they have {n} and {m} rows; keep the items that both "
            f"have, in one order."
        )
    libraries = [namespace(rows).__name__.split(".")[-1] for rows in (x, y)]
    if libraries[0] != libraries[1]:
        raise TypeError(
            f"x and y must be arrays of one library, but x is of {libraries[0]} and y of {libraries[1]}; convert one."
        )
    return n


def centred_blocks(x: Rows, *, unit: bool, name: str = "x", check: bool = True) -> Iterator[Array]:
    """Yield the rows less their mean, in blocks of float64; with ``unit`` they are brought to length 1 first."""
    mean = mean_unit_row(x, name=name, check=check) if unit else mean_row(x)
    mean = wide(mean)
    if check and not unit:
        check_finite(x, name)
    for _, block in unit_blocks(x, check=False) if unit else row_blocks(x):
        yield wide(block) - mean


def check_finite(x: Rows, name: str) -> None:
    """Read all rows once and refuse one with a NaN or an infinity, by its number."""
    for rows, block in row_blocks(x):
        xp = namespace(block)
        finite = xp.all(xp.isfinite(block), axis=-1)
        if not bool(xp.all(finite)):
            row = rows.start + int(xp.argmin(xp.astype(finite, xp.int8)))
            raise ValueError(f"{name} must be finite, but row {row} holds a NaN or an infinity; drop such rows.")


def as_numpy(values: Array) -> np.ndarray:
    """Return an array as a NumPy array, off the device and without its gradient."""
    return values if is_numpy(values) else values.detach().cpu().numpy()

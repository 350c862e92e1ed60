"""Two sets of rows of the same items, in two spaces that may have different dimensions."""

from collections.abc import Iterator

from crossgap.errors import DegenerateError
from crossgap.geometry.means import mean_row, mean_unit_row, wide
from crossgap.geometry.rows import Array, Rows, check_finite, check_rows, coincide, namespace, row_blocks, unit_blocks

__all__ = ["centred_blocks", "check_aligned"]


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
    """Yield the rows less their mean, in blocks of float64; with ``unit`` they are brought to length 1 first.

    Raises
    ------
    DegenerateError
        If all rows coincide.
    """
    mean = mean_unit_row(x, name=name, check=check) if unit else mean_row(x)
    mean = wide(mean)
    if check and not unit:
        check_finite(x, name)
    if coincide(x, unit=unit):
        raise DegenerateError(f"the rows of {name} must differ, but they do not; give rows that vary.")
    for _, block in unit_blocks(x, check=False) if unit else row_blocks(x):
        yield wide(block) - mean

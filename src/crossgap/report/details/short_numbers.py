"""Numbers of a detail, cut to the digits that a page can show."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

__all__ = ["rising_counts", "short", "short_list"]


def short(value: Any, digits: int = 6) -> float:
    """Return a number to six significant digits, never -0.

    Examples
    --------
    >>> short(0.123456789), short(-0.0)
    (0.123457, 0.0)
    """
    return float(f"{float(value):.{digits}g}") + 0.0


def short_list(values: Iterable[Any], digits: int = 6) -> list[float]:
    """Return numbers to six significant digits each."""
    return [short(value, digits) for value in np.asarray(values, dtype=np.float64)]


def rising_counts(last: int, steps: Sequence[int] = (1, 2, 3, 5, 7)) -> list[int]:
    """Return counts for an axis that is read by orders of magnitude, up to and with the last.

    Examples
    --------
    >>> rising_counts(25)
    [1, 2, 3, 5, 7, 10, 20, 25]
    """
    counts = {step * 10**power for power in range(7) for step in steps}
    return sorted({count for count in counts if count < last} | {last})

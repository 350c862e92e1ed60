"""Two groups as one cloud of rows."""

from typing import Any

import numpy as np

from crossgap.geometry.rows import Array, Rows, check_lengths, check_rows, check_same_dimension, materialise, namespace

__all__ = ["check_finite", "pooled_rows"]


def pooled_rows(x: Rows, y: Rows, *, least: int = 1, unit: bool = True, check: bool = True) -> Array:
    """Return the rows of ``x``, then those of ``y``, as they are, after the checks that a later step cannot word.

    With ``check`` a row that is not finite is refused, and with ``unit`` also one of zeros, which has no direction.
    """
    for rows, name in ((x, "x"), (y, "y")):
        check_rows(rows, name, least=least)
    check_same_dimension(x, y)
    pools = [materialise(x), materialise(y)]
    if check:
        for rows, name in zip(pools, ("x", "y"), strict=True):
            (check_lengths if unit else check_finite)(rows, name)
    return namespace(pools[0]).concat(pools)


def check_finite(x: Any, name: str = "x") -> None:
    """Refuse a NaN or an infinity, by the number of its row; rows of zeros may stand."""
    xp = namespace(x)
    bad = np.asarray(xp.any(~xp.isfinite(x), axis=-1).tolist(), dtype=bool)
    if bad.any():
        raise ValueError(
            f"{name} must be finite, but row {int(bad.argmax())} holds a NaN or an infinity; drop such rows or compute "
            f"them again."
        )

"""Two groups as one cloud of rows."""

from crossgap.geometry.rows import (
    Array,
    Rows,
    check_finite,
    check_lengths,
    check_rows,
    check_same_dimension,
    materialise,
    namespace,
)

__all__ = ["pooled_rows"]


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

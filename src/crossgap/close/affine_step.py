"""One step of a linear closer: a matrix or factors, an offset, and rows of length 1 again."""

from dataclasses import dataclass

import numpy as np

from crossgap.errors import DegenerateError

__all__ = ["AffineStep"]

_ROUNDING = 64  # units in the last place below which what is left of a row is noise


@dataclass(frozen=True, kw_only=True, eq=False)
class AffineStep:
    """Rows ``v`` become ``A v + b``, brought to length 1 where ``renormalise`` says so.

    Parameters
    ----------
    matrix
        A: (k, d) for a full matrix, (d,) for one factor a coordinate, None for the identity.
    offset
        b: (k,), or None for zero.
    renormalise
        Divide each moved row by its length.
    """

    matrix: np.ndarray | None = None
    offset: np.ndarray | None = None
    renormalise: bool = True

    def apply(self, rows: np.ndarray, *, name: str = "x") -> np.ndarray:
        """Return the moved rows (n, k) as a new array in the type of ``rows``; ``name`` is for messages.

        Raises
        ------
        DegenerateError
            If a moved row has no length left, so that it cannot be brought to length 1.
        """
        if self.matrix is None:
            moved = rows.copy() if self.offset is None else rows + self.offset.astype(rows.dtype, copy=False)
        else:
            matrix = self.matrix.astype(rows.dtype, copy=False)
            moved = rows * matrix if matrix.ndim == 1 else rows @ matrix.T
            if self.offset is not None:
                moved += self.offset.astype(rows.dtype, copy=False)
        if self.renormalise:
            bring_to_length_one(moved, name=name)
        return moved


def bring_to_length_one(rows: np.ndarray, *, name: str) -> None:
    """Divide each row by its length, in place; a row of which only rounding is left is an error."""
    lengths = np.sqrt(np.vecdot(rows, rows))
    shortest = int(np.argmin(lengths)) if len(rows) else 0
    if len(rows) and not lengths[shortest] > _ROUNDING * np.finfo(rows.dtype).eps:
        raise DegenerateError(
            f"{name}: nothing is left of row {shortest} once the closer has moved it (length {lengths[shortest]:.1e}), "
            f"so it cannot be brought to length 1; drop the row, or use renormalise=False."
        )
    rows *= (1.0 / lengths)[:, None]

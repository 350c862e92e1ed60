"""One step of a linear closer: a matrix or directions to take out, an offset, further columns, and length 1 again."""

from dataclasses import dataclass

import numpy as np

from crossgap.errors import DegenerateError

__all__ = ["AffineStep"]

_ROUNDING = 64  # units in the last place below which what is left of a row is noise


@dataclass(frozen=True, kw_only=True, eq=False)
class AffineStep:
    """Rows ``v`` become ``(A v + b, c)``, brought to length 1 where ``renormalise`` says so.

    Parameters
    ----------
    matrix
        A: (k, d) for a full matrix, (d,) for one factor a coordinate, None for the identity.
    removed
        B (j, d), instead of ``matrix``: A is I - B^T B, which takes the directions in the rows of B out.
    offset
        b: (k,), or None for zero.
    appended
        c: (j,), columns that stand behind and are the same for every row, or None for none.
    renormalise
        Divide each moved row by its length.

    Raises
    ------
    ValueError
        If both ``matrix`` and ``removed`` are given.

    Examples
    --------
    >>> rows = np.array([[3.0, 4.0]])
    >>> AffineStep(removed=np.array([[1.0, 0.0]]), appended=np.array([7.0]), renormalise=False).apply(rows).tolist()
    [[0.0, 4.0, 7.0]]
    """

    matrix: np.ndarray | None = None
    removed: np.ndarray | None = None
    offset: np.ndarray | None = None
    appended: np.ndarray | None = None
    renormalise: bool = True

    def __post_init__(self):
        if self.matrix is not None and self.removed is not None:
            raise ValueError("a step has either matrix or removed, but both are given; make two steps of them.")

    def apply(self, rows: np.ndarray, *, name: str = "x") -> np.ndarray:
        """Return the moved rows (n, k) as a new array in the type of ``rows``; ``name`` is for messages.

        Raises
        ------
        DegenerateError
            If a moved row has no length left, so that it cannot be brought to length 1.
        """
        matrix, removed, offset, appended = (
            None if array is None else array.astype(rows.dtype, copy=False) for array in self.arrays().values()
        )
        moved = rows
        if matrix is not None:
            moved = rows * matrix if matrix.ndim == 1 else rows @ matrix.T
        elif removed is not None:
            moved = rows - (rows @ removed.T) @ removed  # 4 d j flops a row, where I - B^T B takes 2 d^2
        if offset is not None:
            moved = np.add(moved, offset, out=None if moved is rows else moved)
        if appended is not None:
            moved = np.concatenate([moved, np.broadcast_to(appended, (len(rows), len(appended)))], axis=1)
        if moved is rows:
            moved = rows.copy()
        if self.renormalise:
            bring_to_length_one(moved, name=name)
        return moved

    def arrays(self) -> dict[str, np.ndarray | None]:
        """Return ``matrix``, ``removed``, ``offset`` and ``appended`` by name: all that this does, but the length."""
        return {"matrix": self.matrix, "removed": self.removed, "offset": self.offset, "appended": self.appended}

    def width(self, d: int) -> int:
        """Return how many columns rows of ``d`` columns become.

        Raises
        ------
        ValueError
            If an array does not fit such rows.
        """
        k = len(self.matrix) if self.matrix is not None and self.matrix.ndim == 2 else d
        j = 0 if self.appended is None else self.appended.size
        directions = () if self.removed is None else self.removed.shape[:1]
        fitting = {"matrix": ((d,), (k, d)), "removed": ((*directions, d),), "offset": ((k,),), "appended": ((j,),)}
        for name, array in self.arrays().items():
            if array is not None and array.shape not in fitting[name]:
                told = " or ".join(map(str, fitting[name]))
                raise ValueError(
                    f"{name} must have the shape {told} for rows of {d} columns, but it has {array.shape}; give rows "
                    f"and steps of one model."
                )
        return k + j

    def dense(self, d: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the same for rows of ``d`` columns as one full matrix (k, d) and one offset (k,)."""
        if self.removed is not None:
            matrix = np.eye(d) - self.removed.T @ self.removed
        elif self.matrix is None:
            matrix = np.eye(d)
        else:
            matrix = np.diag(self.matrix) if self.matrix.ndim == 1 else self.matrix
        offset = np.zeros(len(matrix)) if self.offset is None else self.offset
        appended = np.zeros(0) if self.appended is None else self.appended
        return np.concatenate([matrix, np.zeros((len(appended), d))]), np.concatenate([offset, appended])


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

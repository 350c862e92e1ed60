"""Vectors as they are stored, moved by a closer in blocks that stay in cache, and given back in their type."""

from collections.abc import Mapping, Sequence

import numpy as np

from crossgap.apply.half_floats import HalfFloats
from crossgap.close.closer import Closer
from crossgap.errors import DegenerateError

__all__ = ["VectorMover"]

_BLOCK_BYTES = 1 << 20  # of float32: 512 rows of 512 numbers


class VectorMover:
    """Moves rows of several groups; knows which group of the closer each is, and which pass unchanged.

    Parameters
    ----------
    closer
        A fitted closer.
    groups
        For each group of the source the group of the closer that it is treated as; None lets its rows pass unchanged.
    """

    def __init__(self, closer: Closer, groups: Mapping[str, str | None]):
        self.closer = closer
        self.groups = dict(groups)
        self.dimension = closer.n_features_in_
        self.moved_dimension = self._moved_dimension()

    def move(
        self, vectors: np.ndarray, names: Sequence[str], number: np.ndarray | None, *, first: int, where: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return vectors (n, d) moved, in their own type, and the places of the rows of zeros, which stay zero.

        Parameters
        ----------
        vectors
            Rows in float16, float32 or float64.
        names, number
            The groups, and for each row the place of its own in ``names``; None where all rows are of the first.
        first, where
            Number of the first row in its file, and the file, for messages.

        Raises
        ------
        ValueError
            If a row holds a NaN or an infinity.
        DegenerateError
            If nothing is left of a row, or a moved number is beyond the largest of the type.
        """
        out = np.empty((len(vectors), self.moved_dimension), vectors.dtype)
        zeros = []
        step = min(max(64, _BLOCK_BYTES // (4 * self.dimension)), max(1, len(vectors)))
        halves = HalfFloats(step, max(self.dimension, self.moved_dimension)) if out.dtype == np.float16 else None
        for place, name in enumerate(names):
            rows = None if number is None else np.flatnonzero(number == place)
            count = len(vectors) if rows is None else len(rows)
            for start in range(0, count, step):
                part = slice(start, min(start + step, count)) if rows is None else rows[start : start + step]
                group = self.groups[name]
                if group is None:
                    out[part] = vectors[part]
                else:
                    zeros.append(self._move_block(vectors[part], part, out, group, halves, first, where))
        return out, np.concatenate(zeros) if zeros else np.zeros(0, np.intp)

    def _move_block(
        self,
        stored: np.ndarray,
        part: slice | np.ndarray,
        out: np.ndarray,
        group: str,
        halves: HalfFloats | None,
        first: int,
        where: str,
    ) -> np.ndarray:
        rows = np.arange(part.start, part.stop) if isinstance(part, slice) else part
        block = stored if halves is None else halves.widen(stored)
        maybe = np.flatnonzero(block[:, 0] == 0)  # a row of zeros begins with one
        empty = maybe[~block[maybe].any(axis=1)]
        if len(empty):  # they have no direction; the closer would say so again and again
            out[rows[empty]] = 0
            kept = np.delete(np.arange(len(block)), empty)
            if not len(kept):
                return rows[empty]
            block, part = block[kept], rows[kept]
        try:
            moved = self.closer.move(block, group)
            if halves is None or moved.dtype != np.float32:
                with np.errstate(over="raise"):
                    out[part] = moved
            elif isinstance(part, slice):
                halves.halve(moved, out[part])
            else:
                half = np.empty(moved.shape, np.float16)
                halves.halve(moved, half)
                out[part] = half
        except FloatingPointError:
            raise DegenerateError(
                f"{where}: rows from {first + int(rows[0])} on are moved beyond the largest number of "
                f"{out.dtype}; convert the vectors to float32 first."
            ) from None
        except ValueError as error:
            kept = np.arange(part.start, part.stop) if isinstance(part, slice) else part
            self._name_the_row(block, first + kept, group, where)
            raise ValueError(f"{where}, rows from {first + int(rows[0])} on: {error}") from error
        return rows[empty]

    def _name_the_row(self, block: np.ndarray, numbers: np.ndarray, group: str, where: str) -> None:
        """Raise for the first row that is at fault, by its number in the file."""
        finite = np.isfinite(block).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"{where}: row {numbers[int(np.argmin(finite))]} ({group}) holds a NaN or an infinity; drop such rows "
                f"or embed them again (crossgap doctor lists them)."
            ) from None
        for row, at in zip(block, numbers.tolist(), strict=True):
            try:
                self.closer.move(row[None], group)
            except DegenerateError:
                raise DegenerateError(
                    f"{where}: nothing is left of row {at} ({group}) once the closer has moved it, so it cannot be "
                    f"brought to length 1; drop the row, or fit the closer with renormalise=False."
                ) from None

    def _moved_dimension(self) -> int:
        """Return how many numbers a moved row has."""
        groups = [group for group in dict.fromkeys(self.groups.values()) if group is not None]
        row = np.random.default_rng(0).standard_normal((1, self.dimension)).astype(np.float32)
        found = {group: int(self.closer.move(row, group).shape[1]) for group in groups}
        lengths = set(found.values()) | ({self.dimension} if None in self.groups.values() else set())
        if len(lengths) > 1:
            told = ", ".join(f"{group} to {length}" for group, length in found.items())
            if None in self.groups.values():
                raise ValueError(
                    f"all vectors must have one length, but the closer moves {told} dimensions, while rows that pass "
                    f"unchanged keep {self.dimension}; leave --keep-others (keep_others=) out, and say which group "
                    f"each row is of with --as."
                )
            raise ValueError(
                f"all vectors must have one length, but the closer moves {told} dimensions; apply it to each group by "
                f"itself."
            )
        return lengths.pop()

"""A ``.npy`` file in fixed steps of rows: read by range, moved, and appended after a new head."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.lib import format as npy_format

from crossgap.apply.stream import Chunk, Encoded
from crossgap.apply.vector_mover import VectorMover
from crossgap.data.location import Location
from crossgap.data.npy import read_npy
from crossgap.errors import FormatError

__all__ = ["NpyStream"]

_STEP_BYTES = 1 << 22


class NpyStream:
    """The rows of a ``.npy`` file, which all belong to one group."""

    def __init__(self, location: Location, name: str):
        self.location = location
        self._source, self.notes = read_npy(location)
        self.rows, self.dimension = self._source.shape
        self.dtype = self._source.dtype
        self.step = max(1, _STEP_BYTES // (self.dimension * self.dtype.itemsize))
        self._name = name
        self.groups, self.first_rows = {name: self.rows}, {name: 0}

    def chunks(self, first: int) -> Iterator[Chunk]:
        """Yield all rows from ``first`` on, in steps; only the last one is shorter."""
        for start in range(first, self.rows, self.step):
            block = self._source[start : start + self.step]
            yield Chunk(first=start, rows=len(block), content=block)

    def vectors_of(self, chunk: Chunk) -> tuple[np.ndarray, list[str], np.ndarray | None]:
        """Return the vectors of a chunk, and their one group."""
        return chunk.content, [self._name], None

    def begin(self, mover: VectorMover, digest: str) -> bytes:
        """Make ready for rows as the mover gives them; return the head of the new file."""
        self._mover = mover
        self._stored = self.dtype.newbyteorder("<")
        head = BytesIO()
        facts = {
            "descr": npy_format.dtype_to_descr(self._stored),
            "fortran_order": False,
            "shape": (self.rows, mover.moved_dimension),
        }
        npy_format.write_array_header_1_0(head, facts)
        self._size = len(head.getvalue()) + self.rows * mover.moved_dimension * self.dtype.itemsize
        return head.getvalue()

    def encode(self, chunk: Chunk) -> Encoded:
        """Return a chunk moved, as bytes; several threads may do so at once."""
        moved, zeros = self._mover.move(chunk.content, [self._name], None, first=chunk.first, where=str(self.location))
        moved = np.ascontiguousarray(moved, dtype=self._stored)
        return Encoded(rows=chunk.rows, zero_rows=len(zeros), pieces=[moved.reshape(-1).view(np.uint8).data])

    def end(self, notes: list[tuple[int, str]]) -> bytes:
        """Return nothing: a ``.npy`` has no end."""
        return b""

    def check(self, path: Path) -> None:
        """Fail where the file has not the length that its head promises."""
        if path.stat().st_size != self._size:
            raise FormatError(
                f"{str(path)!r} was written with {path.stat().st_size} bytes in place of {self._size}; please report "
                f"this."
            )

"""What a file is to a run: rows that come in steps, are moved, and become bytes that are appended."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from crossgap.apply.vector_mover import VectorMover

__all__ = ["Chunk", "Encoded", "Stream"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Chunk:
    """Rows as they were read: the number of the first, how many, and what the format holds of them."""

    first: int
    rows: int
    content: Any


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """Moved rows as bytes to append, how many of them are zeros, and what the end of the file must know of them."""

    rows: int
    zero_rows: int
    pieces: list[Any]
    note: str = ""


class Stream(Protocol):
    """A file of vectors that can be read from any row on and written step by step."""

    rows: int
    dimension: int
    dtype: np.dtype
    step: int
    groups: dict[str, int]
    first_rows: dict[str, int]

    def chunks(self, first: int) -> Iterator[Chunk]:
        """Yield all rows from ``first`` on, in steps; only the last one is shorter."""
        ...

    def vectors_of(self, chunk: Chunk) -> tuple[np.ndarray, list[str], np.ndarray | None]:
        """Return the vectors of a chunk, its groups, and for each row the place of its own among them."""
        ...

    def begin(self, mover: VectorMover, digest: str) -> bytes:
        """Make ready for rows as the mover gives them; return how the file begins."""
        ...

    def encode(self, chunk: Chunk) -> Encoded:
        """Return a chunk moved, as bytes; several threads may do so at once."""
        ...

    def end(self, notes: list[tuple[int, str]]) -> bytes:
        """Return how the file ends, from where each step begins and what was noted of it."""
        ...

    def check(self, path: Path) -> None:
        """Fail where the file that was written is not the one that was meant."""
        ...

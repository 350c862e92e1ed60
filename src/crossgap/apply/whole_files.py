"""Formats that are written in one go: ``.npz`` and ``.safetensors``, whose vectors are moved while they are written."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from crossgap.apply.vector_mover import VectorMover
from crossgap.data.embeddings import Embeddings, Group
from crossgap.data.location import Location
from crossgap.data.read import LOAD_LIMIT, read_groups
from crossgap.data.write import write
from crossgap.errors import FormatError

__all__ = ["MovedRows", "WholeFile"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MovedRows:
    """Rows of one group that are moved whenever they are sliced."""

    rows: Any
    mover: VectorMover
    name: str
    where: str
    zero_rows: set[int] = field(default_factory=set)

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows, and of dimensions once they are moved."""
        return int(self.rows.shape[0]), self.mover.moved_dimension

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the rows, which they keep."""
        return np.dtype(self.rows.dtype)

    def __getitem__(self, key: slice) -> np.ndarray:
        start, stop, _ = key.indices(self.shape[0])
        moved, zeros = self.mover.move(self.rows[start:stop], [self.name], None, first=start, where=self.where)
        self.zero_rows.update((zeros + start).tolist())
        return moved


class WholeFile:
    """The groups of a file that is read by ``crossgap.read`` and written by ``crossgap.write``."""

    def __init__(self, location: Location, name: str | None):
        self.location = location
        source = location.path if name is None else f"{name}={location.path}"
        found = read_groups(source, load_limit=LOAD_LIMIT)
        self.found = found.groups
        self.notes = list(found.notes)
        self.groups = {group: len(held) for group, held in self.found.items()}
        self.rows = sum(self.groups.values())
        self.dtype = np.result_type(*(held.vectors.dtype for held in self.found.values()))
        lengths = {group: int(held.vectors.shape[1]) for group, held in self.found.items()}
        self.dimension = next(iter(lengths.values()))
        for group, length in lengths.items():
            if length != self.dimension:
                raise FormatError(
                    f"{location}: {group} has {length} dimensions, but {next(iter(lengths))} has {self.dimension}; "
                    f"a closer moves groups of one space."
                )

    def first_of(self, group: str, count: int) -> np.ndarray:
        """Return the first rows of a group as they are stored."""
        return self.found[group].vectors[0:count]

    def write(self, mover: VectorMover, path: Path) -> int:
        """Write all groups, moved, and return how many rows are zeros."""
        moved: dict[str, Group] = {}
        readers = []
        for name, group in self.found.items():
            rows = MovedRows(rows=group.vectors, mover=mover, name=name, where=f"{self.location}: {name}")
            readers.append(rows)
            moved[name] = replace(group, vectors=rows)
        write(Embeddings(moved), path, format=self.location.suffix[1:])
        return sum(len(rows.zero_rows) for rows in readers)

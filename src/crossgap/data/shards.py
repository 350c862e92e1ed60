"""Several files that hold one group in parts, read as one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crossgap.data.embeddings import ROW_FACTS, Group
from crossgap.data.row_index import row_index
from crossgap.errors import FormatError
from crossgap.geometry.rows import Rows

__all__ = ["ShardedRows", "join_shards"]


@dataclass(frozen=True)
class ShardedRows:
    """Rows of several arrays or readers, one after the other, read when sliced."""

    parts: tuple[Rows, ...]
    starts: np.ndarray = field(init=False, repr=False)

    def __post_init__(self):
        counts = [part.shape[0] for part in self.parts]
        object.__setattr__(self, "starts", np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows of all parts, and of dimensions."""
        return int(self.starts[-1]), int(self.parts[0].shape[1])

    @property
    def dtype(self) -> np.dtype:
        """The dtype that holds every part exactly."""
        return np.result_type(*(part.dtype for part in self.parts))

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, int | np.integer):
            return self[np.array([key])][0]
        rows = row_index(key, self.shape[0])
        if isinstance(rows, slice):
            first = int(np.searchsorted(self.starts, rows.start, side="right")) - 1
            pieces, start = [], rows.start
            for part, offset in zip(self.parts[first:], self.starts[first:].tolist(), strict=False):
                if start >= rows.stop:
                    break
                stop = min(rows.stop, offset + part.shape[0])
                pieces.append(part[start - offset : stop - offset])
                start = stop
            if not pieces:
                return np.empty((0, self.shape[1]), self.dtype)
            return np.concatenate(pieces, dtype=self.dtype)
        out = np.empty((len(rows), self.shape[1]), self.dtype)
        owner = np.searchsorted(self.starts, rows, side="right") - 1
        for number in np.unique(owner):
            here = np.flatnonzero(owner == number)
            out[here] = self.parts[number][rows[here] - self.starts[number]]
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)


def join_shards(shards: Sequence[tuple[str, Mapping[str, Group]]]) -> dict[str, Group]:
    """Join the groups of the same name; each shard comes with the words that name it in messages.

    Raises
    ------
    FormatError
        If shards of a group differ in dimension, if only some carry item ids, or if groups without ids would pair up
        rows of different shards.
    """
    if len(shards) == 1:
        return dict(shards[0][1])
    names = list(dict.fromkeys(name for _, groups in shards for name in groups))
    _check_alignment(names, shards)
    return {name: _join(name, [(where, groups[name]) for where, groups in shards if name in groups]) for name in names}


def _join(name: str, shards: Sequence[tuple[str, Group]]) -> Group:
    first, group = shards[0]
    for where, other in shards[1:]:
        if other.vectors.shape[1] != group.vectors.shape[1]:
            raise FormatError(
                f"{where} holds {name} of {other.vectors.shape[1]} dimensions, but {first} of "
                f"{group.vectors.shape[1]}; shards of one group must come from one model."
            )
        if (other.items is None) != (group.items is None):
            without, with_ids = (where, first) if other.items is None else (first, where)
            raise FormatError(
                f"{without} has no item ids for {name}, but {with_ids} has; give ids in every shard or in none."
            )
    facts = {}
    for fact in ROW_FACTS:
        if any(getattr(shard, fact) is not None for _, shard in shards):
            facts[fact] = [v for _, shard in shards for v in getattr(shard, fact) or [None] * len(shard)]
    items = None
    if group.items is not None:
        ids = [np.asarray(shard.items) for _, shard in shards]
        text = any(part.dtype.kind == "U" for part in ids)
        items = np.concatenate([part.astype(str) for part in ids] if text else ids)
    return Group(vectors=ShardedRows(tuple(shard.vectors for _, shard in shards)), items=items, **facts)


def _check_alignment(names: Sequence[str], shards: Sequence[tuple[str, Mapping[str, Group]]]) -> None:
    """Groups without ids pair row by row, so equal totals must not hide shards of unequal sizes."""
    sizes = {
        name: [len(groups[name]) if name in groups else 0 for _, groups in shards]
        for name in names
        if all(groups[name].items is None for _, groups in shards if name in groups)
    }
    reference: dict[int, str] = {}
    for name, counts in sizes.items():
        other = reference.setdefault(sum(counts), name)
        for (where, _), mine, theirs in zip(shards, counts, sizes[other], strict=True):
            if mine and theirs and mine != theirs:
                raise FormatError(
                    f"{where} holds {theirs} rows of {other} but {mine} of {name}, while all shards together hold "
                    f"equally many, so rows would pair up across shards; give item ids, or write the shards again."
                )

"""The one noun of crossgap: named groups of vectors in one shared space, and which rows are the same item.

    images, texts --> Embeddings --.pairs("image", "text")--> Pairs(x, y) --> measure.*

``Embeddings`` holds *groups*; a group holds rows of vectors as they were given (never normalised here) and, for each
row, the id of the item that it shows. Rows of two groups pair up where their ids agree: five captions of one image
carry the image's id. Without ids, groups of equal size pair row by row; groups of unequal size are unpaired, which is
normal and no error.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import array_api_compat
import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import join_items
from crossgap.geometry.rows import Rows, check_rows, check_same_dimension, is_numpy, namespace, row_blocks, take_rows

__all__ = ["Embeddings", "Group", "ItemCodes", "Pairs", "document_groups"]

GROUP_NAME = re.compile(r"[\w.\-]+(/[\w.\-]+)?")
ROW_FACTS = ("text", "uri", "label", "split")


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Rows of one modality (or of one role of a modality), and what is known of each row.

    Parameters
    ----------
    vectors
        Rows (n, d): an array, a tensor, or a reader of a file larger than memory. Kept as given.
    items
        One id for each row (integers or strings), equal where two rows show the same item; None if unknown.
    text, uri, label, split
        Optional, one string (or None) for each row: the caption or name, where the original lies, a short label to
        show (the sample keeps the emoji itself here), and the data split.
    """

    vectors: Rows
    items: np.ndarray | None = None
    text: Sequence[str | None] | None = None
    uri: Sequence[str | None] | None = None
    label: Sequence[str | None] | None = None
    split: Sequence[str | None] | None = None

    def __post_init__(self):
        check_rows(self.vectors, "vectors")
        if self.items is not None:
            items = np.asarray(self.items)
            if items.ndim != 1 or items.dtype.kind not in "iuUSO":
                raise TypeError(
                    f"items must be one integer or string for each row, but they have shape {items.shape} and dtype "
                    f"{items.dtype}; give a list of ids."
                )
            missing = [row for row, item in enumerate(items) if item is None] if items.dtype.kind == "O" else []
            if missing:
                raise ValueError(
                    f"items must name an item for each row, but row {missing[0]} has None; "
                    f"give a row that shows nothing else's item an id of its own."
                )
            object.__setattr__(self, "items", items.astype(str) if items.dtype.kind in "SO" else items)
        for fact in ("items", *ROW_FACTS):
            values = getattr(self, fact)
            if values is not None and len(values) != len(self):
                raise ValueError(
                    f"{fact} must have one entry for each of the {len(self)} rows, but there are {len(values)}; "
                    f"align them with the vectors."
                )

    def __len__(self) -> int:
        return int(self.vectors.shape[0])

    def take(self, index: np.ndarray) -> "Group":
        """Return the rows numbered by ``index``, with all that is known of them."""
        kept = {}
        for f in fields(self):
            values = getattr(self, f.name)
            if f.name == "vectors":
                kept[f.name] = take_rows(values, index)
            elif f.name == "items" or values is None:
                kept[f.name] = None if values is None else values[index]
            else:
                kept[f.name] = [values[i] for i in index]
        return Group(**kept)


@dataclass(frozen=True, kw_only=True)
class ItemCodes:
    """Which rows of two groups are the same item, as small integers: equal code, same item.

    ``reason`` is None where the groups pair; else it says why they do not, and no code occurs in both groups.
    """

    x: np.ndarray
    y: np.ndarray
    count: int
    reason: str | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairs:
    """Two groups, aligned: row i of ``x`` and row i of ``y`` are the same item.

    An image with five captions gives five pairs. ``items`` numbers the items, so that a bootstrap can draw whole items.
    """

    x: Rows
    y: Rows
    items: np.ndarray
    names: tuple[str, str] = ("x", "y")
    x_rows: np.ndarray = field(repr=False)
    y_rows: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.items)


class Embeddings(Mapping[str, Group]):
    """Named groups of vectors in one shared space.

    A group's name is ``modality`` or ``modality/role``: ``image``, ``text``, ``audio``, ``text/query``,
    ``text/document``. Groups may have different sizes but share one dimension, and hold finite numbers only.

    Examples
    --------
    >>> e = Embeddings.from_arrays(image=np.eye(3), text=np.eye(3)[::-1].copy(), items=["a", "b", "c"])
    >>> list(e), len(e["image"])
    (['image', 'text'], 3)
    >>> e.pairs("image", "text").x.shape
    (3, 3)

    Five captions of one image carry the image's id:

    >>> e = Embeddings.from_arrays(image=np.eye(2), text=np.eye(2)[[0, 0, 1]],
    ...                            items={"image": ["a", "b"], "text": ["a", "a", "b"]})
    >>> e.pairs("image", "text").x_rows.tolist()
    [0, 0, 1]
    """

    def __init__(self, groups: Mapping[str, Group]):
        if not groups:
            raise ValueError("Embeddings need at least one group, but none was given; give for example image=array.")
        for name in groups:
            if not GROUP_NAME.fullmatch(name):
                raise ValueError(
                    f"a group must be named 'modality' or 'modality/role', but one is named {name!r}; "
                    f"use letters, digits, '_', '-' and '.'."
                )
        first = next(iter(groups))
        for name, group in groups.items():
            check_same_dimension(groups[first].vectors, group.vectors, (first, name))
            if array_api_compat.is_array_api_obj(group.vectors):  # readers are checked block by block as they are read
                _check_finite(group.vectors, name)
        self._groups = dict(groups)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Rows] | None = None, *, items: Any = None, **named: Rows) -> "Embeddings":
        """Build from arrays by name; ``items`` is one list of ids for all groups, or a mapping from group to ids."""
        arrays = {**(arrays or {}), **named}
        if isinstance(items, Mapping):
            unknown = sorted(set(items) - set(arrays))
            if unknown:
                raise ValueError(f"items name the group {unknown[0]!r}, but the groups are {', '.join(arrays)}.")
            ids = dict(items)
        else:
            ids = dict.fromkeys(arrays, items)
        return cls({name: Group(vectors=rows, items=ids.get(name)) for name, rows in arrays.items()})

    def __getitem__(self, name: str) -> Group:
        try:
            return self._groups[name]
        except KeyError:
            raise KeyError(f"there is no group {name!r}; the groups are {', '.join(self._groups)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name} {tuple(group.vectors.shape)}" for name, group in self.items())
        return f"Embeddings({sizes})"

    @property
    def dimension(self) -> int:
        """The length d of every vector."""
        return int(next(iter(self.values())).vectors.shape[1])

    def select(self, names: Sequence[str]) -> "Embeddings":
        """Return only the named groups, in the order given."""
        for name in names:
            if name not in self:
                raise ValueError(f"there is no group {name!r}; the groups are {', '.join(self)}.")
        return Embeddings({name: self[name] for name in names})

    @cached_property
    def row_items(self) -> dict[str, np.ndarray]:
        """A number for the item of each row, by group: equal numbers, same item, across all groups.

        Rows of groups with ids share an item where their ids agree; row i of groups without ids shares one with row i
        of the other groups without ids and of the same size.
        """
        ids = {name: group.items for name, group in self.items() if group.items is not None}
        numbers: dict[str, np.ndarray] = {}
        first = 0
        if ids:
            mixed = len({array.dtype.kind for array in ids.values()}) > 1  # uint64 and int64 would meet in float64
            joined = np.concatenate([array.astype(str) if mixed else array for array in ids.values()])
            known, codes = np.unique(joined, return_inverse=True)
            parts = np.split(codes, np.cumsum([len(array) for array in ids.values()])[:-1])
            numbers = dict(zip(ids, parts, strict=True))
            first = len(known)
        starts: dict[int, int] = {}
        for name, group in self.items():
            if group.items is None:
                n = len(group)
                if n not in starts:
                    starts[n] = first
                    first += n
                numbers[name] = np.arange(starts[n], starts[n] + n)
        return numbers

    def without_pairs(self) -> "Embeddings":
        """Return the same rows with ids that no two groups share; rows of one group that show one item still do."""
        numbers = self.row_items
        return Embeddings(
            {
                name: replace(group, items=len(self) * numbers[name] + position)
                for position, (name, group) in enumerate(self.items())
            }
        )

    def item_codes(self, a: str, b: str) -> ItemCodes:
        """Number the items of two groups from 0; where they do not pair, ``reason`` says why."""
        n = len(self[a])
        found, codes = np.unique(np.concatenate([self.row_items[a], self.row_items[b]]), return_inverse=True)
        x, y = codes[:n], codes[n:]
        return ItemCodes(x=x, y=y, count=len(found), reason=None if _overlap(x, y) else self._why_unpaired(a, b))

    def sample_items(self, most_rows: int, *, seed: int = 0, proportional: bool = False) -> "Embeddings":
        """Return at most ``most_rows`` rows of each group, whole items drawn at random; all rows where that is enough.

        Groups that pair keep the same items, also through a third group (audio, video, text). ``proportional`` draws
        one share of the items for all groups, ``most_rows`` over the rows of the largest group, so that a corpus keeps
        its mixture. Rows keep their order, and carry item numbers as ids.

        Raises
        ------
        DegenerateError
            If a group would be left without a row.
        """
        if all(len(group) <= most_rows for group in self.values()):
            return self
        items = self.row_items
        order = np.random.default_rng(seed).permutation(1 + max(int(numbers.max()) for numbers in items.values()))
        drawn = {name: order[numbers] for name, numbers in items.items()}
        limits = {name: _limit(numbers, most_rows) for name, numbers in drawn.items()}
        if proportional:
            limits = dict.fromkeys(limits, min(limits.values()))
        else:
            paired = [(a, b) for a, b in itertools.combinations(self, 2) if _overlap(items[a], items[b])]
            while any(limits[a] != limits[b] for a, b in paired):
                for a, b in paired:
                    limits[a] = limits[b] = min(limits[a], limits[b])
        cut = {}
        for name, group in self.items():
            rows = np.flatnonzero(drawn[name] < limits[name])
            if len(rows) == 0:
                raise DegenerateError(
                    f"no whole item of {name} fits into a sample of at most {most_rows} rows a group; "
                    f"raise the number of rows (--rows)."
                )
            cut[name] = replace(group.take(rows), items=items[name][rows])
        return Embeddings(cut)

    def _why_unpaired(self, a: str, b: str) -> str:
        with_ids = [name for name in (a, b) if self[name].items is not None]
        if not with_ids:
            sizes = f"{a} ({len(self[a])} rows) and {b} ({len(self[b])} rows)"
            return f"{sizes} have no item ids and differ in size"
        if len(with_ids) == 1:
            return f"{with_ids[0]} has item ids and {b if with_ids[0] == a else a} has none"
        return f"{a} and {b} share no item id"

    def pairs(self, a: str, b: str) -> Pairs:
        """Align two groups: every row of ``a`` with every row of ``b`` that shows the same item.

        Raises
        ------
        DegenerateError
            If nothing pairs; the message says why.
        """
        codes = self.item_codes(a, b)
        if codes.reason is not None:
            raise DegenerateError(
                f"nothing pairs: {codes.reason}; give both groups item ids, or the same number of rows in one order."
            )
        x_rows, y_rows = join_items(codes.x, codes.y)
        return Pairs(
            x=_gather(self[a].vectors, x_rows),
            y=_gather(self[b].vectors, y_rows),
            items=codes.x[x_rows],
            names=(a, b),
            x_rows=x_rows,
            y_rows=y_rows,
        )


@dataclass(frozen=True, eq=False)
class _GatheredRows:
    """Rows of a reader in another order, still read in blocks."""

    source: Rows
    index: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.index), int(self.source.shape[1])

    @property
    def dtype(self) -> Any:
        return self.source.dtype

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.source[self.index[rows]]


def document_groups(names: Iterable[str]) -> list[str]:
    """Return the groups that stand in a corpus: all but those of the role ``query``, which only search."""
    return [name for name in names if name.partition("/")[2] != "query"]


def _gather(rows: Rows, index: np.ndarray) -> Rows:
    if len(index) == rows.shape[0] and np.array_equal(index, np.arange(len(index))):
        return rows
    return take_rows(rows, index) if isinstance(rows, np.ndarray) or not is_numpy(rows) else _GatheredRows(rows, index)


def _limit(numbers: np.ndarray, most_rows: int) -> float:
    """Return the number below which at most ``most_rows`` lie."""
    return float("inf") if len(numbers) <= most_rows else float(np.partition(numbers, most_rows)[most_rows])


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    """Return whether two arrays of item numbers have one in common."""
    seen = np.zeros(1 + max(int(a.max()), int(b.max())), dtype=bool)
    seen[a] = True
    return bool(seen[b].any())


def _check_finite(vectors: Rows, name: str) -> None:
    for rows, block in row_blocks(vectors):
        xp = namespace(block)
        finite = xp.all(xp.isfinite(block), axis=-1)
        if not bool(xp.all(finite)):
            row = rows.start + int(xp.argmin(xp.astype(finite, xp.int8)))
            raise ValueError(
                f"{name} must be finite, but row {row} holds a NaN or an infinity; "
                f"drop such rows or embed them again (crossgap doctor lists them)."
            )

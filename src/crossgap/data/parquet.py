"""Parquet, one row per vector: ``id, modality, role, item, vector, split, text, uri, label``.

Only ``vector`` and ``modality`` are needed, and not even ``modality`` where the source was given as name=file. The
``id`` names the row in the file and is not the item; what pairs rows of different groups is ``item``. Ids and strings
are read at once, vectors one row group of the file at a time.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from crossgap.data.embeddings import ROW_FACTS, Embeddings, Group
from crossgap.data.location import Location
from crossgap.data.npy import numpy_blocks, numpy_dtype
from crossgap.data.parquet_columns import COLUMNS, checked_names, group_numbers, listed, vector_layout, vector_matrix
from crossgap.data.row_index import row_index
from crossgap.errors import FormatError

__all__ = [
    "ParquetRows",
    "item_column",
    "open_parquet",
    "read_columns",
    "read_parquet",
    "string_column",
    "strings_or_none",
    "write_parquet",
]

_ROW_GROUP = 8192
_LARGE_ROW_GROUP = 1 << 29


class ParquetRows:
    """Vectors of some rows of a Parquet file, read when sliced.

    The row group last read is kept while an ascending reader has more to take from it, and only then, so that a
    thousand shards read one after the other take the memory of one.
    """

    def __init__(self, location: Location, metadata: Any, rows: range | np.ndarray, d: int, dtype: np.dtype):
        self.location = location
        self.rows = rows
        self.shape = (len(rows), d)
        self.dtype = dtype
        self._metadata = metadata
        counts = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        self._starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self._kept: tuple[int, np.ndarray] | None = None

    def __repr__(self) -> str:
        return f"ParquetRows({self.location}, shape={self.shape}, dtype={self.dtype})"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, int | np.integer):
            return self[np.array([key])][0]
        index = row_index(key, self.shape[0])
        if isinstance(self.rows, range):
            if isinstance(index, slice):
                return self._contiguous(self.rows.start + index.start, self.rows.start + index.stop)
            return self._scattered(self.rows.start + index)
        return self._scattered(self.rows[index])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def _contiguous(self, start: int, stop: int) -> np.ndarray:
        out = np.empty((stop - start, self.shape[1]), self.dtype)
        number = int(np.searchsorted(self._starts, start, side="right")) - 1
        done = start
        while done < stop:
            first, upto = int(self._starts[number]), min(stop, int(self._starts[number + 1]))
            out[done - start : upto - start] = self._row_group(number)[done - first : upto - first]
            done, number = upto, number + 1
        self._forget_if_done(stop - 1)
        return out

    def _scattered(self, rows: np.ndarray) -> np.ndarray:
        out = np.empty((len(rows), self.shape[1]), self.dtype)
        owner = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(owner):
            here = np.flatnonzero(owner == number)
            out[here] = self._row_group(int(number))[rows[here] - self._starts[number]]
        if len(rows) and (rows[1:] < rows[:-1]).any():
            self._kept = None
        elif len(rows):
            self._forget_if_done(int(rows[-1]))
        return out

    def _forget_if_done(self, last: int) -> None:
        """Drop the row group that is kept if ``last`` was the last row that can be wanted from it."""
        if isinstance(self.rows, range):
            following = last + 1 if last + 1 < self.rows.stop else None
        else:
            place = int(np.searchsorted(self.rows, last, side="right"))
            following = int(self.rows[place]) if place < len(self.rows) else None
        if following is None or following in self._starts:
            self._kept = None

    def _row_group(self, number: int) -> np.ndarray:
        kept = self._kept
        if kept is not None and kept[0] == number:
            return kept[1]
        self._kept = kept = None  # two row groups are never held at once
        with open_parquet(self.location, self._metadata) as file:
            column = file.read_row_group(number, columns=["vector"]).column("vector")
        row = int(self._starts[number])
        blocks = []
        for chunk in column.chunks:
            blocks.append(vector_matrix(chunk, self.shape[1], row, self.location))
            row += len(chunk)
        block = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        self._kept = number, block
        return block


def read_parquet(location: Location, name: str | None) -> tuple[dict[str, Group], list[str]]:
    """Return the groups of a Parquet file, vectors not loaded yet, and what was left aside.

    ``name`` is the group of all rows where the file has no column ``modality``.
    """
    with open_parquet(location) as file:
        metadata, schema = file.metadata, file.schema_arrow
        names = checked_names(location, schema, name)
        if metadata.num_rows == 0:
            raise FormatError(f"{location} has no rows, but one row for each vector was expected; write it again.")
        dtype, d = vector_layout(location, file)
    if "modality" in names:
        rows_of = _rows_by_group(location, metadata, [column for column in ("modality", "role") if column in names])
    else:
        rows_of = {str(name): range(metadata.num_rows)}
    notes = []
    unused = [column for column in names if column not in COLUMNS or (column == "role" and "modality" not in names)]
    if unused:
        notes.append(f"{location}: columns not used: {listed(unused)}.")
    largest = max(metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)) * d * dtype.itemsize
    if largest > _LARGE_ROW_GROUP:
        notes.append(
            f"{location}: its largest row group takes {largest / 2**20:.0f} MiB of memory to read; row groups of "
            f"about {_ROW_GROUP} rows take less."
        )
    facts: dict[str, dict[str, Any]] = {group: {} for group in rows_of}
    for column in ("item", *ROW_FACTS):
        if column not in names:
            continue
        values = read_columns(location, [column], metadata).column(0)
        if column == "item":
            ids, known = item_column(values, location)
            for group, rows in rows_of.items():
                facts[group]["items"] = _group_items(ids, known, rows, location)
            continue
        strings = string_column(values)
        if strings is None:
            notes.append(f"{location}: column {column!r} is not used, since it holds {values.type} and no strings.")
            continue
        for group, rows in rows_of.items():
            facts[group][column] = strings_or_none(_at(strings, rows))
    return {
        group: Group(vectors=ParquetRows(location, metadata, rows, d, dtype), **facts[group])
        for group, rows in rows_of.items()
    }, notes


def write_parquet(embeddings: Embeddings, path: Path) -> None:
    """Write all groups, in row groups of 8192 rows that each hold one group's rows only.

    The column ``vector`` has one type, the narrowest that holds every group exactly; ids are integers if all are.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    value_type = pa.from_numpy_dtype(np.result_type(*(numpy_dtype(group.vectors) for group in embeddings.values())))
    vector_type = pa.list_(pa.field("element", value_type, nullable=False), embeddings.dimension)
    ids = [group.items for group in embeddings.values() if group.items is not None]
    item_type = pa.string()
    if ids and all(items.dtype.kind in "iu" for items in ids):
        item_type = pa.uint64() if any(items.dtype == np.uint64 for items in ids) else pa.int64()
        if item_type == pa.uint64() and any(items.min() < 0 for items in ids):
            item_type = pa.string()
    types = {"item": item_type, "vector": vector_type}
    schema = pa.schema(
        [pa.field(c, types.get(c, pa.string()), nullable=c not in ("id", "modality", "vector")) for c in COLUMNS]
    )
    strings = [column for column in COLUMNS if column not in ("vector", "item")]
    options: dict[str, Any] = {
        "compression": dict.fromkeys((*strings, "item"), "zstd") | {"vector.list.element": "none"},
        "use_dictionary": ["modality", "role", "split", "label"],
        "write_statistics": [*strings, "item"],
    }
    with pq.ParquetWriter(path, schema, **options) as writer:
        for name, group in embeddings.items():
            modality, _, role = name.partition("/")
            start = 0
            for block in numpy_blocks(group.vectors, _ROW_GROUP):
                stop = start + len(block)
                flat = pa.array(block.reshape(-1)).cast(value_type)
                items = None if group.items is None else group.items[start:stop]
                if items is not None and item_type == pa.string():
                    items = items.astype(str)
                columns = {
                    "id": [f"{name}/{row}" for row in range(start, stop)],
                    "modality": [modality] * len(block),
                    "role": [role or None] * len(block),
                    "item": [None] * len(block) if items is None else items.tolist(),
                    "vector": pa.FixedSizeListArray.from_arrays(flat, type=vector_type),
                }
                for fact in ROW_FACTS:
                    values = getattr(group, fact)
                    columns[fact] = [None] * len(block) if values is None else list(values[start:stop])
                writer.write_table(pa.table(columns, schema=schema), row_group_size=_ROW_GROUP)
                start = stop


@contextmanager
def open_parquet(
    location: Location, metadata: Any = None, read_dictionary: Sequence[str] | None = None
) -> Iterator[Any]:
    """Open a Parquet file; what pyarrow cannot read becomes one sentence that names the file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    options: dict[str, Any] = {"metadata": metadata, "read_dictionary": read_dictionary}
    try:
        with ExitStack() as stack:
            source = location.path if location.filesystem is None else stack.enter_context(location.open())
            yield stack.enter_context(pq.ParquetFile(source, **options))
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {location}; check the name and the folder.") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise FormatError(
            f"{location} cannot be read as Parquet ({reason!r}); copy it again, or write it again with pyarrow."
        ) from error


def read_columns(
    location: Location, columns: Sequence[str], metadata: Any = None, read_dictionary: Sequence[str] | None = None
) -> Any:
    """Read whole columns of ids or strings, checked to be sound: valid UTF-8, codes within their dictionary."""
    with open_parquet(location, metadata, read_dictionary) as file:
        table = file.read(columns=columns)
        table.validate(full=True)
    return table


def string_column(column: Any) -> np.ndarray | None:
    """Return the strings (or None) of a column as an array of objects, equal ones shared; None if it holds others."""
    import pyarrow as pa

    value_type = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_null(value_type):
        return np.full(len(column), None, dtype=object)
    if not (pa.types.is_string(value_type) or pa.types.is_large_string(value_type)):
        if not pa.types.is_string_view(value_type):
            return None
        column = column.cast(pa.large_string())
    parts = [np.zeros(0, object)]
    for chunk in column.chunks:
        encoded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        words = np.array([*encoded.dictionary.to_pylist(), None], dtype=object)
        parts.append(words[encoded.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)])
    return np.concatenate(parts)


def strings_or_none(values: np.ndarray) -> list[str | None] | None:
    """Return strings as a list, or None where no row has one."""
    found = values.tolist()
    return found if any(value is not None for value in found) else None


def item_column(column: Any, location: Location) -> tuple[np.ndarray, np.ndarray]:
    """Return item ids, an array of integers or of objects, and whether each is given."""
    import pyarrow as pa

    if pa.types.is_integer(column.type):
        kind = pa.uint64() if column.type == pa.uint64() else pa.int64()
        known = column.is_valid().to_numpy()
        return column.cast(kind).fill_null(0).to_numpy(), known
    strings = string_column(column)
    if strings is None:
        raise FormatError(
            f"{location}: column 'item' holds {column.type}, but integers or strings were expected; convert the column."
        )
    return strings, np.array([value is not None for value in strings], dtype=bool)


def _group_items(ids: np.ndarray, known: np.ndarray, rows: range | np.ndarray, location: Location) -> np.ndarray | None:
    ids, known = _at(ids, rows), _at(known, rows)
    if not known.any():
        return None
    if not known.all():
        raise FormatError(
            f"{location}: row {rows[int(np.argmin(known))]} has no item while other rows of its group have one; give "
            f"every row of a group an item, or none."
        )
    return np.array(ids.tolist(), dtype=str) if ids.dtype == object else ids


def _at(values: np.ndarray, rows: range | np.ndarray) -> np.ndarray:
    return values[rows.start : rows.stop] if isinstance(rows, range) else values[rows]


def _rows_by_group(location: Location, metadata: Any, columns: list[str]) -> dict[str, range | np.ndarray]:
    """Return the rows of each group, in order of first appearance."""
    table = read_columns(location, columns, metadata, read_dictionary=columns)
    names, number = group_numbers(table, columns, 0, location)
    if number is None:
        return {names[0]: range(len(table))}
    order = np.argsort(number, kind="stable")
    groups: dict[str, range | np.ndarray] = {}
    for name, rows in zip(names, np.split(order, np.cumsum(np.bincount(number))[:-1]), strict=True):
        contiguous = rows[-1] - rows[0] + 1 == len(rows)
        groups[name] = range(int(rows[0]), int(rows[-1]) + 1) if contiguous else rows
    return groups

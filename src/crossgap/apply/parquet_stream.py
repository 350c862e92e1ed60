"""A Parquet file in fixed steps of rows: read in small batches, moved, and turned into row groups as bytes."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from crossgap.apply.parquet_footer import MAGIC, footer_bytes, shifted
from crossgap.apply.row_group_bytes import RowGroupBytes
from crossgap.apply.stream import Chunk, Encoded
from crossgap.apply.thrift_compact import read_struct, write_struct
from crossgap.apply.vector_mover import VectorMover
from crossgap.data.location import Location
from crossgap.data.parquet import open_parquet
from crossgap.data.parquet_columns import checked_names, group_numbers, vector_layout, vector_matrix
from crossgap.errors import FormatError

__all__ = ["MOVED_BY", "ParquetStream"]

_BATCH_BYTES = 3 << 20  # read at once
_STEP_BYTES = 12 << 20  # in a row group that is written
_BUFFER_BYTES = 1 << 22
MOVED_BY = b"crossgap.closer"


class ParquetStream:
    """The rows of a Parquet file, with all their columns.

    Parameters
    ----------
    location
        The file.
    name
        The group of all rows, as in ``name=file``; else ``modality`` and ``role`` say it.
    """

    def __init__(self, location: Location, name: str | None):
        self.location = location
        with open_parquet(location) as file:
            self.metadata, self.schema = file.metadata, file.schema_arrow
            names = checked_names(location, self.schema, name)
            if self.metadata.num_rows == 0:
                raise FormatError(f"{location} has no rows, but one row for each vector was expected; write it again.")
            self.dtype, self.dimension = vector_layout(location, file)
        self._group_columns = [column for column in ("modality", "role") if column in names]
        if "modality" not in names:
            self._group_columns = []
        self.rows = int(self.metadata.num_rows)
        held = sum(self.metadata.row_group(i).total_byte_size for i in range(self.metadata.num_row_groups))
        row_bytes = max(self.dimension * self.dtype.itemsize, held // self.rows)
        self.step = _power_of_two_below(_STEP_BYTES // row_bytes, least=256, most=65536)
        self._batch = min(self.step, _power_of_two_below(_BATCH_BYTES // row_bytes, least=64, most=65536))
        self.groups, self.first_rows = self._survey(name)
        if name is not None and self._group_columns:
            if len(self.groups) > 1:
                raise ValueError(
                    f"{location} holds rows of {', '.join(self.groups)}, so they cannot all be {name!r}; give the file "
                    f"without {name}=."
                )
            self.groups, self.first_rows = {name: self.rows}, {name: 0}
        self._name = name

    # what is read

    def _survey(self, name: str | None) -> tuple[dict[str, int], dict[str, int]]:
        """Count the rows of each group, and find the first of each."""
        if not self._group_columns:
            return {str(name): self.rows}, {str(name): 0}
        counts: Counter[str] = Counter()
        first_rows: dict[str, int] = {}
        first = 0
        for table in self._tables(0, self._group_columns, rows=65536):
            names, number = group_numbers(table, self._group_columns, first, self.location)
            if number is None:
                counts[names[0]] += len(table)
                first_rows.setdefault(names[0], first)
            else:
                for place, group in enumerate(names):
                    own = np.flatnonzero(number == place)
                    counts[group] += len(own)
                    first_rows.setdefault(group, first + int(own[0]))
            first += len(table)
        return dict(counts), first_rows

    def chunks(self, first: int) -> Iterator[Chunk]:
        """Yield all rows from ``first`` on, in steps; only the last one is shorter."""
        import pyarrow as pa

        for table in self._tables(first, None, rows=self._batch, step=self.step):
            yield Chunk(first=first, rows=len(table), content=table)
            first += len(table)
            pa.default_memory_pool().release_unused()  # else it keeps some 100 MB that threads gave back

    def _tables(self, first: int, columns: list[str] | None, *, rows: int, step: int | None = None) -> Iterator[Any]:
        """Yield tables from row ``first`` on, of ``step`` rows each where that is given."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        counts = [self.metadata.row_group(i).num_rows for i in range(self.metadata.num_row_groups)]
        starts = np.concatenate([[0], np.cumsum(counts)])
        begin = int(np.searchsorted(starts, first, side="right")) - 1
        skip = first - int(starts[begin])
        held: list[Any] = []
        count = 0
        with open_parquet(self.location, self.metadata), self.location.open() as raw:
            # a buffer, so that a chunk of a column is not read whole
            source = self.location.path if self.location.filesystem is None else raw
            options: dict[str, Any] = {"metadata": self.metadata, "buffer_size": _BUFFER_BYTES, "pre_buffer": False}
            with pq.ParquetFile(source, **options) as file:
                batches = file.iter_batches(
                    batch_size=rows, row_groups=range(begin, len(counts)), columns=columns, use_threads=False
                )
                for batch in batches:
                    if skip >= len(batch):
                        skip -= len(batch)
                        continue
                    batch = batch.slice(skip)
                    skip = 0
                    if step is None:
                        yield pa.Table.from_batches([batch])
                        continue
                    while count + len(batch) >= step:
                        taken = step - count
                        yield pa.Table.from_batches([*held, batch.slice(0, taken)])
                        batch, held, count = batch.slice(taken), [], 0
                    if len(batch):
                        held.append(batch)
                        count += len(batch)
        if held:
            yield pa.Table.from_batches(held)

    def vectors_of(self, chunk: Chunk) -> tuple[np.ndarray, list[str], np.ndarray | None]:
        """Return the vectors of a chunk, its groups, and for each row the place of its own among them."""
        table = chunk.content
        parts, first = [], chunk.first
        for part in table.column("vector").chunks:
            if len(part):
                parts.append(vector_matrix(part, self.dimension, first, self.location))
                first += len(part)
        vectors = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if self._name is not None or not self._group_columns:
            return vectors, [str(self._name)], None
        names, number = group_numbers(table, self._group_columns, chunk.first, self.location)
        return vectors, names, number

    # what is written

    def begin(self, mover: VectorMover, digest: str) -> bytes:
        """Make ready for rows as the mover gives them; return how the file begins."""
        held = self.schema.metadata or {}
        if held.get(MOVED_BY) == digest.encode():
            raise ValueError(
                f"{self.location} was moved by this closer already, and moving it again would spoil it; give the file "
                f"that it was made from."
            )
        field = self.schema.field("vector")
        place = self.schema.get_field_index("vector")
        if mover.moved_dimension != self.dimension:
            field = field.with_type(_of_length(field.type, mover.moved_dimension))
        schema = self.schema.set(place, field).with_metadata({**held, MOVED_BY: digest.encode()})
        self._mover = mover
        self._bytes = RowGroupBytes(schema, self._codecs())
        for rows in {min(self.step, self.rows), self.rows % self.step} - {0}:  # now, while nothing else takes memory
            self._bytes.prepare(rows, mover.moved_dimension, self.dtype)
        return MAGIC

    def encode(self, chunk: Chunk) -> Encoded:
        """Return a chunk moved, as the bytes of a row group; several threads may do so at once."""
        vectors, names, number = self.vectors_of(chunk)
        moved, zeros = self._mover.move(vectors, names, number, first=chunk.first, where=str(self.location))
        pieces, row_group = self._bytes.encode(moved, chunk.content.drop_columns(["vector"]))
        return Encoded(rows=chunk.rows, zero_rows=len(zeros), pieces=pieces, note=write_struct(row_group).hex())

    def end(self, notes: list[tuple[int, str]]) -> bytes:
        """Return how the file ends, from where each row group begins and what was noted of it."""
        row_groups = [shifted(read_struct(bytes.fromhex(note))[0], start - len(MAGIC)) for start, note in notes]
        return footer_bytes(self._bytes.footer(), row_groups, self.rows)

    def check(self, path: Path) -> None:
        """Read the file that was written as far as its footer, and fail where it is not the one that was meant."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            found = pq.read_metadata(path)
            same = found.num_rows == self.rows and pq.read_schema(path).equals(self._bytes.schema)
        except (pa.ArrowException, OSError) as error:
            raise FormatError(f"{str(path)!r} was written but cannot be read ({error}); please report this.") from error
        if not same:
            raise FormatError(
                f"{str(path)!r} was written with {found.num_rows} rows of {found.num_columns} columns, which is not "
                f"what was meant; please report this."
            )

    def _codecs(self) -> dict[str, str]:
        """Return the codec that each leaf has in the source."""
        row_group = self.metadata.row_group(0)
        columns = [row_group.column(i) for i in range(row_group.num_columns)]
        known = {"SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4", "UNCOMPRESSED"}
        return {
            column.path_in_schema: "none" if column.compression == "UNCOMPRESSED" else column.compression.lower()
            for column in columns
            if column.compression in known
        }


def _power_of_two_below(number: int, *, least: int, most: int) -> int:
    """Return the largest power of two that is no larger, within bounds."""
    return min(most, max(least, 1 << max(0, number.bit_length() - 1)))


def _of_length(kind: Any, d: int) -> Any:
    import pyarrow as pa

    return pa.list_(kind.value_field, d) if pa.types.is_fixed_size_list(kind) else kind

"""One row group of a Parquet file as bytes: the column of vectors from an array, the other columns by pyarrow.

pyarrow spends far longer on the levels of nested numbers than on the numbers. Where no vector is null and all are of
one length, the levels are the same in every row group of as many rows, and so is every byte but the numbers: pyarrow
writes one such chunk, its pages are found, and from then on only the numbers are put in their places.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.apply.parquet_footer import MAGIC, chunk_start, columns_of, joined, read_footer, row_groups_of, shifted
from crossgap.apply.thrift_compact import Struct, read_struct

__all__ = ["RowGroupBytes", "vector_array"]

_ITEM_SIZES = (2, 4, 8)
_PLAIN, _UNCOMPRESSED = 0, 0
_PAGE_BYTES = 1 << 20
_AS_NAMED: dict[str, Any] = {"use_compliant_nested_type": False}  # keeps the names that elements of lists have


@dataclass(frozen=True, eq=False)
class _Chunk:
    """A chunk of vectors as pyarrow wrote it: the head of each page, and how many bytes of numbers follow."""

    heads: Sequence[bytes]
    lengths: Sequence[int]
    row_group: Struct


class RowGroupBytes:
    """Turns rows into the bytes of a row group, with offsets as in a file that begins with it (after the magic).

    Parameters
    ----------
    schema
        The Arrow schema of the file; its column ``vector`` says of which type and length the vectors are.
    compression
        The codec of each other column, by the name of its leaf in Parquet; those not named take zstd.
    """

    def __init__(self, schema: Any, compression: dict[str, str]):
        self.schema = schema
        self._place = schema.get_field_index("vector")
        self._vector = schema.field(self._place)
        self._others = schema.remove(self._place).remove_metadata()
        self._compression = compression
        self._leaves_before = _leaf_count([schema.field(i) for i in range(self._place)])
        self._leaves = _leaf_names(self._others)
        self._chunks: dict[int, _Chunk | None] = {}

    def footer(self) -> Struct:
        """Return the footer of a file of this schema without rows."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(sink, self.schema, **_AS_NAMED):
            pass
        return read_footer(memoryview(sink.getvalue()).cast("B"))

    def encode(self, vectors: np.ndarray, others: Any) -> tuple[list[Any], Struct]:
        """Return pieces of bytes that make up the row group, and what the footer says of it.

        Parameters
        ----------
        vectors
            The column ``vector``, (n, d) in the type of the schema.
        others
            A table of the other columns, of as many rows.
        """
        pieces, row_group = self._vector_pieces(vectors)
        if not self._leaves:
            return pieces, row_group
        data = self._written(others, self._others, compression=self._codecs(), use_dictionary=True)
        (other,) = row_groups_of(read_footer(data))
        columns = columns_of(other)
        stop = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        middle = stop if self._leaves_before == len(columns) else chunk_start(columns[self._leaves_before])
        start = len(MAGIC)
        length = sum(len(piece) for piece in pieces)
        before = columns[: self._leaves_before]
        after = columns_of(shifted(other, length))[self._leaves_before :]
        own = columns_of(shifted(row_group, middle - start))
        pieces = [data[start:middle], *pieces, data[middle:stop]]
        return pieces, joined(row_group, other, [*before, *own, *after])

    def _vector_pieces(self, vectors: np.ndarray) -> tuple[list[Any], Struct]:
        n = len(vectors)
        if n not in self._chunks:
            self.prepare(n, vectors.shape[1], vectors.dtype)
        chunk = self._chunks[n]
        if chunk is None:
            data, row_group = self._vector_chunk(vectors)
            return [data], row_group
        numbers = np.ascontiguousarray(vectors).reshape(-1).view(np.uint8).data
        pieces: list[Any] = []
        done = 0
        for before, length in zip(chunk.heads, chunk.lengths, strict=True):
            pieces += [before, numbers[done : done + length]]
            done += length
        return pieces, chunk.row_group

    def prepare(self, n: int, d: int, dtype: np.dtype) -> None:
        """Write a chunk of n rows by pyarrow, which takes ten times the memory of the rows, and find its numbers.

        ``encode`` does it when it is needed, if it was not done before.
        """
        vectors = np.resize(np.arange(2039, dtype=dtype), (n, d))  # float16 holds them, and no page is like another
        data, row_group = self._vector_chunk(vectors)
        spans = _number_spans(data, columns_of(row_group)[0], vectors.dtype.itemsize)
        stops = [stop for _, stop in spans]
        self._chunks[n] = None
        if stops and stops[-1] == len(data) and b"".join(data[slice(*span)] for span in spans) == vectors.tobytes():
            heads = [data[before:start] for before, (start, _) in zip([0, *stops], spans, strict=False)]
            self._chunks[n] = _Chunk(heads, [stop - start for start, stop in spans], row_group)

    def _vector_chunk(self, vectors: np.ndarray) -> tuple[bytes, Struct]:
        import pyarrow as pa

        schema = pa.schema([self._vector])
        table = pa.table([vector_array(vectors, self._vector.type)], schema=schema)
        data = self._written(table, schema, compression="none", use_dictionary=False, write_statistics=False)
        (row_group,) = row_groups_of(read_footer(data))
        stop = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
        return bytes(data[len(MAGIC) : stop]), row_group

    def _written(self, table: Any, schema: Any, **options: Any) -> memoryview:
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        options |= {"store_schema": False, "data_page_size": _PAGE_BYTES, **_AS_NAMED}
        with pq.ParquetWriter(sink, schema, **options) as writer:
            writer.write_table(table, row_group_size=len(table))
        return memoryview(sink.getvalue()).cast("B")

    def _codecs(self) -> dict[str, str]:
        return {leaf: self._compression.get(leaf, "zstd") for leaf in self._leaves}


def vector_array(vectors: np.ndarray, kind: Any) -> Any:
    """Return rows (n, d) as an Arrow array of a type of lists, of fixed size or not."""
    import pyarrow as pa

    n, d = vectors.shape
    values = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    if pa.types.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(values, type=kind)
    large = pa.types.is_large_list(kind)
    offsets = pa.array(np.arange(0, (n + 1) * d, d, dtype=np.int64 if large else np.int32))
    return (pa.LargeListArray if large else pa.ListArray).from_arrays(offsets, values, type=kind)


def _number_spans(data: bytes, column: Struct, itemsize: int) -> list[tuple[int, int]]:
    """Return where the numbers of each page lie: at its end, after the levels."""
    spans: list[tuple[int, int]] = []
    meta = column.get(3)
    if meta.get(4) != _UNCOMPRESSED or itemsize not in _ITEM_SIZES:
        return spans
    at = 0
    while at < len(data):
        head, body = read_struct(data, at)
        at = body + head.get(3)
        page = head.get(5) or head.get(8)  # of version 1 or 2
        if page is None or page.get(2 if head.get(5) else 4) != _PLAIN:
            return []
        spans.append((at - page.get(1) * itemsize, at))
    return spans


def _leaf_count(fields: Sequence[Any]) -> int:
    import pyarrow as pa

    return len(_leaf_names(pa.schema(fields)))


def _leaf_names(schema: Any) -> list[str]:
    """Return the names that the leaves of a schema have in Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not len(schema):
        return []
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, **_AS_NAMED):
        pass
    columns = pq.read_metadata(pa.BufferReader(sink.getvalue())).schema
    return [columns.column(i).path for i in range(len(columns))]

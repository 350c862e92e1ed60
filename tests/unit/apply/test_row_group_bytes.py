"""Row groups as bytes: joined into a file they read back as the table that pyarrow would have written."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossgap.apply import row_group_bytes
from crossgap.apply.parquet_footer import MAGIC, footer_bytes, read_footer, row_groups_of, shifted
from crossgap.apply.row_group_bytes import RowGroupBytes, vector_array
from crossgap.errors import FormatError

KINDS = {
    "fixed": lambda value, d: pa.list_(pa.field("element", value, nullable=False), d),
    "fixed, nulls allowed": lambda value, d: pa.list_(value, d),
    "list": lambda value, d: pa.list_(value),
    "large list": lambda value, d: pa.large_list(value),
}


def _others(n: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    words = np.array(["red", "green", "blue", "ü"])[rng.integers(0, 4, n)]
    return pa.table(
        {
            "id": [f"row {i}" for i in range(n)],
            "kind": pa.array(words).dictionary_encode(),
            "box": [{"x": float(i), "tags": ["a"] * (i % 3)} if i % 5 else None for i in range(n)],
            "when": pa.array(rng.integers(0, 10**9, n), pa.timestamp("ms", tz="UTC")),
            "bytes": [b"\x00" * (i % 4) for i in range(n)],
        }
    )


def _table(vectors: np.ndarray, kind: pa.DataType, place: int) -> pa.Table:
    field = pa.field("vector", kind, nullable=place != 0)
    return _others(len(vectors)).add_column(place, field, vector_array(vectors, kind))


def _joined(table: pa.Table, vectors: np.ndarray, sizes: list[int], **codecs: str) -> bytes:
    encoder = RowGroupBytes(table.schema, codecs)
    data, row_groups, first = bytearray(MAGIC), [], 0
    for size in sizes:
        rows = slice(first, first + size)
        pieces, row_group = encoder.encode(vectors[rows], table.drop_columns(["vector"]).slice(first, size))
        row_groups.append(shifted(row_group, len(data) - len(MAGIC)))
        for piece in pieces:
            data += piece
        first += size
    return bytes(data) + footer_bytes(encoder.footer(), row_groups, first)


@pytest.mark.parametrize("place", [0, 2, 5])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_it_reads_back_as_it_was(dtype, kind, place, rng):
    vectors = rng.standard_normal((70, 3)).astype(dtype)
    table = _table(vectors, KINDS[kind](pa.from_numpy_dtype(np.dtype(dtype)), 3), place)
    data = _joined(table, vectors, [32, 32, 6])
    found = pq.ParquetFile(pa.BufferReader(data))
    read = found.read()
    read.validate(full=True)
    assert read.equals(table)
    assert read.schema.equals(table.schema, check_metadata=True)
    assert found.metadata.num_row_groups == 3
    for number, (first, size) in enumerate([(0, 32), (32, 32), (64, 6)]):
        assert found.read_row_group(number).equals(table.slice(first, size))


def test_row_groups_beyond_four_gigabytes(tmp_path, rng):
    """Offsets that no 32 bits hold, in a file with a hole."""
    vectors = rng.standard_normal((40, 3)).astype(np.float32)
    table = _table(vectors, pa.list_(pa.float32(), 3), 1)
    encoder = RowGroupBytes(table.schema, {})
    starts, row_groups = [len(MAGIC), 5 << 30], []
    with open(tmp_path / "far.parquet", "wb") as file:
        file.write(MAGIC)
        for number, start in enumerate(starts):
            rows = slice(20 * number, 20 * number + 20)
            pieces, row_group = encoder.encode(vectors[rows], table.drop_columns(["vector"]).slice(20 * number, 20))
            row_groups.append(shifted(row_group, start - len(MAGIC)))
            file.seek(start)
            file.writelines(pieces)
        file.write(footer_bytes(encoder.footer(), row_groups, 40))
    found = pq.ParquetFile(tmp_path / "far.parquet")
    assert found.metadata.row_group(1).column(0).data_page_offset >= 5 << 30
    assert found.read().equals(table)


def test_other_readers_agree(tmp_path, rng):
    """pyarrow's dataset reader plans by what the footer says of offsets and sizes."""
    import pyarrow.dataset as ds

    vectors = rng.standard_normal((50, 4)).astype(np.float32)
    table = _table(vectors, pa.list_(pa.float32(), 4), 1)
    (tmp_path / "joined.parquet").write_bytes(_joined(table, vectors, [20, 20, 10]))
    read = ds.dataset(tmp_path / "joined.parquet").to_table(filter=ds.field("id") == "row 33")
    assert read.to_pylist() == table.slice(33, 1).to_pylist()
    row_group = pq.read_metadata(tmp_path / "joined.parquet").row_group(0)
    chunks = [row_group.column(i) for i in range(row_group.num_columns)]
    assert row_group.total_byte_size == sum(chunk.total_uncompressed_size for chunk in chunks)


def test_vectors_alone(rng):
    vectors = rng.standard_normal((9, 2)).astype(np.float16)
    table = pa.table({"vector": vector_array(vectors, pa.list_(pa.float16(), 2))})
    assert pq.read_table(pa.BufferReader(_joined(table, vectors, [4, 5]))).equals(table)


def test_many_pages_in_a_row_group(rng):
    vectors = rng.standard_normal((6000, 128)).astype(np.float32)  # 3 MB, pages of 1 MB
    table = pa.table({"vector": vector_array(vectors, pa.list_(pa.float32(), 128))})
    encoder = RowGroupBytes(table.schema, {})
    pieces, _ = encoder.encode(vectors, table.drop_columns(["vector"]))
    assert len(pieces) > 5
    assert pq.read_table(pa.BufferReader(_joined(table, vectors, [6000]))).equals(table)


def test_numbers_that_are_not_found_are_written_by_pyarrow(rng, monkeypatch):
    monkeypatch.setattr(row_group_bytes, "_PLAIN", 5)
    vectors = rng.standard_normal((20, 3)).astype(np.float32)
    table = _table(vectors, pa.list_(pa.float32(), 3), 2)
    assert pq.read_table(pa.BufferReader(_joined(table, vectors, [12, 8]))).equals(table)


def test_codecs_are_kept(rng):
    vectors = rng.standard_normal((20, 3)).astype(np.float32)
    table = _table(vectors, pa.list_(pa.float32(), 3), 2)
    row_group = pq.read_metadata(pa.BufferReader(_joined(table, vectors, [20], id="gzip"))).row_group(0)
    codecs = {row_group.column(i).path_in_schema: row_group.column(i).compression for i in range(row_group.num_columns)}
    assert codecs["id"] == "GZIP"
    assert codecs["bytes"] == "ZSTD"
    assert codecs["vector.list.item"] == "UNCOMPRESSED"


def test_the_metadata_of_the_schema_is_kept(rng):
    vectors = rng.standard_normal((5, 3)).astype(np.float32)
    table = _table(vectors, pa.list_(pa.float32(), 3), 2).replace_schema_metadata({"pandas": "{}", "by": "me"})
    found = pq.read_schema(pa.BufferReader(_joined(table, vectors, [5])))
    assert found.metadata == {b"pandas": b"{}", b"by": b"me"}


def test_more_row_groups_than_16_bits_can_count(rng):
    vectors = rng.standard_normal((1, 1)).astype(np.float32)
    encoder = RowGroupBytes(pa.schema([("vector", pa.list_(pa.float32(), 1))]), {})
    pieces, row_group = encoder.encode(vectors, None)
    body = b"".join(pieces)
    count = 2**15 + 1
    data = MAGIC + body + footer_bytes(encoder.footer(), [row_group] * count, count)
    assert pq.read_metadata(pa.BufferReader(data)).num_row_groups == count


def test_what_cannot_be_appended():
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"x": [1, 2]}), sink, write_page_index=True)
    (row_group,) = row_groups_of(read_footer(sink.getvalue().to_pybytes()))
    with pytest.raises(FormatError, match="page index"):
        shifted(row_group, 1)


def test_bytes_that_are_no_parquet():
    for data in (b"", b"PAR1", b"PAR1 and so on PAR2"):
        with pytest.raises(FormatError, match="do not end as a Parquet file does"):
            read_footer(data)

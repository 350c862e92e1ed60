"""The footer of a Parquet file made in parts: row groups that were written one by one, joined into one file.

    PAR1 | row group | row group | ... | footer | length of the footer | PAR1

Where a row group lies in the file is said by the offsets in the footer alone. So one that pyarrow wrote into memory can
be appended to a file as it is, once its offsets are moved; ``shifted`` does that, and ``footer_bytes`` writes the one
footer of them all. Nothing within a row group is an offset into the file, as long as there are no page indexes and no
Bloom filters; those that write here ask for none.
"""

from copy import deepcopy
from typing import Any

from crossgap.apply.thrift_compact import Struct, read_struct, write_struct
from crossgap.errors import FormatError

__all__ = ["MAGIC", "chunk_start", "columns_of", "footer_bytes", "joined", "read_footer", "row_groups_of", "shifted"]

MAGIC = b"PAR1"

# numbers of fields in parquet.thrift
_NUM_ROWS, _ROW_GROUPS = 3, 4  # FileMetaData
_COLUMNS, _TOTAL_BYTES, _SORTING, _FILE_OFFSET, _TOTAL_COMPRESSED, _ORDINAL = 1, 2, 4, 5, 6, 7  # RowGroup
_CHUNK_OFFSET, _META, _OFFSET_INDEX, _COLUMN_INDEX = 2, 3, 4, 6  # ColumnChunk
_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM_FILTER = 9, 10, 11, 14  # ColumnMetaData


def read_footer(data: Any) -> Struct:
    """Return the footer (FileMetaData) of the bytes of a whole Parquet file.

    Raises
    ------
    FormatError
        If the bytes do not end as a Parquet file does.
    """
    if len(data) < 12 or bytes(data[-4:]) != MAGIC:
        raise FormatError("the bytes do not end as a Parquet file does; the file is cut short, so copy it again.")
    length = int.from_bytes(data[-8:-4], "little")
    return read_struct(data[len(data) - 8 - length : -8])[0]


def row_groups_of(footer: Struct) -> list[Struct]:
    """Return the row groups of a footer."""
    return footer.get(_ROW_GROUPS, [])


def columns_of(row_group: Struct) -> list[Struct]:
    """Return what a row group says of the chunk of each column."""
    return row_group.get(_COLUMNS, [])


def chunk_start(column: Struct) -> int:
    """Return where the first page of a column's chunk begins."""
    meta = column.get(_META)
    start = meta.get(_DATA_PAGE)
    dictionary = meta.get(_DICTIONARY_PAGE)
    return start if not dictionary else min(start, dictionary)


def shifted(row_group: Struct, by: int) -> Struct:
    """Return a row group whose chunks lie ``by`` bytes further on.

    Raises
    ------
    FormatError
        If it has a page index or a Bloom filter, which lie outside of the row group and would be lost.
    """
    moved = deepcopy(row_group)
    moved.add(_FILE_OFFSET, by)
    for column in columns_of(moved):
        meta = column.get(_META)
        if any(column.get(number) is not None for number in (_OFFSET_INDEX, _COLUMN_INDEX)) or meta.get(_BLOOM_FILTER):
            raise FormatError(
                "a row group with a page index or a Bloom filter cannot be appended, since those lie outside of it; "
                "write it without them."
            )
        if column.get(_CHUNK_OFFSET):  # 0 in newer files: not told
            column.add(_CHUNK_OFFSET, by)
        for number in (_DATA_PAGE, _INDEX_PAGE):
            meta.add(number, by)
        if meta.get(_DICTIONARY_PAGE):  # 0: there is none
            meta.add(_DICTIONARY_PAGE, by)
    return moved


def joined(one: Struct, other: Struct, columns: list[Struct]) -> Struct:
    """Return the row group that holds the columns of two of the same rows, in the order of ``columns``."""
    row_group = deepcopy(one)
    row_group.put(_COLUMNS, columns)
    for number in (_TOTAL_BYTES, _TOTAL_COMPRESSED):
        row_group.add(number, other.get(number, 0))
    return row_group.without(_SORTING)


def footer_bytes(template: Struct, row_groups: list[Struct], rows: int) -> bytes:
    """Return the end of a file: the template's schema and key-value pairs with these row groups, length and magic."""
    footer = deepcopy(template)
    _put_row_groups(footer, [row_group.without(_ORDINAL) for row_group in row_groups])  # it may be left out
    footer.put(_NUM_ROWS, rows)
    data = write_struct(footer)
    return data + len(data).to_bytes(4, "little") + MAGIC


def _put_row_groups(footer: Struct, row_groups: list[Struct]) -> None:
    for field in footer.fields:
        if field.number == _ROW_GROUPS:
            field.value = (12, row_groups)  # 12: struct, also where the list was empty

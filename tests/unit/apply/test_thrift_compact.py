"""Thrift structs: every type there and back, the footers of real files to the byte, and what is cut short."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossgap.apply.thrift_compact import Field, Struct, read_struct, write_struct
from crossgap.errors import FormatError

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)

EVERYTHING = Struct(
    [
        Field(1, TRUE, True),
        Field(2, FALSE, False),
        Field(3, BYTE, 200),
        Field(4, I16, -3),
        Field(5, I32, 2**31 - 1),
        Field(40, I64, -(2**62)),  # a step of more than 15
        Field(41, DOUBLE, b"\x00\x01\x02\x03\x04\x05\x06\x07"),
        Field(42, BINARY, b"vector" * 40),
        Field(43, LIST, (I32, [0, -1, 127, 128, 16384])),
        Field(44, LIST, (BINARY, [b"", b"a"] * 10)),  # more than 14
        Field(45, SET, (TRUE, [1, 2, 1])),
        Field(46, MAP, (BINARY, STRUCT, [(b"key", Struct([Field(1, I32, 7)]))])),
        Field(47, MAP, (0, 0, [])),
        Field(48, LIST, (STRUCT, [Struct([]), Struct([Field(2, TRUE, True)])])),
        Field(49, STRUCT, Struct([Field(1, STRUCT, Struct([Field(3, I64, 5)]))])),
        Field(7, I32, 1),  # a step back
    ]
)


def test_every_type_is_read_as_it_was_written():
    data = write_struct(EVERYTHING)
    found, stop = read_struct(b"before" + data + b"after", len(b"before"))
    assert found == EVERYTHING
    assert stop == len(b"before" + data)


def test_bytes_that_the_specification_gives():
    """Field 1, i32 = -1: a step of 1, type 5, zigzag 1; then the stop."""
    assert write_struct(Struct([Field(1, I32, -1)])) == b"\x15\x01\x00"
    assert write_struct(Struct([Field(1, I64, 150)])) == b"\x16\xac\x02\x00"
    assert write_struct(Struct([Field(2, BINARY, b"ab")])) == b"\x28\x02ab\x00"
    assert write_struct(Struct([Field(3, LIST, (I32, [1]))])) == b"\x39\x15\x02\x00"


@pytest.mark.parametrize(
    "columns",
    [
        {"x": list(range(100))},
        {"text": ["a", None, "ccc"] * 40, "flag": [True, False, None] * 40, "y": [0.5] * 120},
        {"nested": [{"a": [1, 2], "b": "x"}, {"a": [], "b": None}] * 10},
        {"vector": list(np.ones((30, 4), np.float16))},
    ],
)
def test_footers_of_real_files_to_the_byte(columns):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, row_group_size=7, write_page_index=True)
    data = sink.getvalue().to_pybytes()
    length = int.from_bytes(data[-8:-4], "little")
    footer, stop = read_struct(data, len(data) - 8 - length)
    assert stop == len(data) - 8
    assert write_struct(footer) == data[-8 - length : -8]


def test_fields_are_found_and_changed():
    struct = read_struct(write_struct(EVERYTHING))[0]
    assert struct.get(4) == -3
    assert struct.get(43) == [0, -1, 127, 128, 16384]
    assert struct.get(99) is None
    assert struct.get(99, 5) == 5
    struct.put(4, 10)
    struct.add(4, 1)
    struct.add(99, 1)
    struct.put(43, [1])
    again = read_struct(write_struct(struct))[0]
    assert (again.get(4), again.get(43), again.get(1)) == (11, [1], True)
    assert again.without(4).get(4) is None
    with pytest.raises(KeyError, match="no field 99"):
        struct.put(99, 1)


def test_every_cut_is_noticed():
    data = write_struct(EVERYTHING)
    for length in range(len(data)):
        with pytest.raises(FormatError, match="ends in the middle of a field"):
            read_struct(data[:length])


def test_a_type_that_does_not_exist():
    with pytest.raises(FormatError, match="Thrift type 15"):
        read_struct(b"\x1f\x00")

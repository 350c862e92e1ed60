"""Thrift's compact protocol: the bytes in which Parquet writes its footer and page heads, read and written as they are.

A struct is a list of fields, each with its number, its type and its value, in the order of the bytes. Nothing is known
of what the fields mean, so that whatever a newer Parquet adds is written again as it was read.
"""

from dataclasses import dataclass
from typing import Any

from crossgap.errors import FormatError

__all__ = ["Field", "Struct", "read_struct", "write_struct"]

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_INTEGERS = (_I16, _I32, _I64)


@dataclass
class Field:
    """One field: its number, its type as in the bytes, and its value.

    A list or set is ``(type of its values, values)``; a map is ``(type of keys, type of values, [(key, value), ...])``;
    a double stays eight bytes.
    """

    number: int
    type: int
    value: Any


@dataclass
class Struct:
    """Fields in the order of the bytes."""

    fields: list[Field]

    def get(self, number: int, default: Any = None) -> Any:
        """Return the value of a field, of a list its values; ``default`` where there is none."""
        for field in self.fields:
            if field.number == number:
                return field.value[1] if field.type in (_LIST, _SET) else field.value
        return default

    def put(self, number: int, value: Any) -> None:
        """Give a field that is there another value, of a list other values."""
        for field in self.fields:
            if field.number == number:
                field.value = (field.value[0], value) if field.type in (_LIST, _SET) else value
                return
        raise KeyError(f"the struct has no field {number} to change")

    def add(self, number: int, value: int) -> None:
        """Add to the integer in a field; nothing where there is none."""
        for field in self.fields:
            if field.number == number:
                field.value += value

    def without(self, number: int) -> "Struct":
        """Return the struct less one field."""
        return Struct([field for field in self.fields if field.number != number])


def read_struct(data: Any, position: int = 0) -> tuple[Struct, int]:
    """Read the struct that begins at a position of ``data`` (bytes); return it and the position after it.

    Raises
    ------
    FormatError
        If the bytes are no struct, or end within it.
    """
    try:
        return _read_struct(data, position)
    except IndexError:
        raise FormatError(
            f"a Thrift struct of {len(data)} bytes ends in the middle of a field; the file is cut short, so copy it "
            f"again."
        ) from None


def write_struct(struct: Struct) -> bytes:
    """Return the bytes of a struct: those that it was read from, where the writer packed them as tightly."""
    out = bytearray()
    _write_struct(out, struct)
    return bytes(out)


def _read_struct(data: Any, at: int) -> tuple[Struct, int]:
    fields, number = [], 0
    while True:
        head = data[at]
        at += 1
        if head == 0:
            return Struct(fields), at
        kind, step = head & 15, head >> 4
        if step:
            number += step
        else:
            number, at = _read_integer(data, at)
        if kind in (_TRUE, _FALSE):
            value = kind == _TRUE
        else:
            value, at = _read_value(data, at, kind)
        fields.append(Field(number, kind, value))


def _read_value(data: Any, at: int, kind: int) -> tuple[Any, int]:
    if kind in _INTEGERS:
        return _read_integer(data, at)
    if kind in (_TRUE, _FALSE, _BYTE):  # within a list a truth value is a byte
        return data[at], at + 1
    if kind == _DOUBLE:
        return _read_bytes(data, at, 8)
    if kind == _BINARY:
        length, at = _read_varint(data, at)
        return _read_bytes(data, at, length)
    if kind in (_LIST, _SET):
        head = data[at]
        at += 1
        count = head >> 4
        if count == 15:
            count, at = _read_varint(data, at)
        values = []
        for _ in range(count):
            value, at = _read_value(data, at, head & 15)
            values.append(value)
        return (head & 15, values), at
    if kind == _MAP:
        count, at = _read_varint(data, at)
        if not count:
            return (0, 0, []), at
        kinds = data[at]
        at += 1
        pairs = []
        for _ in range(count):
            key, at = _read_value(data, at, kinds >> 4)
            value, at = _read_value(data, at, kinds & 15)
            pairs.append((key, value))
        return (kinds >> 4, kinds & 15, pairs), at
    if kind == _STRUCT:
        return _read_struct(data, at)
    raise FormatError(f"byte {at} is of Thrift type {kind}, which does not exist; the file is damaged, copy it again.")


def _read_bytes(data: Any, at: int, length: int) -> tuple[bytes, int]:
    if at + length > len(data):
        raise IndexError
    return bytes(data[at : at + length]), at + length


def _read_varint(data: Any, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _read_integer(data: Any, at: int) -> tuple[int, int]:
    value, at = _read_varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def _write_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for field in struct.fields:
        kind = field.type
        if kind in (_TRUE, _FALSE):
            kind = _TRUE if field.value else _FALSE
        step = field.number - last
        if 0 < step < 16:
            out.append(step << 4 | kind)
        else:
            out.append(kind)
            _write_integer(out, field.number)
        last = field.number
        if kind not in (_TRUE, _FALSE):
            _write_value(out, kind, field.value)
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Any) -> None:
    if kind in _INTEGERS:
        _write_integer(out, value)
    elif kind in (_TRUE, _FALSE, _BYTE):
        out.append(value)
    elif kind == _DOUBLE:
        out += value
    elif kind == _BINARY:
        _write_varint(out, len(value))
        out += value
    elif kind in (_LIST, _SET):
        of, values = value
        if len(values) < 15:
            out.append(len(values) << 4 | of)
        else:
            out.append(15 << 4 | of)
            _write_varint(out, len(values))
        for one in values:
            _write_value(out, of, one)
    elif kind == _MAP:
        of_keys, of_values, pairs = value
        _write_varint(out, len(pairs))
        if pairs:
            out.append(of_keys << 4 | of_values)
        for key, one in pairs:
            _write_value(out, of_keys, key)
            _write_value(out, of_values, one)
    else:
        _write_struct(out, value)


def _write_varint(out: bytearray, value: int) -> None:
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _write_integer(out: bytearray, value: int) -> None:
    _write_varint(out, value << 1 if value >= 0 else (-value << 1) - 1)

"""What the columns of a Parquet file of vectors say: vectors, and the group of each row."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from crossgap.data.embeddings import GROUP_NAME
from crossgap.data.location import Location
from crossgap.errors import FormatError

__all__ = ["COLUMNS", "checked_names", "group_numbers", "listed", "vector_layout", "vector_matrix"]

COLUMNS = ("id", "modality", "role", "item", "vector", "split", "text", "uri", "label")


def checked_names(location: Location, schema: Any, name: str | None) -> list[str]:
    """Return the names of all columns of a file; ``name`` is the group of all rows, where one was given.

    Raises
    ------
    FormatError
        If a column that is needed is missing, there twice, or of another type.
    """
    import pyarrow as pa

    names = schema.names
    twice = [column for column in COLUMNS if names.count(column) > 1]
    if twice:
        raise FormatError(f"{location} has the column {twice[0]!r} twice, but once was expected; drop one of them.")
    for column in ("vector",) if name is not None else ("vector", "modality"):
        if column not in names:
            way = "" if column == "vector" else ", or give the file as name=file"
            raise FormatError(
                f"{location} has no column {column!r}; its columns are {listed(names)}; rename or add one{way}."
            )
    for column in ("modality", "role"):
        kind = schema.field(column).type if column in names else pa.string()
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            if column == "role" and pa.types.is_null(kind):
                continue
            raise FormatError(
                f"{location}: column {column!r} holds {kind}, but strings were expected; its columns are "
                f"{listed(names)}; convert the column."
            )
    return names


def vector_layout(location: Location, file: Any) -> tuple[np.dtype, int]:
    """Return dtype and length of the vectors; only a column of lists of unknown length reads a row."""
    import pyarrow as pa

    kind = file.schema_arrow.field("vector").type
    is_list = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not is_list or not pa.types.is_floating(kind.value_type):
        raise FormatError(
            f"{location}: column 'vector' holds {kind}, but a fixed-size list of float16, float32 or float64 was "
            f"expected; its columns are {listed(file.schema_arrow.names)}; convert the column."
        )
    if pa.types.is_fixed_size_list(kind):
        d = kind.list_size
    else:
        first = next(file.iter_batches(batch_size=1, columns=["vector"])).column(0)[0]
        d = len(first) if first.is_valid else 0
    if d == 0:
        raise FormatError(f"{location}: the vector of row 0 is empty; drop such rows or embed them again.")
    return np.dtype(kind.value_type.to_pandas_dtype()), d


def group_numbers(
    table: Any, columns: Sequence[str], first: int, location: Location
) -> tuple[list[str], np.ndarray | None]:
    """Return the groups of the rows of a table, in order of appearance, and for each row the number of its own.

    The numbers are None where all rows are of one group. ``columns`` are ``modality`` and, where it is there, ``role``;
    ``first`` is the number of the first row in the file, for messages.

    Raises
    ------
    FormatError
        If a row has no modality, or its group has no valid name.
    """
    modality, modalities = _dictionary_codes(table.column("modality"))
    if modality.min() < 0:
        raise FormatError(
            f"{location}: column 'modality' is empty in row {first + int(np.argmin(modality))}; name the modality of "
            f"each row."
        )
    role, roles = _dictionary_codes(table.column("role")) if "role" in columns else (np.full(1, -1), [])
    codes = modality.astype(np.int64) * (len(roles) + 1) + role + 1
    found, at, place = np.unique(codes, return_index=True, return_inverse=True)
    numbers: dict[str, int] = {}
    number_of = np.zeros(len(found), np.int64)
    for i in np.argsort(at):
        modality_number, role_number = divmod(int(found[i]), len(roles) + 1)
        part = roles[role_number - 1] if role_number else ""
        name = f"{modalities[modality_number]}/{part}" if part else modalities[modality_number]
        if not GROUP_NAME.fullmatch(name):
            raise FormatError(
                f"{location}: row {first + int(at[i])} belongs to {name!r}, but modality and role must each be "
                f"letters, digits, '_', '-' and '.'; rename them."
            )
        number_of[i] = numbers.setdefault(name, len(numbers))  # a role of null and one of "" mean the same
    return list(numbers), None if len(numbers) == 1 else number_of[place]


def vector_matrix(chunk: Any, d: int, first: int, location: Location) -> np.ndarray:
    """Return lists of equal length as an (n, d) array; ``first`` is the number of the first row, for messages."""
    import pyarrow as pa

    if chunk.null_count:
        row = first + int(np.argmin(chunk.is_valid().to_numpy(zero_copy_only=False)))
        raise FormatError(f"{location}: row {row} has no vector; drop such rows or embed them again.")
    if not pa.types.is_fixed_size_list(chunk.type):
        lengths = np.diff(chunk.offsets.to_numpy())
        if (lengths != d).any():
            row = int(np.argmax(lengths != d))
            raise FormatError(
                f"{location}: the vector of row {first + row} has {lengths[row]} numbers, but {d} were expected as in "
                f"row 0; embed all rows with one model."
            )
    values = chunk.flatten()
    if values.null_count:
        row = first + int(np.argmin(values.is_valid().to_numpy(zero_copy_only=False))) // d
        raise FormatError(f"{location}: the vector of row {row} holds a null; drop such rows or embed them again.")
    return values.to_numpy(zero_copy_only=False).reshape(-1, d)


def listed(names: Sequence[str]) -> str:
    """Return names for a message, of many the first twenty."""
    shown = ", ".join(repr(name) for name in names[:20])
    return shown if len(names) <= 20 else f"{shown} and {len(names) - 20} more"


def _dictionary_codes(column: Any) -> tuple[np.ndarray, list[str]]:
    """Return a small number for each row (-1 for null), and the string that each number stands for."""
    import pyarrow as pa

    if pa.types.is_null(column.type):
        return np.full(len(column), -1), []
    if not pa.types.is_dictionary(column.type):
        column = column.cast(pa.large_string()).dictionary_encode()
    column = column.unify_dictionaries()
    codes = [chunk.indices.cast(pa.int32()).fill_null(-1).to_numpy(zero_copy_only=False) for chunk in column.chunks]
    return np.concatenate(codes), column.chunk(0).dictionary.to_pylist()

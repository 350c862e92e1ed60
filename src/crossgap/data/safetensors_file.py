"""The ``.safetensors`` format: one tensor for each group; what is known of the rows is JSON in the header's metadata.

The layout is small (a length, a JSON header, plain little-endian numbers), so it is read and written here by range:
the library would load whole files, and gives NumPy no bfloat16.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossgap.data.embeddings import GROUP_NAME, Embeddings, Group
from crossgap.data.location import Location
from crossgap.data.npy import NpyRows, numpy_blocks, numpy_dtype, unusable
from crossgap.data.row_facts import FACTS, fact_from_json, fact_keys, facts_of
from crossgap.errors import FormatError

__all__ = ["Bfloat16Rows", "read_safetensors", "write_safetensors"]

_DTYPES = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8"), "BF16": np.dtype("<u2")}
_NAMES = {2: "F16", 4: "F32", 8: "F64"}
_LONGEST_HEADER = 100_000_000  # the library's own limit


@dataclass(frozen=True)
class Bfloat16Rows:
    """Rows of bfloat16, stored as their 16 bits; read as float32, which holds each of them exactly."""

    bits: NpyRows

    @property
    def shape(self) -> tuple[int, int]:
        """The number of rows and of dimensions."""
        return self.bits.shape

    @property
    def dtype(self) -> np.dtype:
        """The dtype of what slicing returns."""
        return np.dtype(np.float32)

    def __getitem__(self, key: Any) -> np.ndarray:
        return (self.bits[key].astype(np.uint32) << 16).view(np.float32)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)


def read_safetensors(location: Location) -> tuple[dict[str, Group], list[str]]:
    """Return the groups of a ``.safetensors``, not loaded yet, and what was left aside."""
    header, start, size = _read_header(location)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FormatError(f"{location} has metadata other than strings by name; save it again with safetensors.")
    groups, notes, used = {}, [], {"format"}
    for key, entry in header.items():
        dtype, shape, begin = _checked_entry(location, key, entry, size - start)
        reason = unusable(shape, np.dtype(np.float32) if dtype in _DTYPES else dtype)
        if reason is None and not GROUP_NAME.fullmatch(key):
            reason = "has a name that is no 'modality' or 'modality/role'"
        if reason is not None:
            notes.append(f"{location}: tensor {key!r} is not used, since it {reason}.")
            continue
        rows = NpyRows(location, start + begin, (shape[0], shape[1]), _DTYPES[dtype])
        if dtype == "BF16":
            notes.append(f"{location}: tensor {key!r} holds bfloat16 and is read as float32.")
        facts = {}
        for fact in FACTS:
            written = fact_keys(key, fact)[0]
            if written in metadata:
                facts[fact] = fact_from_json(metadata[written], fact, shape[0], f"{location}: {written!r}")
                used.add(written)
        groups[key] = Group(vectors=Bfloat16Rows(rows) if dtype == "BF16" else rows, **facts)
    if not groups:
        held = ", ".join(repr(key) for key in header) or "nothing"
        raise FormatError(
            f"{location} holds no tensor of shape (n, d) of F16, BF16, F32 or F64, but {held}; "
            f"save one tensor for each group: safetensors.numpy.save_file({{'image': x, 'text': y}}, path)."
        )
    notes += [f"{location}: metadata {key!r} is not used." for key in metadata if key not in used]
    return groups, notes


def write_safetensors(embeddings: Embeddings, path: Path) -> None:
    """Write all groups and what is known of their rows, block by block."""
    metadata = {"format": "np"}
    for key, values in facts_of(embeddings).items():
        metadata[key] = json.dumps(values.tolist() if isinstance(values, np.ndarray) else list(values))
    entries, begin = {}, 0
    dtypes = {name: numpy_dtype(group.vectors) for name, group in embeddings.items()}
    order = sorted(embeddings, key=lambda name: -dtypes[name].itemsize)  # so that every tensor is aligned
    for name in order:
        n, d = (int(length) for length in embeddings[name].vectors.shape)
        stop = begin + n * d * dtypes[name].itemsize
        entries[name] = {"dtype": _NAMES[dtypes[name].itemsize], "shape": [n, d], "data_offsets": [begin, stop]}
        begin = stop
    header = json.dumps({"__metadata__": metadata, **{name: entries[name] for name in embeddings}}).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > _LONGEST_HEADER:
        raise ValueError(
            f"the ids and strings of the rows take {len(header)} bytes, but the header of a .safetensors holds at most "
            f"{_LONGEST_HEADER}; write .parquet."
        )
    with open(path, "wb") as file:
        file.write(len(header).to_bytes(8, "little"))
        file.write(header)
        for name in order:
            for block in numpy_blocks(embeddings[name].vectors):
                file.write(block.tobytes())


def _read_header(location: Location) -> tuple[dict[str, Any], int, int]:
    size = location.size()
    with location.open() as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, _LONGEST_HEADER):
            raise FormatError(
                f"{location} is cut short or no .safetensors file: its header should end at byte {8 + length}, but "
                f"there are {size} bytes; copy or save it again."
            )
        text = file.read(length)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{location} has a header that is not JSON; save it again with safetensors.") from error
    if not isinstance(header, dict):
        raise FormatError(f"{location} has a header that is no JSON object; save it again with safetensors.")
    return header, 8 + length, size


def _checked_entry(location: Location, key: str, entry: Any, size: int) -> tuple[str, tuple[int, ...], int]:
    """Return dtype, shape and first byte of a tensor; ``size`` is how many bytes of numbers the file holds."""
    wrong = FormatError(f"{location} describes tensor {key!r} wrongly; save it again with safetensors.")
    try:
        dtype, shape, (begin, stop) = str(entry["dtype"]), tuple(entry["shape"]), entry["data_offsets"]
    except (TypeError, KeyError, ValueError):
        raise wrong from None
    if not all(type(number) is int and number >= 0 for number in (*shape, begin, stop)) or begin > stop:
        raise wrong
    if stop > size:
        raise FormatError(
            f"{location} is cut short: tensor {key!r} should end at byte {stop} of the numbers, but there are {size}; "
            f"copy or save it again."
        )
    if dtype in _DTYPES:
        count = _DTYPES[dtype].itemsize
        for length in shape:
            count *= length
        if count != stop - begin:
            raise FormatError(
                f"{location}: tensor {key!r} of shape {shape} and dtype {dtype} needs {count} bytes, but has "
                f"{stop - begin}; save it again with safetensors."
            )
    return dtype, shape, begin

"""One ``.safetensors`` file of named tensors with a JSON record in its header, written whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crossgap.data.atomic import write_whole
from crossgap.errors import FormatError

__all__ = ["read_record", "read_tensors", "write_tensors"]

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def write_tensors(path: str | os.PathLike[str], tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
    """Write tensors and a record of JSON; a file that was there stays whole until the new one is complete.

    The same input gives the same bytes: names are sorted, and the record is one string of sorted JSON.

    Raises
    ------
    TypeError
        If a tensor has a type that the format does not know.
    OSError
        If the file cannot be written, for example on a full disk; what was there before is left as it was.
    """
    entries: dict[str, Any] = {}
    begin = 0
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))  # so that every tensor is aligned
    for name in order:
        values = tensors[name]
        if values.dtype not in _NAMES:
            raise TypeError(
                f"{name} must have one of the types {', '.join(_NAMES.values())}, but it is {values.dtype}; a "
                f".safetensors file holds no other."
            )
        stop = begin + values.numel() * values.element_size()
        entries[name] = {"dtype": _NAMES[values.dtype], "shape": list(values.shape), "data_offsets": [begin, stop]}
        begin = stop
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), allow_nan=False)
    header = json.dumps({"__metadata__": {"crossgap": text}, **entries}, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    write_whole(path, len(header).to_bytes(8, "little"), header, *(_bytes(tensors[name]) for name in order))


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a file on the CPU, and its record.

    Raises
    ------
    FormatError
        If the file is cut short, is no ``.safetensors``, or was not written by crossgap.
    OSError
        If there is no such file or it cannot be read.
    """
    return _read(path, with_tensors=True)


def read_record(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the record of a file alone, without reading the tensors; it raises what ``read_tensors`` raises."""
    return _read(path, with_tensors=False)[1]


def _read(path: str | os.PathLike[str], *, with_tensors: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    name = os.fspath(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"{name!r} does not exist or is no file; give the path of a saved run or model.")
    try:
        with safe_open(name, framework="pt") as file:
            text = (file.metadata() or {}).get("crossgap")
            kept = file.keys() if with_tensors else ()
            tensors = {key: file.get_tensor(key).clone() for key in kept}
    except SafetensorError as error:
        raise FormatError(
            f"{name!r} is cut short or no .safetensors file ({_first_line(error)}); "
            f"give a file that crossgap.train wrote."
        ) from error
    try:
        record = json.loads(text or "")
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise FormatError(
            f"{name!r} is a .safetensors file without a record of crossgap; give a file that crossgap.train wrote."
        )
    return tensors, record


def _bytes(values: Tensor) -> Any:
    return values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__

"""A fitted closer as one ``.safetensors`` file: its arrays, and a JSON record in the header.

    Closer  --write_closer-->  closer.safetensors  --read_closer-->  a Closer that moves rows in the same way

``docs/closer_format.md`` describes the file for readers without crossgap. Nothing in it is ever run as code.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crossgap.close.closer import Closer
from crossgap.close.closer_record import SCHEMA, pack_closer, unpack_closer
from crossgap.data.atomic import write_whole
from crossgap.errors import FormatError

__all__ = ["read_closer", "read_closer_record", "write_closer"]

_DTYPES = {"F64", "F32", "F16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL"}
_BLOCK = 1 << 22
_MOST_DIMENSIONS = 1 << 16  # far above any model; more would only waste memory
_BLANK = "0" * 64  # where the digest stands while it is computed


def write_closer(closer: Closer, path: str | os.PathLike[str], *, facts: Mapping[str, Any] | None = None) -> Path:
    """Write a fitted closer; the same closer and facts give the same bytes.

    Parameters
    ----------
    closer
        A fitted closer of ``crossgap.close``.
    path
        The file, usually ``closer.safetensors``. One that exists stays whole until the new one is complete.
    facts
        Whatever is worth knowing about the fit, as JSON: sources, seed, the table before and after.

    Raises
    ------
    TypeError
        If the closer is none of ``crossgap.close``, or ``facts`` are no JSON.
    ValueError
        If it is not fitted, or something in it is not finite.
    OSError
        If the file cannot be written.

    Notes
    -----
    Numbers are kept in the type in which they were learned, so that ``transform`` returns the same bits afterwards.
    Means of two groups of 512 dimensions take about 9 kB, a full matrix for each of them 4 MB.

    Examples
    --------
    >>> import tempfile
    >>> from crossgap.close import MeanRemoval
    >>> closer = MeanRemoval().fit(np.array([[1.0, 1.0], [1.0, -1.0]]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = write_closer(closer, f"{folder}/closer.safetensors", facts={"seed": 0})
    ...     read_closer(path), read_closer_record(path)["fit_rows"]
    (MeanRemoval(), {'rows': 2})
    """
    from safetensors.numpy import save

    record, tensors = pack_closer(closer, facts=facts)
    text = json.dumps({"digest": _BLANK, **record}, separators=(",", ":"), allow_nan=False)
    content = memoryview(
        save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, {"crossgap": text})
    )
    header = bytes(content[: 8 + int.from_bytes(content[:8], "little")])
    digest = hashlib.sha256(content).hexdigest()
    return write_whole(path, header.replace(_BLANK.encode(), digest.encode(), 1), content[len(header) :])


def read_closer_record(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what the header of a file says, without reading the arrays.

    Keys: ``digest``, ``schema``, ``kind``, ``crossgap`` (the version that wrote it), ``method``, ``parameters``,
    ``groups``, ``dimension``, ``fit_rows``, ``facts``; and ``state`` and ``steps``, which name the arrays. The digest
    is not verified here, since that takes the whole file.

    Raises
    ------
    FormatError
        If the file is cut short, holds no closer, or one of a newer crossgap.
    OSError
        If there is no such file or it cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    name = os.fspath(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"{name!r} does not exist or is no file; give the path of a saved closer.")
    try:
        with safe_open(name, framework="numpy") as file:
            text = (file.metadata() or {}).get("crossgap")
            held = ", ".join(sorted(file.keys())[:4])
    except SafetensorError as error:
        raise _damaged(name, error) from error
    try:
        record = json.loads(text or "null", parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise FormatError(
            f"{name!r} is a .safetensors file without a closer (it holds {held or 'nothing'}); fit one: crossgap "
            f"close SOURCE -o closer.safetensors."
        )
    if record.get("kind") != "closer":
        raise FormatError(
            f"{name!r} holds a {str(record.get('kind'))[:40]!r} of crossgap and not a closer; fit one: crossgap close "
            f"SOURCE -o closer.safetensors."
        )
    schema = record.get("schema")
    if type(schema) is not int or schema > SCHEMA:
        raise FormatError(
            f"{name!r} was written by a newer crossgap ({str(record.get('crossgap'))[:40]!r}) in schema "
            f"{str(schema)[:10]}, and this one reads up to {SCHEMA}; upgrade crossgap, or fit the closer again."
        )
    _check_record(name, record)
    return record


def read_closer(path: str | os.PathLike[str]) -> Closer:
    """Return the closer of a file, fitted: it moves rows as the one that was written, bit for bit.

    It keeps no sums to add to, so ``partial_fit`` on it is an error.

    Raises
    ------
    FormatError
        If the file is cut short or was changed in any byte, holds no closer, one of a newer crossgap, or one that does
        not work.
    OSError
        If there is no such file or it cannot be read.
    """
    record = read_closer_record(path)
    name = os.fspath(path)
    tensors = _verified_tensors(name, record["digest"])
    try:
        return unpack_closer(record, tensors)
    except ValueError as error:
        raise FormatError(f"{name!r} is no closer that works: it {error}; fit it again.") from error


def _check_record(name: str, record: dict[str, Any]) -> None:
    """Fail where a key of the header is missing or of another type."""
    kinds = {"digest": str, "method": str, "parameters": dict, "groups": list, "dimension": int, "fit_rows": dict}
    for key, kind in {**kinds, "state": dict, "facts": dict}.items():
        if type(record.get(key)) is not kind:
            raise FormatError(
                f"{name!r} has a header without a usable {key!r}; copy it again, or fit the closer again."
            )
    groups, rows = record["groups"], record["fit_rows"]
    sound = (
        groups
        and all(isinstance(group, str) for group in groups)
        and list(rows) == groups
        and all(type(count) is int and count > 0 for count in rows.values())
        and 0 < record["dimension"] <= _MOST_DIMENSIONS
        and "steps" in record
    )
    if not sound:
        raise FormatError(
            f"{name!r} has a header whose groups, rows and dimension disagree; copy it again, or fit the closer again."
        )


def _verified_tensors(name: str, digest: str) -> dict[str, np.ndarray]:
    """Return all arrays of a file, once its bytes are known to be those that were written."""
    from safetensors import SafetensorError, safe_open

    if _digest(name, digest) != digest:
        raise FormatError(
            f"{name!r} was changed after it was written, since it does not match its digest; copy it again, or fit the "
            f"closer again."
        )
    tensors = {}
    try:
        with safe_open(name, framework="numpy") as file:
            for key in file.keys():  # noqa: SIM118
                dtype = file.get_slice(key).get_dtype()
                if dtype not in _DTYPES:
                    raise FormatError(f"{name!r} holds {key[:40]!r} as {dtype}, which no closer uses; fit it again.")
                tensors[key] = file.get_tensor(key)
    except SafetensorError as error:
        raise _damaged(name, error) from error
    return tensors


def _digest(name: str, written: str) -> str:
    """Return the digest of a file as it was before the digest itself was put in."""
    with open(name, "rb") as file:
        start = file.read(8)
        header = start + file.read(int.from_bytes(start, "little"))
        hashed = hashlib.sha256(header.replace(written.encode(errors="replace"), _BLANK.encode(), 1))
        while block := file.read(_BLOCK):
            hashed.update(block)
    return hashed.hexdigest()


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not finite")
    return number


def _damaged(name: str, error: Exception) -> FormatError:
    why = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
    return FormatError(
        f"{name!r} is cut short, damaged or no .safetensors file ({why}); copy it again, or fit the closer again."
    )

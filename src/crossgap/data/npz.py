"""The ``.npz`` format: a zip of ``.npy`` members, one (n, d) array for each group, never unpickled.

What is known of the rows lies beside the vectors as one-dimensional members, see ``row_facts``. A sequence in which
some entries are None gets a second member of booleans, ``group@fact@missing``.
"""

import errno
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from crossgap.data.embeddings import GROUP_NAME, Embeddings, Group
from crossgap.data.location import Location
from crossgap.data.npy import NpyHeader, NpyRows, read_header, unusable, write_array
from crossgap.data.row_facts import FACTS, fact_keys, facts_of
from crossgap.errors import FormatError

__all__ = ["read_npz", "write_npz"]

_EPOCH = (1980, 1, 1, 0, 0, 0)


def read_npz(location: Location, load_limit: int) -> tuple[dict[str, Group], list[str]]:
    """Return the groups of a ``.npz``, and what was left aside.

    Members that are not compressed and larger than ``load_limit`` bytes are not loaded but read by range.
    """
    notes: list[str] = []
    with location.open() as file, _damage(location), zipfile.ZipFile(file) as archive:
        members = _members(archive, location, notes)
        rest = {key: member for key, member in members.items() if unusable(member[1].shape, member[1].dtype)}
        for key in [key for key in members if key not in rest and not GROUP_NAME.fullmatch(key)]:
            notes.append(f"{location}: array {key!r} is not used, since its name is no 'modality' or 'modality/role'.")
            del members[key]
        groups = {}
        names = [key for key in members if key not in rest]
        if not names:
            held = ", ".join(f"{key!r} {header.shape} {header.dtype}" for key, (_, header) in rest.items()) or "nothing"
            raise FormatError(
                f"{location} holds no array of shape (n, d) of float16, float32 or float64, but {held}; "
                f"save one array for each group: numpy.savez(path, image=x, text=y)."
            )
        used: set[str] = set()
        for name in names:
            info, header = members[name]
            facts = {}
            for fact in FACTS:
                value = _fact(archive, location, rest, name, fact, header.shape[0], used)
                if value is not None:
                    facts[fact] = value
            groups[name] = Group(vectors=_vectors(archive, location, info, header, load_limit), **facts)
    for key, (_, header) in rest.items():
        if key not in used:
            notes.append(
                f"{location}: array {key!r} with shape {header.shape} and dtype {header.dtype} is not used, since it "
                f"holds neither (n, d) floating-point vectors nor ids or strings for the rows of a group."
            )
    return groups, notes


def write_npz(embeddings: Embeddings, path: Path) -> None:
    """Write all groups and what is known of their rows; the same embeddings give the same bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, group in embeddings.items():
            with archive.open(_info(name, zipfile.ZIP_STORED), "w", force_zip64=True) as member:
                write_array(member, group.vectors)
        for key, values in facts_of(embeddings).items():
            for member_name, array in _fact_arrays(key, values):
                with archive.open(_info(member_name, zipfile.ZIP_DEFLATED), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)


def _members(
    archive: zipfile.ZipFile, location: Location, notes: list[str]
) -> dict[str, tuple[zipfile.ZipInfo, NpyHeader]]:
    members = {}
    for info in archive.infolist():
        key = info.filename.removesuffix(".npy")
        if key == info.filename:
            notes.append(f"{location}: member {key!r} is not used, since it is no .npy.")
            continue
        if key in members:
            raise FormatError(f"{location} holds the array {key!r} twice, but once was expected; save it again.")
        if info.flag_bits & 1:
            raise FormatError(f"{location} is encrypted, which is not read; save it again without a password.")
        with archive.open(info) as member:
            header = read_header(member, info.file_size, f"{location}, member {key!r},")  # pyright: ignore[reportArgumentType]
        members[key] = info, header
    return members


def _vectors(
    archive: zipfile.ZipFile, location: Location, info: zipfile.ZipInfo, header: NpyHeader, load_limit: int
) -> np.ndarray | NpyRows:
    n, d = header.shape
    if info.compress_type == zipfile.ZIP_STORED and n * d * header.dtype.itemsize > load_limit:
        head = np.empty(30, np.uint8)
        location.fill([(info.header_offset, head)])
        name_length, extra_length = head[26:30].view("<u2")
        start = info.header_offset + 30 + int(name_length) + int(extra_length) + header.start
        return NpyRows(location, start, (n, d), header.dtype, header.fortran)
    array = _load(archive, info, header)
    return np.ascontiguousarray(array, dtype=header.dtype.newbyteorder("="))


def _load(archive: zipfile.ZipFile, info: zipfile.ZipInfo, header: NpyHeader) -> np.ndarray:
    array = np.empty(header.shape[::-1] if header.fortran else header.shape, header.dtype)
    buffer = array.reshape(-1).view(np.uint8)
    with archive.open(info) as member:
        member.read(header.start)
        done = 0
        while done < len(buffer):
            piece = member.read(min(len(buffer) - done, 1 << 24))
            if not piece:
                raise EOFError("the member ends early")
            buffer[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
            done += len(piece)
        member.read(1)  # reaching the end checks the sum
    return array.T if header.fortran else array


def _fact(
    archive: zipfile.ZipFile,
    location: Location,
    rest: dict[str, tuple[zipfile.ZipInfo, NpyHeader]],
    group: str,
    fact: str,
    n: int,
    used: set[str],
) -> Any:
    """Return one fact of a group of ``n`` rows from whichever key holds it, or None."""
    kinds = "iuUS" if fact == "items" else "US"
    written = fact_keys(group, fact)[0]
    for key in fact_keys(group, fact):
        if key not in rest:
            continue
        info, header = rest[key]
        if header.shape != (n,) or header.dtype.kind not in kinds:
            if key == written:
                raise FormatError(
                    f"{location}: {key!r} has shape {header.shape} and dtype {header.dtype}, but {fact} are one "
                    f"{'integer or string' if fact == 'items' else 'string'} for each of the {n} rows; write it again."
                )
            continue
        values = _load(archive, info, header)
        if header.dtype.kind == "S":
            try:
                values = np.char.decode(values, "utf-8")
            except UnicodeDecodeError:
                raise FormatError(f"{location}: {key!r} is no UTF-8 text; save strings as str.") from None
        used.add(key)
        if fact == "items":
            return values.astype(values.dtype.newbyteorder("="))
        missing = f"{key}@missing"
        if missing not in rest:
            return values.tolist()
        _, missing_header = rest[missing]
        if missing_header.shape != (n,) or missing_header.dtype != np.bool_:
            raise FormatError(f"{location}: {missing!r} must hold {n} booleans, one for each row; write it again.")
        used.add(missing)
        gone = _load(archive, *rest[missing]).tolist()
        return [None if absent else value for absent, value in zip(gone, values.tolist(), strict=True)]
    return None


def _fact_arrays(key: str, values: Any) -> Iterator[tuple[str, np.ndarray]]:
    if isinstance(values, np.ndarray):  # item ids
        array = values.astype(values.dtype.newbyteorder("<"))
        yield key, array
        return
    missing = np.array([value is None for value in values])
    filled = ["" if value is None else value for value in values]
    array = np.array(filled, dtype="<U")
    if array.tolist() != filled:
        raise ValueError(
            f"{key} holds a string that ends in a NUL character, or something other than a string, which .npz cannot "
            f"keep; remove it, or write .parquet."
        )
    yield key, array
    if missing.any():
        yield f"{key}@missing", missing


def _info(name: str, compression: int) -> zipfile.ZipInfo:
    """Return a member whose bytes do not depend on the clock or the system."""
    info = zipfile.ZipInfo(f"{name}.npy", _EPOCH)
    info.create_system, info.external_attr, info.compress_type = 3, 0o644 << 16, compression
    return info


@contextmanager
def _damage(location: Location) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise FormatError(
            f"{location} is no whole .npz file ({error}); copy it again, or save it again with numpy.savez."
        ) from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        raise FormatError(
            f"{location} is no whole .npz file (it points outside itself); copy it again, or save it again with "
            f"numpy.savez."
        ) from error

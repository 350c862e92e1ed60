"""The ``.npy`` format: one array, its header read by NumPy's own parser, its rows read by range and never unpickled.

``NpyRows`` is a plain array of numbers at an offset of a file. That is what a ``.npy`` holds, and also what each
tensor of a ``.safetensors`` and each uncompressed member of a ``.npz`` is, so all three read their rows here.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from crossgap.data.location import Location
from crossgap.data.row_index import row_index
from crossgap.errors import FormatError
from crossgap.geometry.rows import Rows

__all__ = [
    "NpyHeader",
    "NpyRows",
    "numpy_blocks",
    "numpy_dtype",
    "read_header",
    "read_npy",
    "unusable",
    "write_array",
    "write_npy",
]

_WRITTEN_ROWS = 8192


@dataclass(frozen=True)
class NpyRows:
    """Rows of numbers at an offset of a file, read when sliced.

    Each slice opens the file, reads its rows into a fresh array of native byte order and closes the file again, so
    memory stays at what was asked for, and readers may be copied to other threads and processes.
    """

    location: Location
    offset: int
    shape: tuple[int, int]
    stored: np.dtype
    fortran: bool = False

    @property
    def dtype(self) -> np.dtype:
        """The stored dtype in native byte order."""
        return self.stored.newbyteorder("=")

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, int | np.integer):
            return self[np.array([key])][0]
        rows = row_index(key, self.shape[0])
        if isinstance(rows, slice):
            return self._read([(rows.start, rows.stop)])
        if rows.size == 0:
            return self._read([])
        wanted, place = np.unique(rows, return_inverse=True)
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1)
        return self._read([(int(run[0]), int(run[-1]) + 1) for run in runs])[place]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return self[:].astype(dtype or self.dtype, copy=False)

    def _read(self, runs: list[tuple[int, int]]) -> np.ndarray:
        n, d = self.shape
        count = sum(stop - start for start, stop in runs)
        size = self.stored.itemsize
        out = np.empty((d, count) if self.fortran else (count, d), self.stored)
        pieces, done = [], 0
        for start, stop in runs:
            here = slice(done, done + stop - start)
            if self.fortran:  # a column lies in one piece, a row does not
                pieces += [(self.offset + (j * n + start) * size, out[j, here]) for j in range(d)]
            else:
                pieces.append((self.offset + start * d * size, out[here]))
            done = here.stop
        self.location.fill(pieces)
        return np.ascontiguousarray(out.T if self.fortran else out, dtype=self.dtype)


@dataclass(frozen=True)
class NpyHeader:
    """What the head of a ``.npy`` says: ``start`` is where the numbers begin, ``stop`` where they end."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    start: int
    stop: int


def read_header(file: BinaryIO, size: int, where: str) -> NpyHeader:
    """Read the head of a ``.npy`` of ``size`` bytes; ``where`` names it in messages."""
    if size == 0:
        raise FormatError(f"{where} is empty, but a NumPy array was expected; save it again with numpy.save.")
    if file.read(6) != npy_format.MAGIC_PREFIX:
        raise FormatError(
            f"{where} does not begin like a .npy file, so it holds something else; save the array with numpy.save, "
            f"or give the file the ending of what it is."
        )
    version = tuple(file.read(2))
    if version not in {(1, 0), (2, 0), (3, 0)}:
        raise FormatError(f"{where} is of .npy version {version}, but 1.0 to 3.0 are read; save it with numpy.save.")
    # version 3 differs from 2 only in the field names of structured arrays, which are refused anyway
    parse = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # heads written by Python 2
            shape, fortran, dtype = parse(file)
    except (ValueError, TypeError, SyntaxError, TokenError, RecursionError) as error:  # all that its parser may raise
        raise FormatError(
            f"{where} has a damaged .npy head, of which no array can be made; save it again with numpy.save."
        ) from error
    if dtype.hasobject:
        raise FormatError(
            f"{where} holds pickled Python objects, which crossgap never loads; save a float array instead: "
            f"numpy.save(path, numpy.stack(list_of_vectors).astype('float32'))."
        )
    start = file.tell()
    count = 1
    for length in shape:
        count *= length
    stop = start + count * dtype.itemsize
    if stop > size:
        raise FormatError(
            f"{where} is cut short: its head promises an array of shape {shape} and {stop} bytes, but there are "
            f"{size}; copy or save it again."
        )
    return NpyHeader(shape=shape, dtype=dtype, fortran=bool(fortran), start=start, stop=stop)


def unusable(shape: tuple[int, ...], dtype: Any) -> str | None:
    """Say why an array is not (n, d) floating-point vectors; None if it is."""
    if len(shape) != 2:
        return f"has shape {tuple(shape)}"
    if not (isinstance(dtype, np.dtype) and dtype.kind == "f" and dtype.itemsize <= 8):
        return f"holds {dtype} numbers"
    if shape[0] < 1 or shape[1] < 1:
        return f"is empty, of shape {tuple(shape)}"
    return None


def read_npy(location: Location) -> tuple[NpyRows, list[str]]:
    """Return the rows of a ``.npy``, not loaded yet, and what was left aside."""
    size = location.size()
    with location.open() as file:
        header = read_header(file, size, str(location))
    reason = unusable(header.shape, header.dtype)
    if reason is not None:
        raise FormatError(
            f"{location} {reason}, but vectors are an array of shape (n, d) of float16, float32 or float64; "
            f"save one vector a row, as floating-point numbers."
        )
    notes = []
    if header.stop < size:
        notes.append(f"{location}: {size - header.stop} bytes after the array are not used.")
    n, d = header.shape
    return NpyRows(location, header.start, (n, d), header.dtype, header.fortran), notes


def write_npy(rows: Rows, path: Path) -> None:
    """Write rows as one ``.npy``, block by block."""
    with open(path, "wb") as file:
        write_array(file, rows)


def write_array(file: Any, rows: Rows) -> None:
    """Write rows as ``.npy`` bytes, block by block, to anything with ``write``."""
    shape = (int(rows.shape[0]), int(rows.shape[1]))
    descr = npy_format.dtype_to_descr(numpy_dtype(rows))
    npy_format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    for block in numpy_blocks(rows):
        file.write(block.tobytes())


def numpy_dtype(rows: Rows) -> np.dtype:
    """Return the dtype, in little-endian order, that rows have on disk; torch's bfloat16 becomes float32."""
    return _as_numpy(rows[0:1]).dtype.newbyteorder("<")


def numpy_blocks(rows: Rows, size: int = _WRITTEN_ROWS) -> Iterator[np.ndarray]:
    """Yield contiguous little-endian NumPy blocks of rows as they are stored: never widened, except bfloat16."""
    dtype = numpy_dtype(rows)
    for start in range(0, int(rows.shape[0]), size):
        yield np.ascontiguousarray(_as_numpy(rows[start : start + size]), dtype=dtype)


def _as_numpy(block: Any) -> np.ndarray:
    if isinstance(block, np.ndarray):
        return block
    block = block.detach().cpu()  # only torch tensors are left
    return (block.float() if str(block.dtype) == "torch.bfloat16" else block).numpy()

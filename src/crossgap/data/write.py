"""Write embeddings to a file, whole or not at all, in blocks where the format allows."""

import os
from pathlib import Path

from crossgap.data.atomic import atomic_path
from crossgap.data.clip_retrieval import write_clip_retrieval
from crossgap.data.embeddings import ROW_FACTS, Embeddings
from crossgap.data.npy import numpy_dtype, write_npy
from crossgap.data.npz import write_npz
from crossgap.data.parquet import write_parquet
from crossgap.data.safetensors_file import write_safetensors

__all__ = ["write"]

_FORMATS = {".npy": "npy", ".npz": "npz", ".safetensors": "safetensors", ".parquet": "parquet", "": "clip-retrieval"}


def write(embeddings: Embeddings, path: str | os.PathLike[str], *, format: str | None = None) -> Path:
    """Write embeddings, and return the path.

    Vectors keep their bits, and ``read`` gives back items, text, uri, label and split. The same embeddings give the
    same bytes.

    Parameters
    ----------
    embeddings
        What to write. A ``.npy`` takes a single group of which nothing but vectors is known; a clip-retrieval folder
        takes ``image`` and ``text`` that pair row by row. The other formats take everything. Parquet has one dtype
        for all groups, and fits long strings best.
    path
        A local path. A file that exists is replaced; a folder is not.
    format
        ``npy``, ``npz``, ``safetensors``, ``parquet`` or ``clip-retrieval``; by default what the ending of ``path``
        says, and without an ending ``clip-retrieval``.

    Raises
    ------
    ValueError
        If the format is unknown or cannot hold these embeddings.
    OSError
        If the folder is missing or may not be written.
    """
    given, path = os.fspath(path), Path(path)
    if "://" in given:
        raise ValueError(f"{given!r} is a URL, but only local paths are written; write a file and copy it there.")
    form = _FORMATS.get(path.suffix.lower()) if format is None else format
    if form not in _FORMATS.values():
        what = f"the ending of {given!r}" if format is None else f"format {format!r}"
        raise ValueError(f"{what} is none of the formats that are written; use {', '.join(_FORMATS.values())}.")
    for name, group in embeddings.items():
        if numpy_dtype(group.vectors).itemsize > 8:
            raise ValueError(
                f"{name} holds {group.vectors.dtype} numbers, but files hold float16, float32 or float64; convert it."
            )
    with atomic_path(path) as temporary:
        match form:
            case "npy":
                _write_npy(embeddings, temporary)
            case "npz":
                write_npz(embeddings, temporary)
            case "safetensors":
                write_safetensors(embeddings, temporary)
            case "parquet":
                write_parquet(embeddings, temporary)
            case _:
                write_clip_retrieval(embeddings, temporary)
    return path


def _write_npy(embeddings: Embeddings, path: Path) -> None:
    name, group = next(iter(embeddings.items()))
    known = [fact for fact in ("items", *ROW_FACTS) if getattr(group, fact) is not None]
    if len(embeddings) > 1 or known:
        what = f"{len(embeddings)} groups" if len(embeddings) > 1 else f"{name} with {', '.join(known)}"
        raise ValueError(f"a .npy holds the vectors of one group and no more, but here is {what}; write .npz.")
    write_npy(group.vectors, path)

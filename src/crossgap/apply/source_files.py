"""Which files a source names, and what each will be called in the output."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from crossgap.data.clip_retrieval import is_clip_retrieval
from crossgap.data.embeddings import GROUP_NAME
from crossgap.data.location import Location
from crossgap.data.read import _parse
from crossgap.errors import FormatError

__all__ = ["SourceFile", "SourceFiles", "find_source_files"]

_SUFFIXES = (".npy", ".npz", ".safetensors", ".parquet")


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """A file, the group that was named for all its rows (None: it says itself), and its name in an output folder."""

    location: Location
    group: str | None
    name: str


@dataclass(frozen=True, kw_only=True)
class SourceFiles:
    """The files of a source; ``is_folder`` where the output is a folder of files of the same names."""

    files: tuple[SourceFile, ...]
    is_folder: bool
    notes: tuple[str, ...]


def find_source_files(sources: Sequence[str]) -> SourceFiles:
    """Return the files that sources name: a file, a folder or pattern of shards, or several of them.

    Raises
    ------
    ValueError
        If two files would have one name in the output, or a ``.npy`` has no name for its rows.
    FormatError
        If a folder holds nothing that can be moved, or files of several formats.
    OSError
        If there is no such file.
    """
    if not sources:
        raise ValueError("at least one source is needed, but none was given; give for example vectors.parquet.")
    found: list[SourceFile] = []
    notes: list[str] = []
    is_folder = len(sources) > 1
    for source in sources:
        group, location = _parse(source)
        kind = location.kind()
        if kind == "file":
            if location.suffix == ".npy" and group is None:
                raise ValueError(
                    f"{location} holds one array without a name, and a group needs one; write name={location.path}, "
                    f"for example image={location.path}."
                )
            files = [location]
        else:
            is_folder = True
            files = _shards(location, kind == "folder", notes)
        for file in files:
            own = group
            if file.suffix not in _SUFFIXES:
                raise FormatError(
                    f"{file} is of no format that is read, which are {', '.join(_SUFFIXES[:-1])} and {_SUFFIXES[-1]}; "
                    f"convert it, or give the file the ending of what it is."
                )
            if file.suffix == ".npy" and own is None:
                own = file.stem
                if not GROUP_NAME.fullmatch(own):
                    raise FormatError(
                        f"{file} cannot name a group after itself, since a name is letters, digits, '_', '-' and '.'; "
                        f"rename it, or give the folder as name=folder."
                    )
            found.append(SourceFile(location=file, group=own, name=file.name))
    names = [file.name for file in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two files of the source are called {twice!r}, so they cannot lie in one output folder; "
                         f"apply the closer to each by itself.")  # fmt: skip
    return SourceFiles(files=tuple(found), is_folder=is_folder, notes=tuple(notes))


def _shards(location: Location, is_folder: bool, notes: list[str]) -> list[Location]:
    """Return the files of a folder or pattern, of one format."""
    if is_folder:
        if is_clip_retrieval(location):
            raise FormatError(
                f"{location} is a folder of clip-retrieval, whose parts are moved one by one: "
                f"image={os.path.join(location.path, 'img_emb')} and text={os.path.join(location.path, 'text_emb')}."
            )
        files = location.children()
    elif location.is_pattern:
        files = location.matches()
        if not files:
            raise FileNotFoundError(f"no file matches {location}; check the pattern and the folder.")
    else:
        raise FileNotFoundError(f"there is no file or folder {location}; check the name and the folder.")
    data = [file for file in files if file.suffix in _SUFFIXES and file.kind() == "file"]
    suffixes = sorted({file.suffix for file in data})
    if not data:
        raise FormatError(
            f"{location} holds no {', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]} file; give the folder that holds the "
            f"vectors."
        )
    if len(suffixes) > 1:
        raise FormatError(
            f"{location} holds files of several formats ({', '.join(suffixes)}), but shards must be of one; give a "
            f"pattern such as '*{suffixes[0]}'."
        )
    left = [file.name for file in files if file not in data]
    if left:
        notes.append(f"{location}: not copied, since they are no vectors: {', '.join(map(repr, left))}.")
    return data

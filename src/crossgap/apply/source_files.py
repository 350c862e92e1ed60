"""Which files a source names, and what each will be called in the output."""

import os
from collections.abc import Sequence
from dataclasses import dataclass

from crossgap.data.clip_retrieval import is_clip_retrieval
from crossgap.data.location import Location
from crossgap.data.source import data_files, group_of_array, parse_source
from crossgap.errors import FormatError

__all__ = ["SourceFile", "SourceFiles", "find_source_files"]


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
        group, location = parse_source(source)
        if location.kind() == "folder" and is_clip_retrieval(location):
            raise FormatError(
                f"{location} is a folder of clip-retrieval, whose parts are moved one by one: "
                f"image={os.path.join(location.path, 'img_emb')} and text={os.path.join(location.path, 'text_emb')}."
            )
        files, others = data_files(location, group)
        is_folder = is_folder or files != [location]
        for file in files:
            own = group_of_array(file) if file.suffix == ".npy" and group is None else group
            found.append(SourceFile(location=file, group=own, name=file.name))
        if others:
            told = ", ".join(repr(file.name) for file in others)
            notes.append(f"{location}: not copied, since they are no vectors: {told}.")
    names = [file.name for file in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two files of the source are called {twice!r}, so they cannot lie in one output folder; "
                         f"apply the closer to each by itself.")  # fmt: skip
    return SourceFiles(files=tuple(found), is_folder=is_folder, notes=tuple(notes))

"""What a source is: a name of a group, or none, and files of vectors of one format."""

import os
import re

from crossgap.data.embeddings import GROUP_NAME
from crossgap.data.location import Location, locate
from crossgap.errors import FormatError

__all__ = ["Source", "data_files", "group_of_array", "parse_source"]

_SUFFIXES = (".npy", ".npz", ".safetensors", ".parquet")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*(://|::)")

Source = str | os.PathLike[str]


def parse_source(source: Source) -> tuple[str | None, Location]:
    """Split ``name=path``; a path that exists as it stands, or a URL, is no name.

    Raises
    ------
    ValueError
        If the name is none of a group, or the path a URL that cannot be opened.
    """
    text = os.fspath(source)
    name, equals, path = text.partition("=")
    if not isinstance(source, str) or not equals or _URL.match(text) or os.path.exists(text):
        return None, locate(text)
    if not GROUP_NAME.fullmatch(name):
        raise ValueError(
            f"{text!r} names a group {name!r}, but a group is 'modality' or 'modality/role'; use letters, digits, "
            f"'_', '-' and '.'."
        )
    return name, locate(path)


def data_files(location: Location, name: str | None) -> tuple[list[Location], list[Location]]:
    """Return the files of vectors that a file, a folder or a pattern names, and what lies beside them.

    ``name`` is the group that was named for all rows, if any.

    Raises
    ------
    ValueError
        If a single ``.npy`` has no name for its rows.
    FormatError
        If there are no files of vectors, or of several formats.
    FileNotFoundError
        If nothing is there.
    """
    kind = location.kind()
    if kind == "file":
        if location.suffix not in _SUFFIXES:
            raise FormatError(
                f"{location} is of no format that is read, which are {', '.join(_SUFFIXES[:-1])} and {_SUFFIXES[-1]}; "
                f"convert it, or give the file the ending of what it is."
            )
        if location.suffix == ".npy" and name is None:
            raise ValueError(
                f"{location} holds one array without a name, and a group needs one; write name={location.path}, for "
                f"example image={location.path}."
            )
        return [location], []
    if kind == "folder":
        there = location.children()
    elif location.is_pattern:
        there = location.matches()
        if not there:
            raise FileNotFoundError(f"no file matches {location}; check the pattern and the folder.")
    else:
        raise FileNotFoundError(f"there is no file or folder {location}; check the name and the folder.")
    files = [file for file in there if file.suffix in _SUFFIXES and file.kind() == "file"]
    suffixes = sorted({file.suffix for file in files})
    if not files:
        raise FormatError(
            f"{location} holds no {', '.join(_SUFFIXES[:-1])} or {_SUFFIXES[-1]} file; give the folder that holds the "
            f"vectors."
        )
    if len(suffixes) > 1:
        raise FormatError(
            f"{location} holds files of several formats ({', '.join(suffixes)}), but shards must be of one; give a "
            f"pattern such as '*{suffixes[0]}'."
        )
    return files, [file for file in there if file not in files]


def group_of_array(file: Location) -> str:
    """Return the group that a ``.npy`` in a folder names by its own name.

    Raises
    ------
    FormatError
        If that is no name of a group.
    """
    if not GROUP_NAME.fullmatch(file.stem):
        raise FormatError(
            f"{file} cannot name a group after itself, since a name is letters, digits, '_', '-' and '.'; rename it, "
            f"or give it as name=file."
        )
    return file.stem

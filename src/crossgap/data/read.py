"""Read embeddings from files: ``read`` gives ``Embeddings``, ``read_groups`` the same before they are checked.

    "pairs.npz"   "image=img.npy", "text=txt.npy"   "vectors.parquet"   "clip_folder/"   "image=shards/*.npy"   "s3://..."

Nothing in a file is ever evaluated or unpickled. Groups larger than ``load_limit`` bytes stay on disk and are read in
blocks; what a file holds beyond vectors and what is known of them is listed in ``notes``.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crossgap.data.clip_retrieval import is_clip_retrieval, read_clip_retrieval
from crossgap.data.embeddings import Embeddings, Group
from crossgap.data.location import Location
from crossgap.data.npy import read_npy
from crossgap.data.npz import read_npz
from crossgap.data.parquet import read_parquet
from crossgap.data.safetensors_file import read_safetensors
from crossgap.data.shards import join_shards
from crossgap.data.source import Source, data_files, group_of_array, parse_source

__all__ = ["LOAD_LIMIT", "ReadGroups", "read", "read_groups"]

LOAD_LIMIT = 256 * 2**20


@dataclass(frozen=True, kw_only=True, eq=False)
class ReadGroups:
    """What files hold: groups not yet checked against each other, where each came from, and what was left aside.

    Parameters
    ----------
    groups
        The groups by name. Their dimensions may differ, and they may hold NaN.
    inputs
        For each group: ``group, source, format, n, d, dtype, items`` (whether there are item ids), as plain values.
    notes
        One sentence for each thing in the files that is not used.
    """

    groups: Mapping[str, Group]
    inputs: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


def read(*sources: Source, groups: Sequence[str] | None = None, load_limit: int = LOAD_LIMIT) -> Embeddings:
    """Read embeddings from files, folders, patterns or URLs.

    Parameters
    ----------
    sources
        Each a path, a folder, a pattern of shards such as ``shards/*.parquet``, a URL that fsspec can open, or
        ``name=`` and any of these, which names the group. A ``.npy`` has no name of its own and needs one.
    groups
        Names of the groups to keep, in this order; all by default. Groups that are not kept need not fit the others.
    load_limit
        Bytes of vectors up to which a group is loaded. A larger one is read from disk whenever it is sliced.

    Raises
    ------
    FormatError
        If a file does not hold what its name or layout promises.
    ValueError
        If sources or groups are named wrongly, or groups differ in dimension or hold a NaN or an infinity.
    OSError
        If a file is missing or cannot be read.
    """
    if isinstance(groups, str):
        raise TypeError(f"groups must be a list of names, but it is the string {groups!r}; use [{groups!r}].")
    found = read_groups(*sources, load_limit=load_limit).groups
    if groups is None:
        return Embeddings(found)
    for name in groups:
        if name not in found:
            raise ValueError(f"there is no group {name!r} to read; the groups are {', '.join(found)}.")
    return Embeddings({name: found[name] for name in groups})


def read_groups(*sources: Source, load_limit: int = LOAD_LIMIT) -> ReadGroups:
    """Read the groups of files as ``read`` does, without checking that they fit each other and are finite."""
    if not sources:
        raise ValueError("at least one source is needed, but none was given; give for example 'pairs.npz'.")
    groups: dict[str, Group] = {}
    inputs, notes = [], []
    for source in sources:
        name, location = parse_source(source)
        form, found, said = _read_source(location, name, load_limit)
        if name is not None:
            found = _renamed(found, name, location, said)
        for group_name, group in found.items():
            if group_name in groups:
                raise ValueError(
                    f"the group {group_name!r} is given twice, the second time by {os.fspath(source)!r}; name one of "
                    f"them differently: name=path."
                )
            n, d = group.vectors.shape
            groups[group_name] = _loaded(group, load_limit)
            inputs.append(
                {
                    "group": group_name,
                    "source": os.fspath(source),
                    "format": form,
                    "n": int(n),
                    "d": int(d),
                    "dtype": str(np.dtype(group.vectors.dtype)),
                    "items": group.items is not None,
                }
            )
        notes += said
    return ReadGroups(groups=groups, inputs=tuple(inputs), notes=tuple(notes))


def _read_source(location: Location, name: str | None, load_limit: int) -> tuple[str, dict[str, Group], list[str]]:
    if location.kind() == "folder" and is_clip_retrieval(location):
        return "clip-retrieval", *read_clip_retrieval(location)
    files, others = data_files(location, name)
    form = files[0].suffix
    groups, notes = _read_files(files, name, load_limit)
    return form[1:], groups, [*(f"{file}: not used, since it holds no vectors." for file in others), *notes]


def _read_files(files: Sequence[Location], name: str | None, load_limit: int) -> tuple[dict[str, Group], list[str]]:
    """Read files of one format and join the groups that they share."""
    shards: list[tuple[str, Mapping[str, Group]]] = []
    notes: list[str] = []
    for file in files:
        match file.suffix:
            case ".npy":
                rows, said = read_npy(file)
                groups = {name or group_of_array(file): Group(vectors=rows)}
            case ".npz":
                groups, said = read_npz(file, load_limit)
            case ".safetensors":
                groups, said = read_safetensors(file)
            case _:
                groups, said = read_parquet(file, name)
        shards.append((str(file), groups))
        notes += said
    return join_shards(shards), notes


def _renamed(groups: dict[str, Group], name: str, location: Location, notes: list[str]) -> dict[str, Group]:
    """Give the only group its new name; of several take the one so named."""
    if len(groups) == 1:
        return {name: next(iter(groups.values()))}
    if name not in groups:
        raise ValueError(
            f"{location} holds the groups {', '.join(groups)}, so which of them is {name!r} cannot be told; give the "
            f"path without {name}=."
        )
    notes += [
        f"{location}: group {other!r} is not used, since {name!r} was asked for." for other in groups if other != name
    ]
    return {name: groups[name]}


def _loaded(group: Group, load_limit: int) -> Group:
    rows = group.vectors
    n, d = rows.shape
    if isinstance(rows, np.ndarray) or n * d * rows.dtype.itemsize > load_limit:
        return group
    return replace(group, vectors=rows[0:n])

"""What a run over files would do, found out before anything is written."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossgap.apply.closer_digest import closer_digest
from crossgap.apply.likely_group import likely_group
from crossgap.apply.npy_stream import NpyStream
from crossgap.apply.parquet_stream import MOVED_BY, ParquetStream
from crossgap.apply.source_files import SourceFile, find_source_files
from crossgap.apply.vector_mover import VectorMover
from crossgap.apply.whole_files import WholeFile
from crossgap.close.closer import Closer
from crossgap.errors import FormatError
from crossgap.geometry.rows import unit_rows

__all__ = ["FilePlan", "GroupSample", "plan_files"]


@dataclass(frozen=True, kw_only=True)
class GroupSample:
    """How far a closer moves the first rows of a group: the mean cosine between old and new, None without one."""

    rows: int
    mean_cosine: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class FilePlan:
    """A closer, the files that it is applied to, and where the result goes.

    Parameters
    ----------
    closer, digest
        The closer, and what tells it from others.
    sources
        The sources as they were given.
    output, given
        A file, or a folder of files of the same names; and the same as it was given, for messages.
    is_folder
        Whether it is a folder.
    files, jobs
        The files of the source, and for each a reader of its rows.
    groups
        Rows of each group.
    treated_as
        For each group the group of the closer that moves it; None where its rows pass unchanged.
    notes
        What is not copied, in sentences.
    """

    closer: Closer
    digest: str
    sources: tuple[str, ...]
    output: Path
    given: str
    is_folder: bool
    files: tuple[SourceFile, ...]
    jobs: tuple[ParquetStream | NpyStream | WholeFile, ...]
    mover: VectorMover
    groups: Mapping[str, int]
    treated_as: Mapping[str, str | None]
    notes: tuple[str, ...]

    @property
    def rows(self) -> int:
        """The number of rows of all files."""
        return sum(self.groups.values())

    @property
    def dimension(self) -> int:
        """The number of dimensions of the source."""
        return self.closer.n_features_in_

    @property
    def source_bytes(self) -> int:
        """The size of all files."""
        return sum(file.location.size() for file in self.files)

    @property
    def vector_bytes(self) -> int:
        """What the vectors alone will take in the output."""
        return sum(job.rows * self.mover.moved_dimension * job.dtype.itemsize for job in self.jobs)

    @property
    def dtype(self) -> str:
        """The types of the vectors."""
        return ", ".join(dict.fromkeys(str(job.dtype) for job in self.jobs))

    @property
    def free_bytes(self) -> int:
        """What is free where the output goes."""
        return shutil.disk_usage(self.output.parent).free

    @property
    def fits(self) -> bool:
        """Whether the vectors alone find room."""
        return self.vector_bytes <= self.free_bytes

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "closer": self.digest,
            "source": list(self.sources),
            "output": self.given,
            "files": len(self.files),
            "rows": self.rows,
            "groups": dict(self.groups),
            "treated_as": dict(self.treated_as),
            "dimension": self.dimension,
            "moved_dimension": self.mover.moved_dimension,
            "dtype": self.dtype,
            "source_bytes": self.source_bytes,
            "vector_bytes": self.vector_bytes,
            "fits": self.fits,
            "notes": list(self.notes),
        }

    def samples(self, rows: int = 1000) -> dict[str, GroupSample]:
        """Move the first few rows of each group, ``rows`` in all, and say how far they move."""
        each = max(1, rows // len(self.groups))
        found = {}
        for name, group in self.treated_as.items():
            if group is None:
                continue
            stored, where = self._first_of(name, each)
            moved, zeros = self.mover.move(stored, [name], None, first=0, where=f"{where}, the first rows of {name}")
            kept = np.setdiff1d(np.arange(len(stored)), zeros)
            cosine = None
            if len(kept) and moved.shape == stored.shape:
                old, new = (unit_rows(part[kept].astype(np.float64), name=name) for part in (stored, moved))
                cosine = float(np.vecdot(old, new).mean())
            found[name] = GroupSample(rows=len(kept), mean_cosine=cosine)
        return found

    def _first_of(self, name: str, count: int) -> tuple[np.ndarray, str]:
        job = next(job for job in self.jobs if name in job.groups)
        if isinstance(job, WholeFile):
            return job.first_of(name, count), str(job.location)
        chunk = next(iter(job.chunks(job.first_rows[name])))
        vectors, names, number = job.vectors_of(chunk)
        own = slice(0, count) if number is None else np.flatnonzero(number == names.index(name))[:count]
        return vectors[own], str(job.location)


def plan_files(
    closer: Closer,
    sources: Sequence[str],
    output: str | os.PathLike[str],
    *,
    treat_as: Mapping[str, str] | None = None,
    keep_others: bool = False,
) -> FilePlan:
    """Look at all files of a source and say what a run would do; nothing is written.

    Parameters
    ----------
    closer
        A fitted closer.
    sources
        A file, a folder or a pattern of shards, or several; ``name=`` before a path names the group of its rows.
    output
        A file for a file, of the same ending; else a folder that does not exist.
    treat_as
        Groups of the source that the closer knows by another name: ``{"text/query": "text"}``.
    keep_others
        Let rows of other groups pass unchanged. Else they are an error.

    Raises
    ------
    ValueError
        If a group is unknown, the dimension is another one, or the output is a file of the source.
    FormatError
        If a file does not hold what its ending promises.
    OSError
        If a file is missing, or the output could not be written.
    """
    found = find_source_files(sources)
    path = Path(os.path.realpath(output))
    _check_output(path, output, found.files, found.is_folder)
    jobs = tuple(_job(file) for file in found.files)
    counts: dict[str, int] = {}
    for job in jobs:
        for name, rows in job.groups.items():
            counts[name] = counts.get(name, 0) + rows
        if job.dimension != closer.n_features_in_:
            raise ValueError(
                f"{job.location} has vectors of {job.dimension} dimensions, but the closer was fitted on "
                f"{closer.n_features_in_}; give vectors of the same model."
            )
    treated_as = _treated_as(closer, counts, treat_as or {}, keep_others)
    notes = [*found.notes, *(note for job in jobs if not isinstance(job, ParquetStream) for note in job.notes)]
    if all(group is None for group in treated_as.values()):
        raise ValueError(
            f"no row is of a group that the closer knows ({', '.join(closer.groups_)}), since the source holds "
            f"{', '.join(counts)}, so nothing would be moved; say which group is which with --as (treat_as=)."
        )
    return FilePlan(
        closer=closer,
        digest=closer_digest(closer),
        sources=tuple(os.fspath(source) for source in sources),
        output=path,
        given=os.fspath(output),
        is_folder=found.is_folder,
        files=found.files,
        jobs=jobs,
        mover=VectorMover(closer, treated_as),
        groups=counts,
        treated_as=treated_as,
        notes=tuple(notes),
    )


def _job(file: SourceFile) -> ParquetStream | NpyStream | WholeFile:
    match file.location.suffix:
        case ".parquet":
            return ParquetStream(file.location, file.group)
        case ".npy":
            return NpyStream(file.location, str(file.group))
        case _:
            return WholeFile(file.location, file.group)


def _treated_as(
    closer: Closer, counts: Mapping[str, int], treat_as: Mapping[str, str], keep_others: bool
) -> dict[str, str | None]:
    known = ", ".join(closer.groups_)
    for name, group in treat_as.items():
        if name not in counts:
            raise ValueError(f"there is no group {name!r} in the source to treat as {group!r}; it holds "
                             f"{', '.join(counts)}.")  # fmt: skip
        if group not in closer.groups_:
            raise ValueError(
                f"there is no group {group!r} in the closer to treat {name!r} as; it was fitted on {known}."
            )
    treated_as = {name: treat_as.get(name, name if name in closer.groups_ else None) for name in counts}
    for name, group in treated_as.items():
        if group is None and not keep_others:
            raise ValueError(
                f"{counts[name]} rows are of the group {name!r}, which the closer does not know (it was fitted on "
                f"{known}); say which group they are, for example --as {name}={likely_group(name, closer)} "
                f"(treat_as=), or let them pass unchanged with --keep-others (keep_others=True)."
            )
    return treated_as


def _check_output(path: Path, given: str | os.PathLike[str], files: Sequence[SourceFile], is_folder: bool) -> None:
    shown = os.fspath(given)
    for file in files:
        if file.location.filesystem is None and os.path.realpath(file.location.path) == os.fspath(path):
            raise ValueError(f"the output {shown!r} is a file of the source; give another name.")
    if "://" in shown:
        raise ValueError(f"{shown!r} is a URL, but only local paths are written; write a file and copy it there.")
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"{shown!r} cannot be written, since the folder {str(path.parent)!r} does not exist; create it first."
        )
    if path.is_dir() and not is_folder:
        raise IsADirectoryError(f"the output must be a file, but {shown!r} is a folder; give a name in it.")
    if path.exists() and not path.is_dir() and (is_folder or not path.is_file()):
        raise ValueError(f"the output {shown!r} must be a {'new folder' if is_folder else 'plain file'}; give another "
                         f"name.")  # fmt: skip
    suffix = files[0].location.suffix
    if not is_folder and path.suffix.lower() != suffix:
        raise FormatError(f"the output {shown!r} must end in {suffix}, as the source does; give such a name.")
    if suffix == ".parquet" and path.is_file() and not _is_an_earlier_result(path):
        raise ValueError(
            f"the output {shown!r} exists, and crossgap apply did not write it; give another name, or remove it first."
        )
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(
            f"{shown!r} cannot be written, since this user may not write in {str(path.parent)!r}; choose another "
            f"folder."
        )


def _is_an_earlier_result(path: Path) -> bool:
    """Whether a Parquet file carries the mark of a closer."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return MOVED_BY in (pq.read_metadata(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False

"""Vectors in a FAISS index: a new index of the same kind in a file beside the old one, and two names that change.

    photos.faiss  --vectors read back, moved, added-->  photos_closed.faiss
    switched: photos.faiss is the new one, photos.faiss.before the old one; rolling back reverses that

A new file is complete or it is not there, so a run that was stopped begins again: that takes minutes and can lose
nothing. ``photos.faiss.crossgap.json`` says which closer made it, so that nothing is moved twice.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crossgap.apply.faiss_files import IndexFiles
from crossgap.apply.faiss_rows import IndexRows, read_index
from crossgap.apply.searching import how_to_search, wants_inner_product
from crossgap.apply.store_record import ZEROS_SEEM_NEAR, StoreRecord, StoreTask
from crossgap.apply.store_rows import GroupNames, count_groups, gives_unit_rows, move_rows, store_mover
from crossgap.data.location import Location
from crossgap.data.npy import read_header
from crossgap.errors import FormatError

__all__ = ["apply_to_index"]

_BATCH = 65536


def apply_to_index(task: StoreTask, path: str) -> StoreRecord:
    """Apply a closer to the index in a file.

    Raises
    ------
    ValueError
        If its vectors are rounded, of another dimension or metric, or were moved already, or groups do not fit.
    FormatError
        If the file is no FAISS index.
    MissingExtraError
        If faiss is not installed.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"{path!r} does not exist or is no file; give the path of a FAISS index.")
    files = IndexFiles(task, path)
    if task.roll_back:
        return files.roll_back()
    if files.switched:
        return files.already()
    return _Index(task, files).run()


class _Index:
    """One run: an index, and the new one beside it."""

    def __init__(self, task: StoreTask, files: IndexFiles) -> None:
        self._task, self._files = task, files
        self._names = GroupNames(task)
        self._rows = IndexRows(read_index(files.old), str(files.old), vectors_file=task.vectors_file)
        self._unit = gives_unit_rows(task.closer)
        if self._rows.dimension != task.closer.n_features_in_:
            raise ValueError(
                f"{files.old} has {self._rows.dimension} dimensions, but the closer was fitted on "
                f"{task.closer.n_features_in_}; give vectors of the same model."
            )
        if self._rows.metric == "L2" and not self._unit:
            raise ValueError(
                f"{files.old} is compared by the L2 distance, which orders moved vectors as the cosine does only if "
                f"they have length 1; use a closer that renormalises, or an index of the inner product."
            )
        self._groups, self._number = self._row_groups()

    def run(self) -> StoreRecord:
        """Build the new index, unless it is there, and switch where asked."""
        task, files = self._task, self._files
        counts = np.bincount(self._number, minlength=len(self._groups))
        said: dict[tuple[object, object], int] = {
            (name, None): int(count) for name, count in zip(self._groups, counts, strict=True)
        }
        groups, kept = count_groups(said, self._names, task, where=str(files.old))
        self._own = [self._names.find(name) for name in self._groups]
        self._mover = store_mover(task.closer, groups, kept, where=str(files.old))
        record = StoreRecord(
            store="faiss",
            source=str(files.old),
            output=str(files.new),
            rows=len(self._rows),
            groups=groups,
            kept_rows=kept,
            dry_run=task.dry_run,
        )
        there = files.complete()
        if task.switch:
            files.check_room()
        if task.dry_run:
            _, zeros = self._moved(np.arange(min(self._size, len(self._rows))))
            return replace(
                record, zero_rows=zeros, resumed_from=len(self._rows) * there, notes=self._notes(False, zeros)
            )
        zeros = 0
        if not there:
            index, zeros = self._build()
            files.write(index)
        if task.switch:
            files.switch()
            record = replace(record, source=str(files.before), output=str(files.old))
        rows = len(self._rows)
        return replace(
            record,
            zero_rows=zeros,
            resumed_from=rows * there,
            written=rows * (not there),
            switched=task.switch,
            notes=self._notes(task.switch, zeros),
        )

    @property
    def _size(self) -> int:
        return self._task.batch or _BATCH

    def _build(self) -> tuple[Any, int]:
        rows, zeros = self._rows, 0
        new = rows.empty(self._mover.moved_dimension)
        if not new.is_trained:
            sample = np.random.default_rng(0).permutation(len(rows))[: rows.training_rows]
            new.train(self._moved(np.sort(sample), where=f"{self._files.old}, rows to train on")[0])
        for start in range(0, len(rows), self._size):
            index = np.arange(start, min(start + self._size, len(rows)))
            moved, zero = self._moved(index)
            rows.add(new, moved, index)
            zeros += zero
            self._task.progress(int(index[-1]) + 1, len(rows), f"building {self._files.new.name}")
        return new, zeros

    def _moved(self, index: np.ndarray, where: str | None = None) -> tuple[np.ndarray, int]:
        groups = [self._own[number] for number in self._number[index]]
        first = int(index[0]) if where is None and len(index) else 0
        moved, zeros = move_rows(
            self._mover, self._rows.take(index), groups, where=where or str(self._files.old), first=first
        )
        return np.ascontiguousarray(moved, np.float32), zeros

    def _row_groups(self) -> tuple[list[str], np.ndarray]:
        """Return the names of groups and for each row the number of its own."""
        task, n = self._task, len(self._rows)
        if (task.group is None) == (task.groups_file is None):
            raise ValueError(
                f"an index says nothing of the groups of its rows; give either the group of all rows with "
                f"--group (group=), or a file of one name a row with --groups-file (groups_file=); there are {n} rows."
            )
        if task.group is not None:
            return [task.group], np.zeros(n, np.intp)
        names = _read_names(str(task.groups_file))
        if len(names) != n:
            raise ValueError(
                f"{task.groups_file!r} names the groups of {len(names)} rows, but {self._files.old} has {n}; give one "
                f"name for each row, in the order in which rows were added."
            )
        found, number = np.unique(names, return_inverse=True)
        return [str(name) for name in found], number

    def _notes(self, switched: bool, zeros: int) -> tuple[str, ...]:
        notes = [how_to_search(self._task.closer)]
        if not self._unit and not wants_inner_product(self._task.closer):
            notes.append("moved vectors are not of length 1, so the inner product also depends on their lengths.")
        if zeros and self._rows.metric == "L2":
            notes.append(ZEROS_SEEM_NEAR)
        if not switched and not self._task.dry_run:
            notes.append(f"nothing searches the new vectors yet: switch, or load {str(self._files.new)!r}.")
        if switched:
            notes.append(
                f"load {str(self._files.old)!r} again; remove {self._files.before.name!r} once you no longer want to "
                f"roll back."
            )
        return tuple(notes)


def _read_names(path: str) -> np.ndarray:
    """Read one name a row from a ``.npy``, or else from lines of text."""
    location = Location(path)
    if location.kind() != "file":
        raise FileNotFoundError(f"{path!r} does not exist or is no file; give a .txt with one group a line, or a .npy.")
    if location.suffix != ".npy":
        try:
            return np.array(
                [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()], dtype=np.str_
            )
        except UnicodeDecodeError as error:
            raise FormatError(f"{path!r} is no text in UTF-8; give a .txt with one group a line, or a .npy.") from error
    with location.open() as file:
        header = read_header(file, location.size(), repr(path))
    if len(header.shape) != 1 or header.dtype.kind != "U":
        raise FormatError(
            f"{path!r} has shape {header.shape} and dtype {header.dtype}, but one string for each row was expected; "
            f"save it with numpy.save(path, numpy.array(names))."
        )
    return np.fromfile(path, header.dtype, header.shape[0], offset=header.start)

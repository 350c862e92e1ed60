"""Files moved by a closer: streamed in constant memory, whole or not at all, and gone on with after a stop.

    .OUT.crossgap-part      what is made, until it takes the name OUT
    .OUT.crossgap-journal   how far it has come

A source of several files becomes a folder, made in the same way.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from crossgap.apply.file_plan import FilePlan
from crossgap.apply.file_record import FileRecord
from crossgap.apply.journal import Journal, read_entries
from crossgap.apply.overlap import in_order
from crossgap.apply.part_file import PartFile
from crossgap.apply.source_files import SourceFile
from crossgap.apply.stream import Stream
from crossgap.apply.whole_files import WholeFile

__all__ = ["apply_to_files", "finished_rows"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_ENDS = 1 << 16  # bytes at either end of a file that tell it from others; the end of a Parquet file is its footer

Progress = Callable[[int, int, str], None]


def _part_of(output: Path) -> Path:
    """Return where an unfinished output is made."""
    return output.with_name(f".{output.name}.crossgap-part")


def _journal_of(output: Path) -> Path:
    """Return where it is noted how far an unfinished output has come."""
    return output.with_name(f".{output.name}.crossgap-journal")


def apply_to_files(plan: FilePlan, *, restart: bool = False, progress: Progress | None = None) -> FileRecord:
    """Move all rows of all files of a plan, and return what was done.

    A run that was stopped (killed, interrupted, out of disk) is gone on with by calling this again with the same plan:
    the result has the same bytes as one of a run that was not stopped. ``restart`` begins anew.

    Raises
    ------
    ValueError
        If another run works on the same output, an unfinished one was begun with something else, or a row cannot be
        moved; then nothing is left behind.
    OSError
        If the disk is full or the output cannot be written; what is done is kept.
    """
    header = {
        "closer": plan.digest,
        "source": [_identity(file) for file in plan.files],
        "options": {"treated_as": dict(plan.treated_as), "steps": [getattr(job, "step", 0) for job in plan.jobs]},
    }
    part = _part_of(plan.output)
    journal = Journal(_journal_of(plan.output), header, output=plan.output, part=part, restart=restart)
    try:
        with threadpool_limits(limits=1, user_api="blas"):  # the threads of a run are enough, and sums stay the same
            return _Run(plan, header["source"], part, journal, restart, progress or _silent).run()
    except ValueError:
        _remove(part)
        journal.remove()
        raise
    except OSError as error:
        if error.errno not in _FULL:
            raise
        kept = sum(entry["rows"] for entry in journal.entries)
        raise OSError(
            f"{plan.given!r} cannot be written ({str(error.strerror).lower()}), and {kept} of {plan.rows} rows are "
            f"kept; free some space and run the same again to go on."
        ) from error
    finally:
        if not part.exists():
            journal.remove()
        journal.close()


def finished_rows(plan: FilePlan) -> int:
    """Return how many rows of a stopped run are kept, to be gone on with."""
    return sum(entry.get("rows", 0) for entry in read_entries(_journal_of(plan.output)))


class _Run:
    """One run: what is done already, what is left, and the name at the end."""

    def __init__(
        self,
        plan: FilePlan,
        identities: list[dict[str, Any]],
        part: Path,
        journal: Journal,
        restart: bool,
        progress: Progress,
    ):
        self._plan, self._part, self._journal, self._progress = plan, part, journal, progress
        self._identities = identities
        self._done = 0
        if part.exists() and (restart or not journal.entries or not self._is_sound()):
            _remove(part)
            journal.forget()

    def run(self) -> FileRecord:
        """Write what is missing, give the output its name, and say what was done."""
        plan = self._plan
        if not self._part.exists():
            if self._is_named():
                self._journal.remove()
                return self._record(plan.rows)
            self._journal.forget()
            if plan.is_folder and plan.output.exists():
                raise IsADirectoryError(
                    f"{plan.given!r} is a folder that exists already; give a new name, or remove it first."
                )
            if plan.is_folder:
                self._part.mkdir()
        resumed_from = 0
        for number, job in enumerate(plan.jobs):
            place = self._place(number)
            entries = self._entries(number)
            begun = sum(entry["rows"] for entry in entries)
            resumed_from += begun
            self._done += begun
            if any("done" in entry for entry in entries):
                continue
            if isinstance(job, WholeFile):
                self._write_whole(number, job, place)
            else:
                self._write_stream(number, job, place, entries)
        changed = next((f for f, was in zip(plan.files, self._identities, strict=True) if _identity(f) != was), None)
        if changed is not None:
            raise ValueError(
                f"{changed.location} has changed while it was read, so what was made of it is removed; run the same "
                f"command again once nothing writes there."
            )
        os.replace(self._part, plan.output)
        _sync_folder(plan.output.parent)
        self._journal.remove()
        return self._record(resumed_from)

    def _is_named(self) -> bool:
        """Whether an earlier run came to its end, and only its journal is left."""
        done = {entry["file"]: entry["stop"] for entry in self._journal.entries if "done" in entry}
        paths = self._outputs()
        return len(done) == len(paths) and all(
            path.is_file() and path.stat().st_size == done[number] for number, path in enumerate(paths)
        )

    def _is_sound(self) -> bool:
        """Whether all bytes are there that the journal tells of."""
        for number in range(len(self._plan.jobs)):
            place = self._place(number)
            reach = max((entry["stop"] for entry in self._entries(number)), default=0)
            if reach > (place.stat().st_size if place.is_file() else 0):
                return False
        return True

    def _place(self, number: int) -> Path:
        return self._part / self._plan.files[number].name if self._plan.is_folder else self._part

    def _outputs(self) -> list[Path]:
        plan = self._plan
        return [plan.output / file.name for file in plan.files] if plan.is_folder else [plan.output]

    def _entries(self, number: int) -> list[dict[str, Any]]:
        return [entry for entry in self._journal.entries if entry["file"] == number]

    def _write_whole(self, number: int, job: WholeFile, place: Path) -> None:
        self._progress(self._done, self._plan.rows, self._plan.files[number].name)
        zero_rows = job.write(self._plan.mover, place)
        size = place.stat().st_size
        self._journal.add([{"file": number, "rows": job.rows, "zero_rows": zero_rows, "stop": size, "done": True}])
        self._done += job.rows

    def _write_stream(self, number: int, job: Stream, place: Path, entries: list[dict[str, Any]]) -> None:
        plan = self._plan
        head = job.begin(plan.mover, plan.digest)
        steps = [(entry["start"], entry["note"]) for entry in entries]
        first = sum(entry["rows"] for entry in entries)
        with PartFile(place, entries[-1]["stop"] if entries else 0, self._journal) as file:
            if not entries:
                file.append([head])
            with closing(in_order(job.encode, job.chunks(first))) as encoded:
                for step in encoded:
                    entry = {"file": number, "rows": step.rows, "zero_rows": step.zero_rows, "start": file.stop}
                    steps.append((file.stop, step.note))
                    file.append(step.pieces, {**entry, "note": step.note})
                    self._done += step.rows
                    self._progress(self._done, plan.rows, plan.files[number].name)
            file.append([job.end(steps)])
            file.finish()
            job.check(place)
            self._journal.add([{"file": number, "rows": 0, "zero_rows": 0, "stop": file.stop, "done": True}])

    def _record(self, resumed_from: int) -> FileRecord:
        plan = self._plan
        return FileRecord(
            closer=plan.digest,
            source=plan.sources,
            output=plan.given,
            files=len(plan.files),
            rows=plan.rows,
            groups=dict(plan.groups),
            treated_as=dict(plan.treated_as),
            zero_rows=sum(entry["zero_rows"] for entry in self._journal.entries),
            kept_rows=sum(rows for name, rows in plan.groups.items() if plan.treated_as[name] is None),
            resumed_from=resumed_from,
            bytes=sum(path.stat().st_size for path in self._outputs()),
            notes=plan.notes,
        )


def _identity(file: SourceFile) -> dict[str, Any]:
    """Return what tells a file from others, and from itself once it has changed."""
    size = file.location.size()
    ends = hashlib.sha256()
    with file.location.open() as opened:
        ends.update(opened.read(_ENDS))
        opened.seek(max(0, size - _ENDS))
        ends.update(opened.read(_ENDS))
    local = file.location.filesystem is None
    changed = os.stat(file.location.path).st_mtime_ns if local else None
    return {"name": file.name, "group": file.group, "size": size, "changed": changed, "ends": ends.hexdigest()}


def _remove(part: Path) -> None:
    if part.is_dir():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Bring a new name to the disk, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def _silent(done: int, total: int, text: str) -> None:
    """Take news of progress, and say nothing."""

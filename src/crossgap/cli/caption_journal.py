"""The file of captions while it grows: lines are added to a part file, which takes its name when it is whole."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from crossgap.cli.output import named_errors
from crossgap.errors import FormatError

__all__ = ["CaptionJournal", "caption_line", "check_references", "run_file"]

_NO_LINE_ENDS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}  # some readers end a line there
_MAY_DIFFER = {"captioner", "sources"}  # places; a digest and checksums say what is there


def run_file(path: Path) -> Path:
    """Return where the settings of the run of a file of captions stand: ``captions.run.json``."""
    return path.with_suffix(".run.json")


def caption_line(record: Mapping[str, Any]) -> str:
    r"""Return a record as a line of JSON, in UTF-8 as it is read.

    Examples
    --------
    >>> caption_line({"row": 0, "caption": "a dog\u2028and a cat"})
    '{"row": 0, "caption": "a dog\\u2028and a cat"}\n'
    """
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text.translate(_NO_LINE_ENDS) + "\n"


class CaptionJournal:
    """A part file whose first line says what run it is of; a killed run leaves it, and the next goes on with it.

    Parameters
    ----------
    path
        The file of captions; the part file is ``<path>.part``.
    run
        What the captions depend on, as JSON.
    resume
        Whether to go on with a part file that is there.
    sizes, batch
        Lines of each group, one group after the other, and how many of a group are written at a time: a batch that is
        not whole is written again.

    Attributes
    ----------
    done
        How many lines are there.
    is_finished
        Whether the captions of this run are there already.
    """

    def __init__(self, path: Path, run: Mapping[str, Any], *, resume: bool, sizes: Sequence[int], batch: int) -> None:
        self.path, self.part = path, path.with_name(path.name + ".part")
        self._run = json.loads(json.dumps(run, allow_nan=False))
        self._sizes, self._batch = sizes, batch
        self._kept = 0  # bytes of the part file that are whole batches
        self.done, self.is_finished = 0, False
        self._check(resume)

    def begin(self) -> None:
        """Cut the part file to whole batches, or begin a new one."""
        with named_errors(self.part):
            if self.part.exists():
                with self.part.open("r+b") as file:
                    file.truncate(self._kept)
            else:
                self._append(caption_line(self._run))

    def add(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Add records, and have them on the disk."""
        self._append("".join(map(caption_line, records)))
        self.done += len(records)

    def end(self) -> None:
        """Write the settings of the run beside, and give the captions their name."""
        from crossgap.data.atomic import atomic_path, write_whole

        write_whole(run_file(self.path), (json.dumps(self._run, indent=1, ensure_ascii=True) + "\n").encode())
        with (
            atomic_path(self.path) as temporary,
            named_errors(self.path),
            self.part.open("rb") as source,
            temporary.open("wb") as file,
        ):
            source.readline()
            while block := source.read(1 << 20):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
        self.part.unlink()
        self.is_finished = True

    def _append(self, text: str) -> None:
        with named_errors(self.part), self.part.open("ab") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())

    def _check(self, resume: bool) -> None:
        if not resume:
            if self.part.exists():
                raise ValueError(
                    f"{str(self.part)!r} holds part of the captions of a run that was stopped; add --resume to go on "
                    f"with it, or remove it."
                )
            _check_replaceable(self.path)
            return
        if self.part.exists():
            self._read_part()
        elif self.path.exists() and run_file(self.path).is_file():
            self._check_same(_parsed(run_file(self.path).read_bytes(), run_file(self.path)), self.path)
            self.is_finished = True
        else:
            raise ValueError(f"there is no run to go on with at {str(self.path)!r}; leave out --resume to begin.")

    def _read_part(self) -> None:
        with self.part.open("rb") as file:
            first = file.readline()
            start = file.tell()
            lengths = [len(line) for line in file if line.endswith(b"\n")]
        if not first.endswith(b"\n"):  # killed within the first line
            self.part.unlink()
            return
        self._check_same(_parsed(first, self.part), self.part)
        self.done = self._whole(len(lengths))
        self._kept = start + sum(lengths[: self.done])

    def _whole(self, lines: int) -> int:
        """Return how many of the lines are of whole batches."""
        done = 0
        for size in self._sizes:
            if lines < done + size:
                return done + (lines - done) // self._batch * self._batch
            done += size
        return done

    def _check_same(self, begun: Any, file: Path) -> None:
        for key in sorted({*begun, *self._run} - _MAY_DIFFER):
            if begun.get(key) != self._run.get(key):
                raise ValueError(
                    f"{str(file)!r} was begun with {key} = {_short(begun.get(key))}, but now it is "
                    f"{_short(self._run.get(key))}; give what it was begun with, or another output."
                )


def _check_replaceable(path: Path) -> None:
    """Fail where the captions would take the place of anything but older captions."""
    if path.suffix.lower() != ".jsonl":
        raise ValueError(
            f"the output must end in .jsonl, but it is {str(path)!r}; give for example "
            f"{str(path.with_suffix('.jsonl'))!r}."
        )
    _check_lines(path, {"caption", "row"})


def check_references(path: Path) -> None:
    """Fail where references would take the place of anything but older ones."""
    _check_lines(path, {"id", "captions"})


def _check_lines(path: Path, keys: set[str]) -> None:
    if not path.exists():
        return
    if not path.is_file():
        raise ValueError(f"the output must be a plain file, but {str(path)!r} is none; give another name.")
    with path.open("rb") as file:
        line = file.readline(1 << 20)
    try:
        record = json.loads(line or b"{}")
    except ValueError:
        record = None
    if not isinstance(record, dict) or (line.strip() and not keys <= set(record)):
        raise ValueError(f"the output {str(path)!r} exists and holds nothing of an earlier run; give another name.")


def _parsed(line: bytes, file: Path) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise FormatError(f"{str(file)!r} does not say what run it is of; remove it and begin again.")
    return found


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

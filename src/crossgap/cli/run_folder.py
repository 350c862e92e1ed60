"""The folder of a training run: its files, whether they may be written, and the records, one JSON object a line."""

import json
import os
import re
from pathlib import Path
from types import TracebackType
from typing import Any

from crossgap.cli.output import named_errors, write_text

__all__ = ["Records", "RunFolder"]


_LEFTOVER = re.compile(r"\.crossgap-[0-9a-f]{12}\.(toml|safetensors|jsonl|json)")  # as data.atomic names them


class RunFolder:
    """The files of one training run.

    Parameters
    ----------
    path
        The folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.toml"
        self.checkpoint = path / "checkpoint.safetensors"
        self.records = path / "records.jsonl"
        self.gap = path / "gap.json"
        self.words = path / "words.json"

    def check(self, *, resume: bool) -> None:
        """Fail before the work where the folder cannot take the run, or holds none to go on with."""
        if self.path.exists() and not self.path.is_dir():
            raise ValueError(
                f"the output must be a folder, but {str(self.path)!r} is a file; give another one: -o {self.path}-run."
            )
        if resume and not (self.config.exists() or self.checkpoint.exists()):
            raise ValueError(f"the folder {str(self.path)!r} holds no run to go on with; leave out --resume to begin.")
        held = [file.name for file in (self.config, self.checkpoint, self.records, self.gap) if file.exists()]
        if held and not resume:
            raise ValueError(
                f"the folder {str(self.path)!r} holds {held[0]} of a run already; add --resume to go on with it, or "
                f"give another folder: -o {self.path}-2."
            )
        place = self.path
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise ValueError(
                f"the output must lie in a folder, but {str(place)!r} is a file; give another one with -o."
            )
        if not os.access(place, os.W_OK | os.X_OK):
            raise ValueError(f"the folder {str(self.path)!r} is not writable; choose another one with -o.")

    def clear(self) -> None:
        """Remove the half-written files that a killed run left."""
        for path in self.path.iterdir() if self.path.is_dir() else ():
            if _LEFTOVER.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)


class Records:
    """The records of a run, in a file to which lines are added.

    Parameters
    ----------
    path
        The file.
    step
        The first step that is still to be taken: records of it and of later steps, left by a run that was stopped, are
        removed, and so is a last line cut short.

    Attributes
    ----------
    kept
        The records that were there before.
    """

    def __init__(self, path: Path, *, step: int) -> None:
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        lines = text.splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        found = [(line, _parsed(line, path)) for line in whole]
        kept = [(line, record) for line, record in found if record["step"] < step]
        self.kept = [record for _, record in kept]
        if len(kept) < len(lines):
            write_text(path, "".join(line for line, _ in kept))
        self._path = path
        self._file = path.open("a", encoding="utf-8")

    def __enter__(self) -> "Records":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with named_errors(self._path):
                self._file.close()
        except OSError:
            if error is None:  # else it is most likely the same one again
                raise

    def write(self, record: dict[str, Any]) -> None:
        """Add a record."""
        with named_errors(self._path):
            self._file.write(json.dumps(record, allow_nan=False) + "\n")

    def flush(self) -> None:
        """Bring all records to the disk, so that a checkpoint never knows more than they do."""
        with named_errors(self._path):
            self._file.flush()
            os.fsync(self._file.fileno())


def _parsed(line: str, path: Path) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        record = None
    if not isinstance(record, dict) or not {"event", "step"} <= set(record):
        raise ValueError(f"{str(path)!r} holds a line that is no record of a run; move the file away and try again.")
    return record

"""What a run has written so far, line by line, so that the next one goes on where it was stopped.

    {"crossgap": "apply", "closer": ..., "source": ..., ...}     what the run is
    {"run": 4711}                                                 the process that works on it
    {"file": 0, "rows": 8192, "stop": 8459712, ...}               rows that are on the disk, and how far they reach

A line is written after the bytes that it tells of are on the disk. The file is locked while a run works; the lock goes
with the process, however it ends.
"""

import io
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["Journal", "read_entries"]

_FAR = 1 << 40  # where Windows locks a byte that nobody reads
_TOLD = {"closer": "another closer", "source": "another source, or one that has changed", "options": "other options"}


class Journal:
    """The open, locked journal of one output.

    Parameters
    ----------
    path
        Where it is.
    header
        What the run is: ``closer``, ``source`` and ``options``, as JSON.
    output, part
        What is being made, for messages, and where; a journal without that tells of nothing that could be lost.
    restart
        Forget what an earlier run did.

    Raises
    ------
    ValueError
        If another run works on the same output, or an unfinished one was begun with something else.
    """

    def __init__(self, path: Path, header: dict[str, Any], *, output: Path, part: Path, restart: bool = False):
        self.path = path
        self.entries: list[dict[str, Any]] = []
        self._header = {"crossgap": "apply", **header}
        self._output = output
        self._file = self._locked()
        try:
            lines = [] if restart else self._lines()
            changed = next((told for key, told in _TOLD.items() if lines and lines[0].get(key) != header[key]), None)
            if changed is not None and part.exists():
                raise ValueError(
                    f"{str(output)!r} was begun with {changed}; give what it was begun with, or begin anew with "
                    f"--restart (restart=True), which removes {str(part)!r} and what was done."
                )
            if lines and changed is None:
                self.entries = [line for line in lines[1:] if "run" not in line]
                self._append([{"run": os.getpid()}])
            else:
                self.forget()
        except BaseException:
            if not part.exists():
                self.remove()
            self.close()
            raise

    def add(self, entries: Sequence[dict[str, Any]]) -> None:
        """Write entries down for good."""
        self._append(entries)
        os.fsync(self._file.fileno())
        self.entries += entries

    def forget(self) -> None:
        """Begin anew."""
        self.entries = []
        self._file.seek(0)
        self._file.truncate(0)
        self._append([self._header, {"run": os.getpid()}])

    def close(self) -> None:
        """Let go of the file, which stays."""
        self._file.close()

    def remove(self) -> None:
        """Let go of the file and remove it: there is nothing to go on with."""
        if self._file.closed:  # the path may be another run's by now
            return
        if sys.platform == "win32":
            self._file.close()
        self.path.unlink(missing_ok=True)
        self._file.close()

    def _append(self, entries: Sequence[dict[str, Any]]) -> None:
        data = b"".join(json.dumps(entry, separators=(",", ":")).encode() + b"\n" for entry in entries)
        while data:  # without a buffer, which a full disk would leave to be written once more on closing
            data = data[self._file.write(data) :]

    def _locked(self) -> io.FileIO:
        while True:
            file = io.FileIO(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
            try:
                _lock(file)
            except OSError as error:
                lines, _ = _whole_lines(file)
                file.close()
                pids = [line["run"] for line in lines if "run" in line]
                process = f" (process {pids[-1]})" if pids else ""
                raise ValueError(
                    f"another run{process} is writing {str(self._output)!r}; wait until it is done, or give another "
                    f"output."
                ) from error
            # a run that ended meanwhile has removed the file that is locked here
            if self.path.exists() and os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                return file
            file.close()

    def _lines(self) -> list[dict[str, Any]]:
        """Return the lines that are whole, and cut off what is not."""
        lines, whole = _whole_lines(self._file)
        self._file.truncate(whole)
        self._file.seek(whole)
        return lines


def read_entries(path: Path) -> list[dict[str, Any]]:
    """Return what a journal that nobody needs to hold says of rows; nothing where there is none."""
    if not path.exists():
        return []
    with io.FileIO(path) as file:
        return [line for line in _whole_lines(file)[0][1:] if "run" not in line]


def _whole_lines(file: io.FileIO) -> tuple[list[dict[str, Any]], int]:
    """Return the lines that are whole and make sense, and their length; the last one may have been under way."""
    file.seek(0)
    lines: list[dict[str, Any]] = []
    length = 0
    for text in file.read().split(b"\n")[:-1]:
        try:
            line = json.loads(text)
        except ValueError:
            break
        if not isinstance(line, dict) or not (lines or line.get("crossgap") == "apply"):
            break
        lines.append(line)
        length += len(text) + 1
    return lines, length


def _lock(file: Any) -> None:
    """Lock a file for this process alone, or fail at once."""
    if sys.platform == "win32":
        file.seek(_FAR)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)

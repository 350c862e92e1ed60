"""A file that grows by appending, on the disk before the journal says so."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from crossgap.apply.journal import Journal

__all__ = ["PartFile"]

_sync = getattr(os, "fdatasync", os.fsync)  # only on Linux


class PartFile:
    """An unfinished file. What is appended is brought to the disk and journaled in a thread, as fast as that can.

    Parameters
    ----------
    path
        The file; what lies beyond ``stop`` is cut off.
    stop
        How far an earlier run came.
    journal
        Where to note what is on the disk.
    """

    def __init__(self, path: Path, stop: int, journal: Journal):
        self.stop = stop
        self._path = path
        self._journal = journal
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        self._file.truncate(stop)
        self._file.seek(stop)
        self._waiting: list[dict[str, Any]] = []
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="crossgap-sync")
        self._under_way: Future[None] | None = None

    def __enter__(self) -> "PartFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None or not issubclass(kind, Exception):  # an interrupt: what is done is kept
                self.finish()
        finally:
            self._thread.shutdown(wait=True)
            self._file.close()

    def append(self, pieces: Sequence[Any], entry: dict[str, Any] | None = None) -> None:
        """Append bytes; ``entry`` is noted, with where they stop, once they are on the disk."""
        with _named(self._path):
            for piece in pieces:
                self._write(memoryview(piece).cast("B"))
        if entry is None:
            return
        self._waiting.append({**entry, "stop": self.stop})
        if self._under_way is None or self._under_way.done():
            self._sync_soon()

    def finish(self) -> None:
        """Wait until all is on the disk and noted."""
        self._sync_soon()
        if self._under_way is not None:
            self._under_way.result()

    def _write(self, data: memoryview) -> None:
        while len(data):
            count = self._file.write(data) or 0
            self.stop += count
            data = data[count:]

    def _sync_soon(self) -> None:
        if self._under_way is not None:
            self._under_way.result()  # its error, if it had one
        entries, self._waiting = self._waiting, []
        self._under_way = self._thread.submit(self._bring_to_disk, entries)

    def _bring_to_disk(self, entries: list[dict[str, Any]]) -> None:
        with _named(self._path):
            _sync(self._file.fileno())
        if entries:
            with _named(self._journal.path):
                self._journal.add(entries)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in an error of the system that names none, as on a full disk."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error

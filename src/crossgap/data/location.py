"""Where a file or folder lies: a local path, or a URL that fsspec can open. Local paths never need fsspec."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Literal, cast

import numpy as np

from crossgap.errors import FormatError, MissingExtraError

__all__ = ["Location", "locate"]

_GLOB = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Location:
    """A file, a folder or a pattern of files; ``filesystem`` and ``inner`` are fsspec's, None for a local path."""

    path: str
    filesystem: Any = None
    inner: str = ""

    def __str__(self) -> str:
        return repr(self.path)  # what a user or a folder gave may hold control characters

    @property
    def name(self) -> str:
        """The last part of the path, without a URL's query."""
        path = self.path if self.filesystem is None else self.inner.split("?")[0]
        return os.path.basename(path.rstrip("/"))

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The ending of the name in small letters, with its dot."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def is_pattern(self) -> bool:
        """Whether the path holds a wildcard."""
        return _GLOB.search(self.path) is not None

    def kind(self) -> Literal["file", "folder"] | None:
        """Say what lies there; None for nothing."""
        with _reading(self):
            if self.filesystem is None:
                return "folder" if os.path.isdir(self.path) else "file" if os.path.exists(self.path) else None
            try:
                return "folder" if self.filesystem.info(self.inner)["type"] == "directory" else "file"
            except FileNotFoundError:
                return None

    def size(self) -> int:
        """Return the length of the file in bytes."""
        with _reading(self):
            if self.filesystem is None:
                return os.path.getsize(self.path)
            size = self.filesystem.info(self.inner)["size"]
        if size is None:
            raise OSError(f"{self} does not tell its size, which is needed to read it; download the file first.")
        return int(size)

    def open(self) -> BinaryIO:
        """Open the file to read bytes, with seeking."""
        with _reading(self):
            if self.filesystem is None:
                return open(self.path, "rb")
            return cast(BinaryIO, self.filesystem.open(self.inner, "rb"))

    def fill(self, pieces: Sequence[tuple[int, np.ndarray]]) -> None:
        """Read the bytes at each offset into the contiguous array beside it."""
        with _reading(self):
            if self.filesystem is None:
                self._fill_from_disk(pieces)
                return
            for offset, array in pieces:
                buffer = array.reshape(-1).view(np.uint8)
                data = self.filesystem.cat_file(self.inner, start=offset, end=offset + len(buffer))
                self._check_length(len(data), len(buffer), offset)
                buffer[:] = np.frombuffer(data, np.uint8)

    def _fill_from_disk(self, pieces: Sequence[tuple[int, np.ndarray]]) -> None:
        with open(self.path, "rb", buffering=0) as file:
            for offset, array in pieces:
                buffer = array.reshape(-1).view(np.uint8)
                file.seek(offset)
                done = 0
                while done < len(buffer):  # one call reads at most 2 GiB
                    count = file.readinto(buffer.data[done:])
                    if not count:
                        self._check_length(done, len(buffer), offset)
                    done += count

    def _check_length(self, found: int, wanted: int, offset: int) -> None:
        if found != wanted:
            raise FormatError(
                f"{self} ends after {offset + found} bytes, but {wanted} bytes were expected from byte {offset} on; "
                f"the file changed while it was read, so read it again."
            )

    def children(self) -> list["Location"]:
        """List what a folder holds, in natural order (2 before 10), without hidden names."""
        with _reading(self):
            if self.filesystem is None:
                found = [Location(os.path.join(self.path, name)) for name in os.listdir(self.path)]
            else:
                paths = self.filesystem.ls(self.inner, detail=False)
                found = [self._beside(path) for path in paths if path.rstrip("/") != self.inner.rstrip("/")]
        return _natural(child for child in found if not child.name.startswith("."))

    def matches(self) -> list["Location"]:
        """List what matches the pattern, in natural order (2 before 10)."""
        with _reading(self):
            if self.filesystem is None:
                return _natural(Location(path) for path in glob.glob(self.path, recursive=True))
            return _natural(self._beside(path) for path in self.filesystem.glob(self.inner))

    def child(self, name: str) -> "Location":
        """Return the place of this name in the folder."""
        inner = f"{self.inner.rstrip('/')}/{name}" if self.filesystem is not None else ""
        path = os.path.join(self.path, name) if self.filesystem is None else f"{self.path.rstrip('/')}/{name}"
        return Location(path, self.filesystem, inner)

    def _beside(self, inner: str) -> "Location":
        return Location(self.filesystem.unstrip_protocol(inner), self.filesystem, inner)


def locate(path: str | os.PathLike[str]) -> Location:
    """Return the place that a path or URL names; nothing is read."""
    path = os.fspath(path)
    if "://" not in path and "::" not in path:
        return Location(os.path.expanduser(path))
    try:
        import fsspec.core

        filesystem, inner = fsspec.core.url_to_fs(path)
    except ImportError as error:
        raise MissingExtraError(
            f"{path!r} needs a package for its protocol that is not installed ({error}); install that package, or "
            f"download the file and give its local path."
        ) from error
    except ValueError as error:
        raise ValueError(
            f"{path!r} is neither a local path nor a URL that fsspec can open ({error}); give a local path, or a URL "
            f"such as https://... or s3://...."
        ) from error
    return Location(path, filesystem, inner)


@contextmanager
def _reading(location: Location) -> Iterator[None]:
    """Turn the operating system's complaint into one sentence that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {location}; check the name and the folder.") from None
    except PermissionError:
        raise PermissionError(f"{location} may not be read by this user; change its permissions.") from None
    except OSError as error:
        raise OSError(f"{location} could not be read ({error}); check the disk or the connection.") from error


def _natural(locations: Iterator[Location]) -> list[Location]:
    return sorted(locations, key=lambda location: (_natural_key(location.path), location.path))


def _natural_key(path: str) -> list[str | int]:
    """Split into text and numbers in turn, so that part 2 comes before part 10."""
    parts = re.split(r"([0-9]+)", path)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]

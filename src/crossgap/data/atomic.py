"""Write whole or not at all: to a temporary name in the same folder, then rename."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["atomic_path", "write_whole"]


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path``; when the block ends well it takes its place, else it is removed.

    The block may write a file or make a folder there. A file that exists is replaced at once and in one step; a folder
    that exists is never replaced. Folders above ``path`` are not made.

    Raises
    ------
    OSError
        If the folder of ``path`` is missing or may not be written, or if ``path`` is anything but a plain file.
    """
    given, path = os.fspath(path), Path(os.path.realpath(path))  # a link keeps pointing to what it points to
    folder = path.parent
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{given!r} cannot be written, since the folder {str(folder)!r} does not exist; create it first."
        )
    if path.is_dir():
        raise IsADirectoryError(f"{given!r} is a folder that exists already; give a new name, or remove it first.")
    if path.exists() and not path.is_file():
        raise OSError(f"{given!r} is no plain file, so nothing is written there; give the name of a file.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            f"{given!r} cannot be written, since this user may not write in {str(folder)!r}; choose another folder."
        )
    temporary = folder / f".crossgap-{secrets.token_hex(6)}{path.suffix}"
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        _remove(temporary)
        if error.filename == os.fspath(temporary):
            why = str(error.strerror).lower()
            raise type(error)(f"{given!r} cannot be written ({why}); choose another place.") from None
        raise
    except BaseException:  # also KeyboardInterrupt: nothing half-written is left behind
        _remove(temporary)
        raise


def write_whole(path: str | os.PathLike[str], *parts: bytes | memoryview) -> Path:
    """Write the parts to a file one after the other, and have them on the disk before it takes its name; return it.

    Raises
    ------
    OSError
        If it cannot be written, for example on a full disk; what was there before is left as it was.
    """
    with atomic_path(path) as temporary:
        try:
            with open(temporary, "wb") as file:
                for part in parts:
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())  # a rename may reach the disk before what it names
        except OSError as error:
            if error.filename is not None:
                raise
            size = sum(memoryview(part).nbytes for part in parts)
            raise OSError(
                f"{os.fspath(path)!r} cannot be written ({str(error.strerror).lower()}), so what was there before is "
                f"kept; free {size:,} bytes or choose another place."
            ) from error
    return Path(path)


def _remove(temporary: Path) -> None:
    if temporary.is_dir():
        shutil.rmtree(temporary, ignore_errors=True)
    else:
        temporary.unlink(missing_ok=True)

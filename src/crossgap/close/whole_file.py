"""A small file, written whole or not at all."""

import os
from pathlib import Path

from crossgap.data.atomic import atomic_path

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike[str], *parts: bytes | memoryview) -> Path:
    """Write the parts one after the other; what was there stays until the new one is complete. Return its path.

    Raises
    ------
    OSError
        If it cannot be written; what was there before is left as it was.
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
            raise OSError(
                f"{os.fspath(path)!r} cannot be written ({str(error.strerror).lower()}), so what was there before is "
                f"kept; free {sum(len(part) for part in parts):,} bytes or choose another place."
            ) from error
    return Path(path)

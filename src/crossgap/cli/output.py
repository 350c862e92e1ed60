"""Where a result goes: a path that may be written, checked before the work."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["check_folder", "check_page", "check_replaceable", "named_errors", "output_path", "write_text"]

_ENDINGS_OF_VECTORS = (".npy", ".npz", ".parquet", ".safetensors")


def output_path(output: str) -> Path:
    """Return what is given as output as a path."""
    if output.strip() in ("", "-"):
        raise ValueError(f"the output must be a path, but it is {output!r}; use --json for standard output.")
    return Path(output)


def check_folder(path: Path) -> None:
    """Fail before the work, not after it, where the result could not be written."""
    folder = path.parent
    if path.is_dir():
        raise ValueError(
            f"the output must be a file, but {str(path)!r} is a folder; give for example {str(path / 'gap.json')!r}."
        )
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"the output must lie in a folder, but {str(folder)!r} is a file; give another path.")
    if not folder.is_dir():
        raise ValueError(f"the output folder {str(folder)!r} does not exist; make it first: mkdir -p {folder}.")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"the output folder {str(folder)!r} is not writable; choose another one.")


def check_replaceable(path: Path, sources: Sequence[str] = ()) -> None:
    """Fail where the result would take the place of anything but an older result."""
    if path.is_file():
        for source in sources:
            if any(os.path.samefile(path, file) for file in _files(source)):
                raise ValueError(f"the output {str(path)!r} is a file of the source {source!r}; give another name.")
    if any(name.lower().endswith(_ENDINGS_OF_VECTORS) for name in (path.name, os.path.realpath(path))):
        raise ValueError(
            f"the output {str(path)!r} has an ending of vectors, but it will be JSON; give another name, such as "
            f"{str(path.with_name('gap.json'))!r}."
        )
    if path.exists() and not path.is_file():
        raise ValueError(f"the output must be a plain file, but {str(path)!r} is none; give another name.")
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(4096).strip()
        if start and not start.startswith(b"{"):
            raise ValueError(f"the output {str(path)!r} exists and is no JSON of an earlier run; give another name.")


def check_page(path: Path) -> None:
    """Fail where a page would take the place of anything but an older page."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(
            f"the page must end in .html, but it is {str(path)!r}; give for example {str(path.with_suffix('.html'))!r}."
        )
    if path.exists() and not path.is_file():
        raise ValueError(f"the output must be a plain file, but {str(path)!r} is none; give another name.")
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(4096).strip().lower()
        if start and not start.startswith((b"<!doctype html", b"<html")):
            raise ValueError(f"the output {str(path)!r} exists and is no page of an earlier run; give another name.")


def _files(source: str) -> list[str]:
    """List the local files of vectors that a source names; of a folder, also those one level down."""
    import glob

    _, equals, named = source.partition("=")
    place = os.path.expanduser(named if equals and not os.path.exists(source) else source)
    if os.path.isfile(place):
        return [place]
    folder = glob.escape(place)
    patterns = [os.path.join(folder, "*"), os.path.join(folder, "*", "*")] if os.path.isdir(place) else [place]
    found = [file for pattern in patterns for file in glob.glob(pattern, recursive=True)]
    return [file for file in found if file.lower().endswith(_ENDINGS_OF_VECTORS) and os.path.isfile(file)]


def write_text(path: Path, text: str) -> None:
    """Write a whole file or none."""
    from crossgap.data.atomic import atomic_path

    with atomic_path(path) as temporary, named_errors(path):
        Path(temporary).write_text(text, encoding="utf-8")


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Name the file in an error of the system that names none, as on a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise

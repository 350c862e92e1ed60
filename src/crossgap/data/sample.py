"""The sample that comes with the package: emoji pictures and their names, embedded. Offline, small, and free to use."""

from importlib.resources import as_file, files

from crossgap.data.embeddings import Embeddings
from crossgap.data.read import read

__all__ = ["sample"]


def sample() -> Embeddings:
    """Return the packaged sample, loaded."""
    with as_file(files("crossgap") / "sample" / "emoji.parquet") as path:
        return read(path)

"""A client of Qdrant: a folder in this process, or a server."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from crossgap.errors import MissingExtraError

__all__ = ["connected"]

_PATIENCE = 120  # seconds for one request


@contextmanager
def connected(location: str) -> Iterator[Any]:
    """Give a client of a folder or of ``http(s)://host:port``, and close it at the end.

    A key is taken from the environment variable ``QDRANT_API_KEY``.

    Raises
    ------
    MissingExtraError
        If qdrant-client is not installed.
    OSError
        If there is no such folder, it is in use, or the server does not answer or refuses.
    """
    try:
        from qdrant_client import QdrantClient
        from qdrant_client.http.exceptions import ApiException
    except ImportError as error:
        raise MissingExtraError(
            "Vectors in Qdrant need qdrant-client, which is not installed; install it: pip install 'crossgap[qdrant]'."
        ) from error
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Local mode is not recommended")  # of more than 20,000 points
        warnings.filterwarnings("ignore", message="Payload indexes have no effect")  # in a folder
        try:
            client = _client(QdrantClient, location)
            try:
                yield client
            finally:
                client.close()
        except ApiException as error:
            raise OSError(
                f"{location!r} gave no usable answer, but {_why(error)!r}; check the address and the key."
            ) from error


def _client(kind: Any, location: str) -> Any:
    if location.startswith(("http://", "https://")):
        key = os.environ.get("QDRANT_API_KEY")
        return kind(url=location, api_key=key, timeout=_PATIENCE, check_compatibility=False)
    if not os.path.isfile(os.path.join(location, "meta.json")):
        raise FileNotFoundError(
            f"{location!r} is no folder of Qdrant in local mode; give such a folder, or the address of a server such "
            f"as http://localhost:6333."
        )
    try:
        return kind(path=location)
    except RuntimeError as error:
        raise OSError(
            f"{location!r} is in use by another process, and a folder of Qdrant takes one at a time; stop that one."
        ) from error


def _why(error: Exception) -> str:
    text = str(getattr(error, "source", error)).strip() or type(error).__name__
    return " ".join(text.split())[:300]

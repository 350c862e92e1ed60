"""Captions in files: predictions, one for each item, and references, several."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crossgap.errors import FormatError

__all__ = ["read_predictions", "read_references"]

_SHAPES = {
    "caption": '{"id": "17", "caption": "A dog runs."}',
    "captions": '{"id": "17", "captions": ["A dog runs.", "One dog."]}',
}


def read_predictions(path: str) -> dict[str, str]:
    """Read one caption for each id: JSON lines with ``id`` and ``caption``, or lines of id, tab, caption.

    Raises
    ------
    FormatError
        If a line holds anything else, or an id comes twice.
    OSError
        If the file cannot be read.
    """
    found: dict[str, str] = {}
    for number, item, caption in _entries(path, "caption"):
        if item in found:
            raise FormatError(
                f"{path!r} must hold each id once, but {item!r} comes again in line {number}; remove one."
            )
        found[item] = caption
    return found


def read_references(path: str) -> dict[str, list[str]]:
    """Read the references of each id: JSON lines with ``id`` and ``captions``, or one line of id, tab, caption each.

    What ``crossgap caption predict`` wrote is read too: its lines hold ``references`` where its source had texts.

    Raises
    ------
    FormatError
        If a line holds anything else.
    OSError
        If the file cannot be read.
    """
    found: dict[str, list[str]] = {}
    for _, item, captions in _entries(path, "captions"):
        found.setdefault(item, []).extend(captions if isinstance(captions, list) else [captions])
    return found


def _entries(path: str, key: str) -> Iterator[tuple[int, str, Any]]:
    """Yield the number of each line, its id and what it holds."""
    import gzip
    import zlib

    empty = True
    try:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                text = line.rstrip("\r\n")
                if not text.strip():
                    continue
                empty = False
                read = _of_json if text.lstrip().startswith("{") else _of_tsv
                item, value = read(text, f"{path!r}, line {number}", key)
                yield number, item, value
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FormatError(f"{path!r} must be text in UTF-8, but it is not ({error}); save it as such.") from None
    if empty:
        raise FormatError(f"{path!r} must hold captions, but it is empty; give lines such as {_SHAPES[key]}.")


def _opened(path: str) -> Any:
    import gzip

    place = Path(path).expanduser()
    if place.suffix == ".gz":
        return gzip.open(place, "rt", encoding="utf-8", newline="\n")
    return place.open(encoding="utf-8", newline="\n")


def _of_json(text: str, where: str, key: str) -> tuple[str, Any]:
    import json

    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        raise FormatError(f"{where}: must be JSON or tab-separated, but it is neither; write {_SHAPES[key]}.") from None
    if isinstance(entry, dict) and key == "captions" and key not in entry and "references" in entry:
        entry = {**entry, key: entry["references"]}
    if isinstance(entry, dict) and key == "captions" and key not in entry and "caption" in entry:
        raise FormatError(
            f"{where}: must hold references, but it holds a prediction alone; give a file of REFERENCES, with lines "
            f"such as {_SHAPES[key]}."
        )
    if not isinstance(entry, dict) or "id" not in entry or key not in entry:
        raise FormatError(f"{where}: must have the keys id and {key}; write {_SHAPES[key]}.")
    item, value = entry["id"], entry[key]
    if not isinstance(item, str | int) or isinstance(item, bool):
        raise FormatError(f"{where}: an id must be text or a whole number; write {_SHAPES[key]}.")
    texts = value if key == "captions" else [value]
    if not isinstance(texts, list) or not all(isinstance(one, str) for one in texts):
        kind = "a list of texts" if key == "captions" else "one text"
        raise FormatError(f"{where}: {key} must be {kind}; write {_SHAPES[key]}.")
    return str(item), value


def _of_tsv(text: str, where: str, key: str) -> tuple[str, str]:
    item, tab, caption = text.partition("\t")
    if not tab:
        raise FormatError(f"{where}: must be an id, a tab and a caption, but it has no tab; or write {_SHAPES[key]}.")
    return item, caption

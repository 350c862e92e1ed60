"""Which captions belong to which picture file, from JSON lines, a table, or COCO's annotations."""

import gzip
import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crossgap.errors import FormatError

__all__ = ["read_captions"]

_CAPTION_KEYS = ("captions", "caption")


def read_captions(
    path: str | os.PathLike[str], *, image_key: str = "image", caption_key: str | None = None
) -> dict[str, list[str]]:
    r"""Read the captions of each picture name, in the order of the file.

    Formula::

        .jsonl    one object a line:  {"image": "a.png", "captions": ["a dog", "a red dog"]}
        .tsv      one caption a line: a.png <tab> a dog
        .json     COCO:  {"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"image_id": 1, "caption": ...}]}

    How to read it: ``.gz`` may follow. Several lines of one picture are several captions. Captions that are empty are
    left out, and a picture may then have none.

    Parameters
    ----------
    path
        The file, in UTF-8.
    image_key, caption_key
        Of JSON lines: where name and captions stand. Captions are a string or a list of strings; None is "captions" or
        "caption".

    Raises
    ------
    FormatError
        If the ending is unknown, or a line is not as above; the message names the line.
    OSError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "captions.tsv")
    ...     _ = file.write_text("a.png\ta dog\nb.png\ta cat\na.png\ta red dog\n")
    ...     read_captions(file)
    {'a.png': ['a dog', 'a red dog'], 'b.png': ['a cat']}
    """
    shown, name = repr(os.fspath(path)), Path(path).name.lower().removesuffix(".gz")
    text = _text(Path(path), shown)
    if name.endswith(".jsonl"):
        entries = _json_lines(text, shown, image_key, caption_key)
    elif name.endswith((".tsv", ".txt")):
        entries = _table(text, shown)
    elif name.endswith(".json"):
        entries = _coco(text, shown)
    else:
        raise FormatError(
            f"{shown} ends in none of .jsonl, .tsv and .json (with or without .gz); rename or convert it."
        )
    captions: dict[str, list[str]] = {}
    for picture, found in entries:
        captions.setdefault(picture, []).extend(caption for caption in found if caption.strip())
    return captions


def _text(path: Path, shown: str) -> str:
    try:
        data = gzip.decompress(path.read_bytes()) if path.name.lower().endswith(".gz") else path.read_bytes()
        return data.decode("utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FormatError(f"{shown} is not a whole gzip file ({error}); fetch it again.") from None
    except UnicodeDecodeError as error:
        raise FormatError(f"{shown} is not UTF-8 at byte {error.start}; convert it to UTF-8.") from None


def _json_lines(text: str, shown: str, image_key: str, caption_key: str | None) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        entry = _parsed(line, f"{shown}, line {number},")
        if not isinstance(entry, dict):
            raise FormatError(f"{shown}, line {number}, is no JSON object; write one object a line.")
        key = caption_key or next((key for key in _CAPTION_KEYS if key in entry), _CAPTION_KEYS[0])
        found = entry.get(key)
        found = [found] if isinstance(found, str) else found
        if not isinstance(entry.get(image_key), str) or not _are_strings(found):
            raise FormatError(
                f"{shown}, line {number}, needs a string {image_key!r} and a string or strings {key!r}, but its keys "
                f"are {', '.join(map(repr, entry)) or 'none'}; name them with image_key and caption_key."
            )
        yield entry[image_key], list(found or ())


def _table(text: str, shown: str) -> Iterator[tuple[str, list[str]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        picture, tab, caption = line.rstrip("\r").partition("\t")
        if not tab:
            raise FormatError(f"{shown}, line {number}, has no tab; write name, tab, caption.")
        yield picture, [caption]


def _coco(text: str, shown: str) -> Iterator[tuple[str, list[str]]]:
    record = _parsed(text, shown)
    try:
        names = {image["id"]: image["file_name"] for image in record["images"]}
        pairs = [(names[note["image_id"]], note["caption"]) for note in record["annotations"]]
    except (KeyError, TypeError) as error:
        raise FormatError(
            f"{shown} is not COCO's annotation of captions ({type(error).__name__}: {error}); it needs images with id "
            f"and file_name, and annotations with image_id and caption."
        ) from None
    if not _are_strings([*names.values(), *(caption for _, caption in pairs)]):
        raise FormatError(f"{shown} has a file_name or a caption that is no string; mend it.")
    yield from ((picture, []) for picture in names.values())
    yield from ((picture, [caption]) for picture, caption in pairs)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{where} is not JSON ({error}); mend or fetch it again.") from None


def _are_strings(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)

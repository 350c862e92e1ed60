"""A page of pictures with their captions, drawn from the lines of ``crossgap caption predict`` and a folder alone.

captions.jsonl ──read_captions──► records ──captions_page──► one HTML file, offline, with small copies of pictures
"""

import base64
import hashlib
import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

from crossgap.errors import FormatError
from crossgap.report.details.thumbnails import small_picture
from crossgap.report.page.safe_text import LONGEST_TEXT, picture, plain

__all__ = ["captions_page", "read_captions", "sameness"]

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
_MOST_FILES = 200_000  # of the folder that are looked at
_MOST_BYTES_EACH, _MOST_BYTES = 12_000, 3_000_000  # of the pictures, as they stand in the page
_MOST_REFERENCES = 5  # of a caption that are shown
_FEWEST, _LARGE_SHARE = 10, 0.5  # captions, and the share of them that one caption may have without a word about it
_WRITTEN = (
    "The score is the mean log probability of a token: the nearer to 0, the surer the captioner. It ranks the captions "
    "of one captioner and does not say whether they are right."
)
_LOOKED_UP = (
    "The score is the cosine of the row and the nearest training text: the higher, the surer. It ranks the captions of "
    "one captioner and does not say whether they are right."
)


def read_captions(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the records of a file of captions, one JSON object a line.

    Raises
    ------
    FormatError
        If a line is no object with a string ``caption``; the message names the line.
    OSError
        If the file cannot be read.
    """
    records = []
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                record = _parsed(line)
                if not isinstance(record, dict) or not isinstance(record.get("caption"), str):
                    raise FormatError(
                        f"{os.fspath(path)!r}, line {number}, is no caption; it needs an object with a string "
                        f"'caption', as crossgap caption predict writes it."
                    )
                records.append(record)
    except UnicodeDecodeError as error:
        raise FormatError(f"{os.fspath(path)!r} is not UTF-8 at byte {error.start}; convert it to UTF-8.") from None
    return records


def sameness(captions: Iterable[str]) -> list[str]:
    """Return sentences on captions without words and on one that was written for many rows; none if all is well.

    How to read it: a captioner that ignores its rows writes the same for all of them, and one that learned too little
    writes nothing. A few repeats are usual, so a caption is named from half of all rows on, and not below ten rows.

    Examples
    --------
    >>> sameness(["a dog"] * 9 + ["a cat"])
    ["'a dog' was written for 9 of 10 rows, of 2 different captions in all; look whether the rows are so alike."]
    >>> sameness(["", "a dog", "a cat"])
    ['1 of 3 captions has no words.']
    """
    counts = Counter(caption.strip() for caption in captions)
    total, empty = sum(counts.values()), counts.pop("", 0)
    found = []
    if empty:
        found.append(f"{empty:,} of {total:,} captions {'has' if empty == 1 else 'have'} no words.")
    if counts:
        caption, times = min(counts.items(), key=lambda one: (-one[1], one[0]))
        if total >= _FEWEST and times >= _LARGE_SHARE * total:
            others = "" if len(counts) == 1 else f", of {len(counts):,} different captions in all"
            found.append(
                f"{plain(caption, 80)!r} was written for {times:,} of {total:,} rows{others}; look whether the "
                f"rows are so alike."
            )
    return found


def captions_page(
    records: Sequence[Mapping[str, Any]],
    *,
    images: str | os.PathLike[str] | None = None,
    title: str = "Captions",
    facts: Iterable[str] = (),
    file_name: str = "captions.jsonl",
    most: int = 300,
) -> str:
    """Return a page of captions as one HTML file that needs no network and asks for none.

    How to read it: each card is a row with the caption that was written for it, the score, and the texts of its item
    where the records have ``references``. The score is the mean log probability of a token (a cosine for captions that
    were looked up), so it ranks rows of one captioner.

    Parameters
    ----------
    records
        As ``read_captions`` returns them: ``caption``, and where they are there ``id, group, row, score, uri,
        references``.
    images
        Folder of the pictures, with folders in it. That of a row is named as its ``uri``, or as its ``id`` with an
        ending of pictures. None: a page without pictures.
    title, facts
        Heading, and short facts below it.
    file_name
        Name of the file that holds all captions, for the note on those left out.
    most
        Captions that are shown; of more, so many are picked evenly.

    Raises
    ------
    ValueError
        If there is no record, or ``most`` is below 1.

    Notes
    -----
    Nothing in records and file names is trusted: text stays text, marks of direction are taken out, and long ones are
    cut. Pictures are drawn anew in at most 96 by 96 pixels and 12 kB each, 3 MB together, with limits on the bytes and
    pixels of what is opened (``pillow`` must be installed; without it the page has no pictures and says so).
    Cards can be sorted by score with JavaScript on, and are in the order of the file without.

    Examples
    --------
    >>> page = captions_page([{"id": "a", "caption": "<b>a dog</b>", "score": -0.5}])
    >>> "&lt;b&gt;a dog&lt;/b&gt;" in page, "<b>" in page
    (True, False)
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    if not records:
        raise ValueError("there are no captions to show; give the records of a file with some.")
    if most < 1:
        raise ValueError(f"most must be at least 1, but it is {most}; 300 captions make a page of about 3 MB.")
    shown = [records[number] for number in _evenly(len(records), most)]
    cards = [_card(record) for record in shown]
    missing = 0
    if images is not None:
        missing = _add_pictures(shown, cards, Path(images))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    script = _asset("captions.js")
    digest = "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.from_string(_asset("captions.html.jinja")).render(
        title=plain(title, LONGEST_TEXT),
        facts=[plain(fact, LONGEST_TEXT) for fact in facts],
        notes=[
            *sameness(record["caption"] for record in records),
            *_notes(len(records), len(cards), missing, images, plain(file_name, LONGEST_TEXT)),
        ],
        meaning=_meaning(shown, cards),
        cards=cards,
        sortable=sum(card["score"] is not None for card in cards) > 1,
        style=Markup(_asset("captions.css")),
        script=Markup(script),
        digest=digest,
    )


def _notes(
    count: int, shown: int, missing: int, images: str | os.PathLike[str] | None, file_name: str
) -> Iterator[str]:
    if shown < count:
        yield f"{shown:,} of {count:,} captions are shown, picked evenly over the file; {file_name} holds all."
    if images is None:
        yield "No folder of pictures was given, so there are none here (--images FOLDER)."
    elif missing:
        yield (
            f"{missing:,} of the {shown:,} have no picture here: none of that name is in the folder, it cannot be read "
            f"or is too large, or pillow is not installed."
        )


def _meaning(records: Sequence[Mapping[str, Any]], cards: Sequence[Mapping[str, Any]]) -> str:
    """Say what the scores are; a caption that was looked up has no tokens."""
    tokens = {record.get("tokens") for record, card in zip(records, cards, strict=True) if card["score"] is not None}
    if not tokens or not all(isinstance(count, int) for count in tokens):
        return ""
    return _LOOKED_UP if tokens == {0} else _WRITTEN


def _evenly(count: int, most: int) -> list[int]:
    """Number ``most`` of ``count`` records, spread evenly."""
    return list(range(count)) if count <= most else [place * count // most for place in range(most)]


def _card(record: Mapping[str, Any]) -> dict[str, Any]:
    score: Any = record.get("score")
    name = record.get("id", record.get("row", ""))
    is_number = isinstance(score, int | float) and not isinstance(score, bool) and math.isfinite(score)
    found = record.get("references")
    references = (
        [plain(text, LONGEST_TEXT) for text in found if isinstance(text, str)] if isinstance(found, list) else []
    )
    caption = plain(record["caption"], LONGEST_TEXT)
    return {
        "caption": caption,
        "name": plain(name, LONGEST_TEXT),
        "group": plain(record.get("group", ""), LONGEST_TEXT),
        "score": float(score) if is_number else None,
        "references": references[:_MOST_REFERENCES],
        "more": max(len(references) - _MOST_REFERENCES, 0),
        "picture": None,
        "alt": f"Picture {plain(name, 80)}, captioned: {caption or 'nothing'}",
    }


def _add_pictures(records: Sequence[Mapping[str, Any]], cards: Sequence[dict[str, Any]], folder: Path) -> int:
    """Put a small copy of its picture into each card, and return how many have none."""
    known = _pictures(folder)
    left, missing = _MOST_BYTES, 0
    for record, card in zip(records, cards, strict=True):
        path = next((known[name] for name in _names(record) if name in known), None)
        found = None if path is None else picture(small_picture(path, _MOST_BYTES_EACH))
        if found is None or len(found) > left:
            missing += 1
            continue
        card["picture"] = found
        left -= len(found)
    return missing


def _pictures(folder: Path) -> dict[str, str]:
    """Return the pictures below a folder by their name and by their name without its ending; the first of a name."""
    found: dict[str, str] = {}
    seen = 0
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            seen += 1
            stem, ending = os.path.splitext(name)
            if ending.lower() in _ENDINGS:
                path = os.path.join(place, name)
                found.setdefault(name, path)
                found.setdefault(stem, path)
        if seen > _MOST_FILES:
            break
    return found


def _names(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names that the picture of a record may have, the likeliest first."""
    uri = record.get("uri")
    if isinstance(uri, str):
        last = PurePosixPath(uri.replace("\\", "/").rpartition(":")[2]).name
        yield from (last, os.path.splitext(last)[0])
    name = record.get("id")
    if isinstance(name, str | int) and not isinstance(name, bool):
        last = PurePosixPath(str(name)).name
        yield from (last, os.path.splitext(last)[0])


def _asset(name: str) -> str:
    return (files("crossgap.report.page") / "assets" / name).read_text(encoding="utf-8")


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None

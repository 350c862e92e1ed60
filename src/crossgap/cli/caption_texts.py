"""The texts of the rows that a captioner is fitted on: from the source, or from a file beside it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from crossgap.errors import FormatError

if TYPE_CHECKING:
    from crossgap.data import Group

__all__ = ["texts_of"]


def texts_of(group: "Group", name: str, file: str | None) -> list[str]:
    """Return the text of each row of a group; an empty one where a row has none.

    Raises
    ------
    ValueError
        If there are no texts, or not one a row.
    FormatError
        If the file is not as it should be.
    OSError
        If the file cannot be read.
    """
    if file is None:
        if group.text is None:
            raise ValueError(
                f"the rows of {name!r} have no texts in the source (a column `text` of Parquet, `{name}@text` of "
                f".npz); give them with --text FILE, one line a row, or name the group that has them with --learn-on."
            )
        return [text or "" for text in group.text]
    found = _read(Path(file).expanduser())
    if len(found) != len(group):
        raise ValueError(
            f"{file!r} must have one text for each row of {name!r}, but it has {len(found):,} for {len(group):,} rows; "
            f"keep an empty line for a row without one."
        )
    return found


def _read(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{str(path)!r} is not UTF-8 at byte {error.start}; convert it to UTF-8.") from None
    lines = text.removesuffix("\n").split("\n") if text else []
    if path.suffix.lower() == ".txt":
        lines = [line.removesuffix("\r") for line in lines]
        given = [line for line in lines if line.strip()]
        if len(given) > 1 and all("\t" in line for line in given):
            raise FormatError(
                f"each line of {str(path)!r} has a tab, so it seems to hold more than a text (an id?); keep the texts "
                f"alone, for example with cut -f2."
            )
        return lines
    if path.suffix.lower() == ".jsonl":
        return [_of_json(line, f"{str(path)!r}, line {number},") for number, line in enumerate(lines, start=1)]
    raise FormatError(f"{str(path)!r} must end in .txt (one text a line) or .jsonl; rename or convert it.")


def _of_json(line: str, where: str) -> str:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        raise FormatError(f'{where} is not JSON; write one object a line: {{"text": "a dog"}}.') from None
    found = entry
    if isinstance(entry, dict):
        found = entry.get("text", entry.get("caption"))
    if found is None and isinstance(entry, dict) and {"text", "caption"} & set(entry):
        return ""
    if not isinstance(found, str):
        raise FormatError(
            f'{where} needs a string, or an object with a string "text" or "caption"{_held(entry)}; mend it.'
        )
    return found


def _held(entry: object) -> str:
    if not isinstance(entry, dict) or not entry:
        return ""
    return f", but it has {', '.join(map(repr, list(entry)[:6]))}"

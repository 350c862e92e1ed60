"""One row as a page shows it: where it stands, and what is known of it, as far as that is short."""

from typing import Any

from crossgap.data.embeddings import Group
from crossgap.report.details.thumbnails import Thumbnails

__all__ = ["MOST_CHARACTERS", "shortened", "shown_row"]

MOST_CHARACTERS = 300


def shown_row(name: str, group: Group, place: int, number: int, thumbnails: Thumbnails | None = None) -> dict[str, Any]:
    """Describe the row at ``place`` of a group, which is row ``number`` of the source."""
    row: dict[str, Any] = {"group": name, "row": int(number)}
    for fact in ("text", "label", "uri"):
        values = getattr(group, fact)
        value = None if values is None else values[place]
        if value:
            row[fact] = shortened(str(value))
            if fact == "uri" and thumbnails is not None:
                picture = thumbnails.of(str(value))
                if picture is not None:
                    row["thumbnail"] = picture
    return row


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    r"""Return a text of at most so many characters, in one line, without what cannot be written in UTF-8.

    Examples
    --------
    >>> shortened("a  long\ncaption", most=8)
    'a long…'
    """
    line = " ".join(text[: 4 * most].split()).encode("utf-8", "replace").decode("utf-8")
    return line if len(line) <= most and len(text) <= 4 * most else line[: most - 1].rstrip() + "…"

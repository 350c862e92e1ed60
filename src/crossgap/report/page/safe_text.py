"""Text from outside, made harmless to look at: cut where it is long, without characters that change what surrounds it.

Escaping is the template's; this is about what an escaped text can still do: fill the page, turn the direction of
writing, break the encoding.
"""

import base64
import binascii
import re
from typing import Any

__all__ = ["LONGEST_SENTENCE", "LONGEST_TEXT", "picture", "plain", "plain_values"]

LONGEST_TEXT = 240  # characters of a caption, a label, a path
LONGEST_SENTENCE = 4000
_REPLACED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")  # no characters of a text
_DIRECTIONS = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_PICTURE = re.compile(r"data:image/(png|jpeg|webp|gif);base64,([A-Za-z0-9+/]+={0,2})", re.ASCII)
_LONGEST_PICTURE = 60_000
_STARTS = {"png": b"\x89PNG", "jpeg": b"\xff\xd8\xff", "webp": b"RIFF", "gif": b"GIF8"}


def plain(text: Any, longest: int = LONGEST_SENTENCE) -> str:
    r"""Return a text that fits a line: marks of direction left out, others replaced, the end cut off with a note.

    Examples
    --------
    >>> plain("a cat")
    'a cat'
    >>> plain("a" * 1_000_000, 10)
    'aaaaaaaaaa… (1,000,000 characters, cut)'
    >>> plain("ab\u202ecd\x00")
    'abcd\ufffd'
    """
    written = str(text)
    kept = _REPLACED.sub("\ufffd", _DIRECTIONS.sub("", written[:longest]))
    return kept if len(written) <= longest else f"{kept}… ({len(written):,} characters, cut)"


def plain_values(value: Any, longest: int = LONGEST_TEXT) -> Any:
    """Return plain data with every text in it made plain, keys too."""
    if isinstance(value, str):
        return plain(value, longest)
    if isinstance(value, dict):
        return {plain(key, longest): plain_values(entry, longest) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(entry, longest) for entry in value]
    return value


def picture(uri: Any) -> str | None:
    """Return the data URI of a small picture of points; None for anything else.

    Examples
    --------
    >>> picture("https://example.org/a.png") is None
    True
    >>> picture("data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAAC")
    'data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAAC'
    """
    if not isinstance(uri, str) or len(uri) > _LONGEST_PICTURE:
        return None
    found = _PICTURE.fullmatch(uri)
    if found is None:
        return None
    try:
        start = base64.b64decode(found[2][:16])
    except (binascii.Error, ValueError):
        return None
    return uri if start.startswith(_STARTS[found[1]]) else None

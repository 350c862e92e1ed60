"""A mark in a file that says who wrote it and what it held, so that nobody else's work is written over."""

import hashlib
import re
import zlib

__all__ = ["is_own", "marked"]

_WORDS = b"crossgap figures "
_COMMENTS = {"svg": (b"<!-- ", b" -->\n"), "pdf": (b"% ", b"\n"), "tex": (b"% ", b"\n")}
_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_DIGEST = re.compile(rb"[0-9a-f]{64}")


def marked(data: bytes, kind: str) -> bytes:
    r"""Return a file with a mark that holds the digest of the rest: a comment, in a PNG a chunk of text.

    Examples
    --------
    >>> marked(b"<svg/>\n", "svg")[:36]
    b'<svg/>\n<!-- crossgap figures cd1fafe'
    >>> is_own(marked(b"<svg/>\n", "svg"), "svg"), is_own(b"<svg/>\n", "svg")
    (True, False)
    """
    words = _WORDS + hashlib.sha256(data).hexdigest().encode()
    if kind == "png":
        return data.removesuffix(_PNG_END) + _chunk(words) + _PNG_END
    before, after = _COMMENTS[kind]
    return data + before + words + after


def is_own(data: bytes, kind: str) -> bool:
    """Tell whether a file is as ``marked`` left it."""
    place = data.rfind(_WORDS)
    found = _DIGEST.match(data, place + len(_WORDS)) if place >= 0 else None
    if found is None:
        return False
    before = len(_chunk(_WORDS + found[0])) - 4 - len(_WORDS + found[0]) if kind == "png" else len(_COMMENTS[kind][0])
    rest = data[: place - before] + (_PNG_END if kind == "png" else b"")
    return marked(rest, kind) == data


def _chunk(words: bytes) -> bytes:
    """Return a chunk of text of a PNG."""
    content = b"tEXt" + b"Software\x00" + words
    return (len(content) - 4).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")

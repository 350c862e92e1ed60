"""Small pictures of rows whose originals are local files: made anew, without what cameras write into them, capped.

The files are not trusted: five formats, a limit on bytes and on pixels before anything is decoded, and whatever goes
wrong with one picture means that it is not shown. Nothing is fetched from a network.
"""

import base64
import io
import os
import stat
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["MOST_BYTES", "Thumbnails", "local_picture", "small_picture"]

MOST_BYTES = 400_000  # of all pictures of a report together, as they stand in the file
_MOST_BYTES_EACH = 8_000
_MOST_FILE_BYTES = 20_000_000
_MOST_PIXELS = 50_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp")
_SIZES = ((96, 75), (96, 55), (96, 35), (64, 50), (48, 40))  # pixels, JPEG quality: the first that fits is taken
_ODD = (
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    SyntaxError,
    MemoryError,
    RuntimeError,
    EOFError,
    struct.error,
    zlib.error,
    Warning,
)


class Thumbnails:
    """Pictures by path, until there are ``MOST_BYTES`` of them; counts those that could not be shown."""

    def __init__(self, expected: int) -> None:
        self.left_out = 0
        self._each = min(_MOST_BYTES_EACH, MOST_BYTES // max(1, expected))
        self._left = MOST_BYTES
        self._known: dict[str, str | None] = {}

    def of(self, uri: str) -> str | None:
        """Return the picture at a path as a data URI; None where there is none to show."""
        path = local_picture(uri)
        if path is None:
            return None
        if path not in self._known:
            self._known[path] = small_picture(path, self._each)
        picture = self._known[path]
        if picture is None or len(picture) > self._left:
            self.left_out += 1
            return None
        self._left -= len(picture)
        return picture


def local_picture(uri: str) -> str | None:
    """Return the local path that a URI names where it looks like a picture; None for all else, also for a network."""
    if uri.lower().startswith("file:///"):
        uri = unquote(urlsplit(uri).path)
    if "://" in uri or "\0" in uri or uri.startswith(("//", "\\\\")) or not uri.lower().endswith(_ENDINGS):
        return None
    return os.path.expanduser(uri) if os.path.exists(os.path.expanduser(uri)) else None


def small_picture(path: str, most_bytes: int = _MOST_BYTES_EACH) -> str | None:
    """Return a picture of at most 96 by 96 pixels as a data URI of at most so many bytes, or None."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a decompression bomb starts with a warning
            facts = os.stat(path)
            if not stat.S_ISREG(facts.st_mode) or not 0 < facts.st_size <= _MOST_FILE_BYTES:
                return None
            with Image.open(io.BytesIO(Path(path).read_bytes()), formats=_FORMATS) as opened:
                if opened.width * opened.height > _MOST_PIXELS:
                    return None
                opened.draft("RGB", (192, 192))
                upright = ImageOps.exif_transpose(opened)
                return _encoded(_on_white(upright, Image), most_bytes, Image)
    except (*_ODD, Image.DecompressionBombError):
        return None


def _on_white(picture: Any, image: Any) -> Any:
    """Return the picture in plain colours, what shows through on white."""
    picture.thumbnail((192, 192))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        above = picture.convert("RGBA")
        under = image.new("RGBA", above.size, (255, 255, 255, 255))
        return image.alpha_composite(under, above).convert("RGB")
    return picture.convert("RGB")


def _encoded(picture: Any, most_bytes: int, image: Any) -> str | None:
    for size, quality in _SIZES:
        small = picture.copy()
        small.thumbnail((size, size))
        bare = image.new("RGB", small.size)  # nothing but the pixels
        bare.paste(small)
        buffer = io.BytesIO()
        bare.save(buffer, format="JPEG", quality=quality, optimize=True)
        uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
        if len(uri) <= most_bytes:
            return uri
    return None

"""A picture file as a square of bytes, the way CLIP cuts it."""

import io
import zlib

import numpy as np

from crossgap.errors import FormatError, MissingExtraError

__all__ = ["decoded_pixels"]

_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")  # none of them runs another program
_MOST_PIXELS = 80_000_000  # below the number from which Pillow itself warns


def decoded_pixels(data: bytes, *, size: int, background: tuple[int, int, int] = (255, 255, 255)) -> np.ndarray:
    """Decode a picture, bring its shorter side to a size, and cut out the middle.

    Formula::

        resize: shorter side = size, the longer one in proportion, bicubic;    crop: the middle size x size

    How to read it: what CLIP's own preprocessing does before it scales the colours, to the byte.

    Parameters
    ----------
    data
        A file of BMP, GIF (its first picture), JPEG, PNG, TIFF or WebP.
    size
        Height and width of what is returned.
    background
        Colour behind a transparent picture.

    Returns
    -------
    uint8 (3, size, size): red, green and blue.

    Raises
    ------
    FormatError
        If it is no such file, is damaged, or has more than 80 million pixels, also once its shorter side is resized.
    MissingExtraError
        If Pillow is not installed.

    Notes
    -----
    The orientation that a camera notes is not followed, as CLIP's preprocessing does not.

    Examples
    --------
    A red picture of 1 x 1, as a BMP file.

    >>> header = b"BM" + (58).to_bytes(4, "little") + bytes(4) + (54).to_bytes(4, "little") + (40).to_bytes(4, "little")
    >>> one, depth = (1).to_bytes(4, "little"), (1).to_bytes(2, "little") + (24).to_bytes(2, "little")
    >>> file = header + one + one + depth + bytes(24) + bytes([0, 0, 255, 0])
    >>> decoded_pixels(file, size=2).tolist()
    [[[255, 255], [255, 255]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingExtraError(
            "Pillow is not installed; install it with crossgap: pip install 'crossgap[encode]'."
        ) from None
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as picture:
            width, height = _resized(*picture.size, size)
            if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
                opaque = Image.new("RGBA", picture.size, (*background, 255))
                opaque.alpha_composite(picture.convert("RGBA"))
                whole = opaque.convert("RGB")
            else:
                whole = picture.convert("RGB")
        square = whole.resize((width, height), Image.Resampling.BICUBIC)
        left, top = (width - size) // 2, (height - size) // 2
        pixels = np.asarray(square.crop((left, top, left + size, top + size)))
    except (
        OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError, MemoryError, OverflowError,
        zlib.error, Image.DecompressionBombError, Image.DecompressionBombWarning,
    ) as error:  # fmt: skip
        if isinstance(error, FormatError):
            raise
        first = next(iter(str(error).splitlines()), "") or type(error).__name__
        if isinstance(error, UnidentifiedImageError):  # its own words hold an address in memory
            first = "of no known kind"
        raise FormatError(f"the file is not a readable picture ({first.rstrip('.')}); save it anew as PNG.") from None
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _resized(width: int, height: int, size: int) -> tuple[int, int]:
    """Return width and height once the shorter one is ``size``, or say that the picture is too large."""
    short, long = sorted((width, height))
    after = size * long // short if short else 0
    if width * height > _MOST_PIXELS or size * after > _MOST_PIXELS:
        raise FormatError(
            f"the picture has {width} x {height} pixels, too many to resize safely; give one of up to 80 million."
        )
    return (size, after) if width <= height else (after, size)

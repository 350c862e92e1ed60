"""A contact sheet: pictures in rows and columns, with words beside each row and above each column, as PNG."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossgap.data.atomic import atomic_path
from crossgap.errors import MissingExtraError

__all__ = ["write_contact_sheet"]

_LINE, _MARGIN = 14, 4
_LONGEST = 28


def write_contact_sheet(
    path: str | os.PathLike[str],
    pictures: Any,
    *,
    columns: Sequence[str],
    rows: Sequence[str],
    zoom: int = 2,
) -> Path:
    """Draw pictures on a sheet, one row for each item and one column for each way of making it.

    How to read it: from left to right, what was asked for and what came out. The pictures are drawn as they are, each
    pixel as a square of ``zoom`` pixels.

    Parameters
    ----------
    path
        A ``.png`` file; an existing one is replaced.
    pictures
        Bytes (number of rows, number of columns, 3, height, width).
    columns
        Head of each column.
    rows
        Words beside each row; long ones are cut to 28 characters.
    zoom
        Pixels a side for each pixel.

    Returns
    -------
    The path.

    Raises
    ------
    ValueError
        If the shape does not agree with the words, the pictures are no bytes, or ``zoom`` is below 1.
    OSError
        If it cannot be written.
    MissingExtraError
        If Pillow is not installed.

    Notes
    -----
    Letters are those of Pillow's built-in font. The same input gives the same bytes with the same Pillow.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     sheet = write_contact_sheet(
    ...         f"{folder}/sheet.png", np.zeros((1, 2, 3, 8, 8), np.uint8), columns=["real", "made"], rows=["night"]
    ...     )
    ...     sheet.read_bytes()[1:4]
    b'PNG'
    """
    try:
        from PIL import Image, ImageDraw, ImageFont
    except ImportError:
        raise MissingExtraError(
            "Pillow is not installed; install it with crossgap: pip install 'crossgap[pictures]'."
        ) from None
    given = np.asarray(pictures)
    if given.dtype != np.uint8 or given.ndim != 5 or given.shape[:3] != (len(rows), len(columns), 3):
        raise ValueError(
            f"pictures must be bytes of shape ({len(rows)}, {len(columns)}, 3, height, width), by the words of "
            f"rows and columns, but they are {given.dtype} of shape {given.shape}; stack them so."
        )
    if isinstance(zoom, bool) or not isinstance(zoom, int) or zoom < 1:
        raise ValueError(f"zoom must be a whole number of at least 1, but it is {zoom!r}; 2 is usual.")
    font = ImageFont.load_default(11)
    words = [text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…" for text in rows]
    wide = max([round(font.getlength(text)) for text in words], default=0) + 2 * _MARGIN
    height, width = given.shape[3] * zoom, given.shape[4] * zoom
    cell = max([width, *(round(font.getlength(text)) for text in columns)]) + _MARGIN
    line = max(height, _LINE) + _MARGIN
    sheet = Image.new("RGB", (wide + cell * len(columns), _LINE + 2 * _MARGIN + line * len(rows)), "white")
    draw = ImageDraw.Draw(sheet)
    for place, text in enumerate(columns):
        draw.text((wide + cell * place, _MARGIN), text, fill="black", font=font)
    for number, text in enumerate(words):
        top = _LINE + 2 * _MARGIN + line * number
        draw.text((_MARGIN, top + (height - _LINE) // 2), text, fill="black", font=font)
        for place in range(len(columns)):
            picture = Image.fromarray(np.ascontiguousarray(given[number, place].transpose(1, 2, 0)))
            picture = picture.resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(picture, (wide + cell * place, top))
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="PNG", optimize=True)
    return Path(path)

"""The contact sheet: where its pictures stand, and what it refuses."""

import re
import sys

import numpy as np
import pytest

from crossgap.errors import MissingExtraError
from crossgap.transfer.pictures import write_contact_sheet

pillow = pytest.importorskip("PIL.Image", reason="Pillow is not installed (extra pictures)")


def test_each_picture_is_on_it_pixel_by_pixel(tmp_path, rng):
    pictures = rng.integers(0, 256, size=(3, 2, 3, 4, 6), dtype=np.uint8)
    path = write_contact_sheet(
        tmp_path / "sheet.png", pictures, columns=["real", "made"], rows=["a", "b" * 50, "ночь"], zoom=2
    )
    sheet = np.asarray(pillow.open(path)).transpose(2, 0, 1)
    for row in range(3):
        for column in range(2):
            block = pictures[row, column].repeat(2, axis=1).repeat(2, axis=2)
            windows = np.lib.stride_tricks.sliding_window_view(sheet, block.shape)[0]
            assert (windows == block).all(axis=(2, 3, 4)).sum() == 1
    first = path.read_bytes()
    write_contact_sheet(path, pictures, columns=["real", "made"], rows=["a", "b" * 50, "ночь"], zoom=2)
    assert path.read_bytes() == first


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"pictures": np.zeros((1, 1, 3, 4, 4), np.uint8)}, "pictures must be bytes of shape (1, 2, 3, height, width)"),
        ({"pictures": np.zeros((1, 2, 3, 4, 4))}, "float64"),
        ({"zoom": 0}, "zoom must be a whole number of at least 1"),
    ],
)
def test_what_it_refuses(tmp_path, change, fragment):
    given = {"pictures": np.zeros((1, 2, 3, 4, 4), np.uint8), "columns": ["a", "b"], "rows": ["c"], **change}
    with pytest.raises(ValueError, match=re.escape(fragment)):
        write_contact_sheet(tmp_path / "sheet.png", given.pop("pictures"), **given)
    assert list(tmp_path.iterdir()) == []


def test_without_pillow_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(MissingExtraError, match="crossgap\\[pictures\\]"):
        write_contact_sheet(tmp_path / "s.png", np.zeros((1, 1, 3, 4, 4), np.uint8), columns=["a"], rows=["b"])

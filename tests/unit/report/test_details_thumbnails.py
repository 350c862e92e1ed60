"""Rows as a page shows them: short texts, and small pictures of files that nobody vouches for."""

import base64
import io
import os
import zlib

import numpy as np
import pytest

from crossgap import Embeddings, Group
from crossgap.report.details.ranking_examples import ranking_examples
from crossgap.report.details.shown_rows import shortened, shown_row
from crossgap.report.details.thumbnails import MOST_BYTES, Thumbnails, local_picture, small_picture
from crossgap.report.selection import Settings

Image = pytest.importorskip("PIL.Image")


def _noise(size: tuple[int, int] = (400, 300), mode: str = "RGB"):
    bands = len(mode)
    pixels = np.random.default_rng(0).integers(0, 256, size=(size[1], size[0], bands), dtype=np.uint8)
    return Image.fromarray(pixels, mode if bands > 1 else "L") if bands == 4 else Image.fromarray(pixels)


def _opened(uri: str):
    head, _, body = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".bmp", ".gif"])
def test_pictures_become_small(ending, tmp_path):
    path = tmp_path / f"a{ending}"
    _noise().save(path)
    uri = small_picture(str(path))
    assert len(uri) <= 8_000
    assert max(_opened(uri).size) <= 96


def test_what_a_camera_writes_into_it_is_gone_and_its_turn_is_kept(tmp_path):
    path = tmp_path / "a.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "secret place"
    _noise((200, 100)).save(path, exif=exif, comment=b"secret place")
    small = _opened(small_picture(str(path)))
    assert not small.getexif()
    assert b"secret" not in base64.b64decode(small_picture(str(path)).partition(",")[2])
    assert small.height > small.width


def test_what_shows_through_is_white(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGBA", (50, 50), (0, 0, 0, 0)).save(path)
    assert min(_opened(small_picture(str(path))).getpixel((20, 20))) > 250


def test_the_same_file_gives_the_same_bytes(tmp_path):
    path = tmp_path / "a.png"
    _noise().save(path)
    assert small_picture(str(path)) == small_picture(str(path))


def test_a_limit_is_kept_or_there_is_no_picture(tmp_path):
    path = tmp_path / "a.png"
    _noise().save(path)
    assert len(small_picture(str(path), 3_000)) <= 3_000
    assert small_picture(str(path), 100) is None


def _png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\x89PNG\r\n\x1a\n", _png(60_000, 60_000), _png(8_000, 8_000)],
    ids=["empty", "text", "postscript", "cut off", "bomb", "large"],
)
def test_odd_files_have_no_picture(content, tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert small_picture(str(path)) is None


def test_a_damaged_picture_has_none(tmp_path):
    whole = io.BytesIO()
    _noise().save(whole, format="PNG")
    path = tmp_path / "a.png"
    path.write_bytes(whole.getvalue()[:5_000])
    assert small_picture(str(path)) is None


def test_a_file_too_large_has_no_picture(tmp_path):
    path = tmp_path / "a.jpg"
    _noise().save(path)
    with path.open("ab") as file:
        file.truncate(20_000_001)
    assert small_picture(str(path)) is None


def test_what_is_no_plain_file_is_never_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert small_picture(str(tmp_path / "pipe.jpg")) is None
    (tmp_path / "folder.jpg").mkdir()
    assert small_picture(str(tmp_path / "folder.jpg")) is None


def test_only_local_pictures_are_looked_for(tmp_path, monkeypatch):
    path = tmp_path / "a b.jpg"
    _noise().save(path)
    monkeypatch.chdir(tmp_path)
    assert local_picture("a b.jpg") == "a b.jpg"
    assert local_picture(str(path)) == str(path)
    assert local_picture(f"file://{str(path).replace(' ', '%20')}") == str(path)
    for uri in (
        "https://example.com/a.jpg",
        "s3://bucket/a.jpg",
        "//server/share/a.jpg",
        "\\\\server\\share\\a.jpg",
        "file://server/a.jpg",
        "a\0.jpg",
        "/etc/passwd",
        "missing.jpg",
    ):
        assert local_picture(uri) is None, uri


def test_pictures_stop_where_all_together_are_too_large(tmp_path):
    thumbnails = Thumbnails(expected=1)
    shown = 0
    for number in range(100):
        path = tmp_path / f"{number}.jpg"
        _noise((96, 96)).save(path)
        shown += len(thumbnails.of(str(path)) or "")
    assert shown <= MOST_BYTES
    assert thumbnails.left_out > 0


def test_without_pillow_there_are_none(tmp_path, monkeypatch):
    import sys

    path = tmp_path / "a.jpg"
    _noise().save(path)
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert small_picture(str(path)) is None


def test_a_row_has_what_is_known_of_it_as_far_as_it_is_short():
    group = Group(
        vectors=np.eye(3), text=["x" * 1_000_000, None, ""], label=["😀", "b", None], uri=["u" * 999, None, None]
    )
    row = shown_row("text", group, 0, 17)
    assert row == {"group": "text", "row": 17, "text": "x" * 299 + "…", "label": "😀", "uri": "u" * 299 + "…"}
    assert shown_row("text", group, 1, 18) == {"group": "text", "row": 18, "label": "b"}
    assert shown_row("text", group, 2, 19) == {"group": "text", "row": 19}


def test_texts_are_one_line_that_can_be_written():
    assert shortened("a\n\n b\t<script>") == "a b <script>"
    assert shortened("bad \ud800 half") == "bad ? half"
    assert shortened(" " * 5_000 + "late") == "…"


def test_examples_carry_pictures_and_count_those_that_fail(tmp_path):
    rng = np.random.default_rng(0)
    uris = []
    for number in range(30):
        path = tmp_path / f"{number}.jpg"
        _noise((120, 90)).save(path)
        if number % 2:
            path.write_bytes(b"broken")
        uris.append(str(path))
    z = rng.normal(size=(30, 6))
    e = Embeddings({"image": Group(vectors=z, uri=uris), "text": Group(vectors=z + 0.1)})
    entries = ranking_examples(e, Settings(replicates=0, level=0.95, seed=0, precision=0.9, most_rows=1_000))
    rows = [row for entry in entries for one in entry["examples"] for row in (one["query"], *one["before"])]
    pictures = {row["row"]: "thumbnail" in row for row in rows if row["group"] == "image"}
    assert all(shown == (row % 2 == 0) for row, shown in pictures.items())
    told = " ".join(note for entry in entries for note in entry["notes"])
    assert "pictures are not shown: they could not be read or made small." in told

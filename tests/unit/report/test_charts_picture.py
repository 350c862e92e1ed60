"""Charts as files: the same bytes each time, and a mark that tells our files from others'."""

import zlib

import pytest

from crossgap.report.charts.picture import PICTURES, picture
from crossgap.report.charts.picture_mark import is_own, marked
from crossgap.report.charts.retrieval import retrieval


@pytest.fixture
def figure(made_up):
    rows = [
        ("recall_at_k", groups, 0.5, (0.4, 0.6), {"k": k, "n": 40, "m": 40})
        for groups in ("image text", "text image")
        for k in (1, 5)
    ]
    return retrieval(made_up(*rows), "image", "text")


@pytest.mark.parametrize(("kind", "start"), [("svg", b"<svg"), ("pdf", b"%PDF"), ("png", b"\x89PNG")])
def test_same_bytes_each_time(figure, kind, start):
    first, *others = (picture(figure, kind, width=300) for _ in range(4))
    assert first.startswith(start)
    assert set(others) == {first}


def test_the_width_is_as_asked(figure):
    assert b'width="450"' in picture(figure, "svg", width=450)


def test_another_kind(figure):
    with pytest.raises(ValueError, match="svg, pdf, png, but it is 'gif'"):
        picture(figure, "gif", width=300)


@pytest.mark.parametrize("kind", PICTURES)
def test_own_until_changed(figure, kind):
    written = marked(picture(figure, kind, width=300), kind)
    assert is_own(written, kind)
    for changed in (written + b"\n", written[:200] + b"x" + written[200:], written.replace(b"0", b"1", 1), b""):
        assert not is_own(changed, kind)
    assert not is_own(picture(figure, kind, width=300), kind)


def test_own_table():
    assert is_own(marked(b"\\begin{table}\n", "tex"), "tex")
    assert not is_own(b"% crossgap figures " + b"0" * 64 + b"\n", "tex")


def test_a_marked_png_is_a_png(figure):
    written = marked(picture(figure, "png", width=300), "png")
    place, names = 8, []
    while place < len(written):
        size = int.from_bytes(written[place : place + 4], "big")
        content = written[place + 4 : place + 8 + size]
        names.append(content[:4])
        assert zlib.crc32(content) == int.from_bytes(written[place + 8 + size : place + 12 + size], "big")
        place += 12 + size
    assert names[-2:] == [b"tEXt", b"IEND"]

"""The page of captions: hostile text stays text, pictures are small and drawn anew, what is left out is said."""

import json
import re

import pytest

from crossgap.errors import FormatError
from crossgap.report.captions_page import captions_page, read_captions, sameness

HOSTILE = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>\u202e\x00 "\' &amp; {{ 7 * 7 }}'


def record(number: int = 0, **more) -> dict:
    plain = {"id": f"a{number}", "group": "image", "row": number, "caption": f"a dog {number}", "score": -0.1 * number}
    return {**plain, **more}


def cards(page: str) -> list[str]:
    return re.findall(r"<li(?: data-score=[^>]*)?>\n.*?</div>\n</li>", page, re.DOTALL)


def test_equal_records_give_equal_bytes():
    records = [record(number) for number in range(3)]
    assert captions_page(records) == captions_page(records)
    assert len(cards(captions_page(records))) == 3


def test_hostile_text_stays_text():
    hostile = record(id=HOSTILE, group=HOSTILE, caption=HOSTILE, references=[HOSTILE], uri=HOSTILE)
    page = captions_page([hostile], title=HOSTILE, facts=[HOSTILE], file_name=HOSTILE, most=1)
    assert "<img" not in page
    assert page.count("<script>") == 1
    assert "alert(1)" in page
    assert "\u202e" not in page
    assert "\x00" not in page
    assert "49" not in page.split("<main", 1)[1]
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "")


@pytest.mark.parametrize(
    "odd",
    [
        {"caption": ""},
        {"caption": "word " * 10_000},
        {"caption": "собака 犬 كلب"},
        {"score": None},
        {"score": "high"},
        {"score": True},
        {"score": float("nan")},
        {"references": "one"},
        {"references": [1, None, "a"]},
        {"id": None},
        {"id": ["x"]},
        {"uri": 3},
    ],
    ids=str,
)
def test_odd_records_are_shown(odd, tmp_path):
    page = captions_page([record(**odd)], images=tmp_path)
    assert len(cards(page)) == 1
    assert len(page) < 20_000


def test_what_is_left_out_is_said():
    page = captions_page([record(number) for number in range(1000)], most=10)
    assert len(cards(page)) == 10
    assert "10 of 1,000 captions are shown, picked evenly over the file; captions.jsonl holds all." in page
    assert "a dog 900" in page
    many = record(references=[f"text {number}" for number in range(9)])
    assert "and 4 more" in captions_page([many])
    with pytest.raises(ValueError, match="there are no captions to show"):
        captions_page([])
    with pytest.raises(ValueError, match="most must be at least 1, but it is 0"):
        captions_page([many], most=0)


def test_every_parameter_matters(tmp_path):
    records = [record(number) for number in range(3)]
    pages = {
        captions_page(records),
        captions_page(records, title="Sounds"),
        captions_page(records, facts=["arm C3"]),
        captions_page(records, most=2),
        captions_page(records, most=2, file_name="mine.jsonl"),
        captions_page(records, images=tmp_path),
    }
    assert len(pages) == 6


def test_pictures_are_found_by_uri_and_by_id(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    (tmp_path / "deep").mkdir()
    for name in ("a0.png", "deep/photo.jpg", "a2.webp"):
        pillow.new("RGB", (300, 200), (200, 10, 10)).save(tmp_path / name)
    records = [
        record(0),
        record(1, uri="s3://bucket/far/photo.jpg"),
        record(2, uri="emoji:other.png"),
        record(3),
        record(4, id="../../etc/a0"),
    ]
    page = captions_page(records, images=tmp_path)
    assert [("<img" in card) for card in cards(page)] == [True, True, True, False, True]
    assert "1 of the 5 have no picture here" in page
    assert all(uri.startswith("data:image/jpeg;base64,") for uri in re.findall(r'<img src="([^"]*)"', page))
    assert 'alt="Picture a0, captioned: a dog 0"' in page


def test_pictures_that_are_none_are_left_out(tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    (tmp_path / "a0.png").write_bytes(b"\x89PNG broken")
    (tmp_path / "a1.svg").write_text("<svg onload='alert(1)'/>")
    (tmp_path / "a2.jpg").mkdir()
    (tmp_path / "a3.png").write_text("<script>alert(1)</script>")
    pillow.new("1", (20_000, 20_000)).save(tmp_path / "a4.png")  # a bomb: small as a file, large as pixels
    page = captions_page([record(number) for number in range(5)], images=tmp_path)
    assert "<img" not in page
    assert "5 of the 5 have no picture here" in page


def test_pictures_have_a_limit_together(tmp_path, monkeypatch):
    pillow = pytest.importorskip("PIL.Image")
    for number in range(4):
        pillow.effect_noise((96, 96), 90).save(tmp_path / f"a{number}.png")
    monkeypatch.setattr("crossgap.report.captions_page._MOST_BYTES", 12_000)
    page = captions_page([record(number) for number in range(4)], images=tmp_path)
    assert 1 <= page.count("<img") < 4
    assert len(page) < 40_000


def test_lines_are_read(tmp_path):
    path = tmp_path / "captions.jsonl"
    path.write_text(json.dumps(record()) + "\n\n" + json.dumps(record(1), ensure_ascii=False) + "\n", encoding="utf-8")
    assert read_captions(path) == [record(), record(1)]
    for line, words in (("{", "line 1"), ('{"text": "a"}', "line 1"), ("[1]", "line 1"), ('{"caption": 3}', "line 1")):
        path.write_text(line + "\n")
        with pytest.raises(FormatError, match=words):
            read_captions(path)
    path.write_bytes(b'{"caption": "caf\xe9"}\n')
    with pytest.raises(FormatError, match="not UTF-8"):
        read_captions(path)


def test_the_score_is_explained_where_it_is_known():
    written, looked_up = record(tokens=4), record(tokens=0)
    assert "mean log probability of a token" in captions_page([written])
    assert "cosine of the row and the nearest training text" in captions_page([looked_up])
    assert "The score is" not in captions_page([record()])
    assert "The score is" not in captions_page([record(score=None, tokens=4)])


def test_a_page_without_a_folder_says_so(tmp_path):
    assert "No folder of pictures was given" in captions_page([record()])
    assert "No folder of pictures was given" not in captions_page([record()], images=tmp_path)


def test_the_page_says_that_captions_are_the_same():
    page = captions_page([record(number, caption="a man" if number < 8 else "") for number in range(10)])
    assert "2 of 10 captions have no words." in page
    assert "was written for 8 of 10 rows" in page


def test_sameness_is_quiet_where_captions_differ():
    assert sameness([]) == []
    assert sameness(["a dog"] * 9) == []  # too few rows to tell
    assert sameness(["a dog"] * 4 + [f"a dog {number}" for number in range(6)]) == []
    assert sameness([""] * 12) == ["12 of 12 captions have no words."]
    assert sameness(["a\u202edog"] * 10)[0].startswith("'adog' was written for 10 of 10 rows;")

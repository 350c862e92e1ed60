import gzip
import json

import pytest

from crossgap.errors import FormatError
from crossgap.train.caption_file import read_captions

EXPECTED = {"a.png": ["a dog", "a red dog"], "sub/b.png": ["ein Käse 😀"]}
COCO = {
    "images": [{"id": 7, "file_name": "a.png"}, {"id": 3, "file_name": "sub/b.png"}],
    "annotations": [
        {"image_id": 7, "caption": "a dog"},
        {"image_id": 3, "caption": "ein Käse 😀"},
        {"image_id": 7, "caption": "a red dog"},
    ],
}
TEXTS = {
    "a.jsonl": '{"image": "a.png", "captions": ["a dog", "a red dog"]}\n\n'
    '{"image": "sub/b.png", "caption": "ein Käse 😀"}',
    "b.jsonl": '{"image": "a.png", "caption": "a dog"}\r\n{"image": "sub/b.png", "caption": "ein Käse 😀"}\r\n'
    '{"image": "a.png", "captions": ["  ", "a red dog"]}\r\n',
    "a.tsv": "a.png\ta dog\nsub/b.png\tein Käse 😀\na.png\ta red dog\n",
    "b.txt": "\ufeffa.png\ta dog\r\na.png\ta red dog\r\n\r\nsub/b.png\tein Käse 😀\r\n",
    "a.json": json.dumps(COCO),
    "A.JSON": json.dumps(COCO, ensure_ascii=False),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", TEXTS)
def test_every_layout_says_the_same(tmp_path, name, packed):
    path = tmp_path / (name + ".gz" * packed)
    data = TEXTS[name].encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    found = read_captions(path)
    assert found == EXPECTED
    assert list(found) == list(EXPECTED)  # in the order of the file


def test_keys_can_be_named(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text('{"file": "a", "label": "one", "tags": ["two", "three"], "caption": "four"}')
    assert read_captions(path, image_key="file", caption_key="label") == {"a": ["one"]}
    assert read_captions(path, image_key="file", caption_key="tags") == {"a": ["two", "three"]}
    assert read_captions(path, image_key="file") == {"a": ["four"]}


def test_pictures_without_captions_stay(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**COCO, "annotations": COCO["annotations"][:1]}))
    assert read_captions(path) == {"a.png": ["a dog"], "sub/b.png": []}
    path = tmp_path / "x.tsv"
    path.write_text("a\t\n")
    assert read_captions(path) == {"a": []}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.csv", "", r"ends in none of \.jsonl, \.tsv and \.json"),
        ("x.jsonl", '{"image": "a", "caption": "b"}\n{', "'.*x.jsonl', line 2, is not JSON"),
        ("x.jsonl", "[1]", "line 1, is no JSON object"),
        ("x.jsonl", '{"picture": "a", "caption": "b"}', "needs a string 'image' .* its keys are 'picture', 'caption'"),
        ("x.jsonl", '{"image": "a", "captions": [1]}', "a string or strings 'captions'"),
        ("x.jsonl", '{"image": "a"}', "a string or strings 'captions'"),
        ("x.jsonl", "{}", "its keys are none"),
        ("x.tsv", "a\tb\nc d", "line 2, has no tab; write name, tab, caption"),
        ("x.json", "[]", "is not COCO's annotation of captions"),
        ("x.json", "{", "is not JSON"),
        ("x.json", "[" * 100_000, "is not JSON"),
        ("x.json", json.dumps({**COCO, "images": []}), r"\(KeyError: 7\)"),
        ("x.json", '{"images": [{"id": 1, "file_name": 2}], "annotations": []}', "a file_name or a caption that"),
        ("x.tsv.gz", "plain", "is not a whole gzip file"),
    ],
)  # fmt: skip
def test_refusals(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(FormatError, match=message):
        read_captions(tmp_path / name)


def test_damaged_bytes(tmp_path):
    whole = gzip.compress(TEXTS["a.tsv"].encode() * 100)
    (tmp_path / "x.tsv.gz").write_bytes(whole[:-20])
    with pytest.raises(FormatError, match="is not a whole gzip file"):
        read_captions(tmp_path / "x.tsv.gz")
    (tmp_path / "x.tsv.gz").write_bytes(whole[:30] + b"\xff\xfe" * 8 + whole[46:])
    with pytest.raises(FormatError, match="is not a whole gzip file"):
        read_captions(tmp_path / "x.tsv.gz")
    (tmp_path / "x.tsv").write_bytes(b"a\t\xff")
    with pytest.raises(FormatError, match="is not UTF-8 at byte 2"):
        read_captions(tmp_path / "x.tsv")
    with pytest.raises(FileNotFoundError):
        read_captions(tmp_path / "none.tsv")

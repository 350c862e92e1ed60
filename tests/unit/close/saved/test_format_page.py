"""The page on the file format keeps its word: its code moves rows and checks the digest."""

import re
from pathlib import Path

import numpy as np

from crossgap.close.closer_file import read_closer_record, write_closer

PAGE = Path(__file__).resolve().parents[4] / "docs" / "closer_format.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_its_recipe_moves_rows(linear_closer, pairs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_closer(linear_closer, "closer.safetensors")
    names: dict = {}
    exec(BLOCKS[0], names)  # noqa: S102
    for group in ("image", "text"):
        rows = pairs.of(group)
        np.testing.assert_allclose(names["move"](rows, group), linear_closer.move(rows, group), rtol=0, atol=1e-12)


def test_its_digest_is_that_of_the_file(closers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_closer(closers("realign"), "closer.safetensors", facts={"seed": 0})
    names: dict = {}
    exec(BLOCKS[1], names)  # noqa: S102
    assert names["digest"] == read_closer_record("closer.safetensors")["digest"]


def test_it_names_every_key_of_the_record(closers, tmp_path):
    record = read_closer_record(write_closer(closers("mean removal"), tmp_path / "c"))
    page = PAGE.read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(record)
    for key in record["steps"]["image"][0]:
        assert f"`{key}`" in page

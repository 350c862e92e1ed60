"""The model card says what it should, and nothing in it is anybody else's markup."""

import re

import numpy as np
import pytest

from crossgap.close.corruption import Corruption
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.model_card import model_card
from crossgap.close.recipe import numpy_recipe

TABLE = [
    {"quantity": "centroid_distance", "before": 0.8223456, "after": 0.028, "n": 12500, "kept": True},
    {"quantity": "recall_at_k", "before": None, "after": 1e-9, "n": 0, "kept": False},
]


def test_the_page(closers):
    closer = closers("mean removal")
    text = model_card(closer, facts={"seed": 0, "sources": ["pairs.npz"]}, table=TABLE)
    yaml = pytest.importorskip("yaml")
    head, page = re.fullmatch(r"---\n(.*?)\n---\n\n(.*)", text, re.DOTALL).groups()
    assert yaml.safe_load(head) == {"library_name": "crossgap", "tags": ["crossgap", "embeddings", "modality-gap"]}
    assert [line for line in page.splitlines() if line.startswith("#")] == [
        "# MeanRemoval: a closer of the modality gap",
        "## Groups",
        "## The fit",
        "## Before and after",
        "## How to apply it",
        "## Limits",
    ]
    for part in (
        "Subtract each group's mean, then renormalise.",
        "512 dimensions",
        "`renormalise=true`",
        "- `image`: fitted on 500 rows",
        "- `seed`: `0`",
        '- `sources`: `["pairs.npz"]`',
        "| quantity | before | after | n | kept |\n| --- | --- | --- | --- | --- |",
        r"| centroid\_distance | 0.8223 | 0.028 | 12,500 | yes |",
        r"| recall\_at\_k | – | 1e-09 | 0 | no |",
        f"```python\n{numpy_recipe(closer, 'model.safetensors')}```",
        "Never move another model's vectors with it",
        "states no licence",
    ):
        assert part in page


def test_without_facts_or_a_table(closers):
    text = model_card(closers("mean removal"))
    assert "## The fit" not in text
    assert "## Before" not in text
    assert text == model_card(closers("mean removal"))


def test_a_closer_without_a_recipe(rng):
    text = model_card(Corruption().fit(rng.normal(size=(30, 10))))
    assert "in NumPy" not in text
    assert "from_pretrained" in text


HOSTILE = "x\n# Heading\n```\n<script>alert(1)</script> [a](http://e.org) `b` ``c`` |\u202e --- *d* _e_ \\"


def test_names_and_facts_stay_text(rng):
    closer = MeanRemoval().fit(rng.normal(size=(4, 3)), groups=[HOSTILE] * 4)
    text = model_card(closer, facts={HOSTILE: HOSTILE, "list": [HOSTILE], "": "", "`": "`"}, table=[{HOSTILE: HOSTILE}])
    page = text.split("---\n", 2)[2]
    fences = [line for line in page.splitlines() if line.startswith("```")]
    assert fences == ["```python", "```", "```python", "```"]
    assert [line for line in page.splitlines() if line.startswith("#")][1] == "## Groups"
    assert "# Heading\n" not in page
    assert not any(line.startswith(("<", "x", "---")) for line in page.splitlines())
    assert "\u202e" not in page
    outside = re.sub(r"^```python\n.*?^```$", "", page, flags=re.DOTALL | re.MULTILINE)
    outside = re.sub(r"(?<![`\\])(`+)(?!`).*?(?<!`)\1(?!`)", "", outside)  # spans of code
    assert not re.search(r"(?<!\\)[<\[]", outside)
    assert "| `" not in outside


def test_the_table_has_as_many_cells_everywhere(closers):
    text = model_card(closers("mean removal"), table=[{"a|b": "c|d", "e": 1.0}, {"a|b": "f"}])
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in lines] == [3, 3, 3, 3]
    assert lines[-1] == "| f | – |"


def test_facts_must_be_json(closers):
    with pytest.raises(TypeError, match="facts must be JSON"):
        model_card(closers("mean removal"), facts={"x": np.zeros(2)})

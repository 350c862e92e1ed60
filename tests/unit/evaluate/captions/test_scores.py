"""The record of all scores: values, intervals, what is left out, its JSON."""

import json

import numpy as np
import pytest

from crossgap.evaluate import Resampling, caption_scores
from crossgap.evaluate.captions import SCORES, bleu, cider_d, rouge_l

PYTHON_ONLY = ("bleu", "rouge_l", "cider_d")
FAST = Resampling(replicates=50)


def test_values_are_those_of_the_functions(original_scores):
    given = original_scores["candidates"], original_scores["references"]
    found = caption_scores(*given, scores=PYTHON_ONLY, resampling=FAST)
    names = [measurement.name for measurement in found.measurements]
    assert names == ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"]
    values = [measurement.value for measurement in found.measurements]
    assert values == [*bleu(*given).tolist(), rouge_l(*given), cider_d(*given)]
    for measurement in found.measurements:
        low, high = measurement.interval
        assert 0 <= low < measurement.value < high <= 10
        assert len(found.per_item[measurement.name]) == 100
    assert found.left_out == {}
    assert found.settings["references"] == 400
    assert found.find("nothing") is None


def test_the_interval_is_that_of_the_spread_of_items(original_scores):
    given = original_scores["candidates"], original_scores["references"]
    found = caption_scores(*given, scores=["rouge_l"], resampling=Resampling(replicates=2000)).measurements[0]
    error = np.std(original_scores["rouge_l_per_item"]) / 10
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 1.96 * error, rel=0.15)
    wide = caption_scores(*given, scores=["rouge_l"], resampling=Resampling(replicates=2000, level=0.99)).measurements[
        0
    ]
    assert wide.interval[0] < found.interval[0] < found.interval[1] < wide.interval[1]


def test_what_has_no_java_is_left_out_with_the_reason(stand_in, monkeypatch):
    folder = stand_in("")
    monkeypatch.setenv("PATH", str(folder))
    found = caption_scores(["a dog", "a cat"], [["a dog"], ["cats"]])
    assert set(found.left_out) == {"meteor", "spice"}
    assert found.left_out["meteor"].startswith("METEOR needs Java, which is not on the path")
    assert "meteor" not in found.per_item
    assert found.find("meteor").value is None
    assert found.find("bleu_1").interval is None  # two items only


def test_java_scores_have_intervals_about_their_own_value(stand_in):
    stand_in(
        """
n = 0
for line in sys.stdin:
    if line.startswith("SCORE"):
        n += 1
        print(n, flush=True)
    else:
        print("\\n".join(str(k / 40) for k in range(n)))
        print(0.6, flush=True)
"""
    )
    found = caption_scores(["a dog"] * 20, [["a dog"]] * 20, scores=["meteor"], resampling=FAST).measurements[0]
    assert found.value == pytest.approx(0.6)
    assert found.interval[0] < 0.6 < found.interval[1]


def test_the_same_input_gives_the_same_bytes(original_scores):
    given = original_scores["candidates"], original_scores["references"]
    first, second = (caption_scores(*given, scores=PYTHON_ONLY, resampling=FAST).to_json() for _ in range(2))
    assert first == second
    other = caption_scores(*given, scores=PYTHON_ONLY, resampling=Resampling(replicates=50, seed=1)).to_json()
    assert other != first
    document = json.loads(first)
    assert document["task"] == "captions"
    assert document["items"][0].keys() == {"id", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider_d"}


def test_notes_say_what_a_reader_must_know():
    alone = caption_scores(["a dog"], [["a dog"]], scores=["cider_d"])
    assert alone.find("cider_d").value == 0
    assert "with one item CIDEr-D is 0" in alone.settings["notes"][0]
    empty = caption_scores(["", "a dog"], [["a dog"], ["a dog"]], items=["x", "y"], scores=["bleu"], notes=["first."])
    assert empty.settings["notes"] == [
        "first.",
        "1 of 2 candidates hold no words once punctuation is taken out; they score 0.",
    ]
    assert empty.items == ("x", "y")


def test_what_is_refused():
    given = (["a", "b"], [["a"], ["b"]])
    with pytest.raises(ValueError, match=r"scores must be some of bleu, rouge_l.*but they are \['rouge'\]"):
        caption_scores(*given, scores=["rouge"])
    with pytest.raises(ValueError, match=r"name at least one"):
        caption_scores(*given, scores=[])
    with pytest.raises(ValueError, match=r"there are 2 ids, 1 of them different"):
        caption_scores(*given, items=["x", "x"])
    with pytest.raises(ValueError, match=r"each of the 2 captions, each once, but there are 1 ids"):
        caption_scores(*given, items=["x"])
    with pytest.raises(ValueError, match=r"timeout must be positive"):
        caption_scores(*given, timeout=0)
    assert (*PYTHON_ONLY, "meteor", "spice") == SCORES


def test_other_scripts_and_long_captions_have_finite_scores():
    candidates = ["中文字符", "قطة صغيرة", "😀", "word " * 10_000, "кошка", "A", "b", "c", "d", "e", "f"]
    found = caption_scores(candidates, [[one] for one in candidates], scores=PYTHON_ONLY, resampling=FAST)
    assert all(np.isfinite(measurement.value) for measurement in found.measurements)
    assert found.find("rouge_l").value == pytest.approx(10 / 11)
    assert found.settings["candidates_without_words"] == 1

"""Several models side by side: alignment, paired differences, similarities, the record and its page."""

import json

import numpy as np
import pytest

from crossgap import Embeddings
from crossgap.data.embeddings import Group
from crossgap.errors import FormatError
from crossgap.measure import certainty, recall_at_k
from crossgap.report.models import ModelComparison, compare_models
from crossgap.report.models.same_items import same_items
from crossgap.report.models.terminal import lines
from crossgap.report.models.verdict import likeness, sentences, summaries


def _model(seed, n=60, d=8, noise=0.3, gap=1.0, items=None, world=0):
    things = np.random.default_rng(world).standard_normal((n, d))
    rng = np.random.default_rng(seed)
    turned = things @ np.linalg.qr(rng.standard_normal((d, d)))[0]
    x = turned + noise * rng.standard_normal((n, d)) + gap * np.eye(d)[0] * 2
    y = turned + noise * rng.standard_normal((n, d)) - gap * np.eye(d)[0] * 2
    return Embeddings.from_arrays(image=x, text=y, items=items)


@pytest.fixture(scope="module")
def comparison():
    return compare_models({"wide": _model(1, gap=1.0), "narrow": _model(2, gap=0.2, d=8)}, replicates=30)


class TestSameItems:
    def test_rows_without_ids_match_by_place(self):
        found = same_items({"a": _model(1), "b": _model(2)})
        assert found.aligned
        assert all("row i was taken to be the same item" in note for note in found.notes)

    def test_rows_with_ids_match_by_id_in_any_order(self):
        ids = [f"item{i}" for i in range(60)]
        order = np.random.default_rng(0).permutation(60)
        a = _model(1, items=ids)
        b = Embeddings({name: group.take(order) for name, group in _model(1, items=ids).items()})
        found = same_items({"a": a, "b": b})
        assert found.aligned
        assert found.notes == ()
        for name in a:
            np.testing.assert_array_equal(found.models["b"][name].vectors, a[name].vectors)

    def test_items_that_one_model_lacks_are_left_out_and_said(self):
        ids = np.arange(60)
        few = Embeddings({name: group.take(np.arange(10, 60)) for name, group in _model(1, items=ids).items()})
        found = same_items({"a": _model(1, items=ids), "b": few})
        assert [len(group) for group in found.models["a"].values()] == [50, 50]
        assert found.notes[0] == "a, image: 10 rows left out, whose items other models lack."

    def test_several_rows_of_one_item_match_in_their_order(self):
        x = np.arange(8.0).reshape(4, 2) + 1
        one = Embeddings({"text": Group(vectors=x, items=np.array(["a", "a", "b", "b"]))})
        two = Embeddings({"text": Group(vectors=x[[2, 0, 1]], items=np.array(["b", "a", "a"]))})
        found = same_items({"one": one, "two": two})
        np.testing.assert_array_equal(found.models["one"]["text"].vectors, x[[0, 1, 2]])
        np.testing.assert_array_equal(found.models["two"]["text"].vectors, x[[0, 1, 2]])

    @pytest.mark.parametrize(
        ("a", "b", "reason"),
        [
            (_model(1), _model(2, n=50), "the numbers of rows differ (50, 60)"),
            (_model(1, items=np.arange(60)), _model(2), "a has item ids and b has none"),
            (_model(1, items=np.arange(60)), _model(2, items=np.arange(100, 160)), "share no item id"),
        ],
    )
    def test_what_cannot_be_matched_is_said(self, a, b, reason):
        found = same_items({"a": a, "b": b})
        assert not found.aligned
        assert reason in found.notes[0]

    def test_it_can_be_told_that_items_differ(self):
        assert not same_items({"a": _model(1), "b": _model(2)}, different=True).aligned


class TestDifferences:
    def test_a_model_does_not_differ_from_itself(self):
        found = compare_models({"a": _model(1), "again": _model(1)}, replicates=20)
        assert {one.value for one in found.differences["again"]} == {0.0}
        assert all(one.interval in (None, (0.0, 0.0)) for one in found.differences["again"])
        assert found.similarities[0].value == pytest.approx(1)

    def test_values_are_the_differences_of_the_measurements(self, comparison):
        change = comparison.difference("narrow", "centroid_distance", "image", "text")
        values = [comparison.find(model, "centroid_distance", "image", "text").value for model in comparison.models]
        assert change.value == pytest.approx(values[1] - values[0])
        assert change.interval[1] < 0

    def test_intervals_are_those_of_the_paired_difference(self, comparison):
        before, after = _model(1, gap=1.0), _model(2, gap=0.2)
        expected = certainty.paired_difference(
            recall_at_k,
            (before["image"].vectors, before["text"].vectors),
            (after["image"].vectors, after["text"].vectors),
            replicates=30,
            seed=0,
            k=1,
        )
        change = comparison.difference("narrow", "recall_at_k", "image", "text", k=1)
        assert change.value == pytest.approx(expected.value)
        assert change.interval == pytest.approx((expected.low, expected.high))

    def test_different_items_give_wider_intervals(self, comparison):
        models = {"wide": _model(1, gap=1.0), "narrow": _model(2, gap=0.2)}
        apart = compare_models(models, replicates=30, different_items=True)
        assert apart.settings["paired"] is False
        assert apart.similarities == ()

        def width(found):
            low, high = found.difference("narrow", "matched_cosine", "image", "text").interval
            return high - low

        assert width(apart) != width(comparison)

    def test_no_replicates_no_intervals(self):
        found = compare_models({"a": _model(1), "b": _model(2)}, replicates=0, metrics=["centroid_distance"])
        assert [one.interval for one in found.differences["b"]] == [None]
        assert all(one.interval is None for one in found.similarities)
        assert "cannot be said" in next(sentences(found))

    def test_models_may_differ_in_dimension_and_groups(self):
        three = Embeddings({**_model(2, d=12), "audio": Group(vectors=np.ones((3, 12)))})
        found = compare_models({"a": _model(1), "b": three}, replicates=0)
        assert found.settings["groups"] == ["image", "text"]
        assert any("group audio is not compared" in note for note in found.settings["notes"])

    def test_large_groups_are_sampled_for_similarities_and_that_is_said(self):
        found = compare_models({"a": _model(1), "b": _model(2)}, replicates=0, most_rows=40)
        assert {one.options["n"] for one in found.similarities} == {40}
        assert {one.options["sampled_from"] for one in found.similarities} == {60}


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ({"a": _model(1)}, "at least two models, but there is 1"),
        ({"a": _model(1), "b": Embeddings.from_arrays(audio=np.eye(8))}, "no group in common"),
    ],
)
def test_what_cannot_be_compared(models, message):
    with pytest.raises(ValueError, match=message):
        compare_models(models)


def test_the_record_survives_its_file(comparison):
    again = ModelComparison.from_json(comparison.to_json())
    assert again.to_json() == comparison.to_json()
    assert again.find("narrow", "recall_at_k", "image", "text", k=5) is not None


def test_equal_inputs_give_equal_bytes(comparison):
    again = compare_models({"wide": _model(1, gap=1.0), "narrow": _model(2, gap=0.2)}, replicates=30)
    assert again.to_json() == comparison.to_json()
    assert again.to_html() == comparison.to_html()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema": 1}', '{"schema": 7}', '{"schema": 1, "models": 3}'])
def test_no_comparison(text):
    with pytest.raises(FormatError, match="comparison"):
        ModelComparison.from_json(text)


def test_sentences_name_direction_and_numbers(comparison):
    said = list(sentences(comparison))
    assert any("gap (centroid distance), image and text" in one and one.endswith("narrower.") for one in said)
    assert "narrow against wide. Clear changes:" in next(summaries(comparison))
    assert any("mutual neighbours" in one and "(chance 0.169)" in one for one in likeness(comparison))


def test_lines_fit_a_terminal_and_name_every_model(comparison):
    text = list(lines(comparison, width=80))
    assert any(line.startswith("  narrow") and "change" in line for line in text)
    assert "no item ids, so row i was taken" in " ".join(text)


def test_names_from_outside_stay_text_on_the_page():
    bad = "<script>alert(1)</script>"
    found = compare_models({bad: _model(1), "b' + (0)": _model(2)}, replicates=0, metrics=["centroid_distance"])
    page = found.to_html()
    assert bad not in page
    assert json.loads(found.to_json())["models"][bad]

"""Several models side by side: alignment, paired differences, similarities, the record and its page."""

import json
from dataclasses import replace
from html import escape

import numpy as np
import pytest

from crossgap import Embeddings, measure
from crossgap.data.embeddings import Group
from crossgap.errors import FormatError
from crossgap.measure import certainty
from crossgap.report.models import ModelComparison, check_gate, compare_models
from crossgap.report.models.first_screen import answers, lead
from crossgap.report.models.same_items import same_items
from crossgap.report.models.similarities import SIMILARITIES, similarities
from crossgap.report.models.terminal import lines
from crossgap.report.models.verdict import likeness, summaries
from crossgap.report.topology import TOPOLOGY
from crossgap.results import told


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
        assert found.notes[0] == "a, image: 10 of 60 rows left out, whose items other models lack."

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

    def test_several_rows_of_one_item_match_by_their_texts(self):
        x = np.arange(8.0).reshape(4, 2) + 1
        group = Group(vectors=x, items=np.array(["a", "a", "b", "b"]), text=["one", "two", "three", "four"])
        found = same_items({"a": Embeddings({"text": group}), "b": Embeddings({"text": group.take([1, 0, 3, 2])})})
        np.testing.assert_array_equal(found.models["b"]["text"].vectors, x)
        assert found.notes == ()

    def test_other_texts_of_matched_rows_are_said(self):
        x = np.arange(8.0).reshape(4, 2) + 1
        one = Group(vectors=x, items=np.array(["a", "a", "b", "b"]), text=["one", "two", "three", "four"])
        two = Group(vectors=x, items=one.items, text=["1", "2", "three", "four"])
        found = same_items({"a": Embeddings({"text": one}), "b": Embeddings({"text": two})})
        assert "second row of an item was matched with its second" in found.notes[0]
        assert found.notes[1].startswith("text: 2 of 4 matched rows have another text in b than in a")

    def test_ids_of_another_type_draw_the_same_items(self):
        ids = np.arange(60)
        a, b = _model(1, items=ids), _model(1, items=ids.astype(str))
        found = compare_models({"a": a, "b": b}, replicates=20)
        assert {one.interval for one in found.differences["b"] if one.name == "recall_at_k"} == {(0.0, 0.0)}

    def test_it_can_be_told_that_items_differ(self):
        assert not same_items({"a": _model(1), "b": _model(2)}, different=True).aligned


class TestDifferences:
    def test_a_model_does_not_differ_from_itself(self):
        found = compare_models({"a": _model(1), "again": _model(1)}, replicates=20)
        assert {one.value for one in found.differences["again"]} == {0.0}
        for one in found.differences["again"]:
            assert one.interval is None or one.interval[0] <= 0 <= one.interval[1]
            assert one.interval in (None, (0.0, 0.0)) or one.name == "linear_separability"
        assert found.similarities[0].value == pytest.approx(1)

    def test_shares_at_a_bound_are_not_sure_to_be_equal(self):
        models = {"a": _model(1, gap=3.0), "b": _model(2, gap=3.0)}
        found = compare_models(models, replicates=20, metrics=["linear_separability"])
        one = found.find("a", "linear_separability", C=1.0)
        assert one.value == 1.0
        change = found.difference("b", "linear_separability", C=1.0)
        reach = 1.0 - one.interval[0]
        assert change.interval == pytest.approx((-reach, reach))

    def test_a_change_without_an_interval_says_why(self, comparison):
        without = [one for one in comparison.differences["narrow"] if one.interval is None]
        assert all(one.options["no_interval"] for one in without)
        names = {one.name for one in comparison.differences["narrow"]}
        assert names >= set(TOPOLOGY)
        assert not names & {"mmd_p_value", "centroid_distance_p_value", "precision_recall"}

    @pytest.mark.parametrize(
        ("name", "groups", "options"),
        [
            ("centroid_distance", ("image", "text"), {}),
            ("alignment", ("image", "text"), {}),
            ("recall_at_k", ("text", "image"), {"k": 5}),
            ("hubness", ("image", "text"), {"k": 10}),
            ("uniformity", ("image",), {}),
            ("participation_ratio", ("text",), {}),
        ],
    )
    def test_intervals_are_those_of_the_paired_difference(self, comparison, name, groups, options):
        before, after = (
            [model[group].vectors for group in groups] for model in (_model(1, gap=1.0), _model(2, gap=0.2))
        )
        function = getattr(measure, name)
        expected = certainty.paired_difference(function, tuple(before), tuple(after), replicates=30, **options)
        change = comparison.difference("narrow", name, *groups, **options)
        assert change.value == pytest.approx(expected.value)
        assert change.interval == pytest.approx((expected.low, expected.high))

    def test_different_items_are_resampled_each_on_their_own(self):
        models = {"a": _model(1), "b": _model(1)}
        found = compare_models(models, replicates=200, different_items=True, metrics=["matched_cosine"])
        low, high = found.difference("b", "matched_cosine", "image", "text").interval
        widths = [np.diff(found.find(label, "matched_cosine", "image", "text").interval)[0] for label in models]
        assert high - low == pytest.approx(np.hypot(*widths), rel=0.25)  # no covariance

    def test_values_are_the_differences_of_the_measurements(self, comparison):
        change = comparison.difference("narrow", "centroid_distance", "image", "text")
        values = [comparison.find(model, "centroid_distance", "image", "text").value for model in comparison.models]
        assert change.value == pytest.approx(values[1] - values[0])
        assert change.interval[1] < 0

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
        assert "Without an interval: gap (centroid distance)" in next(summaries(found))
        assert answers(found)[2].short == "No intervals were asked for"

    def test_models_may_differ_in_dimension_and_groups(self):
        three = Embeddings({**_model(2, d=12), "audio": Group(vectors=np.ones((3, 12)))})
        found = compare_models({"a": _model(1), "b": three}, replicates=0)
        assert found.settings["groups"] == ["image", "text"]
        assert any("group audio is not compared" in note for note in found.settings["notes"])

    def test_curves_are_not_compared(self):
        with pytest.raises(ValueError, match="precision_recall is a curve"):
            compare_models({"a": _model(1), "b": _model(2)}, metrics=["precision_recall"])

    def test_of_many_models_only_the_first_is_held_against_the_others(self):
        models = {f"m{number}": _model(number) for number in range(7)}
        found = compare_models(models, replicates=0, metrics=["centroid_distance"])
        assert {tuple(one.options["models"]) for one in found.similarities} == {("m0", f"m{i}") for i in range(1, 7)}
        assert "of 7 models the likeness of spaces was measured against m0 only." in found.settings["notes"]
        assert "Each model against m0; the tables below hold the numbers" in found.to_html()

    def test_captions_of_one_picture_are_drawn_together(self):
        rng = np.random.default_rng(0)
        x = np.repeat(rng.standard_normal((30, 8)), 5, axis=0)
        y = x + 0.8 * np.repeat(rng.standard_normal((30, 8)), 5, axis=0)
        models = {
            label: Embeddings({"text": Group(vectors=rows, items=np.repeat(np.arange(30), 5))})
            for label, rows in (("a", x), ("b", y))
        }
        apart = {label: Embeddings({"text": Group(vectors=rows)}) for label, rows in (("a", x), ("b", y))}
        together, alone = (
            np.diff(compare_models(given, metrics=["within_cosine"]).similarities[0].interval)[0]
            for given in (models, apart)
        )
        assert together > 1.5 * alone

    def test_few_items_give_no_interval_and_say_so(self):
        found = compare_models({"a": _model(1, n=8), "b": _model(2, n=8)})
        assert {one.options["no_interval"] for one in found.similarities if one.value is not None} == {
            "fewer than 10 items"
        }
        assert {one.options["k"] for one in found.similarities if one.name == "mutual_neighbours"} == {3}
        assert "No intervals: too few items" in found.to_html()

    def test_a_sample_without_a_whole_item_has_a_reason(self):
        one = Embeddings({"text": Group(vectors=np.random.default_rng(0).standard_normal((300, 4)), items=["a"] * 300)})
        found = list(similarities({"a": one, "b": one}, "text", most_rows=100))
        assert {one.name for one in found} == set(SIMILARITIES)
        assert all("no whole item of text fits" in str(one.reason) for one in found)

    def test_divergence_states_its_batches(self):
        pytest.importorskip("gudhi")
        found = list(similarities({"a": _model(1), "b": _model(2)}, "image", everything=True, replicates=0))
        one = next(one for one in found if one.name == "representation_topology_divergence")
        assert (one.options["rows"], one.options["batches"]) == (60, 1)
        assert one.options["lowest"] == one.value == one.options["highest"]

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


def test_sentences_name_direction_and_what_is_not_known(comparison):
    assert lead(comparison).startswith("narrow against wide: gap narrower, retrieval ")
    said = next(summaries(comparison))
    assert said.startswith("narrow against wide. Clearly different: gap (centroid distance) narrower")
    assert "Without an interval: tree edges across groups." in said
    first, second, third = answers(comparison)
    assert first.short == "wide"
    assert first.sentences[0].startswith("image, text, wide (baseline): ")
    assert second.question == "Which model finds better"
    assert third.short.startswith("Sure of")


def test_three_models_are_ranked_by_value_and_that_is_said():
    models = {"a": _model(1, gap=0.2), "b": _model(2, gap=1.0), "c": _model(3, gap=0.5)}
    found = compare_models(models, replicates=20, metrics=["centroid_distance"])
    assert lead(found) == "Against a: gap wider in b, c. And retrieval not measured of both in b, c."
    first, second, third = answers(found)
    assert first.short == "b, by value"
    assert second.short == "Not measured"
    assert "Only changes against a are tested; put another model first to test it." in third.sentences


def test_what_was_not_measured_stands_on_the_page_and_the_terminal():
    models = {"a": _model(1), "b": _model(2)}
    cut = {label: Embeddings({**found, "text": found["text"].take(np.arange(50))}) for label, found in models.items()}
    found = compare_models(cut, replicates=20)
    page, text = found.to_html(), " ".join(" ".join(lines(found)).split())
    for shown in (page, text):
        assert "needs pairs: image (60 rows) and text (50 rows) have no item ids and differ in size" in shown
        assert "it was not resampled" in shown
    small = compare_models(models, replicates=0, most_rows=40)
    for shown in (small.to_html(), " ".join(" ".join(lines(small)).split())):
        assert "On 40 of 60 rows of image" in shown
        assert "representation_topology_divergence (2 times two models and a group): takes some seconds" in shown


def test_the_page_is_drawn_from_the_file_alone(comparison):
    page = comparison.to_html()
    assert ModelComparison.from_json(comparison.to_json()).to_html() == page
    assert len(page) < 1_300_000
    change = comparison.difference("narrow", "centroid_distance", "image", "text")
    value = comparison.find("narrow", "centroid_distance", "image", "text")
    for one, sign in ((change, True), (value, False)):
        assert escape(told(one, sign=sign)) in page


def test_a_gate_stands_in_the_file_and_on_the_page(comparison):
    gated = replace(comparison, gates=check_gate(comparison, "change(centroid_distance) < 0"))
    assert ModelComparison.from_json(gated.to_json()).gates == gated.gates
    assert "Gate passed, narrow: change(centroid_distance) &lt; 0" in gated.to_html()


def test_likeness_names_chance(comparison):
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
    assert "alert(1)" in page
    assert json.loads(found.to_json())["models"][bad]

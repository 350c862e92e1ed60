"""The findings: what each says on pairs whose gap is known, on MG500, and what is skipped where it cannot be said."""

import json

import numpy as np
import pytest

from crossgap import Embeddings, measure
from crossgap.errors import DegenerateError
from crossgap.explain.explain import explain

from .conftest import pairs_with_a_gap

ORDER = [
    *("gap", "offset", "details", "covariance_mismatch", "mean_removal", "translation", "score_spread"),
    *("rogue_coordinates", "cones"),
    *("angle_of_the_gap", "constancy", "noise_shape", "dimension_collapse", "dimension_collapse", "temperature"),
    "hubness",
]
NEED_PAIRS = {"offset", "details", "constancy", "noise_shape", "temperature"}


@pytest.fixture(scope="module")
def explanation(embeddings):
    return explain(embeddings, replicates=50)


@pytest.fixture(scope="module")
def mg500(coco):
    return explain(Embeddings.from_arrays(image=coco["image"], text=coco["text"]), replicates=50)


def test_every_finding_has_sentence_number_interval_and_evidence(explanation):
    assert [finding.name for finding in explanation.findings] == ORDER
    for finding in explanation.findings:
        assert finding.reason is None
        assert finding.interval[0] <= finding.value <= finding.interval[1]
        assert finding.evidence
        assert finding.sentence.endswith(".")
        assert "nan" not in finding.sentence


def test_evidence_carries_the_names_of_functions(explanation):
    parts = {"spectrum", "directions", "details", "spectra_correlation", "gap_share_u", "cosine_deviation"}
    profile = {
        *("nu", "nu_rms", "norm_mean", "norm_concentration", "top_over_mean", "isotropy"),
        *("mean_skew", "mean_excess_kurtosis", "normal_share", "consecutive_cosine_mean", "group_length_mean"),
    }
    names = {measured.name for finding in explanation.findings for measured in finding.evidence}
    assert names - parts - profile <= set(measure.__all__)


def test_the_parts_sum_to_one_and_are_in_order(explanation):
    shares = [explanation.find(name).value for name in ("offset", "details", "covariance_mismatch")]
    assert sum(shares) == pytest.approx(1.0, abs=1e-12)
    assert shares == sorted(shares, reverse=True)
    assert explanation.find("offset").value == explanation.find("offset").measured("gap_energy_ratio").value


def test_the_headline_says_size_and_origin(explanation):
    told = explanation.findings[0].sentence
    assert told.startswith("image and text lie 1.0")
    assert "one constant offset" in told
    assert "1 of 8 coordinates" in told
    assert told.count("\n") == 0


def test_the_coordinate_that_carries_the_gap_is_named(explanation):
    found = explanation.find("rogue_coordinates")
    assert found.value > 0.95
    assert "1 of 8 coordinates (0) carries" in found.sentence
    before, after = (found.measured("centroid_distance", **options) for options in ({}, {"removed": "0"}))
    assert before.value > 1.0
    assert after.value < 0.2
    assert found.measured("recall_at_k", "text", "image", change=True) is not None


def test_mean_removal_is_judged_on_rows_that_it_has_not_seen(explanation):
    found = explanation.find("mean_removal")
    own = found.measured("centroid_distance", held_out=False)
    assert own.value < found.value < 0.3
    assert found.measured("centroid_distance", after="none").value > 1.0
    assert found.measured("modality_share_excess", "image", "text", after="mean_removal").value > -0.1


def test_mg500(mg500):
    """The values of the specification, A6 to A9, A15, A20 and C1, C2."""
    found = {finding.name: finding for finding in mg500.findings}
    assert found["gap"].value == pytest.approx(0.85135, abs=1e-5)
    assert found["offset"].value == pytest.approx(0.5252, abs=1e-4)
    assert found["offset"].measured("alignment").value == pytest.approx(1.38016, abs=1e-5)
    assert found["constancy"].value == pytest.approx(0.5246, abs=1e-4)
    assert found["constancy"].measured("consecutive_cosine_mean").value == pytest.approx(0.991, abs=1e-3)
    assert found["noise_shape"].value == pytest.approx(77.9, abs=0.05)
    assert found["noise_shape"].measured("nu").value == pytest.approx(0.0346, abs=1e-4)
    assert found["noise_shape"].measured("norm_mean").value == pytest.approx(0.805, abs=1e-3)
    assert found["noise_shape"].measured("top_over_mean").value == pytest.approx(28.3, abs=0.05)
    assert found["rogue_coordinates"].value == pytest.approx(0.686, abs=1e-3)
    assert "(442, 362)" in found["rogue_coordinates"].sentence
    shares = [found["rogue_coordinates"].measured("gap_coordinate_share", coordinates=k).value for k in (1, 5, 10)]
    assert shares == pytest.approx([0.346, 0.755, 0.802], abs=1e-3)
    angle = found["angle_of_the_gap"]
    assert [angle.measured("gap_span_energy", of=side).value for side in "xy"] == pytest.approx(
        [0.103, 0.130], abs=1e-3
    )
    assert angle.measured("gap_share_u").value == pytest.approx(0.657, abs=1e-3)
    assert angle.measured("gap_share_u").options["rank"] == 185
    spread = [mg500.find("dimension_collapse", name) for name in ("image", "text")]
    assert [finding.value for finding in spread] == pytest.approx([42.70, 41.71], abs=0.005)
    assert [f.measured("effective_dimension", quantile=0.99).value for f in spread] == [296, 277]
    assert [f.measured("entropy_rank").value for f in spread] == pytest.approx([104.59, 96.93], abs=0.01)
    assert found["covariance_mismatch"].measured("spectra_correlation").value == pytest.approx(0.9987, abs=1e-4)
    assert found["hubness"].groups == ("text", "image")
    assert found["hubness"].value == pytest.approx(2.356, abs=1e-3)
    assert found["cones"].value == pytest.approx(0.30882, abs=1e-5)
    own = [found[name].measured("centroid_distance", held_out=False).value for name in ("mean_removal", "translation")]
    assert own == pytest.approx([0.028, 0.008], abs=1e-3)
    lost = {name: found[name].measured("recall_at_k", change=True) for name in ("mean_removal", "translation")}
    assert lost["mean_removal"].value > -0.06
    assert lost["translation"].interval[1] < -0.1
    assert "so what still keeps the lists apart is no offset." in found["mean_removal"].sentence


def test_the_same_input_gives_the_same_bytes(embeddings, explanation):
    assert explain(embeddings, replicates=50).to_json() == explanation.to_json()


def test_options_matter(embeddings, explanation):
    warm = explain(embeddings, replicates=50, temperature=0.5)
    assert "At temperature 0.5" in warm.find("temperature").sentence
    assert warm.find("temperature").value < explanation.find("temperature").value
    assert "no margin can suffice" in warm.find("temperature").sentence
    other = explain(embeddings, replicates=50, seed=1)
    assert other.find("offset").interval != explanation.find("offset").interval
    assert other.find("mean_removal").value != explanation.find("mean_removal").value
    plain = explain(embeddings, replicates=0)
    assert all(finding.interval is None for finding in plain.findings)
    assert plain.find("offset").value == pytest.approx(explanation.find("offset").value)
    narrow = explain(embeddings, replicates=50, level=0.5).find("offset").interval
    wide = explanation.find("offset").interval
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_a_sub_sample_is_told(embeddings):
    found = explain(embeddings, replicates=0, most_rows=50)
    assert found.settings["notes"] == [
        f"50 of 80 rows of {name} were looked at, whole items drawn at random (--rows 50)." for name in embeddings
    ]
    assert found.find("offset").evidence[0].options["n"] == 50
    assert found.inputs[0]["n"] == 80


def test_without_pairs():
    x, y = pairs_with_a_gap()
    found = explain(Embeddings.from_arrays(image=x, text=y[:60]), replicates=20)
    for finding in found.findings:
        assert (finding.reason is not None) == (finding.name in NEED_PAIRS), finding.name
        if finding.name in NEED_PAIRS:
            assert (
                finding.reason == "needs pairs: image (80 rows) and text (60 rows) have no item ids and differ in size"
            )
    assert "No pairs are known" in found.find("covariance_mismatch").sentence
    assert "that can be told without pairs" in found.findings[0].sentence
    assert found.find("mean_removal").measured("recall_at_k").reason is not None
    assert "recall@1" not in found.find("mean_removal").sentence


def test_several_captions_an_item(rng):
    x, y = pairs_with_a_gap(40)
    texts = np.repeat(y, 3, axis=0) + 0.1 * rng.normal(size=(120, 8))
    items = {"image": np.arange(40), "text": np.repeat(np.arange(40), 3)}
    found = explain(Embeddings.from_arrays(image=x, text=texts, items=items), replicates=20)
    assert all(finding.reason is None for finding in found.findings)
    assert found.find("offset").measured("alignment").options["pair_count"] == 120
    assert found.find("dimension_collapse", "image").evidence[0].options["n"] == 40


def test_three_groups():
    x, y = pairs_with_a_gap()
    found = explain(Embeddings.from_arrays(image=x, text=y, audio=np.roll(x, 1, axis=1)), replicates=0)
    headlines = [finding.groups for finding in found.findings if finding.name == "gap"]
    assert headlines == [("image", "text"), ("image", "audio"), ("text", "audio")]
    collapse = [finding.groups for finding in found.findings if finding.name == "dimension_collapse"]
    assert sorted(collapse) == [("audio",), ("image",), ("text",)]


def test_groups_without_a_gap():
    x, _ = pairs_with_a_gap(200, gap=0.0)
    _, y = pairs_with_a_gap(200, gap=0.0, seed=5)
    found = explain(Embeddings.from_arrays(image=x, text=y), replicates=0)
    assert "no more than two samples of one distribution" in found.findings[0].sentence


def test_what_cannot_be_said_is_said():
    x, _ = pairs_with_a_gap()
    same = explain(Embeddings.from_arrays(image=x, text=x), replicates=0)
    reasons = {finding.name: finding.reason for finding in same.findings if finding.reason is not None}
    assert {"offset", "details", "covariance_mismatch", "rogue_coordinates", "noise_shape"} <= set(reasons)
    few = explain(Embeddings.from_arrays(image=x[:8], text=x[:8] - 1))
    assert few.settings["notes"] == [
        "no intervals for image and text: their rows show fewer than 10 items, and an interval needs as many."
    ]
    assert "at least 10 items" in few.find("mean_removal").reason
    for found in (same, few):
        assert "NaN" not in found.to_json()
        json.loads(found.to_json())


def test_halves_share_no_item_and_hold_every_row(embeddings):
    from crossgap.explain.two_groups import TwoGroups

    first, second = TwoGroups(embeddings=embeddings).halves
    assert not set(first.embeddings["image"].items) & set(second.embeddings["image"].items)
    assert len(first.rows[0]) + len(second.rows[0]) == 80
    assert set(first.embeddings["image"].items) == set(first.embeddings["text"].items)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_types_give_nearly_the_same(embeddings, explanation, dtype):
    narrow = {name: group.vectors.astype(dtype) for name, group in embeddings.items()}
    found = explain(Embeddings.from_arrays(narrow), replicates=0)
    for finding in found.findings:
        expected = explanation.find(finding.name, *finding.groups)
        if finding.name not in ("temperature", "hubness"):  # counts
            assert finding.value == pytest.approx(expected.value, rel=2e-2, abs=2e-3), finding.name


def test_progress_sees_every_step(embeddings):
    seen = []

    def progress(steps, label):
        for step in steps:
            seen.append(label(step))
            yield step

    explain(embeddings, replicates=0, progress=progress)
    assert len(seen) == 11
    assert seen[0] == "image, text: offset"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature must be a finite number above 0"),
        ({"temperature": float("inf")}, "temperature must be a finite number above 0"),
        ({"replicates": 1}, "replicates must be 0 or at least 2"),
        ({"level": 1.0}, "level must lie between 0 and 1"),
    ],
)
def test_refusals(embeddings, options, message):
    with pytest.raises(ValueError, match=message):
        explain(embeddings, **options)


def test_groups_that_are_no_gap():
    x, y = pairs_with_a_gap()
    with pytest.raises(DegenerateError, match="a gap needs two groups, but there is one, image"):
        explain(Embeddings.from_arrays(image=x))
    with pytest.raises(DegenerateError, match="text must have at least 2 rows"):
        explain(Embeddings.from_arrays(image=x, text=y[:1]))
    x[5] = 0
    with pytest.raises(ValueError, match=r"image.*row 5"):
        explain(Embeddings.from_arrays(image=x, text=y))


def test_shares_of_groups_of_different_sizes_are_told_each_against_its_own_corpus():
    """Of what a picture can find, 3 in 4 rows are texts; of what a text can find, 1 in 4 are pictures."""
    x, y = pairs_with_a_gap(40, gap=8.0)
    e = Embeddings.from_arrays(
        image=x, text=np.repeat(y, 3, axis=0), items={"image": np.arange(40), "text": np.repeat(np.arange(40), 3)}
    )
    found = explain(e, replicates=0).find("mean_removal")
    assert "takes text in the top 10 of image from 0.0% to" in found.sentence
    assert "(a blind search: 75.9%) and image in the top 10 of text from 0.0% to" in found.sentence
    assert "(a blind search: 25.3%)" in found.sentence
    spread = explain(e, replicates=0).find("score_spread").sentence
    after = found_share(spread, "text in the top 10 of image to ")
    assert 0.5 < after < 0.95


def found_share(sentence: str, before: str) -> float:
    return float(sentence.partition(before)[2].partition("%")[0]) / 100


def test_an_offset_that_is_left_is_not_called_something_else():
    """A gap that differs between the halves of the items is not taken away by the other half's means."""
    from crossgap.explain.held_out_repair import _what_is_left
    from crossgap.explain.two_groups import TwoGroups

    x, y = pairs_with_a_gap(400)
    two = TwoGroups(embeddings=Embeddings.from_arrays(image=x, text=y), replicates=0)
    assert _what_is_left(two, 1.0, 0.5) == "Of the squared gap 25.0% is left, which may still keep the lists apart."
    assert _what_is_left(two, 1.9, 0.3).startswith("Of the squared gap 2.5% is left, so what still keeps")
    assert _what_is_left(two, 0.05, 0.05).startswith("The gap left is within chance")


def test_few_rows_do_not_show_many_dimensions():
    x, y = pairs_with_a_gap(12, 64)
    found = explain(Embeddings.from_arrays(image=x, text=y), replicates=0).find("dimension_collapse", "image")
    assert found.sentence.startswith("image spreads about as far as 12 rows can show, of 64 dimensions: about ")

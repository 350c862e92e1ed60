import itertools

import numpy as np
import pytest

from crossgap import Embeddings, Group, __version__, measure
from crossgap.errors import DegenerateError
from crossgap.report import collect
from crossgap.report.collect import MEASURED
from crossgap.report.quantities import QUANTITIES
from crossgap.report.verdict import headline, verdicts

HEADLINE = ["centroid_distance", "centroid_distance_floor", "centroid_distance_p_value", "linear_separability"]


def _cones(n: int = 60, d: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((n, d))
    return shared + 1 + 0.3 * rng.standard_normal((n, d)), shared - 1 + 0.3 * rng.standard_normal((n, d))


@pytest.fixture(scope="module")
def pairs() -> Embeddings:
    x, y = _cones()
    return Embeddings.from_arrays(image=x, text=y)


@pytest.fixture(scope="module")
def whole(pairs):
    return collect(pairs, replicates=20)


def test_the_record(whole, pairs):
    assert whole.version == __version__
    assert whole.inputs == (
        {"group": "image", "n": 60, "d": 12, "dtype": "float64"},
        {"group": "text", "n": 60, "d": 12, "dtype": "float64"},
    )
    assert whole.settings == {
        "seed": 0,
        "bootstrap": 20,
        "level": 0.95,
        "precision": 0.9,
        "rows": 10_000,
        "metrics": None,
        "notes": [],
    }


def test_every_usual_quantity_is_there_and_no_other(whole):
    names = {found.name for found in whole.measurements}
    assert names == {name for name in MEASURED if name not in QUANTITIES or QUANTITIES[name].by_default}


def test_values_are_those_of_the_functions(whole, pairs):
    x, y = pairs["image"].vectors, pairs["text"].vectors
    assert whole.value("centroid_distance", "image", "text") == pytest.approx(float(measure.centroid_distance(x, y)))
    assert whole.value("alignment", "image", "text") == pytest.approx(float(measure.alignment(x, y)))
    assert whole.value("uniformity", "text") == pytest.approx(float(measure.uniformity(y)))
    assert whole.value("mmd", "image", "text") == pytest.approx(float(measure.mmd(x, y, seed=0)))
    assert whole.value("recall_at_k", "text", "image", k=5) == pytest.approx(float(measure.recall_at_k(y, x, k=5)))
    assert whole.value("effective_dimension", "image", quantile=0.95) == pytest.approx(
        float(measure.effective_dimension(x, quantile=0.95))
    )
    assert whole.value("hubness", "image", "text") == pytest.approx(float(measure.hubness(x, y, k=10)))


def test_intervals_hold_their_value(whole):
    for found in whole.measurements:
        if found.interval is not None and found.name in QUANTITIES:
            assert found.interval[0] - 1e-9 <= found.value <= found.interval[1] + 1e-9, found
            quantity = QUANTITIES[found.name]
            assert quantity.lowest <= found.interval[0]
            assert found.interval[1] <= quantity.highest


def test_the_same_twice(whole, pairs):
    assert collect(pairs, replicates=20).to_json() == whole.to_json()


# arguments


def test_metrics_by_name(pairs):
    found = collect(pairs, metrics=["frechet_distance", "uniformity"], replicates=0)
    assert found.settings["metrics"] == ["frechet_distance", "uniformity"]
    assert [(m.name, m.groups) for m in found.measurements] == [
        ("uniformity", ("image",)),
        ("uniformity", ("text",)),
        ("frechet_distance", ("image", "text")),
    ]


@pytest.mark.parametrize("name", MEASURED)
def test_every_name_can_be_asked_for_alone(name, pairs):
    found = collect(pairs, metrics=[name], replicates=0)
    assert {m.name for m in found.measurements} == {name}
    assert any(m.value is not None for m in found.measurements)


def test_an_unknown_metric(pairs):
    with pytest.raises(ValueError, match=r"there is no metric 'recal_at_k'; choose from recall_at_k"):
        collect(pairs, metrics=["recal_at_k"])
    with pytest.raises(
        ValueError, match=r"there is no metric 'zzz'; choose from centroid_distance, .*, pairs_in_one_cluster\."
    ):
        collect(pairs, metrics=["zzz"])


def test_a_metric_without_value():
    x, y = _cones()
    apart = Embeddings.from_arrays(image=x, text=y[:40])
    with pytest.raises(DegenerateError, match=r"alignment has no value on this input: needs pairs: image \(60 rows\)"):
        collect(apart, metrics=["alignment"])
    with pytest.raises(DegenerateError, match=r"mmd has no value on this input: it needs two groups\."):
        collect(apart.select(["image"]), metrics=["mmd"])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_shares_lie_between_0_and_1(share, pairs):
    with pytest.raises(ValueError, match=rf"precision must lie between 0 and 1, but it is {share}; give"):
        collect(pairs, precision=share)
    with pytest.raises(ValueError, match=rf"level must lie between 0 and 1, but it is {share}; give"):
        collect(pairs, level=share)


def test_bad_rows_are_named_with_their_group():
    x, y = _cones()
    y[7] = 0
    with pytest.raises(ValueError, match="text must have rows of a length above zero, but row 7 is all zeros"):
        collect(Embeddings.from_arrays(image=x, text=y))
    with pytest.raises(DegenerateError, match="image must have at least 2 rows for this quantity, but it has 1"):
        collect(Embeddings.from_arrays(image=x[:1], text=x[:1]))


def test_a_bad_row_of_a_file_is_named_with_its_group(tmp_path):
    import crossgap

    x, _ = _cones()
    x[7, 0] = np.nan
    np.save(tmp_path / "x.npy", x)
    lazy = crossgap.read(f"image={tmp_path / 'x.npy'}", load_limit=0)
    with pytest.raises(ValueError, match="image must be finite, but row 7 holds a NaN"):
        collect(lazy, replicates=0)


def test_level_widens_intervals(pairs):
    def width(level: float) -> float:
        low, high = collect(pairs, metrics=["alignment"], level=level).measurements[0].interval
        return high - low

    assert width(0.5) < width(0.9) < width(0.99)


def test_inputs_and_notes_are_passed_on(pairs):
    found = collect(pairs, metrics=["alignment"], replicates=0, inputs=[{"group": "image"}], notes=("said",))
    assert found.inputs == ({"group": "image"},)
    assert found.settings["notes"] == ["said"]


def test_progress_sees_every_step_and_its_name(pairs):
    seen = []

    def progress(steps, label):
        assert len(steps) > 30
        for step in steps:
            seen.append(label(step))
            yield step

    found = collect(pairs, replicates=0, progress=progress)
    assert set(seen) >= {name for name, quantity in QUANTITIES.items() if quantity.by_default}
    assert seen.count("score bands") == 2
    assert seen.count("mixed search") == 2
    assert seen.count("uniformity") == 2
    assert found.to_json() == collect(pairs, replicates=0).to_json()


# groups


def test_two_by_two():
    x, y = _cones()
    found = collect(Embeddings.from_arrays(a=x, b=y, c=x + y), metrics=["mmd", "uniformity"], replicates=0)
    assert [m.groups for m in found.measurements if m.name == "uniformity"] == [("a",), ("b",), ("c",)]
    assert [m.groups for m in found.measurements if m.name == "mmd"] == list(itertools.combinations("abc", 2))


def test_unpaired_quantities_have_a_reason_and_others_a_value():
    x, y = _cones()
    found = collect(Embeddings.from_arrays(image=x, text=y[:40]), replicates=20)
    for name in ("alignment", "matched_cosine", "recall_at_k", "match_probability", "threshold_at_precision"):
        measured = [m for m in found.measurements if m.name == name]
        assert measured
        assert all(m.value is None and m.reason and m.reason.startswith("needs pairs: ") for m in measured)
    for name in ("centroid_distance", "linear_separability", "mmd", "unmatched_cosine"):
        assert found.value(name, "image", "text") is not None
    assert found.find("alignment").options == {"n": 60, "m": 40, "d": 12}


def test_what_is_too_small_is_skipped_with_its_reason():
    x, y = _cones(n=6, d=4)
    found = collect(Embeddings.from_arrays(image=x, text=y), replicates=20)
    assert found.find("gap_coordinate_share", coordinates=5).reason == "the vectors have only 4 coordinates"
    assert found.value("gap_coordinate_share", coordinates=2) is not None
    assert found.find("recall_at_k", k=10).reason == "text has only 6 rows"
    assert found.find("recall_at_k", "text", "image", k=10).reason == "image has only 6 rows"
    assert found.value("recall_at_k", k=5) is not None
    assert all(m.interval is None for m in found.measurements), "below 10 items there are no intervals"


def test_too_few_items_for_held_out_thresholds():
    x, y = _cones(n=4)
    found = collect(Embeddings.from_arrays(image=x, text=y), replicates=20)
    assert found.find("match_probability").reason == "needs 5 items to hold some out, but image shows 4"


def test_a_gallery_with_more_items_than_the_queries():
    x, y = _cones(n=30)
    few = Embeddings({"image": Group(vectors=x[:3], items=np.arange(3)), "text": Group(vectors=y, items=np.arange(30))})
    found = collect(few, metrics=["match_probability"], replicates=0)
    assert found.find("match_probability", "image", "text").reason == (
        "needs 5 items to hold some out, but image shows 3"
    )


# sub-samples


def test_a_subsample_says_so_and_keeps_pairs():
    x, y = _cones(n=300)
    found = collect(Embeddings.from_arrays(image=x, text=y), most_rows=100, replicates=20)
    for name, quantity in QUANTITIES.items():
        for measured in [m for m in found.measurements if m.name == name]:
            options = measured.options
            if quantity.all_pairs:
                assert options["sampled_from"] == [300] * len(measured.groups), name
                assert options["n"] == 100
            else:
                assert "sampled_from" not in options, name
                assert options["n"] == 300
    assert found.find("modality_share_at_k").options["sampled_from"] == {"image": 300, "text": 300}
    assert found.value("recall_at_k", "image", "text", k=1) > 0.2, "pairs were kept, else it were 0.01"
    assert found.settings["rows"] == 100


def test_a_subsample_follows_the_seed():
    x, y = _cones(n=300)
    embeddings = Embeddings.from_arrays(image=x, text=y)
    found = [
        collect(embeddings, metrics=["uniformity", "centroid_distance"], most_rows=100, replicates=0, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert found[0].value("uniformity", "image") == found[1].value("uniformity", "image")
    assert found[0].value("uniformity", "image") != found[2].value("uniformity", "image")
    assert found[0].value("centroid_distance") == found[2].value("centroid_distance")


def test_small_groups_are_not_sampled(pairs):
    found = collect(pairs, metrics=["uniformity"], most_rows=60, replicates=0)
    assert all("sampled_from" not in m.options for m in found.measurements)


def test_too_few_items_for_an_interval_are_said(rng):
    items = {"x": np.arange(6), "y": np.repeat(np.arange(6), 3)}
    e = Embeddings.from_arrays(x=rng.normal(size=(6, 4)), y=rng.normal(size=(18, 4)), items=items)
    report = collect(e, metrics=["centroid_distance"], replicates=20)
    assert report.measurements[0].interval is None
    assert report.settings["notes"] == [
        "no interval for x: its rows show 6 items, and an interval needs at least 10.",
        "no interval for y: its rows show 6 items, and an interval needs at least 10.",
    ]
    assert collect(e, metrics=["centroid_distance"], replicates=0).settings["notes"] == []


def _clouds(rng, n=200, m=200, d=16):
    return rng.normal(size=(n, d)) + 0.5, rng.normal(size=(m, d)) + 0.5


def test_one_distribution_of_unequal_sizes_is_no_gap():
    quiet = 0
    for seed in range(12):
        x, y = _clouds(np.random.default_rng(seed), 40, 1500)
        report = collect(Embeddings.from_arrays(image=x, text=y), metrics=HEADLINE, replicates=20, seed=seed)
        quiet += "no offset beyond chance: " in headline(report, "image", "text")
    assert quiet >= 9  # 95 % of 12, less three standard errors


def test_one_centre_and_two_shapes_is_no_offset(rng):
    x = rng.normal(size=(400, 16)) * np.linspace(3, 0.2, 16)
    y = rng.normal(size=(400, 16))
    report = collect(Embeddings.from_arrays(image=x, text=y), metrics=[*HEADLINE, "modality_share_at_k", "mmd_p_value"])
    assert report.value("mmd_p_value", "image", "text") < 0.01
    assert "show no offset beyond chance" in headline(report, "image", "text")
    assert not any("close the gap" in sentence for sentence in verdicts(report, "image", "text"))


def test_rows_of_one_item_are_no_evidence_of_a_gap():
    """20 items of 50 rows each in either group: rows are not independent, and the test of permutations is not asked."""
    rng = np.random.default_rng(1)
    items = np.repeat(np.arange(20), 50)
    x, y = (rng.normal(size=(20, 16))[items] + 0.2 * rng.normal(size=(1000, 16)) for _ in range(2))
    e = Embeddings.from_arrays(image=x, text=y, items={"image": items, "text": items + 100})
    report = collect(e, replicates=0)
    found = report.find("centroid_distance_p_value")
    assert found.value is None
    assert "several rows show one item" in found.reason
    assert "no offset beyond chance" in headline(report, "image", "text")


def test_the_permutation_test_follows_the_items_not_the_order_of_rows(rng):
    x, y = _clouds(rng)
    y = x + 0.05 * rng.normal(size=x.shape) + np.eye(16)[0] * 0.05
    order = rng.permutation(200)
    given = collect(Embeddings.from_arrays(image=x, text=y), metrics=["centroid_distance_p_value"])
    other = collect(
        Embeddings.from_arrays(image=x, text=y[order], items={"image": np.arange(200), "text": order}),
        metrics=["centroid_distance_p_value"],
    )
    assert given.measurements[0].value == other.measurements[0].value < 0.01


def test_the_interval_of_a_distance_reaches_to_nothing_where_nothing_is(rng):
    x, y = _clouds(rng)
    report = collect(Embeddings.from_arrays(image=x, text=y), metrics=["centroid_distance"])
    assert report.measurements[0].interval[0] == 0.0
    apart = collect(Embeddings.from_arrays(image=x, text=-y), metrics=["centroid_distance"])
    assert apart.measurements[0].interval[0] > 0.5


def test_a_replicate_without_a_value_costs_the_interval_not_the_value(rng):
    x = np.abs(rng.normal(size=(12, 1)))
    x[0] *= -1
    report = collect(Embeddings.from_arrays(image=x), metrics=["participation_ratio"])
    (found,) = report.measurements
    assert found.value == 1.0
    assert found.interval is None or found.interval == (1.0, 1.0)


def test_dimensions_stay_below_the_rank(rng):
    x = rng.normal(size=(300, 8))
    report = collect(Embeddings.from_arrays(image=x), metrics=["effective_dimension", "participation_ratio"])
    assert all(found.interval[1] <= 8 for found in report.measurements)


def test_few_matched_items_give_no_interval_of_pairs(rng):
    items = {"image": np.arange(100), "text": np.arange(97, 197)}
    e = Embeddings.from_arrays(image=rng.normal(size=(100, 8)), text=rng.normal(size=(100, 8)), items=items)
    report = collect(e, metrics=["matched_cosine", "recall_at_k"])
    assert report.find("matched_cosine").interval is None
    assert report.find("matched_cosine").options["pair_count"] == 3
    assert report.find("recall_at_k", "image", "text", k=1).options["answered"] == 3


def test_captions_of_one_picture_are_no_wrong_answers_of_each_other(rng):
    pictures = rng.normal(size=(20, 32))
    texts = np.repeat(pictures, 5, axis=0) + 0.01 * rng.normal(size=(100, 32))
    items = {"image": np.arange(20), "text": np.repeat(np.arange(20), 5)}
    report = collect(Embeddings.from_arrays(image=pictures, text=texts, items=items), metrics=["stable_region"])
    assert report.value("stable_region") == 1.0


def test_a_large_corpus_keeps_its_mixture(rng):
    e = Embeddings.from_arrays(image=rng.normal(size=(100, 8)), text=rng.normal(size=(1900, 8)))
    report = collect(e, metrics=["modality_share_at_k"], replicates=0, most_rows=400)
    assert report.find("modality_share_at_k", "text", "image").options["corpus_share"] == pytest.approx(0.05, abs=0.025)


def test_a_group_too_small_for_its_share_of_a_sample_is_said(rng):
    e = Embeddings.from_arrays(image=rng.normal(size=(2, 8)), text=rng.normal(size=(5000, 8)))
    with pytest.raises(
        DegenerateError, match=r"modality_share_at_k has no value .*no whole item of image fits[^.]*\.$"
    ):
        collect(e, metrics=["modality_share_at_k"], replicates=0, most_rows=100, seed=1)
    report = collect(e, replicates=0, most_rows=100, seed=1)
    assert "no whole item of image fits" in report.find("modality_share_at_k", "text").reason

"""What quantities of a report share is what each would compute by itself."""

import numpy as np
import pytest

from crossgap import Embeddings, Group, measure
from crossgap.geometry.neighbours import Neighbours, nearest_rows
from crossgap.report import collect
from crossgap.report.selection import Selection, Settings, item_counts


@pytest.fixture(scope="module")
def pairs() -> Embeddings:
    rng = np.random.default_rng(3)
    shared = rng.standard_normal((60, 12)).astype(np.float32)
    x, y = (shared + sign + rng.standard_normal((60, 12)).astype(np.float32) / 3 for sign in (1, -1))
    return Embeddings.from_arrays(image=x, text=y)


@pytest.fixture(scope="module")
def report(pairs):
    return collect(pairs, replicates=20)


SETTINGS = Settings(replicates=20, level=0.95, seed=0, precision=0.9, most_rows=10_000)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("effective_dimension", {"quantile": 0.9}),
        ("effective_dimension", {"quantile": 0.99}),
        ("participation_ratio", {}),
        ("entropy_rank", {}),
        ("spectrum_area", {}),
    ],
)
@pytest.mark.parametrize("group", ["image", "text"])
def test_one_spectrum_serves_every_count_of_dimensions(report, pairs, name, options, group):
    values = getattr(measure, name)(pairs[group].vectors, weights=item_counts(60, SETTINGS), **options)
    found = report.find(name, group, **options)
    assert (found.value, *found.replicates) == pytest.approx(values.tolist(), rel=1e-12)


def test_one_spectrum_without_replicates(pairs):
    found = collect(pairs, metrics=["entropy_rank", "spectrum_area"], replicates=0)
    for name in ("entropy_rank", "spectrum_area"):
        assert found.value(name, "text") == pytest.approx(float(getattr(measure, name)(pairs["text"].vectors)))


def test_too_few_dimensions_for_a_curve_have_a_reason(rng):
    rows = rng.normal(size=(30, 1)) + np.array([3.0])
    rows[::3] *= -1
    found = collect(Embeddings.from_arrays(a=rows), replicates=0)
    assert found.find("spectrum_area").reason == (
        "x must span at least two dimensions for a curve, but its 30 rows span at most 1; give more."
    )


@pytest.mark.parametrize("names", [("image", "text"), ("text", "image")])
def test_one_search_serves_hubs_scores_and_the_mixed_search(report, pairs, names):
    x, y = (pairs[name].vectors for name in names)
    weights = item_counts(60, SETTINGS)
    found = report.find("hubness", *names)
    assert (found.value, *found.replicates) == pytest.approx(
        measure.hubness(x, y, k=10, weights=weights).tolist(), rel=1e-12
    )
    chosen = Selection(embeddings=pairs, names=names, settings=SETTINGS)
    assert np.array_equal(chosen.scored.scores, measure.scored_pairs(x, y, k=10).scores)
    assert np.array_equal(chosen.reversed.scored.scores, measure.scored_pairs(y, x, k=10).scores)
    corpus = {name: group.vectors for name, group in pairs.items()}
    search = measure.mixed_search(x, corpus, k=10, own=names[0])
    assert report.value("modality_share_at_k", *names) == float(search.modality_share(names[1]))


def test_one_bandwidth_serves_the_distance_and_its_test(report, pairs, monkeypatch):
    x, y = pairs["image"].vectors, pairs["text"].vectors
    values = measure.mmd(x, y, weights=item_counts(60, SETTINGS))
    assert (report.value("mmd"), *report.find("mmd").replicates) == pytest.approx(values.tolist(), rel=1e-12)
    assert report.value("mmd_p_value") == measure.mmd_p_value(x, y)
    taken = []
    monkeypatch.setattr("crossgap.report.selection.median_bandwidth", lambda x, y, *, seed: taken.append(seed) or 0.01)
    moved = collect(pairs, metrics=["mmd", "mmd_p_value"], replicates=0, seed=5)
    assert taken == [5]
    assert moved.value("mmd") == pytest.approx(float(measure.mmd(x, y, bandwidth=0.01)))


def test_pairs_in_another_order_take_a_bandwidth_of_their_own(pairs):
    x, y = pairs["image"].vectors, pairs["text"].vectors
    order = np.random.default_rng(0).permutation(60)
    turned = Embeddings(
        {"image": Group(vectors=x, items=np.arange(60)), "text": Group(vectors=y[order], items=np.arange(60)[order])}
    )
    found = collect(turned, metrics=["mmd_p_value"], replicates=0)
    assert found.value("mmd_p_value") == measure.mmd_p_value(x, y)


def test_rows_that_coincide_have_no_bandwidth():
    rows = np.ones((20, 3))
    found = collect(Embeddings.from_arrays(a=rows, b=rows), replicates=0)
    for name in ("mmd", "mmd_p_value"):
        assert found.find(name).reason == (
            "most rows of x and y coincide, so the median distance is 0; give a bandwidth."
        )


def test_lists_found_already_are_taken(rng):
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(25, 4))
    lists = nearest_rows(x, y, 5)
    other = Neighbours(lists.rows[::-1].copy(), lists.cosines[::-1].copy())
    items = {"query_items": np.arange(30) % 25, "gallery_items": np.arange(25)}
    plain = measure.scored_pairs(x, y, k=5, **items)
    assert np.array_equal(measure.scored_pairs(x, y, k=5, nearest=lists, **items).matched, plain.matched)
    assert not np.array_equal(measure.scored_pairs(x, y, k=5, nearest=other, **items).matched, plain.matched)
    with pytest.raises(ValueError, match=r"nearest must hold 4 rows for each of 30 queries, but it has \(30, 5\)"):
        measure.scored_pairs(x, y, k=4, nearest=lists, **items)
    search = measure.mixed_search(x, {"x": x, "y": y}, k=5, own="x")
    taken = measure.mixed_search(x, {"x": x, "y": y}, k=5, own="x", nearest={"y": lists})
    assert np.array_equal(taken.row, search.row)
    assert np.array_equal(taken.group, search.group)
    moved = measure.mixed_search(x, {"x": x, "y": y}, k=5, own="x", nearest={"y": other})
    assert not np.array_equal(moved.row, search.row)
    with pytest.raises(ValueError, match=r"nearest must hold 4 rows of y for each of 30 queries, but it has \(30, 5\)"):
        measure.mixed_search(x, {"x": x, "y": y}, k=4, own="x", nearest={"y": lists})

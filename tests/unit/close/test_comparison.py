"""The table of C12: each number is that of ``measure`` on held-out rows, with a paired interval."""

import json
from typing import Any

import numpy as np
import pytest

from crossgap import Embeddings, Group, measure
from crossgap.close.closer import Calibration
from crossgap.close.comparison import compare
from crossgap.close.cross_fitting import deal_folds
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.memory_projection import MemoryProjection
from crossgap.close.moments import MomentCloser
from crossgap.close.procrustes import Procrustes
from crossgap.close.score_standardisation import ScoreStandardisation
from crossgap.close.standardisation import Standardisation
from crossgap.close.translation import Translation
from crossgap.errors import DegenerateError


def cones(n: int = 80, d: int = 8, seed: int = 0) -> Embeddings:
    """Pairs that match, in two clouds that lie apart."""
    rng = np.random.default_rng(seed)
    shared, offset = rng.normal(size=(n, d)), 2 * np.eye(d)[0]
    labels = [str(label) for label in (shared[:, 1] > 0).astype(int)]
    return Embeddings(
        {
            name: Group(vectors=shared + 0.4 * rng.normal(size=(n, d)) + side * offset, label=labels)
            for name, side in (("image", 1), ("text", -1))
        }
    )


@pytest.fixture(scope="module")
def found():
    return compare(
        cones(), {"mean-removal": MeanRemoval(), "translation": Translation()}, replicates=50, in_sample=True
    )


def _by_hand(e: Embeddings, quantity, *, fit_on_judged: bool = False) -> list[tuple[float, float]]:
    """Before and after of each fold, by the functions of ``measure``."""
    dealt = deal_folds(e, 2)["image"]
    values = []
    for fold in (0, 1):
        judged = {name: np.asarray(e[name].vectors)[dealt == fold] for name in e}
        side = (dealt == fold) if fit_on_judged else (dealt != fold)
        rows = np.concatenate([np.asarray(e[name].vectors)[side] for name in e])
        closer = MeanRemoval().fit(rows, groups=np.repeat(list(e), side.sum()))
        after = {name: closer.move(part, name) for name, part in judged.items()}
        values.append(tuple(float(quantity(rows["image"], rows["text"])) for rows in (judged, after)))
    return values


@pytest.mark.parametrize(
    ("name", "groups", "quantity"),
    [
        ("centroid_distance", ("image", "text"), measure.centroid_distance),
        ("frechet_covariance_part", ("image", "text"), measure.frechet_covariance_part),
        ("cross_uniformity", ("image", "text"), measure.cross_uniformity),
        ("relative_modality_gap", ("image", "text"), measure.relative_modality_gap),
        ("alignment", ("image", "text"), measure.alignment),
        ("recall_at_k", ("image", "text"), measure.recall_at_k),
        ("recall_at_k", ("text", "image"), lambda x, y: measure.recall_at_k(y, x)),
        ("uniformity", ("text",), lambda x, y: measure.uniformity(y)),
        (
            "ndcg_at_k",
            ("text",),
            lambda x, y: measure.ndcg_at_k(
                y,
                {"image": x, "text": y},
                query_items=np.arange(len(y)),
                corpus_items={"image": np.arange(len(x)), "text": np.arange(len(y))},
                own="text",
            ),
        ),
        (
            "modality_share_excess",
            ("image", "text"),
            lambda x, y: measure.modality_share_excess(x, {"image": x, "text": y}, modality="text", own="image"),
        ),
    ],
)
def test_numbers_are_those_of_measure_on_rows_not_fitted_on(found, name, groups, quantity):
    change = found.row("mean-removal").find(name, *groups)
    expected = np.mean(_by_hand(cones(), quantity), axis=0)
    assert (change.before, change.after) == pytest.approx(tuple(expected), abs=1e-9)
    assert change.in_sample == pytest.approx(
        np.mean(_by_hand(cones(), quantity, fit_on_judged=True), axis=0)[1], abs=1e-9
    )
    assert change.interval[0] <= change.difference <= change.interval[1]


def test_separability_is_that_of_a_logistic_regression_split_by_pair(found):
    change = found.row("mean-removal").find("linear_separability")
    expected = _by_hand(cones(), lambda x, y: measure.linear_separability(x, y, classifier="logistic"))
    assert (change.before, change.after) == pytest.approx(tuple(np.mean(expected, axis=0)), abs=1e-9)
    assert change.in_sample < 0.5  # centred on the very rows that are split


def test_order_figures_compare_after_with_before(found):
    row = found.row("mean-removal")
    for name in ("neighbour_overlap", "within_spearman", "list_kendall"):
        for change in row.all_of(name):
            assert change.before == 1.0
            assert 0.2 < change.after < 1
            assert change.interval[1] < 0
    assert {change.groups for change in row.all_of("list_kendall")} == {("image", "text"), ("text", "image")}


def test_labels_are_judged_by_the_class_vectors_of_the_texts(found):
    change = found.row("mean-removal").find("label_accuracy")
    assert change.groups == ("image", "text")
    assert change.after > 0.7


def test_text_is_the_side_of_the_class_vectors_in_either_order():
    e = cones().select(["text", "image"])
    change = compare(e, {"mean-removal": MeanRemoval()}, replicates=0).rows[0].find("label_accuracy")
    assert change.groups == ("image", "text")


def test_matches_rise_above_strangers(found):
    change = found.row("mean-removal").find("match_auroc")
    assert change.before < 0.8 < 0.95 < change.after


def test_the_paired_interval_is_narrower_than_the_two_apart(found):
    change = found.row("translation").find("recall_at_k", "image", "text")
    values = [found.samples[name]["recall_at_k", ("image", "text")][1:] for name in ("none", "translation")]
    apart = sum(np.subtract(*np.quantile(part, [0.975, 0.025])) for part in values)
    assert change.interval[1] - change.interval[0] < apart


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not():
    texts = [
        json.dumps(compare(cones(), {"mean-removal": MeanRemoval()}, replicates=20, seed=seed).as_json())
        for seed in (3, 3, 4)
    ]
    assert texts[0] == texts[1] != texts[2]
    assert "seconds" not in texts[0]


def test_every_option_matters():
    def gap(**options):
        return compare(cones(), {"c": MeanRemoval()}, **{"replicates": 20, **options}).rows[0].find("centroid_distance")

    usual = gap()
    assert gap(folds=4).after != usual.after
    assert gap(level=0.5).interval != usual.interval
    assert gap(replicates=40).interval != usual.interval
    assert gap(replicates=0).interval is None
    assert usual.in_sample is None
    assert gap(in_sample=True).in_sample < usual.after


def test_progress_sees_each_candidate():
    seen = []

    def progress(steps, label):
        for step in steps:
            seen.append(label(step))
            yield step

    compare(cones(), {"a": MeanRemoval(), "none": MeanRemoval()}, replicates=0, progress=progress)
    assert seen == ["a"]


def test_overfitting_shows_on_clip_pairs(coco):
    e = Embeddings.from_arrays(image=coco["image"].astype(np.float32), text=coco["text"].astype(np.float32))
    found = compare(e, {"mean-removal": MeanRemoval(), "procrustes": Procrustes()}, replicates=0, in_sample=True)
    recall = found.row("procrustes").find("recall_at_k", "image", "text")
    assert recall.in_sample > 0.95  # fitted and judged on one half
    assert recall.after < 0.3 < recall.before
    gap = found.row("mean-removal").find("centroid_distance")
    assert gap.in_sample == pytest.approx(0.029, abs=0.003)
    assert gap.after == pytest.approx(0.107, abs=0.003)
    assert found.row("mean-removal").find("recall_at_k", "image", "text").after == pytest.approx(0.634, abs=0.03)
    assert any("fitted on 250 pairs in 512 dimensions" in note for note in found.row("procrustes").notes)


# closers that fail, warn, or change the dimension


class Halves(MomentCloser):
    """Keeps the first half of the coordinates."""

    def _learn_from(self, moments: dict[str, Any]) -> None:
        self.kept_ = 4

    def _move(self, rows: np.ndarray, group: str) -> np.ndarray:
        return rows[:, : self.kept_].copy()


class Fails(MeanRemoval):
    """Cannot be fitted."""

    def _learn(self, calibration: Calibration) -> None:
        raise np.linalg.LinAlgError("the matrix is singular.")


def test_one_that_fails_is_listed_with_its_reason_and_the_others_go_on():
    found = compare(cones(), {"fails": Fails(), "mean-removal": MeanRemoval()}, replicates=0)
    assert [row.reason for row in found.rows] == ["the matrix is singular", None]
    assert found.row("fails").changes == ()
    assert "fails" not in found.samples


def test_a_mistake_in_a_closer_is_no_reason():
    class Wrong(MeanRemoval):
        def _learn(self, calibration):
            raise TypeError("a mistake")

    with pytest.raises(TypeError, match="a mistake"):
        compare(cones(), {"wrong": Wrong()}, replicates=0)


def test_another_dimension_is_said(found):
    row = compare(cones(), {"halves": Halves()}, replicates=0).rows[0]
    assert (row.dimension, found.rows[0].dimension) == (4, 8)
    assert row.find("centroid_distance").after < 2


def test_standardised_scores_are_judged_by_what_they_rank():
    found = compare(
        cones(), {"plain": ScoreStandardisation(), "centred": ScoreStandardisation(centre=True)}, replicates=20
    )
    plain, centred = found.rows
    assert plain.find("centroid_distance").difference == 0.0
    assert plain.find("recall_at_k", "image", "text").difference == 0.0
    assert plain.find("ndcg_at_k", "image").interval[0] > 0
    assert plain.find("match_auroc").interval[0] > 0
    assert centred.find("centroid_distance").difference < -0.5


# sources that are not two aligned groups


def test_without_pairs_what_needs_them_carries_the_reason(rng):
    e = Embeddings.from_arrays(image=rng.normal(size=(40, 6)) + 1, text=rng.normal(size=(50, 6)) - 1)
    found = compare(e, {"mean-removal": MeanRemoval(), "procrustes": Procrustes()}, replicates=20)
    assert "no pairs to fit on" in found.row("procrustes").reason
    row = found.row("mean-removal")
    for name in ("recall_at_k", "ndcg_at_k", "alignment", "relative_modality_gap", "match_auroc"):
        change = row.find(name)
        assert change.after is None
        assert change.reason
    assert row.find("centroid_distance").interval[1] < 0
    assert row.find("modality_share_excess", "image", "text").interval[0] > 0


def test_three_groups_are_taken_two_by_two(rng):
    x = rng.normal(size=(40, 6))
    e = Embeddings.from_arrays({"image": x + 1, "text/query": x - 1, "audio": x + np.eye(6)[0]})
    row = compare(e, {"mean-removal": MeanRemoval()}, replicates=0).rows[0]
    assert [change.groups for change in row.all_of("centroid_distance")] == [
        ("image", "text/query"),
        ("image", "audio"),
        ("text/query", "audio"),
    ]
    excess = [change.after for change in row.all_of("modality_share_excess") if change.groups[0] == "audio"]
    assert sum(excess) == pytest.approx(0, abs=1e-12)


def test_several_captions_of_a_picture(rng):
    x = rng.normal(size=(40, 6))
    items = np.repeat(np.arange(40), 3)
    y = x[items] + 0.3 * rng.normal(size=(120, 6)) - 2
    e = Embeddings.from_arrays(image=x + 2, text=y, items={"image": np.arange(40), "text": items})
    row = compare(e, {"mean-removal": MeanRemoval()}, replicates=20).rows[0]
    assert row.find("recall_at_k", "text", "image").after > 0.5
    assert row.fit_rows == {"image": 20, "text": 60}


def test_rows_of_zeros_and_half_precision(rng):
    x = rng.normal(size=(41, 6)).astype(np.float16) + np.float16(1)
    x[7] = 0
    found = compare(Embeddings.from_arrays(image=x, text=x + np.float16(2)), {"c": MeanRemoval()}, replicates=0)
    assert found.notes == ("image: 1 of 41 rows are all zeros and were left out.",)
    assert found.sizes == {"image": 40, "text": 41}


def test_large_folds_take_samples_of_what_is_costly(monkeypatch):
    import crossgap.close.judged_quantities as quantities

    usual = compare(cones(), {"c": MeanRemoval()}, replicates=0).rows[0]
    for name, value in {"_MOST_RANKED": 15, "_MOST_MATCHED": 15, "_MOST_LOGISTIC": 10}.items():
        monkeypatch.setattr(quantities, name, value)
    cut = compare(cones(), {"c": MeanRemoval()}, replicates=20).rows[0]
    for name in ("within_spearman", "list_kendall", "match_auroc"):
        assert cut.find(name).after != usual.find(name).after
        assert cut.find(name).after == pytest.approx(usual.find(name).after, abs=0.15)
    assert cut.find("neighbour_overlap") is not None
    by_lda = _by_hand(cones(), lambda x, y: measure.linear_separability(x, y, classifier="lda"))
    assert cut.find("linear_separability").after == pytest.approx(np.mean(by_lda, axis=0)[1], abs=1e-9)


def test_what_it_refuses(rng):
    x = rng.normal(size=(40, 4))
    with pytest.raises(DegenerateError, match="at least two groups, but there is only image"):
        compare(Embeddings.from_arrays(image=x), {})
    e = Embeddings.from_arrays(image=x, text=x)
    with pytest.raises(ValueError, match="level must lie between 0 and 1, but it is 95"):
        compare(e, {}, level=95)
    with pytest.raises(ValueError, match="there is no candidate 'coral'; the candidates are c"):
        compare(e, {"c": MeanRemoval()}, replicates=0).row("coral")
    with pytest.raises(DegenerateError, match="stop here"):
        compare(e, {"c": Fails()}, replicates=0, check_before=_stop)


def _stop(values):
    raise DegenerateError("stop here")


def test_the_closers_given_stay_unfitted():
    closer = Standardisation()
    compare(cones(), {"c": closer}, replicates=0)
    assert not hasattr(closer, "means_")


def test_a_quantity_that_lapack_gives_up_on_costs_the_candidate_nothing_else(monkeypatch, rng):
    def fails(*_, **__):
        raise np.linalg.LinAlgError("SVD did not converge")

    monkeypatch.setattr("crossgap.close.judged_quantities.frechet_covariance_part", fails)
    x = rng.normal(size=(60, 6))
    row = compare(Embeddings.from_arrays(image=x, text=x + 1), {"m": MeanRemoval()}, replicates=0).rows[0]
    assert row.reason is None
    assert row.find("frechet_covariance_part").reason == "no value (SVD did not converge)"
    assert row.find("centroid_distance").after is not None


def test_an_infinite_parameter_is_written_in_words(rng):
    x = rng.normal(size=(60, 6))
    e = Embeddings.from_arrays(image=x, text=x + 1)
    found = compare(e, {"m": MemoryProjection(temperature=float("inf"), neighbours=3)}, replicates=0)
    document = json.loads(json.dumps(found.as_json(), allow_nan=False))
    assert document["candidates"][0]["parameters"]["temperature"] == "inf"

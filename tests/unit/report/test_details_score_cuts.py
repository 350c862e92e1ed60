"""Counts behind the slider: those of ``precision_recall`` and of a plain loop."""

import numpy as np
import pytest

from crossgap import Embeddings, measure
from crossgap.report import collect
from crossgap.report.details.score_cuts import score_cuts, threshold_steps
from crossgap.report.selection import Selection, Settings

SETTINGS = Settings(replicates=20, level=0.95, seed=0, precision=0.8, most_rows=10_000)


@pytest.fixture(scope="module")
def pairs() -> Embeddings:
    rng = np.random.default_rng(1)
    z = rng.standard_normal((80, 10))
    return Embeddings.from_arrays(image=z + 0.6 * rng.standard_normal((80, 10)), text=z - 0.3)


@pytest.fixture(scope="module")
def entry(pairs) -> dict:
    report = collect(pairs, replicates=20, precision=0.8, details=True)
    return report.details["score_cuts"][1]


def test_counts_of_a_plain_loop(pairs, entry):
    assert entry["groups"] == ["text", "image"]
    unit = [np.asarray(pairs[name].vectors) for name in ("text", "image")]
    queries, gallery = (rows / np.linalg.norm(rows, axis=1)[:, None] for rows in unit)
    right, wrong = [], []
    for i, scores in enumerate(queries @ gallery.T):
        for j in np.argsort(-scores)[:10]:
            (right if i == j else wrong).append(scores[j])
    for threshold, kept, missed in zip(entry["thresholds"], entry["right"], entry["wrong"], strict=True):
        assert kept == sum(score >= threshold for score in right)
        assert missed == sum(score >= threshold for score in wrong)
    assert (entry["k"], entry["queries"], entry["gallery"], entry["matches"]) == (10, 80, 80, 80)


def test_the_library_has_the_same_precision_and_recall_at_every_cut(pairs, entry):
    chosen = Selection(embeddings=pairs, names=("text", "image"), settings=SETTINGS)
    scored = chosen.scored
    at = np.array(entry["thresholds"])
    right, wrong = np.array(entry["right"]), np.array(entry["wrong"])
    curve = measure.precision_recall(scored, points=60, replicates=20)
    for threshold, precision, recall in zip(curve.thresholds, curve.precision, curve.recall, strict=True):
        place = np.searchsorted(at, threshold)  # the first step that is not lower
        step = at[min(place, len(at) - 1)]
        between = (scored.scores >= threshold) & (scored.scores < step)
        kept, missed = right[min(place, len(at) - 1)], wrong[min(place, len(at) - 1)]
        kept, missed = kept + (between & scored.matched).sum(), missed + (between & ~scored.matched).sum()
        if place < len(at):
            assert precision == pytest.approx(kept / (kept + missed))
            assert recall == pytest.approx(kept / entry["matches"])


def test_the_chosen_threshold_is_one_of_the_steps(entry):
    assert entry["asked"] == 0.8
    assert entry["chosen"] in entry["thresholds"]
    assert len(entry["thresholds"]) == 201
    assert entry["thresholds"] == sorted(set(entry["thresholds"]))


def test_all_is_kept_at_the_first_step_and_something_at_the_last(entry):
    assert entry["right"][0] + entry["wrong"][0] == 800
    assert entry["right"][-1] + entry["wrong"][-1] > 0


@pytest.mark.parametrize("chosen", [None, 0.25, 0.0, -1.0, 5.0])
def test_steps_hold_what_was_chosen(chosen):
    steps = threshold_steps(np.array([0.0, 0.1, 0.9, 1.0]), chosen)
    assert chosen is None or chosen in steps
    assert (np.diff(steps) > 0).all()
    assert steps[0] <= 0.0


def test_equal_scores_have_one_step():
    np.testing.assert_array_equal(threshold_steps(np.full(5, 0.5)), [0.5])


def test_an_unpaired_selection_has_a_reason(pairs):
    chosen = Selection(embeddings=pairs.without_pairs(), names=("image", "text"), settings=SETTINGS)
    assert score_cuts(chosen) == {"groups": ["image", "text"], "reason": "needs pairs: image and text share no item id"}


def test_out_of_reach_is_null(pairs):
    entry = collect(pairs, replicates=20, precision=0.999, details=True).details["score_cuts"][0]
    assert entry["chosen"] is None
    assert entry["asked"] == 0.999
    assert len(entry["thresholds"]) <= 201

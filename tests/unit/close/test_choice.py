"""The choice: the simplest candidate that is clearly better, none where none is."""

import json

import numpy as np
import pytest

from crossgap import Embeddings
from crossgap.close.choice import TOLERANCE, choose, chosen_from, judge
from crossgap.close.comparison import Comparison, compare
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.memory_projection import MemoryProjection
from crossgap.close.procrustes import Procrustes
from crossgap.close.purpose_scores import SCORES
from crossgap.close.score_standardisation import ScoreStandardisation
from crossgap.close.standardisation import Standardisation
from crossgap.close.tasks import CLOSE, NOT_ENOUGH
from crossgap.close.translation import Translation
from crossgap.errors import DegenerateError

FAST = {"replicates": 50}


def cones(n: int = 80, *, apart: float = 2.0, seed: int = 0) -> Embeddings:
    """Pairs that match, in two clouds that lie apart."""
    rng = np.random.default_rng(seed)
    shared, offset = rng.normal(size=(n, 8)), apart * np.eye(8)[0]
    rows = [shared + 0.4 * rng.normal(size=(n, 8)) + side * offset for side in (1, -1)]
    return Embeddings.from_arrays(image=rows[0], text=rows[1])


@pytest.fixture(scope="module")
def on_clip_pairs(coco) -> Comparison:
    """Three closers on 500 real pairs."""
    e = Embeddings.from_arrays(image=coco["image"].astype(np.float32), text=coco["text"].astype(np.float32))
    closers = {
        "mean-removal": MeanRemoval(),
        "translation": Translation(),
        "memory-projection": MemoryProjection(),
    }
    return compare(e, closers, **FAST)


@pytest.fixture(scope="module")
def simple():
    return {"mean-removal": MeanRemoval(), "translation": Translation(), "standardisation": Standardisation()}


def test_a_gap_is_closed_by_the_simplest(simple):
    choice = choose(cones(), candidates=simple, **FAST)
    assert choice.chosen == "mean-removal"
    assert choice.trials[0].outcome == "better"
    assert choice.trials[0].against == "none"
    assert choice.trials[0].interval[0] > 0
    assert choice.after == choice.trials[0].score > choice.before
    assert choice.verdicts[0].verdict == CLOSE
    assert choice.why.startswith("mean-removal has mixed-ndcg")


def test_none_wins_where_there_is_no_gap(simple):
    choice = choose(cones(apart=0.0), candidates=simple, **FAST)
    assert choice.chosen == "none"
    assert choice.before == choice.after
    assert "they stay as they are" in choice.why
    assert "all of that interval would have to lie above 0" in choice.why
    assert choice.judged in simple
    assert choice.verdicts


@pytest.mark.parametrize("score", ["mixed-ndcg", "mixed-fairness", "recall", "alignment"])
def test_rounding_is_a_tie(score):
    """Standardised scores move no row: what float32 rows change when they are brought to length 1 twice is nothing."""
    rng = np.random.default_rng(1000)
    shared = rng.normal(size=(150, 24))
    rows = [(shared + 0.8 * rng.normal(size=(150, 24))).astype(np.float32) for _ in range(2)]
    e = Embeddings.from_arrays(image=rows[0], text=rows[1])
    choice = choose(e, candidates={"scores": ScoreStandardisation()}, score=score, **FAST)
    assert choice.chosen == "none"
    if score in ("recall", "alignment"):
        assert choice.trials[0].difference == 0


@pytest.mark.parametrize("paired", [True, False])
def test_shares_that_are_fair_already_are_not_made_fairer(paired):
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(300, 24))
    rows = [(shared + 0.8 * rng.normal(size=(300, 24))).astype(np.float32) for _ in range(2)]
    e = Embeddings.from_arrays(image=rows[0], text=rows[1] if paired else rng.permutation(rows[1])[:280])
    closers = {"mean-removal": MeanRemoval(), "scores": ScoreStandardisation(), "standardisation": Standardisation()}
    choice = choose(e, candidates=closers, score="mixed-fairness", **FAST)
    assert choice.chosen == "none"
    assert "none is within 0.05 of the shares in the corpus, which is fair enough" in choice.trials[0].sentence


def test_a_group_of_one_row_or_of_rows_of_zeros_is_not_enough_data(simple):
    one = Embeddings.from_arrays(image=np.random.default_rng(0).normal(size=(40, 8)), text=np.ones((1, 8)))
    assert choose(one, candidates=simple, **FAST).verdicts[0].verdict == NOT_ENOUGH
    x = np.random.default_rng(0).normal(size=(30, 8))
    zeros = np.where(np.arange(30)[:, None] < 18, 0.0, x)
    assert choose(Embeddings.from_arrays(image=x, text=zeros), candidates=simple, **FAST).comparison is None


def test_ties_go_to_the_first():
    closers = {"first": MeanRemoval(), "again": MeanRemoval()}
    choice = choose(cones(), candidates=closers, **FAST)
    assert choice.chosen == "first"
    assert (choice.trials[1].outcome, choice.trials[1].difference, choice.trials[1].against) == (
        "not better",
        0,
        "first",
    )


def test_a_complex_one_must_earn_its_place(simple):
    turned = list(reversed(simple.items()))
    choice = choose(cones(), candidates=dict(turned), **FAST)
    for trial in choice.trials:
        assert (trial.outcome == "better") == (trial.interval[0] > 0)
    assert [trial.candidate for trial in choice.trials] == [name for name, _ in turned]


def test_the_guard_refuses_what_loses_the_order_within(on_clip_pairs):
    trials = {trial.candidate: trial for trial in chosen_from(on_clip_pairs, score="mixed-ndcg").trials}
    assert trials["memory-projection"].outcome == "order lost"
    assert trials["memory-projection"].overlap < 1 - TOLERANCE
    assert chosen_from(on_clip_pairs, score="mixed-ndcg", tolerance=0.8).chosen == "memory-projection"


def test_the_default_lets_mean_removal_pass_on_clip_pairs_and_strictness_does_not(on_clip_pairs):
    usual = chosen_from(on_clip_pairs, score="mixed-ndcg")
    assert usual.chosen == "mean-removal"
    assert "memory-projection has" in usual.why
    strict = chosen_from(on_clip_pairs, score="mixed-ndcg", tolerance=0.02)
    assert (strict.chosen, strict.trials[0].outcome) == ("none", "order lost")
    assert "memory-projection gains" in strict.why
    assert "would let it pass" in strict.why


def test_on_clip_pairs_nothing_helps_retrieval_across(on_clip_pairs):
    assert chosen_from(on_clip_pairs, score="recall").chosen == "none"


@pytest.mark.parametrize("score", [score for score in SCORES if score != "zero-shot"])
def test_every_score_chooses(score, simple):
    choice = choose(cones(), candidates=simple, score=score, **FAST)
    assert choice.score == score
    assert choice.trials[0].score is not None


def test_a_failing_candidate_does_not_end_the_run():
    choice = choose(
        cones(), candidates={"wrong": Translation(length=float("inf")), "mean-removal": MeanRemoval()}, **FAST
    )
    assert choice.chosen == "mean-removal"
    assert choice.trials[0].outcome == "not tried"
    assert "length must be finite" in choice.trials[0].sentence


def test_nothing_could_be_tried():
    choice = choose(cones(), candidates={"wrong": Translation(length=float("inf"))}, **FAST)
    assert (choice.chosen, choice.judged, choice.verdicts) == ("none", None, ())
    assert choice.why == "No candidate could be tried, so the vectors stay as they are."


def test_without_pairs_fairness_chooses_and_the_rest_says_what_it_needs(rng):
    e = Embeddings.from_arrays(image=rng.normal(size=(60, 6)) + 1, text=rng.normal(size=(80, 6)) - 1)
    closers = {"procrustes": Procrustes(), "mean-removal": MeanRemoval()}
    choice = choose(e, candidates=closers, score="mixed-fairness", **FAST)
    assert choice.chosen == "mean-removal"
    assert choice.trials[0].outcome == "not tried"
    with pytest.raises(DegenerateError, match="'mixed-ndcg' needs pairs"):
        choose(e, candidates={"never-fitted": object()}, **FAST)
    with pytest.raises(DegenerateError, match="'zero-shot' needs labels"):
        choose(e, candidates={"never-fitted": object()}, score="zero-shot", **FAST)


def test_too_few_items_are_no_ground_for_anything(simple):
    choice = choose(cones(19), candidates=simple, **FAST)
    assert (choice.chosen, choice.comparison, choice.before) == ("none", None, None)
    assert choice.verdicts[0].verdict == NOT_ENOUGH
    assert "at least 10 items of each group in each of the 2 folds, but one has 9" in choice.why
    assert json.loads(choice.to_json())["comparison"] is None
    assert judge(cones(19), "mean-removal", MeanRemoval()).chosen == "mean-removal"


def test_one_that_was_asked_for_is_judged_without_a_choice():
    choice = judge(cones(), "mean-removal", MeanRemoval(), **FAST)
    assert (choice.chosen, choice.judged, choice.score, choice.trials) == ("mean-removal", "mean-removal", None, ())
    assert "nothing was chosen" in choice.why
    assert choice.verdicts[0].verdict == CLOSE
    plain = judge(cones(), "mean-removal", MeanRemoval(), replicates=0)
    assert plain.verdicts[0].verdict == NOT_ENOUGH
    assert judge(cones(), "none", None, **FAST).verdicts == ()
    with pytest.raises(DegenerateError, match="turn cannot be fitted on this source: length must be finite"):
        judge(cones(), "turn", Translation(length=float("inf")), **FAST)


def test_the_same_seed_gives_the_same_bytes(simple):
    texts = [choose(cones(), candidates=simple, seed=seed, **FAST).to_json() for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    document = json.loads(texts[0])
    assert list(document) == [
        "schema",
        "crossgap",
        "chosen",
        "why",
        "score",
        "tolerance",
        "trials",
        "judged",
        "verdicts",
        "comparison",
    ]
    assert "seconds" not in texts[0]
    assert "NaN" not in texts[0]


def test_what_it_refuses(simple):
    e = cones()
    with pytest.raises(ValueError, match=r"score must be one of mixed-ndcg, .*, but it is 'mrr'"):
        choose(e, candidates=simple, score="mrr")
    with pytest.raises(ValueError, match="tolerance must lie between 0 and 1, but it is 35"):
        choose(e, candidates=simple, tolerance=35)
    with pytest.raises(ValueError, match="choosing needs intervals, so replicates must be at least 2, but it is 0"):
        choose(e, candidates=simple, replicates=0)
    with pytest.raises(DegenerateError, match="at least two groups"):
        choose(e.select(["image"]), candidates=simple)
    with pytest.raises(ValueError, match="folds must lie between 2"):
        choose(e, candidates=simple, folds=1)

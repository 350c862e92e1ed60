"""Close it, leave it, not enough data: what each interval leads to, and what the sentences say."""

import numpy as np
import pytest

from crossgap import Embeddings
from crossgap.close.comparison import CandidateRow, Change, Comparison, compare
from crossgap.close.cross_fitting import cross_fitted
from crossgap.close.judged_quantities import FoldJudge, pooled
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.tasks import CLOSE, LEAVE, NOT_ENOUGH, share_distance, task_verdicts
from crossgap.close.translation import Translation


def made(*changes: Change, reason: str | None = None, closer: str = "MeanRemoval") -> Comparison:
    """A comparison of 100 images and 300 texts with one candidate that did this."""
    row = CandidateRow(name="c", closer=closer, parameters={}, changes=changes, reason=reason)
    return Comparison(
        groups=("image", "text"),
        sizes={"image": 100, "text": 300},
        dimension=8,
        rows=(row,),
        settings={"folds": 2, "bootstrap": 200, "level": 0.95, "seed": 0, "in_sample": False},
        samples={},
    )


def change(name, *groups, before=0.5, after=0.6, interval=(0.05, 0.15)) -> Change:
    return Change(name=name, groups=groups, before=before, after=after, interval=interval)


def searches() -> tuple[Change, ...]:
    """What a mixed search of both groups needs."""
    return tuple(change("ndcg_at_k", group) for group in ("image", "text"))


@pytest.mark.parametrize(
    ("interval", "verdict", "end"),
    [
        ((0.001, 0.3), CLOSE, "+0.100 [+0.001, +0.300]."),
        ((-0.02, 0.08), LEAVE, "[-0.020, +0.080], no clear gain."),
        ((-0.03, -0.01), LEAVE, "[-0.030, -0.010], a loss."),
        ((-0.3, -0.1), LEAVE, "a loss."),
        ((-0.02, 0.09), NOT_ENOUGH, "too uncertain to tell a change of 0.05 from none."),
        (None, NOT_ENOUGH, "+0.100, too uncertain to tell a change of 0.05 from none."),
    ],
)
def test_the_interval_decides(interval, verdict, end):
    found = task_verdicts(made(*searches(), change("recall_at_k", "image", "text", interval=interval)), "c")[2]
    assert found.verdict == verdict
    assert found.sentence.startswith(f"Retrieval across, image to text: {verdict}: recall@1 0.500 -> 0.600, +0.100")
    assert found.sentence.endswith(end)
    assert found.as_json()["interval"] == (None if interval is None else list(interval))


def test_every_task_has_its_verdict():
    verdicts = task_verdicts(
        made(
            *searches(),
            change("recall_at_k", "image", "text"),
            change("recall_at_k", "text", "image"),
            change("label_accuracy", "image", "text"),
            change("match_auroc", "image", "text"),
        ),
        "c",
    )
    assert [(verdict.task, verdict.groups) for verdict in verdicts] == [
        ("mixed search", ("image",)),
        ("mixed search", ("text",)),
        ("retrieval across", ("image", "text")),
        ("retrieval across", ("text", "image")),
        ("zero-shot", ("image", "text")),
        ("one threshold", ("image", "text")),
    ]
    assert len({verdict.sentence for verdict in verdicts}) == 6


def _shares(before: float, after: float, **others) -> str:
    excess = [
        change("modality_share_excess", "text", "image", before=before, after=after),
        change("modality_share_excess", "text", "text", before=-before, after=-after),
    ]
    more = [change(name, "image", "text", **values) for name, values in others.items()]
    return task_verdicts(made(*searches(), *excess, *more), "c")[1].sentence


def test_shares_of_the_list_are_told():
    told = _shares(-0.25, -0.04)
    assert told.endswith("; image fills 0.1% of the top 10 before, 21.1% after, and is 25.1% of the corpus.")


def test_a_share_still_off_is_told_with_the_reason():
    gone = {"centroid_distance": {"before": 0.85, "after": 0.1}, "frechet_covariance_part": {"after": 0.9}}
    assert _shares(-0.25, -0.2).endswith("still more than 0.05 off.")
    told = _shares(-0.25, -0.2, **gone)
    assert "still more than 0.05 off; the offset is gone (centroid distance 0.85 -> 0.10)" in told
    assert "along directions of its own (Fréchet covariance part 0.90)" in told
    assert "ScoreStandardisation acts on that" in told
    gone["centroid_distance"]["after"] = 0.5
    assert _shares(-0.25, -0.2, **gone).endswith("off, since an offset is left (centroid distance 0.85 -> 0.50).")
    assert _shares(-0.25, 0.2, **gone).endswith("now favoured, by more than 0.05.")


def test_standardised_scores_move_no_offset_and_are_not_told_so():
    excess = change("modality_share_excess", "text", "image", before=-0.25, after=-0.2)
    offset = change("centroid_distance", "image", "text", before=0.8, after=0.8)
    shape = change("frechet_covariance_part", "image", "text")
    found = made(*searches(), excess, offset, shape, closer="ScoreStandardisation")
    assert task_verdicts(found, "c")[1].sentence.endswith("still more than 0.05 off.")


def test_on_clip_pairs_mean_removal_is_for_mixed_search_and_not_for_retrieval(coco):
    e = Embeddings.from_arrays(image=coco["image"], text=coco["text"])
    found = compare(e, {"mean-removal": MeanRemoval(), "translation": Translation()}, replicates=100)
    removal = {(one.task, one.groups): one for one in task_verdicts(found, "mean-removal")}
    for group in ("image", "text"):
        told = removal["mixed search", (group,)]
        assert told.verdict == CLOSE
        assert "still more than 0.05 off; the offset is gone" in told.sentence
    assert removal["one threshold", ("image", "text")].verdict == CLOSE
    assert removal["retrieval across", ("image", "text")].verdict == LEAVE
    moved = {(one.task, one.groups): one for one in task_verdicts(found, "translation")}
    assert "a loss" in moved["retrieval across", ("image", "text")].sentence


def test_without_pairs_the_shares_alone_decide(rng):
    e = Embeddings.from_arrays(image=rng.normal(size=(40, 6)) + 1, text=rng.normal(size=(50, 6)) - 1)
    found = compare(e, {"mean-removal": MeanRemoval()}, replicates=50)
    verdicts = task_verdicts(found, "mean-removal")
    assert [verdict.task for verdict in verdicts] == ["mixed search", "mixed search"]
    assert [verdict.quantity for verdict in verdicts] == ["fairness", "fairness"]
    assert verdicts[0].verdict == CLOSE
    assert verdicts[0].before == pytest.approx(1 - share_distance(found.samples["none"], "image")[0])
    plain = task_verdicts(compare(e, {"mean-removal": MeanRemoval()}, replicates=0), "mean-removal")
    assert plain[0].verdict == NOT_ENOUGH


def test_share_distance_is_half_the_sum_of_the_excesses(rng):
    """One fold, three groups, no partners: then it follows from the excesses alone."""
    e = Embeddings.from_arrays(
        **{name: rng.normal(size=(n, 5)) + n / 50 for name, n in zip("abc", (30, 40, 50), strict=True)}
    )
    values = next(iter(_fold_values(e)))
    for name in "abc":
        excess = [part for key, part in values.items() if key[0] == "modality_share_excess" and key[1][0] == name]
        assert share_distance(values, name) == pytest.approx(np.abs(excess).sum(axis=0) / 2)
    with pytest.raises(ValueError, match="the shares in the lists of d were not measured"):
        share_distance(values, "d")


def _fold_values(e: Embeddings):
    """The values of each fold by itself, none pooled."""
    for fold in cross_fitted(e, replicates=0):
        yield pooled([FoldJudge(fold, e, seed=0).tallies()])


def test_excesses_of_opposite_sign_in_two_folds_are_no_fairness(rng):
    e = Embeddings.from_arrays(image=rng.normal(size=(60, 6)), text=rng.normal(size=(70, 6)))
    folds = list(_fold_values(e))
    whole = compare(e, {}, replicates=0).samples["none"]
    mean = np.average([share_distance(values, "image")[0] for values in folds], weights=[30, 30])
    assert share_distance(whole, "image")[0] == pytest.approx(mean)
    assert mean >= abs(whole["modality_share_excess", ("image", "text")][0])


def test_partners_that_are_found_favour_no_group():
    """The right answer first, strangers of both groups evenly: fair, though the other group holds half a place more."""
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(600, 24))
    rows = {name: shared + 0.6 * rng.normal(size=(600, 24)) for name in ("image", "text")}
    found = compare(Embeddings.from_arrays(**rows), {}, replicates=0).samples["none"]
    assert found["modality_share_excess", ("image", "text")][0] > 0.04
    assert share_distance(found, "image")[0] < 0.02


def test_shares_that_are_fair_already_need_no_closing():
    rng = np.random.default_rng(3)
    e = Embeddings.from_arrays(image=rng.normal(size=(600, 24)), text=rng.normal(size=(560, 24)))
    found = compare(e, {"mean-removal": MeanRemoval()}, replicates=50)
    verdict = task_verdicts(found, "mean-removal")[0]
    assert (verdict.quantity, verdict.verdict) == ("fairness", "leave it")
    assert "the shares were within 0.05 of those in the corpus before" in verdict.sentence


def test_groups_of_the_role_query_search_and_are_not_searched():
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(80, 8))
    rows = {name: shared + 0.1 * rng.normal(size=(80, 8)) for name in ("image", "text/document", "text/query")}
    e = Embeddings.from_arrays(**rows)
    found = compare(e, {"mean-removal": MeanRemoval()}, replicates=50)
    values = found.samples["none"]
    asked = {key[1] for key in values if key[0] == "modality_share_excess"}
    assert {gallery for _, gallery in asked} == {"image", "text/document"}
    assert {queries for queries, _ in asked} == set(rows)
    assert values["ndcg_at_k", ("text/query",)][0] > 0.9
    told = {verdict.groups: verdict.sentence for verdict in task_verdicts(found, "mean-removal")}
    assert "is 50.0% of the corpus" in told["text/query",]
    assert "is 50.6% of the corpus" in told["image",]  # 40 of 79: not the picture itself


def test_what_could_not_be_tried_has_no_verdict():
    with pytest.raises(ValueError, match="c could not be tried, so there is nothing to judge: it failed"):
        task_verdicts(made(reason="it failed"), "c")

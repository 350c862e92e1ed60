"""Mixed search on the real pairs: shares and NDCG before and after, out-of-sample and in-sample.

Mean removal closes the gap of the means, and a mixed search is still far from even: cosines within a modality spread
wider than across. The verdict must say so.
"""

import pytest

from crossgap.close.mean_removal import MeanRemoval
from crossgap.evaluate.comparison import Resampling
from crossgap.evaluate.corrected_search import Correction
from crossgap.evaluate.folds import in_sample, other_half
from crossgap.evaluate.mixed import evaluate_mixed

NO_SHIFT = "which no shift of the means can mend"
FEW = Resampling(replicates=50)


def _numbers(found, queries, other):
    share, ndcg = (
        [found.find(name, *groups, k=10, version=version).value for version in ("before", "after")]
        for name, groups in (("modality_share_at_k", (queries, other)), ("ndcg_at_k", (queries,)))
    )
    return [*share, *ndcg]


@pytest.mark.parametrize(
    ("make", "correction", "text", "image"),
    [
        (MeanRemoval, None, [0.000, 0.096, 0.000, 0.234], [0.000, 0.103, 0.000, 0.229]),
        (None, "score-standardisation", [0.000, 0.639, 0.000, 0.690], [0.000, 0.574, 0.000, 0.681]),
        (MeanRemoval, "sinkhorn", [0.000, 0.539, 0.000, 0.590], [0.000, 0.498, 0.000, 0.579]),
    ],
)
def test_coco(coco_pairs, make, correction, text, image):
    chosen = None if correction is None else Correction(name=correction)
    found = evaluate_mixed(other_half(coco_pairs, make), queries=["text", "image"], correction=chosen, resampling=FEW)
    assert _numbers(found, "text", "image") == pytest.approx(text, abs=2e-3)
    assert _numbers(found, "image", "text") == pytest.approx(image, abs=2e-3)
    assert [verdict.decision for verdict in found.verdicts] == ["close it", "close it"]


def test_coco_in_sample(coco_pairs):
    found = evaluate_mixed(in_sample(coco_pairs), queries=["text", "image"], resampling=FEW)
    assert _numbers(found, "text", "image") == pytest.approx([0.000, 0.056, 0.000, 0.139], abs=2e-3)
    assert _numbers(found, "image", "text") == pytest.approx([0.000, 0.059, 0.000, 0.147], abs=2e-3)


@pytest.mark.parametrize("queries", ["text", "image"])
def test_the_verdict_says_why_the_shares_of_coco_are_not_even(coco_pairs, queries):
    found = evaluate_mixed(other_half(coco_pairs), queries=[queries], resampling=FEW)
    (verdict,) = found.verdicts
    reason = f"{queries} still takes +0."
    assert reason in verdict.sentence
    assert f"mostly because scores of {queries} spread wider, so the extremes lie there, {NO_SHIFT}" in verdict.sentence
    parts = {
        m.options["part"]: m.value
        for m in found.measurements
        if m.name == "modality_share_excess_part" and m.groups == (queries, queries)
    }
    assert parts["spread"] > 0.35
    assert abs(parts["level"]) < 0.05  # mean removal did its work


def test_fashion(fashion_pairs):
    found = evaluate_mixed(other_half(fashion_pairs), queries=["text", "image"], resampling=FEW)
    assert _numbers(found, "text", "image") == pytest.approx([0.000, 0.098, 0.000, 0.206], abs=2e-3)
    assert _numbers(found, "image", "text") == pytest.approx([0.000, 0.162, 0.000, 0.304], abs=2e-3)
    assert all(NO_SHIFT in verdict.sentence for verdict in found.verdicts)


def test_cifar(cifar_classes):
    found = evaluate_mixed(other_half(cifar_classes, unit="row"), queries=["text", "image"], unit="row", resampling=FEW)
    assert _numbers(found, "text", "image") == pytest.approx([0.000, 0.020, 0.183, 0.274], abs=5e-3)
    assert _numbers(found, "image", "text") == pytest.approx([0.000, 0.007, 0.737, 0.763], abs=5e-3)
    text, image = found.verdicts
    assert NO_SHIFT in text.sentence
    assert "mostly because the right answers are there" in image.sentence  # the other pictures of the class


def test_even_shares_are_no_gain_where_the_right_answers_are_of_one_modality(cifar_classes):
    """A picture's right answers are the other pictures of its class: giving texts their share loses them."""
    found = evaluate_mixed(
        other_half(cifar_classes, None, unit="row"),
        queries=["image"],
        unit="row",
        correction=Correction(name="score-standardisation"),
        resampling=FEW,
    )
    (verdict,) = found.verdicts
    assert verdict.decision == "leave it"
    assert verdict.sentence.startswith("image queries: leave it: NDCG@10 falls by -0.3")


def test_fused_documents_of_coco(coco_pairs):
    found = evaluate_mixed(other_half(coco_pairs), queries=["text"], fused=0.5, resampling=FEW)
    shares = [
        found.find("modality_share_at_k", "text", g, k=10, version="after").value for g in ("image", "text", "fused")
    ]
    assert sum(shares) == pytest.approx(1.0)
    assert _numbers(found, "text", "image") == pytest.approx([0.000, 0.050, 0.000, 0.165], abs=2e-3)

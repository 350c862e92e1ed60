"""One number for each purpose, from the quantities of a comparison."""

import numpy as np
import pytest

from crossgap.close.comparison import CandidateRow, Change
from crossgap.close.purpose_scores import SCORES, lowest_overlap, score_values
from crossgap.errors import DegenerateError

VALUES = {
    ("ndcg_at_k", ("image",)): np.array([0.2, 0.4]),
    ("ndcg_at_k", ("text",)): np.array([0.4, 0.2]),
    ("recall_at_k", ("image", "text")): np.array([0.5, 0.5]),
    ("recall_at_k", ("text", "image")): np.array([0.7, 0.9]),
    ("label_accuracy", ("image", "text")): np.array([0.8, 0.9]),
    ("alignment", ("image", "text")): np.array([1.4, 1.2]),
    ("modality_share_distance", ("image",)): np.array([0.5, 0.1]),
    ("modality_share_distance", ("text",)): np.array([0.1, 0.3]),
}


@pytest.mark.parametrize(
    ("score", "values"),
    [
        ("mixed-ndcg", [0.3, 0.3]),
        ("mixed-fairness", [1 - 0.3, 1 - 0.2]),
        ("recall", [0.6, 0.7]),
        ("zero-shot", [0.8, 0.9]),
        ("alignment", [-1.4, -1.2]),
    ],
)
def test_scores_are_means_and_higher_is_better(score, values):
    assert score in SCORES
    assert score_values(VALUES, score).tolist() == pytest.approx(values)


def test_a_score_without_a_value_says_what_it_needs():
    unpaired = {key: value if key[0] == "modality_share_distance" else "no item ids" for key, value in VALUES.items()}
    assert score_values(unpaired, "mixed-fairness").shape == (2,)
    for score in ("mixed-ndcg", "recall", "alignment"):
        with pytest.raises(DegenerateError, match=rf"'{score}' needs pairs, and here nothing pairs \(no item ids\)"):
            score_values(unpaired, score)
    with pytest.raises(DegenerateError, match="'zero-shot' needs labels that both groups share"):
        score_values(unpaired, "zero-shot")


def test_what_was_not_measured_is_asked_for():
    with pytest.raises(ValueError, match="the score 'recall' needs recall_at_k, which was not measured; ask for it"):
        score_values({}, "recall")
    with pytest.raises(ValueError, match="the order within groups was not measured"):
        lowest_overlap(CandidateRow(name="c", closer="C", parameters={}))


def test_the_lowest_overlap_of_the_groups_counts():
    changes = tuple(
        Change(name=name, groups=(group,), before=1.0, after=after)
        for name, group, after in (
            ("neighbour_overlap", "image", 0.8),
            ("neighbour_overlap", "text", 0.7),
            ("within_spearman", "text", 0.1),
        )
    )
    assert lowest_overlap(CandidateRow(name="c", closer="C", parameters={}, changes=changes)) == 0.7

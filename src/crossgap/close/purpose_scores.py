"""What a closer can be chosen for: one number for each purpose, from the quantities of a comparison."""

from collections.abc import Mapping

import numpy as np

from crossgap.close.comparison import CandidateRow
from crossgap.close.judged_quantities import Key
from crossgap.close.tasks import share_distance
from crossgap.errors import DegenerateError

__all__ = ["SCORES", "lowest_overlap", "score_values"]

SCORES = {
    "mixed-ndcg": "NDCG@10 of a search over all groups, mean over the groups that search",
    "mixed-fairness": "1 - distance of the shares in the top 10 from those in the corpus, mean over groups that search",
    "recall": "recall@1 across groups, mean over directions",
    "zero-shot": "accuracy of labels by class vectors of another group",
    "alignment": "minus the mean squared distance of matched pairs",
}


def score_values(values: Mapping[Key, np.ndarray | str], score: str) -> np.ndarray:
    """Return a score of one candidate, (1 + replicates,), the first without resampling; higher is better.

    Raises
    ------
    DegenerateError
        If it has no value on this source.
    """
    if score == "mixed-fairness":
        queries = dict.fromkeys(groups[0] for name, groups in values if name == "modality_share_excess")
        return 1 - np.mean([share_distance(values, name) for name in queries], axis=0)
    quantity = {
        "mixed-ndcg": "ndcg_at_k",
        "recall": "recall_at_k",
        "zero-shot": "label_accuracy",
        "alignment": "alignment",
    }[score]
    parts = [part for (name, _), part in values.items() if name == quantity]
    numbers = [part for part in parts if not isinstance(part, str)]
    if not numbers:
        needs = "labels that both groups share" if score == "zero-shot" else "pairs, and here nothing pairs"
        raise DegenerateError(
            f"the score {score!r} needs {needs} ({parts[0]}); choose another one: mixed-fairness needs neither."
        )
    mean = np.mean(numbers, axis=0)
    return -mean if score == "alignment" else mean


def lowest_overlap(row: CandidateRow) -> float:
    """Return the lowest share of the ten nearest rows that a group keeps."""
    return min(change.after for change in row.all_of("neighbour_overlap") if change.after is not None)

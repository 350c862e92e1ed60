"""What a closer can be chosen for: one number for each purpose, from the quantities of a comparison."""

from collections.abc import Mapping

import numpy as np

from crossgap.close.comparison import CandidateRow
from crossgap.close.judged_quantities import Key
from crossgap.errors import DegenerateError

__all__ = ["SCORES", "lowest_overlap", "score_values"]

SCORES = {
    "mixed-ndcg": "NDCG@10 of a search over all groups, mean over the groups that search",
    "mixed-fairness": "1 - distance of the shares in the top 10, the query's own item left out, from those in the "
    "corpus, mean over groups that search",
    "recall": "recall@1 across groups, mean over directions",
    "zero-shot": "accuracy of labels by class vectors of another group",
    "alignment": "minus the mean squared distance of matched pairs",
}


def score_values(values: Mapping[Key, np.ndarray | str], score: str) -> np.ndarray:
    """Return a score of one candidate, (1 + replicates,), the first without resampling; higher is better.

    Raises
    ------
    ValueError
        If what it is made of was not measured.
    DegenerateError
        If it has no value on this source.
    """
    quantity = {
        "mixed-ndcg": "ndcg_at_k",
        "mixed-fairness": "modality_share_distance",
        "recall": "recall_at_k",
        "zero-shot": "label_accuracy",
        "alignment": "alignment",
    }[score]
    parts = [part for (name, _), part in values.items() if name == quantity]
    if not parts:
        raise ValueError(f"the score {score!r} needs {quantity}, which was not measured; ask for it in quantities.")
    numbers = [part for part in parts if not isinstance(part, str)]
    if not numbers:
        needs = "labels that both groups share" if score == "zero-shot" else "pairs, and here nothing pairs"
        raise DegenerateError(
            f"the score {score!r} needs {needs} ({parts[0]}); choose another one: mixed-fairness needs neither."
        )
    mean = np.mean(numbers, axis=0)
    return {"alignment": -mean, "mixed-fairness": 1 - mean}.get(score, mean)


def lowest_overlap(row: CandidateRow) -> float:
    """Return the lowest share of the ten nearest rows that a group keeps."""
    kept = [change.after for change in row.all_of("neighbour_overlap") if change.after is not None]
    if not kept:
        raise ValueError("the order within groups was not measured; ask for 'neighbour_overlap' in quantities.")
    return min(kept)

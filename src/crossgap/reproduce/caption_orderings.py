"""What the tables of captioning share: names of the scores, the published ones, and claims checked row by row."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from crossgap.reproduce.table import Ordering, Summary

__all__ = ["PAPER", "PUBLISHED", "SCORES", "arm_orderings", "comparison", "score_headings"]

PAPER = "Zhang 2024"
PUBLISHED = {
    "C1": {"rouge_l": 25.4, "cider_d": 13.0},
    "C2_1": {"rouge_l": 33.6, "cider_d": 25.2},
    "C2_2": {"rouge_l": 50.8, "cider_d": 87.6},
    "C3": {"rouge_l": 52.0, "cider_d": 93.3},
}
"""Table 2 of C3, on COCO."""
SCORES = ("cider_d", "bleu_4", "rouge_l", "meteor", "cider_d/text", "distinct")
_STEPS = (("C1", "C2_1"), ("C1", "C2_2"), ("C2_1", "C3"), ("C2_2", "C3"), ("C1", "C3"))


def score_headings() -> dict[str, str]:
    """Return the heads of the columns."""
    return {
        "cider_d": "CIDEr-D",
        "bleu_4": "BLEU-4",
        "rouge_l": "ROUGE-L",
        "meteor": "METEOR",
        "cider_d/text": "CIDEr-D of text",
        "row_gain": "row gain",
    }


def comparison(sentence: str, source: str, few: Sequence[np.ndarray], many: Sequence[np.ndarray]) -> Ordering:
    """Check that the second of two methods has the higher mean over the same rows, which are given by split.

    How to read it: the numbers are both means, and the mean difference with its standard error over all rows of all
    splits. It pairs the rows, so it is narrower than the errors of the two means suggest; where a row comes in several
    splits it is too narrow.

    Examples
    --------
    >>> found = comparison("b beats a", "toy", [np.array([1.0, 2.0])], [np.array([3.0, 3.0])])
    >>> found.held, found.numbers
    (True, '1.500 < 3.000, difference 1.500±0.500 over 2 rows')
    """
    a, b = np.concatenate(few), np.concatenate(many)
    parted = Summary.of((b - a).tolist())
    error = "" if parted.standard_error is None else f"±{parted.standard_error:.3f}"
    held = parted.mean > 0 and not math.isclose(parted.mean, 0, abs_tol=1e-12)
    compared = f"{a.mean():.3f} {'' if held else 'not '}< {b.mean():.3f}"
    return Ordering(
        sentence=sentence,
        source=source,
        held=held,
        numbers=f"{compared}, difference {parted.mean:.3f}{error} over {len(a)} rows",
    )


def arm_orderings(per_row: Mapping[str, Sequence[np.ndarray]], what: str) -> Iterator[Ordering]:
    """Check that no step < one step < both, by the scores of the rows of each arm and split."""
    for few, many in _STEPS:
        yield comparison(f"{what}: {few} is below {many}", PAPER, per_row[few], per_row[many])

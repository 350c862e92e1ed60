"""Score bands: precision and recall at every threshold on the cosine."""

from dataclasses import dataclass

import numpy as np

from crossgap.measure.certainty import bootstrap_weights, interval
from crossgap.measure.scored_pairs import PairSetting, ScoredPairs, check_scored, resampled_sums

__all__ = ["PrecisionRecall", "precision_recall"]


@dataclass(frozen=True, kw_only=True)
class PrecisionRecall:
    """Precision and recall of "cosine at or above the threshold", lowest threshold first.

    Parameters
    ----------
    thresholds
        Cosines at which a pair is kept.
    precision, recall
        Share of the kept pairs that match; share of all matches that are kept.
    precision_low, precision_high, recall_low, recall_high
        Their bands.
    level
        Confidence of the bands.
    setting
        Which pairs these are.
    """

    thresholds: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]
    precision_low: tuple[float, ...]
    precision_high: tuple[float, ...]
    recall_low: tuple[float, ...]
    recall_high: tuple[float, ...]
    level: float
    setting: PairSetting


def precision_recall(
    scored: ScoredPairs, *, points: int = 200, replicates: int = 200, seed: int = 0, level: float = 0.95
) -> PrecisionRecall:
    """Precision and recall at thresholds over the whole range of cosines: the curve behind a slider.

    Formula::

        precision(t) = matched pairs with cosine >= t / pairs with cosine >= t
        recall(t)    = matched pairs with cosine >= t / all matches, shown or not

    How to read it: precision starts at the base rate and need not rise without a dip. With candidates, recall
    ends at the share of matches that are among the k nearest, however low the threshold. Do not pick the threshold
    of the highest precision by eye, which picks luck too; ``threshold_at_precision`` measures on items held out.

    Parameters
    ----------
    scored
        What ``scored_pairs`` returned.
    points
        Most thresholds to return. Half lie at equal steps of the matches, half at equal steps of the other pairs.
    replicates, seed, level
        As in ``bootstrap_weights`` and ``interval``. A pair counts with its query's item.

    Raises
    ------
    TypeError
        If ``scored`` does not come from ``scored_pairs``.
    ValueError
        If ``points`` is below 2.
    DegenerateError
        If there are fewer than 10 items.

    Notes
    -----
    The values are those of all pairs, not of a sample of thresholds; only the places are chosen.

    References
    ----------
    Manning, Raghavan, Schütze, *Introduction to Information Retrieval*, 2008, section 8.4 (precision-recall curve).

    Examples
    --------
    >>> from crossgap.measure.scored_pairs import scored_pairs
    >>> x = np.eye(12) + 0.1
    >>> curve = precision_recall(scored_pairs(x, x, k=3))
    >>> round(curve.precision[0], 3), curve.recall[0]  # all that is shown: three for each query
    (0.333, 1.0)
    >>> curve.precision[-1]  # the highest scores alone
    1.0
    """
    check_scored(scored)
    if points < 2:
        raise ValueError(f"points must be at least 2, but it is {points}; 200 draws a smooth curve.")
    starts = scored.bin_starts(points)
    counts = bootstrap_weights(scored.setting.items, replicates, seed=seed)
    counts = np.concatenate([np.ones((len(counts), 1), np.uint8), counts], axis=1)
    matched, unmatched = (np.cumsum(kind[::-1], axis=0)[::-1] for kind in scored.resampled(starts, counts))
    match_factor, unmatched_factor = scored.factors
    right = match_factor * matched
    with np.errstate(invalid="ignore"):
        precision = right / (right + unmatched_factor * unmatched)
        recall = matched / resampled_sums(scored.matches, counts)
    for row in range(1, len(starts)):  # a replicate that keeps nothing up here has the precision of its last pairs
        precision[row] = np.where(np.isnan(precision[row]), precision[row - 1], precision[row])
    bands = [
        [interval(float(row[0]), row[1:], level=level, lowest=0.0, highest=1.0) for row in values]
        for values in (precision, recall)
    ]
    return PrecisionRecall(
        thresholds=tuple(scored.scores[starts].tolist()),
        precision=tuple(point.value for point in bands[0]),
        recall=tuple(point.value for point in bands[1]),
        precision_low=tuple(point.low for point in bands[0]),
        precision_high=tuple(point.high for point in bands[0]),
        recall_low=tuple(point.low for point in bands[1]),
        recall_high=tuple(point.high for point in bands[1]),
        level=level,
        setting=scored.setting,
    )

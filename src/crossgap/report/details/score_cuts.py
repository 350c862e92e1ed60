"""Right and wrong answers kept from each cosine upwards: what a slider of precision and recall needs."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.measure.scored_pairs import ScoredPairs
from crossgap.report.selection import Selection
from crossgap.results import Measurement

__all__ = ["chosen_cut", "score_cuts", "threshold_steps"]

_STEPS = 201
_DECIMALS = 6


def score_cuts(chosen: Selection, measurements: Iterable[Measurement] = ()) -> dict[str, Any]:
    """Count the answers of the first group searching the second, by threshold; as ``measure.precision_recall`` counts.

    At each threshold ``right / (right + wrong)`` is its precision and ``right / matches`` its recall.
    """
    try:
        scored = chosen.scored
    except DegenerateError as error:
        return {"groups": list(chosen.names), "reason": str(error)}
    asked, cut = chosen_cut(chosen.names, measurements)
    thresholds = threshold_steps(scored.scores, cut)
    right, wrong = (_kept(scored, kind, thresholds) for kind in (scored.matched, ~scored.matched))
    setting = scored.setting
    return {
        "groups": list(chosen.names),
        "k": setting.k,
        "queries": setting.n,
        "gallery": setting.m,
        "sampled_from": chosen.sizes.get("sampled_from"),
        "thresholds": thresholds.tolist(),
        "right": right,
        "wrong": wrong,
        "matches": int(scored.matches.sum()),
        "asked": chosen.settings.precision if asked is None else asked,
        "chosen": cut,
    }


def chosen_cut(names: Sequence[str], measurements: Iterable[Measurement]) -> tuple[float | None, float | None]:
    """Return the precision that was asked for and the threshold that gives it, where they were measured."""
    for found in measurements:
        if found.matches("threshold_at_precision", tuple(names), {"result": "threshold"}):
            value = None if found.value is None else float(f"{found.value:.9g}")  # as in the file
            return float(found.options["asked"]), value
    return None, None


def threshold_steps(scores: np.ndarray, chosen: float | None = None) -> np.ndarray:
    """Return 201 even steps over the scores, ascending, of six decimals; the nearest makes way for ``chosen``.

    Everything is kept at the first step and something at the last.
    """
    steps = np.linspace(float(scores[0]), float(scores[-1]), _STEPS)
    steps = np.unique(np.floor(steps * 10**_DECIMALS) / 10**_DECIMALS).round(_DECIMALS)
    if chosen is None:
        return steps
    nearest = int(np.abs(steps - chosen).argmin())
    if 0 < nearest < len(steps) - 1:
        return np.concatenate([steps[:nearest], [chosen], steps[nearest + 1 :]])
    return np.unique(np.append(steps, chosen))


def _kept(scored: ScoredPairs, kind: np.ndarray, thresholds: np.ndarray) -> list[int]:
    scores = scored.scores[kind]
    return (len(scores) - np.searchsorted(scores, thresholds, side="left")).tolist()

"""What a score means: distributions of cosines, the probability of a match, the threshold for a precision."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from crossgap import measure
from crossgap.errors import DegenerateError
from crossgap.report.selection import SEARCHED, Selection
from crossgap.results import Interval, Measurement

__all__ = ["SCORE_BANDS", "cosine_bands", "score_bands"]

SCORE_BANDS = ("cosine_quantiles", "match_probability", "threshold_at_precision", "precision_recall")
_CURVE_POINTS = 25
_FEWEST_ITEMS = 5  # each fold holds one out


def cosine_bands(chosen: Selection) -> Iterator[Measurement]:
    """Quantiles and shares of the cosines within one group, or of matched and of unmatched rows of two."""
    names = chosen.measured
    rows = [chosen.groups[name].vectors for name in names]
    settings = chosen.settings
    certainty = {"replicates": settings.replicates, "level": settings.level, "seed": settings.seed}
    kinds: list[tuple[str, dict[str, Any]]] = [("within", {"x_items": chosen.codes.x} if settings.replicates else {})]
    if len(names) == 2:
        items = {"x_items": chosen.codes.x, "y_items": chosen.codes.y}
        kinds = [("matched", {**items, "matched": True}), ("unmatched", items)]
    for pairs, keywords in kinds:
        options = {"pairs": pairs, **chosen.sizes}
        if pairs == "matched" and chosen.codes.reason is not None:
            yield _skipped("cosine_quantiles", chosen, options, f"needs pairs: {chosen.codes.reason}")
            continue
        try:
            found = measure.cosine_quantiles(*rows, **keywords, **certainty)
        except DegenerateError as error:
            yield _skipped("cosine_quantiles", chosen, options, str(error))
            continue
        options |= {"pairs_counted": found.count, "pairs_sampled": found.sampled}
        nothing = itertools.repeat(None)
        for level, value, interval in zip(
            found.levels, found.quantiles, found.quantile_intervals or nothing, strict=False
        ):
            yield Measurement(
                name="cosine_quantiles",
                groups=names,
                value=value,
                interval=interval,
                options={"quantile": level, **options},
            )
        shares = zip(found.edges, found.edges[1:], found.histogram, found.histogram_intervals or nothing, strict=False)
        for low, high, count, interval in shares:
            if count:
                yield Measurement(
                    name="cosine_quantiles",
                    groups=names,
                    value=count / found.sampled,
                    interval=interval,
                    options={"from": low, "to": high, **options},
                )


def score_bands(chosen: Selection) -> Iterator[Measurement]:
    """Probability of a match by cosine, and the threshold for the precision asked, when the first group searches."""
    settings = chosen.settings
    options = {"k": SEARCHED, **chosen.sizes}
    reason = None if chosen.codes.reason is None else f"needs pairs: {chosen.codes.reason}"
    items = len(np.unique(chosen.codes.x))
    if reason is None and items < _FEWEST_ITEMS:
        reason = f"needs {_FEWEST_ITEMS} items to hold some out, but {chosen.names[0]} shows {items}"
    if reason is not None:
        for name in SCORE_BANDS[1:]:
            yield _skipped(name, chosen, options, reason)
        return
    certainty = {"replicates": max(settings.replicates, 2), "seed": settings.seed, "level": settings.level}
    try:
        scored = chosen.scored
        calibration = measure.match_probability(scored, **certainty)
        threshold = measure.threshold_at_precision(scored, settings.precision, **certainty)
        curve = measure.precision_recall(scored, points=_CURVE_POINTS, **certainty)
    except DegenerateError as error:
        for name in SCORE_BANDS[1:]:
            yield _skipped(name, chosen, options, str(error))
        return

    def entry(name: str, value: float, interval: tuple[float, float] | None, **facts: Any) -> Measurement:
        shown = interval if settings.replicates else None
        return Measurement(name=name, groups=chosen.names, value=value, interval=shown, options={**facts, **options})

    low, high = calibration.scores[0], calibration.scores[-1]
    for step in range(_CURVE_POINTS):
        found = calibration.interval(low + (high - low) * step / (_CURVE_POINTS - 1))
        score = low + (high - low) * step / (_CURVE_POINTS - 1)
        yield entry("match_probability", found.value, _bounds(found), score=round(score, 6))
    for result in ("brier", "log_loss", "calibration_error"):
        found = getattr(calibration, result)
        yield entry("match_probability", found.value, _bounds(found), result=result)
    for result in ("base_brier", "base_log_loss"):
        yield entry("match_probability", getattr(calibration, result), None, result=result)
    asked = {"asked": settings.precision}
    for result in ("threshold", "precision", "recall"):
        found = getattr(threshold, result)
        if found is None:
            yield _skipped(
                "threshold_at_precision", chosen, {**asked, "result": result, **options}, str(threshold.reason)
            )
        else:
            yield entry("threshold_at_precision", found.value, _bounds(found), **asked, result=result)
    yield entry("threshold_at_precision", threshold.best_precision, None, **asked, result="best_precision")
    for result in ("precision", "recall"):
        values, lows, highs = (getattr(curve, f"{result}{end}") for end in ("", "_low", "_high"))
        for cut, value, bottom, top in zip(curve.thresholds, values, lows, highs, strict=True):
            yield entry("precision_recall", value, (bottom, top), threshold=round(cut, 6), result=result)


def _bounds(found: Interval) -> tuple[float, float]:
    return found.low, found.high


def _skipped(name: str, chosen: Selection, options: dict[str, Any], reason: str) -> Measurement:
    return Measurement(name=name, groups=chosen.measured, value=None, options=options, reason=reason)

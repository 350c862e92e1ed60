"""C1, C2, C10: what moving the centres together repairs on rows not seen, what it leaves, and what mends that."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from crossgap import measure
from crossgap.close import Closer, MeanRemoval, ScoreStandardisation, Translation
from crossgap.close.comparison import CandidateRow, Change, compare
from crossgap.close.tasks import share_distance
from crossgap.explain.finding import Finding
from crossgap.explain.two_groups import TwoGroups
from crossgap.measure.certainty import interval
from crossgap.results import Measurement, percent, with_bounds

__all__ = ["held_out_repair"]

_FOLDS = 2
_LIST = 10
_NEAR_BLIND = 0.05  # of the corpus share: blind to modality, for practice
_GONE = 0.1  # of the squared gap: what is left of it then orders no list
_CHANCE = 1.5  # times the distance that chance alone gives
_TOLD = {
    "centroid_distance": {},
    "alignment": {},
    "recall_at_k": {"k": 1},
    "modality_share_excess": {"k": _LIST},
    "ndcg_at_k": {"k": _LIST},
}
_SPREAD = "score_spread"
_DEEDS = {"mean_removal": "Removing each group's own mean", "translation": "A pure translation to one centre"}


def held_out_repair(two: TwoGroups) -> Iterator[Finding]:
    """Say what removing each group's mean does, then a move of both centres to one point, then standardised scores.

    Fitted on one half of the items and judged on the other, in turn.
    """
    closers: dict[str, Closer] = {"mean_removal": MeanRemoval(), "translation": Translation()}
    scores = ScoreStandardisation()
    found = compare(
        two.embeddings,
        {**closers, _SPREAD: scores},
        folds=_FOLDS,
        replicates=two.replicates,
        level=two.level,
        seed=two.seed,
        quantities=_TOLD.keys(),
    )
    for name, closer in closers.items():
        row = found.row(name)
        if row.reason is not None:
            yield Finding.skipped(name, two.names, row.reason)
        else:
            yield _finding(two, name, closer, row, found.samples[name][("centroid_distance", two.names)])
    row = found.row(_SPREAD)
    if row.reason is not None:
        yield Finding.skipped(_SPREAD, two.names, row.reason)
    else:
        yield _spread(two, scores, row, found.samples[_SPREAD])


def _spread(
    two: TwoGroups, scores: ScoreStandardisation, row: CandidateRow, samples: Mapping[Any, np.ndarray | str]
) -> Finding:
    """Say how much wider the cosines within a group spread than those across, and what standardising them does."""
    scores.fit_embeddings(two.embeddings)
    x, y = two.names
    across = scores.scales(x)[y][1]
    within = {name: scores.scales(name)[name][1] for name in two.names}
    told = [f"those of two rows of {name} by {deviation:.3f}" for name, deviation in within.items()]
    shares = [
        f"{change.groups[1]} in the top {_LIST} of {change.groups[0]} to {_share(two, change, change.after)}"
        for change in (_one(row, "modality_share_excess", *way) for way in ((x, y), (y, x)))
    ]
    gains = [_one(row, "ndcg_at_k", name) for name in two.names]
    quality = ""
    if all(gain.after is not None for gain in gains):
        ways = [f"{gain.before:.3f} to {gain.after:.3f} ({gain.groups[0]})" for gain in gains]
        quality = f", and NDCG@{_LIST} from {', '.join(ways)}"
    off = np.mean([share_distance(samples, name) for name in two.names], axis=0)
    return Finding(
        name=_SPREAD,
        groups=two.names,
        sentence=f"Cosines of {x} with {y} vary by {across:.3f} (standard deviation), {', '.join(told)}: where one "
        f"kind varies more, its extremes fill a mixed list, whatever the offset. Standardised for each kind, learned "
        f"on one half of the items and judged on the other, they take {', '.join(shares)}{quality}; recall across "
        f"does not change. The number is how far the shares then still are from blind.",
        value=float(off[0]),
        interval=two.bounds(off, (0.0, 1.0)),
        evidence=(
            *_evidence(two, _SPREAD, row),
            two.number("cosine_deviation", across, x, y),
            *(two.number("cosine_deviation", deviation, name) for name, deviation in within.items()),
        ),
    )


def _finding(two: TwoGroups, name: str, closer: Closer, row: CandidateRow, gaps: np.ndarray | str) -> Finding:
    gap = _one(row, "centroid_distance", *two.names)
    bounds = None
    if isinstance(gaps, np.ndarray) and len(gaps) > 1:
        within = interval(float(gaps[0]), gaps[1:], level=two.level, lowest=0.0, highest=2.0)
        bounds = within.low, within.high
    learned = _gap_on_its_own_rows(two, closer)
    return Finding(
        name=name,
        groups=two.names,
        sentence=f"{_DEEDS[name]}, learned on one half of the items and judged on the other, "
        f"{_told(two, row, bounds, learned)}",
        value=gap.after,
        interval=bounds,
        evidence=(
            *_evidence(two, name, row),
            two.number("centroid_distance", learned, after=name, held_out=False),
        ),
    )


def _told(two: TwoGroups, row: CandidateRow, bounds: tuple[float, float] | None, learned: float) -> str:
    x, y = two.names
    gap = _one(row, "centroid_distance", x, y)
    told = [
        f"brings the gap from {gap.before:.3f} to {with_bounds(gap.after or 0.0, bounds)} ({learned:.3f} on the rows "
        f"that it learned from)"
    ]
    recalls = [_one(row, "recall_at_k", *way) for way in ((x, y), (y, x))]
    if all(change.after is not None for change in recalls):
        ways = [
            f"{with_bounds(change.difference or 0.0, change.interval, sign=True)} from {change.before:.3f} "
            f"({' to '.join(change.groups)})"
            for change in recalls
        ]
        told.append(f"changes recall@1 by {', '.join(ways)}")
    excess = [_one(row, "modality_share_excess", *way) for way in ((x, y), (y, x))]
    shares = [
        f"{change.groups[1]} in the top {_LIST} of {change.groups[0]} from {_share(two, change, change.before)} to "
        f"{_share(two, change, change.after)} (a blind search: {percent(_blind(two, change))})"
        for change in excess
    ]
    told.append(f"takes {' and '.join(shares)}")
    partners = _one(row, "alignment", x, y)
    if partners.after is not None:
        told.append(f"and leaves partners at a mean squared distance of {partners.after:.3f} ({partners.before:.3f})")
    if all(abs(change.after or 0.0) <= _NEAR_BLIND for change in excess):
        return f"{', '.join(told)}."
    return f"{', '.join(told)}. {_what_is_left(two, gap.before or 0.0, gap.after or 0.0)}"


def _what_is_left(two: TwoGroups, before: float, after: float) -> str:
    """Say whether what still keeps the lists apart may be an offset."""
    chance = float(measure.centroid_distance_floor(*two.rows, x_items=two.items[0], y_items=two.items[1]))
    if after <= _CHANCE * _FOLDS * chance:  # the means of both halves are uncertain, each by a root of two more
        return "The gap left is within chance, so what still keeps the lists apart is no offset."
    left = (after / before) ** 2 if before > 0 else 1.0
    if left <= _GONE:
        return f"Of the squared gap {percent(left)} is left, so what still keeps the lists apart is no offset."
    return f"Of the squared gap {percent(left)} is left, which may still keep the lists apart."


def _evidence(two: TwoGroups, name: str, row: CandidateRow) -> Iterator[Measurement]:
    """Yield what was measured before and after, and the change with its interval."""
    for change in row.changes:
        if change.name not in _TOLD:
            continue
        options = {**_TOLD[change.name], "held_out": True, "folds": _FOLDS}
        if change.after is None or change.before is None:
            reason = change.reason or "it has no value"
            yield Measurement(name=change.name, groups=change.groups, value=None, options=options, reason=reason)
            continue
        yield two.number(change.name, change.before, *change.groups, after="none", **options)
        yield two.number(change.name, change.after, *change.groups, after=name, **options)
        yield Measurement(
            name=change.name,
            groups=change.groups,
            value=change.difference,
            interval=change.interval,
            options={"after": name, "change": True, **options},
        )


def _gap_on_its_own_rows(two: TwoGroups, closer: Closer) -> float:
    """Centroid distance of all rows after a closer that was fitted on them: what over-fitting would show."""
    closer.fit_embeddings(two.embeddings)
    x, y = (closer.move(rows, name) for rows, name in zip(two.rows, two.names, strict=True))
    return float(measure.centroid_distance(x, y))


def _one(row: CandidateRow, name: str, *groups: str) -> Change:
    found = row.find(name, *groups)
    return found or Change(name=name, groups=groups, before=None, after=None, reason="it was not measured")


def _blind(two: TwoGroups, change: Change) -> float:
    """Share of the other group in what a row of one group can find in a half: that of a search blind to modality."""
    sizes = {name: len(rows) / _FOLDS for name, rows in zip(two.names, two.rows, strict=True)}
    return sizes[change.groups[1]] / (sum(sizes.values()) - 1)


def _share(two: TwoGroups, change: Change, excess: float | None) -> str:
    return percent(min(1.0, max(0.0, _blind(two, change) + (excess or 0.0))))

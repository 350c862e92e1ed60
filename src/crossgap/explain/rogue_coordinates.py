"""A20: whether a few coordinates carry the offset, and what removing them does."""

from collections.abc import Iterator

import numpy as np

from crossgap import measure
from crossgap.explain.finding import Finding
from crossgap.explain.two_groups import TwoGroups
from crossgap.measure.gap_energy_ratio import check_gap
from crossgap.results import Measurement, percent, told

__all__ = ["rogue_coordinates"]

_HALF = 0.5
_BY_CHANCE = 0.124  # share of the coordinates of a random direction that hold half of its square
_FEW = 3  # so many times fewer than in a random direction
_ALONE = 0.9  # share of one coordinate that makes it rogue in however few dimensions
_SHOWN = (1, 2, 5, 10)


def rogue_coordinates(two: TwoGroups) -> Iterator[Finding]:
    """Say how many coordinates hold half of the squared gap, which they are, and what is left without them."""
    gap = np.abs(np.asarray(measure.gap_vector(*two.rows)))
    check_gap(gap)
    order = np.argsort(-gap, kind="stable")
    carried = np.cumsum(gap[order] ** 2) / np.sum(gap**2)
    m = 1 + int(np.argmax(carried >= _HALF * (1 - 1e-12)))
    share = two.of_groups(measure.gap_coordinate_share, within=(0.0, 1.0), coordinates=m)
    shares = [
        two.of_groups(measure.gap_coordinate_share, within=(0.0, 1.0), coordinates=k)
        for k in _SHOWN
        if k <= two.dimension and k != m
    ]
    d = two.dimension
    usual = max(1, round(_BY_CHANCE * d))
    names = ", ".join(str(k) for k in order[: min(m, 5)]) + (", ..." if m > 5 else "")
    sentence = (
        f"{m} of {d} coordinates ({names}) carr{'ies' if m == 1 else 'y'} {percent(share.value or 0.0)} of the squared "
        f"offset; in a random direction half of it takes about {usual}."
    )
    removed: list[Measurement] = []
    if m < d and (_FEW * m <= usual or (m == 1 and carried[0] >= _ALONE)):
        removed = list(_without(two, order[:m]))
        sentence += f" {_removal(two, removed)}"
    else:
        sentence += " So no few coordinates make the gap."
    yield Finding(
        name="rogue_coordinates",
        groups=two.names,
        sentence=sentence,
        value=share.value,
        interval=share.interval,
        evidence=(share, *shares, *removed),
    )


def _without(two: TwoGroups, gone: np.ndarray) -> Iterator[Measurement]:
    """Yield gap and recall before and after, and the change of recall, paired, where something pairs."""
    kept = np.setdiff1d(np.arange(two.dimension), gone)
    cut = [np.ascontiguousarray(rows[:, kept]) for rows in two.rows]
    removed = ", ".join(map(str, gone))
    yield two.of_groups(measure.centroid_distance, within=(0.0, 2.0))
    values = measure.centroid_distance(cut[0], cut[1], weights=two.weights)
    yield two.number_of("centroid_distance", values, within=(0.0, 2.0), removed=removed)
    if two.unpaired is not None:
        return
    x_items, y_items = two.items
    both = [
        measure.retrieval_ranks_both(rows[0], rows[1], x_items=x_items, y_items=y_items) for rows in (two.rows, cut)
    ]
    for turned, ranks in enumerate(zip(*both, strict=True)):
        names = two.names[::-1] if turned else two.names
        weights = None if two.weights is None else two.weights[turned]
        found = [np.atleast_1d(np.asarray(places.recall_at_k(1, weights))) for places in ranks]
        yield two.number_of("recall_at_k", found[0], *names, within=(0.0, 1.0), k=1)
        yield two.number_of("recall_at_k", found[1], *names, within=(0.0, 1.0), k=1, removed=removed)
        yield two.number_of("recall_at_k", found[1] - found[0], *names, k=1, removed=removed, change=True)


def _removal(two: TwoGroups, removed: list[Measurement]) -> str:
    before, after = removed[:2]
    fall = f"Without them the gap falls from {told(before)} to {told(after)}"
    changes = [found for found in removed if found.options.get("change")]
    if not changes:
        return f"{fall}."
    x, y = two.names
    ways = (f"{x} to {y}", f"{y} to {x}")
    parts = [f"{told(found, sign=True)} ({way})" for found, way in zip(changes, ways, strict=True)]
    return f"{fall}, and recall@1 changes by {', '.join(parts)}."

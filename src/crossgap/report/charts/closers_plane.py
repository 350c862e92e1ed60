"""What closing costs and brings: how much gap each closer leaves, and how good the lists are then."""

from collections.abc import Sequence
from dataclasses import dataclass

from crossgap.report.charts.closer_rows import Row, candidates, changes, trial
from crossgap.report.charts.palette import BLUE, OTHERS, VERMILION
from crossgap.report.charts.specification import figure_name, rounded, rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table
from crossgap.results import with_bounds

__all__ = ["closers_plane"]

_HEIGHT = 320
_LINE = 15  # pixels between labels
_COLUMN = 162  # pixels of the labels
_NAME = 30  # characters of a label
_AS_IT_IS = "as it is"
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # a centroid distance is at most 2


@dataclass(frozen=True, kw_only=True)
class _Place:
    name: str
    gap: float
    quality: float
    low: float
    high: float


def closers_plane(report: GapReport) -> Figure | None:
    """Draw each closer by the gap that it leaves and the quality of lists; the best trades are joined by a line."""
    tried = candidates(report)
    words, quantity = "NDCG@10 of a mixed search", "ndcg_at_k"
    places = [place for row in tried if (place := _place(row, quantity)) is not None]
    if not places:
        words, quantity = "recall@1 across", "recall_at_k"
        places = [place for row in tried if (place := _place(row, quantity)) is not None]
    before = next((place for row in tried if (place := _place(row, quantity, before=True)) is not None), None)
    if not places or before is None:
        return None
    import altair as alt

    chosen = (trial(report) or {}).get("chosen")
    everything = [before, *places]
    front = _front(everything)
    kinds = [_kind(place, front, chosen) for place in everything]
    gaps = [place.gap for place in everything]
    span = max(max(gaps) - min(gaps), 0.05)
    first = max(0.0, min(gaps) - 0.06 * span)
    across = alt.X(
        "gap:Q",
        title="gap left: centroid distance",
        scale=alt.Scale(
            zero=False,
            nice=False,
            domainMin=first,
            domainMax=alt.ExprRef(
                f"{first} + {round(max(gaps) - first + 0.02 * span, 4)} * width / (width - {_COLUMN})"
            ),
        ),
        axis=alt.Axis(values=_ticks(first, max(gaps)), grid=False),
    )
    lowest, highest = min(place.low for place in everything), max(place.high for place in everything)
    margin = 0.04 * max(highest - lowest, 1e-6)
    up = alt.Y(
        "quality:Q",
        title=words,
        scale=alt.Scale(domain=[rounded(lowest - margin), rounded(highest + margin)], nice=False),
        axis=alt.Axis(tickCount=5),
    )
    names = ["as it is", "a best trade", "another is better in both", "chosen"]
    present = [name for name in names if name in kinds]
    looks = {
        "as it is": (OTHERS, "square"),
        "a best trade": (BLUE, "circle"),
        "another is better in both": (OTHERS, "cross"),
        "chosen": (VERMILION, "diamond"),
    }
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=present, range=[looks[name][0] for name in present]),
        legend=alt.Legend(columns=2),
    )
    shape = alt.Shape(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=present, range=[looks[name][1] for name in present]),
        legend=alt.Legend(columns=2),
    )
    drawn = alt.Chart(alt.NamedData("closers"))
    at_label = alt.value(alt.ExprRef(f"width - {_COLUMN - 8}"))
    layers = [
        alt.Chart(alt.NamedData("front"))
        .mark_line(color=BLUE, strokeWidth=1, strokeDash=[2, 2], interpolate="step-after")
        .encode(x=across, y=up, order="place:Q"),
        drawn.mark_rule(color=OTHERS, strokeWidth=0.5, opacity=0.6).encode(
            x=across, y=up, x2=alt.value(alt.ExprRef(f"width - {_COLUMN - 4}")), y2="label:Q"
        ),
        drawn.mark_rule(strokeWidth=1.5).encode(x=across, y=alt.Y("low:Q"), y2="high:Q", color=colour),
        drawn.mark_point(filled=True, size=65, opacity=1).encode(
            x=across,
            y=up,
            color=colour,
            shape=shape,
            tooltip=[
                alt.Tooltip("closer:N"),
                alt.Tooltip("gap:Q", title="gap left"),
                alt.Tooltip("quality:Q", title=words),
                alt.Tooltip("low:Q", title="interval from"),
                alt.Tooltip("high:Q", title="to"),
            ],
        ),
        drawn.mark_text(align="left", fontSize=11).encode(x=at_label, y=alt.Y("label:Q"), text="name:N"),
    ]
    rows = {
        "closers": rows_of(
            name=[short(place.name, _NAME) for place in everything],
            closer=[short(place.name, 80) for place in everything],
            kind=kinds,
            gap=gaps,
            quality=[place.quality for place in everything],
            low=[place.low for place in everything],
            high=[place.high for place in everything],
            label=_label_places(everything),
        ),
        "front": rows_of(
            gap=[place.gap for place in front],
            quality=[place.quality for place in front],
            place=range(len(front)),
        ),
    }
    target = next((place for place in places if place.name == chosen), None)
    if target is not None:
        layers.insert(
            1,
            alt.Chart(alt.NamedData("arrow"))
            .mark_trail(color=VERMILION, opacity=0.55)
            .encode(x=across, y=up, size=alt.Size("thick:Q", legend=None, scale=None), order="thick:Q"),
        )
        rows["arrow"] = rows_of(
            gap=[before.gap, target.gap], quality=[before.quality, target.quality], thick=[0.5, 5.0]
        )
    return Figure(
        name=figure_name(report, "closers"),
        title="What each closer leaves of the gap, and what it does to search",
        description=(
            f"Each closer by the centroid distance that it leaves (across) and {words} (upwards), on rows that it was "
            f"not fitted on; good is at the upper left. As it is: gap {before.gap:.3f}, {words} {before.quality:.3f}. "
            f"{_chosen_said(target)}Best trades, which no other beats in both: "
            + "; ".join(f"{place.name} {place.gap:.3f}, {place.quality:.3f}" for place in front)
            + ". Upright lines: intervals of the change."
        ),
        spec=specification(alt.layer(*layers), height=max(_HEIGHT, _LINE * len(everything) + 40), rows=rows),
        table=Table(
            caption=f"Gap left and {words} of each closer",
            columns=("closer", "gap left", words, "low", "high", "is"),
            rows=tuple(
                (place.name, place.gap, place.quality, place.low, place.high, kind)
                for place, kind in zip(everything, kinds, strict=True)
            ),
        ),
    )


def _place(row: Row, quantity: str, *, before: bool = False) -> _Place | None:
    """Return the means over directions; those of the bounds are at least as wide as the bounds of the mean."""
    gaps = list(changes(row, "centroid_distance"))
    found = list(changes(row, quantity))
    if not gaps or not found:
        return None
    start = _mean([change["before"] for change in found])
    if before:
        return _Place(
            name=_AS_IT_IS, gap=_mean([change["before"] for change in gaps]), quality=start, low=start, high=start
        )
    end = _mean([change["after"] for change in found])
    bounds = [change["interval"] for change in found if change["interval"] is not None]
    whole = len(bounds) == len(found)
    return _Place(
        name=str(row["name"]),
        gap=_mean([change["after"] for change in gaps]),
        quality=end,
        low=start + _mean([low for low, _ in bounds]) if whole else end,
        high=start + _mean([high for _, high in bounds]) if whole else end,
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return at most six round numbers between two, so that no axis runs on under the labels."""
    step = next(step for step in _STEPS if (high - low) / step <= 5)
    first, last = -int(-low // step), int(high // step)
    return [round(number * step, 3) for number in range(first, last + 1)]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _front(places: Sequence[_Place]) -> list[_Place]:
    """Return the places that no other beats in both, from the smallest gap on."""
    found: list[_Place] = []
    for place in sorted(places, key=lambda one: (one.gap, -one.quality)):
        if not found or place.quality > found[-1].quality:
            found.append(place)
    return found


def _kind(place: _Place, front: Sequence[_Place], chosen: str | None) -> str:
    if place.name == _AS_IT_IS:
        return _AS_IT_IS
    if place.name == chosen:
        return "chosen"
    return "a best trade" if place in front else "another is better in both"


def _label_places(places: Sequence[_Place]) -> list[float]:
    """Return heights at which the names stand below each other without touching."""
    low, high = min(place.low for place in places), max(place.high for place in places)
    height = max(_HEIGHT, _LINE * len(places) + 40)
    step = max(high - low, 1e-6) * _LINE / height
    order = sorted(range(len(places)), key=lambda number: -places[number].quality)
    heights: dict[int, float] = {}
    last = high + step
    for number in order:
        last = heights[number] = min(places[number].quality, last - step)
    below = min(heights.values()) - low
    for place, number in enumerate(reversed(order)):  # what fell off the bottom is pushed up again
        least = low + place * step
        if below < 0 and heights[number] < least:
            heights[number] = least
    return [heights[number] for number in range(len(places))]


def _chosen_said(target: _Place | None) -> str:
    if target is None:
        return "None was chosen. "
    return (
        f"Chosen: {target.name}, gap {target.gap:.3f}, quality "
        f"{with_bounds(target.quality, (target.low, target.high))}; the widening line leads there. "
    )

"""Rows as points on a plane: what the linear map and the UMAP map share."""

from collections.abc import Mapping
from typing import Any

from crossgap.report.charts.palette import OTHERS, group_styles
from crossgap.report.charts.specification import rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table

__all__ = ["found_map", "map_figure"]

_HEIGHT = 340
_MARGIN = 0.06  # of the span, on each side
_MOST_LINES = 250


def found_map(report: GapReport, kind: str, *groups: str) -> Mapping[str, Any] | None:
    """Return the map of this kind that shows these groups, and as few others as there are; None if there is none."""
    fitting = [
        one
        for one in report.details.get("maps", ())
        if one.get("kind") == kind and one.get("reason") is None and set(groups) <= set(one.get("points", {}))
    ]
    return min(fitting, key=lambda one: len(one["points"]), default=None)


def map_figure(
    report: GapReport, found: Mapping[str, Any], *, name: str, title: str, said: str, axes: tuple[str, str]
) -> Figure:
    """Draw the points of a map by group, lines between the rows of a pair, one unit of equal length on both axes."""
    import altair as alt

    styles = group_styles(report)
    groups = [group for group in styles if group in found["points"]]
    names = [short(group) for group in groups]
    labels = found.get("labels") or {}
    points: list[tuple[Any, ...]] = [
        (group, row, *at, label)
        for group in groups
        for row, at, label in zip(
            found["points"][group]["rows"],
            found["points"][group]["at"],
            labels.get(group) or [None] * len(found["points"][group]["rows"]),
            strict=True,
        )
    ]
    across, up = _scales([point[2] for point in points], [point[3] for point in points])
    colour = alt.Color(
        "group:N", title=None, scale=alt.Scale(domain=names, range=[styles[group].colour for group in groups])
    )
    shape = alt.Shape(
        "group:N", title=None, scale=alt.Scale(domain=names, range=[styles[group].shape for group in groups])
    )
    has_labels = any(point[4] is not None for point in points)
    tooltip = [alt.Tooltip("group:N"), alt.Tooltip("row:Q")]
    if has_labels:
        tooltip.append(alt.Tooltip("label:N"))
    x = alt.X("x:Q", title=axes[0], scale=across, axis=alt.Axis(tickCount=5, grid=False))
    y = alt.Y("y:Q", title=axes[1], scale=up, axis=alt.Axis(tickCount=5, grid=False))
    lines, all_lines = _lines(found)
    layers: list[Any] = [
        alt.Chart(alt.NamedData("points"))
        .mark_point(filled=True, size=26, opacity=0.9, clip=True)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip)
    ]
    if lines:
        drawn = alt.Chart(alt.NamedData("pairs")).mark_rule(color=OTHERS, strokeWidth=0.6, opacity=0.35, clip=True)
        layers.insert(0, drawn.encode(x=x, y=y, x2="x2:Q", y2="y2:Q"))
    rows = {
        **({"pairs": lines} if lines else {}),
        "points": rows_of(
            group=[short(point[0]) for point in points],
            row=[point[1] for point in points],
            x=[_place(point[2]) for point in points],
            y=[_place(point[3]) for point in points],
            **({"label": [None if p[4] is None else short(str(p[4]), 60) for p in points]} if has_labels else {}),
        ),
    }
    joined = f" {len(lines)} of {all_lines} matches are joined by a thin line." if all_lines else ""
    return Figure(
        name=name,
        title=title,
        description=f"{said} {_sizes(found, groups)}{joined}",
        spec=specification(alt.layer(*layers), height=_HEIGHT, rows=rows),
        table=Table(
            caption="Places of the points",
            columns=("group", "row", "across", "upwards", *(["label"] if has_labels else [])),
            rows=tuple(
                (p[0], p[1], _place(p[2]), _place(p[3]), *([None if p[4] is None else str(p[4])] if has_labels else []))
                for p in points
            ),
        ),
    )


def _scales(x: list[float], y: list[float]) -> tuple[Any, Any]:
    """Return scales on which one unit has one length, whatever the width of the page."""
    import altair as alt

    scales = []
    spans = [max((max(values) - min(values)) * (1 + 2 * _MARGIN), 1e-6) for values in (x, y)]
    unit = f"max({_place(spans[0])} / max(width, 1), {_place(spans[1])} / height)"  # width is 0 before it is laid out
    for values, pixels in ((x, "width"), (y, "height")):
        middle = _place((max(values) + min(values)) / 2)
        scales.append(
            alt.Scale(
                zero=False,
                nice=False,
                domainMin=alt.ExprRef(f"{middle} - {unit} * {pixels} / 2"),
                domainMax=alt.ExprRef(f"{middle} + {unit} * {pixels} / 2"),
            )
        )
    return scales[0], scales[1]


def _lines(found: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """Return the ends of the lines that are drawn, evenly chosen, and how many pairs there are."""
    ends = []
    for pairs in found.get("pairs") or ():
        one, other = (found["points"][group]["at"] for group in pairs["groups"])
        ends += [(*one[i], *other[j]) for i, j in pairs["lines"]]
    step = max(1, -(-len(ends) // _MOST_LINES))
    drawn = [
        {key: _place(value) for key, value in zip(("x", "y", "x2", "y2"), line, strict=True)} for line in ends[::step]
    ]
    return drawn, len(ends)


def _place(value: float) -> float:
    return round(float(value), 4) + 0.0


def _sizes(found: Mapping[str, Any], groups: list[str]) -> str:
    sampled = found.get("sampled_from") or {}
    parts = []
    for group in groups:
        shown = len(found["points"][group]["rows"])
        full = sampled.get(group)
        parts.append(
            f"{shown} rows of {short(group)}" if full in (None, shown) else f"{shown} of {full} rows of {short(group)}"
        )
    return f"Shown: {', '.join(parts)}."

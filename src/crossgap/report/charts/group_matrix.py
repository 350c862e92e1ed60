"""How far every two groups lie apart, where there are more than two."""

from crossgap.report.charts.palette import BLUE
from crossgap.report.charts.specification import figure_name, rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table
from crossgap.results import told

__all__ = ["group_matrix"]

_ROW = 44


def group_matrix(report: GapReport) -> Figure | None:
    """Draw the centroid distances of all pairs of groups as a table of shaded cells."""
    found = [
        one
        for one in report.measurements
        if one.name == "centroid_distance" and len(one.groups) == 2 and one.value is not None
    ]
    groups = [str(facts["group"]) for facts in report.inputs]
    if len(groups) < 3 or not found:
        return None
    import altair as alt

    names = [short(group, 14) for group in groups]
    ways = [(one, *way) for one in found for way in (one.groups, one.groups[::-1])]
    cells = rows_of(
        first=[short(first, 14) for _, first, _ in ways],
        second=[short(second, 14) for _, _, second in ways],
        distance=[one.value for one, _, _ in ways],
        low=[(one.interval or (one.value,))[0] for one, _, _ in ways],
        high=[(one.interval or (one.value,))[-1] for one, _, _ in ways],
    )
    across = alt.X(
        "second:N",
        title=None,
        sort=names,
        scale=alt.Scale(domain=names),
        axis=alt.Axis(orient="top", labelAngle=0, ticks=False, domain=False),
    )
    down = alt.Y(
        "first:N", title=None, sort=names, scale=alt.Scale(domain=names), axis=alt.Axis(ticks=False, domain=False)
    )
    drawn = alt.Chart(alt.NamedData("cells")).encode(x=across, y=down)
    chart = alt.layer(
        drawn.mark_rect(color=BLUE).encode(
            opacity=alt.Opacity("distance:Q", legend=None, scale=alt.Scale(domain=[0, 2], range=[0.04, 0.6])),
            tooltip=[
                alt.Tooltip("first:N", title="from"),
                alt.Tooltip("second:N", title="to"),
                alt.Tooltip("distance:Q", title="centroid distance"),
                alt.Tooltip("low:Q", title="interval from"),
                alt.Tooltip("high:Q", title="to"),
            ],
        ),
        drawn.mark_text().encode(text=alt.Text("distance:Q", format=".2f")),
    )
    return Figure(
        name=figure_name(report, "group-matrix"),
        title="How far every two groups lie apart",
        description="Centroid distance of every two groups (0: same mean, at most 2). "
        + "; ".join(f"{' and '.join(map(short, one.groups))} {told(one)}" for one in found)
        + ".",
        spec=specification(chart, height=_ROW * len(groups), rows={"cells": cells}),
        table=Table(
            caption="Centroid distance of every two groups",
            columns=("groups", "centroid distance", "low", "high"),
            rows=tuple((" and ".join(one.groups), one.value, *(one.interval or (None, None))) for one in found),
        ),
    )

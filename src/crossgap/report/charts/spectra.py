"""How many directions each group uses: the share of its variance in the first components."""

from typing import Any

from crossgap.report.charts.palette import group_styles
from crossgap.report.charts.specification import figure_name, rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table
from crossgap.results import told

__all__ = ["spectra"]

_HEIGHT = 240


def spectra(report: GapReport) -> Figure | None:
    """Draw the cumulative variance of each group, with the components that hold 90, 95 and 99% of it marked."""
    found = [one for one in report.details.get("spectra", ()) if one.get("reason") is None]
    if not found:
        return None
    import altair as alt

    styles = group_styles(report)
    groups = [str(one["group"]) for one in found]
    names = [short(group) for group in groups]
    points = [
        (group, count, share)
        for group, one in zip(groups, found, strict=True)
        for count, share in zip(one["cumulative"]["counts"], one["cumulative"]["shares"], strict=True)
    ]
    marks = [
        one
        for group in groups
        for one in report.measurements
        if one.name == "effective_dimension" and one.groups == (group,) and one.value is not None
    ]
    colour = alt.Color(
        "group:N", title=None, scale=alt.Scale(domain=names, range=[styles[group].colour for group in groups])
    )
    dash = alt.StrokeDash(
        "group:N", title=None, scale=alt.Scale(domain=names, range=[list(styles[group].dash) for group in groups])
    )
    shape = alt.Shape(
        "group:N", title=None, scale=alt.Scale(domain=names, range=[styles[group].shape for group in groups])
    )
    across = alt.X(
        "components:Q",
        title="number of components (logarithmic)",
        scale=alt.Scale(type="log", nice=False),
        axis=alt.Axis(tickCount=5, grid=False, format="~s"),
    )
    up = alt.Y(
        "share:Q",
        title="share of the group's variance",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format="%", tickCount=5),
    )
    lines = alt.Chart(alt.NamedData("curves")).encode(x=across, y=up, color=colour)
    dots = alt.Chart(alt.NamedData("marks")).encode(y=up, color=colour)
    chart = alt.layer(
        lines.mark_line(strokeWidth=2).encode(strokeDash=dash),
        dots.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q"), x2="high:Q"),
        dots.mark_point(filled=True, size=60, opacity=1).encode(
            x=alt.X("components:Q"),
            shape=shape,
            tooltip=[
                alt.Tooltip("group:N"),
                alt.Tooltip("components:Q"),
                alt.Tooltip("share:Q", format=".0%"),
                alt.Tooltip("low:Q", title="interval from"),
                alt.Tooltip("high:Q", title="to"),
            ],
        ),
    )
    rows = {
        "curves": rows_of(
            group=[short(group) for group, _, _ in points],
            components=[count for _, count, _ in points],
            share=[share for _, _, share in points],
        ),
        "marks": rows_of(
            group=[short(one.groups[0]) for one in marks],
            components=[one.value for one in marks],
            share=[one.options["quantile"] for one in marks],
            low=[(one.interval or (one.value,))[0] for one in marks],
            high=[(one.interval or (one.value,))[-1] for one in marks],
        ),
    }
    return Figure(
        name=figure_name(report, "spectra"),
        title="How many directions each group uses",
        description=" ".join(
            ["Share of each group's variance in its first components, over their number."]
            + [_said(report, group, one) for group, one in zip(groups, found, strict=True)]
            + ["Marks: components for 90, 95 and 99% of the variance, with intervals."] * bool(marks)
        ),
        spec=specification(chart, height=_HEIGHT, rows=rows),
        table=Table(
            caption="Share of the variance in the first components",
            columns=("group", "components", "share"),
            rows=tuple(points),
        ),
    )


def _said(report: GapReport, group: str, one: dict[str, Any]) -> str:
    dimension = report.find("effective_dimension", group, quantile=0.99)
    said = f"In {short(group)} the first component holds {one['variances'][0]:.1%}"
    if dimension is not None and dimension.value is not None:
        said += f", and 99% takes {told(dimension, 0)} of {one['d']}"
    return said + "."

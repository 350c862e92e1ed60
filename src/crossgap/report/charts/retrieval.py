"""How often a search across finds its match: recall@k both ways, against chance."""

from crossgap.report.charts.palette import group_styles
from crossgap.report.charts.specification import figure_name, rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table
from crossgap.results import Measurement, told

__all__ = ["chance_recall", "retrieval"]

_ROW = 52


def retrieval(report: GapReport, x: str, y: str) -> Figure | None:
    """Draw recall@k of both directions with intervals; a tick says what guessing would reach."""
    found = [
        one
        for queries, gallery in ((x, y), (y, x))
        for one in report.measurements
        if one.name == "recall_at_k" and one.groups == (queries, gallery) and one.value is not None
    ]
    if not found:
        return None
    import altair as alt

    styles = group_styles(report)
    ways = list(dict.fromkeys(_way(one) for one in found))
    searching = [next(one.groups[0] for one in found if _way(one) == way) for way in ways]
    colour = alt.Color(
        "way:N", title=None, scale=alt.Scale(domain=ways, range=[styles[group].colour for group in searching])
    )
    shape = alt.Shape(
        "way:N", title=None, scale=alt.Scale(domain=ways, range=[styles[group].shape for group in searching])
    )
    row = alt.Y("measure:N", title=None, sort=None, axis=alt.Axis(ticks=False, domain=False))
    offset = alt.YOffset("way:N", sort=ways, scale=alt.Scale(paddingInner=0.3, paddingOuter=0.3))
    across = alt.X(
        "value:Q",
        title="share of the queries that find their match",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format="%", tickCount=5),
    )
    drawn = alt.Chart(alt.NamedData("recall")).encode(y=row, yOffset=offset)
    chart = alt.layer(
        drawn.mark_tick(thickness=2, size=14).encode(x=alt.X("chance:Q")),
        drawn.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q"), x2="high:Q", color=colour),
        drawn.mark_point(filled=True, size=70, opacity=1).encode(
            x=across,
            color=colour,
            shape=shape,
            tooltip=[
                alt.Tooltip("way:N", title="search"),
                alt.Tooltip("measure:N"),
                alt.Tooltip("value:Q", format=".1%"),
                alt.Tooltip("low:Q", title="interval from", format=".1%"),
                alt.Tooltip("high:Q", title="to", format=".1%"),
                alt.Tooltip("chance:Q", title="by guessing", format=".2%"),
            ],
        ),
        drawn.transform_filter("datum.value < 0.7")
        .mark_text(align="left", dx=7)
        .encode(x=alt.X("high:Q"), text=alt.Text("value:Q", format=".0%")),
        drawn.transform_filter("datum.value >= 0.7")
        .mark_text(align="right", dx=-7)
        .encode(x=alt.X("low:Q"), text=alt.Text("value:Q", format=".0%")),
    )
    rows = rows_of(
        way=[_way(one) for one in found],
        measure=[f"recall@{one.options['k']}" for one in found],
        value=[one.value for one in found],
        low=[(one.interval or (one.value,))[0] for one in found],
        high=[(one.interval or (one.value,))[-1] for one in found],
        chance=[chance_recall(one) for one in found],
    )
    return Figure(
        name=figure_name(report, "retrieval", x, y),
        title=f"How often a search finds its match between {short(x)} and {short(y)}",
        description=(
            "Recall@k with intervals, both ways; a tick shows what guessing would reach. Found: "
            + "; ".join(f"{_way(one)}, recall@{one.options['k']}: {told(one)}" for one in found)
            + "."
        ),
        spec=specification(chart, height=_ROW * len({one.options["k"] for one in found}), rows={"recall": rows}),
        table=Table(
            caption="Recall@k with intervals, and what guessing would reach",
            columns=("search", "k", "recall", "low", "high", "by guessing"),
            rows=tuple(
                (_way(one), one.options["k"], one.value, *(one.interval or (None, None)), chance_recall(one))
                for one in found
            ),
        ),
    )


def chance_recall(found: Measurement) -> float:
    """Return about what guessing reaches: k of the gallery, or of its items where each has several rows.

    Examples
    --------
    >>> chance_recall(Measurement(name="recall_at_k", groups=("a", "b"), value=0.5, options={"k": 5, "n": 50, "m": 99}))
    0.1
    """
    return min(1.0, found.options["k"] / min(found.options["n"], found.options["m"]))


def _way(found: Measurement) -> str:
    return " to ".join(short(group, 18) for group in found.groups)

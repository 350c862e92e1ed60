"""Loops in the cloud of rows (H1): at which distance each appears and at which it is filled."""

from crossgap.report.charts.barcodes import found_topology
from crossgap.report.charts.palette import BLUE
from crossgap.report.charts.specification import figure_name, rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table

__all__ = ["loops"]

_MOST = 40
_ROW = 6


def loops(report: GapReport, x: str, y: str) -> Figure | None:
    """Draw the longest-lived loops as bars from birth to death."""
    found = (found_topology(report, x, y) or {}).get("loops")
    if not found or isinstance(found, dict):
        return None
    import altair as alt

    bars = sorted(((float(birth), float(death)) for birth, death in found), key=lambda bar: bar[0] - bar[1])
    drawn = bars[:_MOST]
    chart = alt.layer(
        alt.Chart(alt.NamedData("loops"))
        .mark_bar(color=BLUE, height=3)
        .encode(
            y=alt.Y("place:O", axis=None),
            x=alt.X(
                "birth:Q",
                title="distance at which a loop appears and is filled",
                scale=alt.Scale(zero=False),
                axis=alt.Axis(tickCount=6),
            ),
            x2="death:Q",
            tooltip=[alt.Tooltip("birth:Q"), alt.Tooltip("death:Q")],
        )
    )
    rows = rows_of(place=range(1, len(drawn) + 1), birth=[bar[0] for bar in drawn], death=[bar[1] for bar in drawn])
    longest = drawn[0][1] - drawn[0][0]
    return Figure(
        name=figure_name(report, "loops", x, y),
        title=f"Loops among the rows of {short(x)} and {short(y)}",
        description=(
            f"The {len(drawn)} longest of {len(bars)} loops (H1) as bars from birth to death, the longest on top; it "
            f"lives from {drawn[0][0]:.3f} to {drawn[0][1]:.3f}, which is {longest:.3f}."
        ),
        spec=specification(chart, height=_ROW * len(drawn) + 20, rows={"loops": rows}),
        table=Table(caption="Birth and death of the longest loops", columns=("birth", "death"), rows=tuple(drawn)),
    )

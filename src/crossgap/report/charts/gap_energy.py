"""Where the gap lies: the share of its energy in its largest coordinates, one by one and together."""

from typing import Any

from crossgap.report.charts.palette import BLUE, OTHERS
from crossgap.report.charts.specification import figure_name, rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table

__all__ = ["gap_energy"]

_HEIGHT = 240
_NAMED = 0.05  # of the energy, from which a coordinate is named on the chart
_MOST_NAMED = 3
_STEPS = 60
_HIGH = 0.8  # share from which the line fills the corner where the label would stand
_NAME_AT = 0.45  # of the even spread, where its name stands


def gap_energy(report: GapReport, x: str, y: str) -> Figure | None:
    """Draw what each of the largest coordinates holds as bars, and what they hold together as a line."""
    found = next(
        (
            one
            for one in report.details.get("gap_location", ())
            if tuple(one["groups"]) == (x, y) and one.get("reason") is None
        ),
        None,
    )
    if found is None:
        return None
    import altair as alt

    coordinates, shares = list(found["coordinates"]), list(found["shares"])
    counts, cumulative = list(found["cumulative"]["counts"]), list(found["cumulative"]["shares"])
    d = int(found["d"])
    measured = [
        one
        for one in report.measurements
        if one.name == "gap_coordinate_share" and one.groups == (x, y) and one.interval is not None
    ]
    few = max(1, sum(share >= _NAMED for share in shares[:_MOST_NAMED]))
    together = sum(shares[:few])
    named = [
        (rank, coordinate, share)
        for rank, (coordinate, share) in enumerate(zip(coordinates, shares, strict=True), start=1)
        if share >= _NAMED
    ][:_MOST_NAMED]
    across = alt.X(
        "rank:Q",
        title="coordinates, the largest first (logarithmic)",
        scale=alt.Scale(type="log", domain=[0.8, max(d, 2)], nice=False),
        axis=alt.Axis(tickCount=5, grid=False, format="~s"),
    )
    up = alt.Y(
        "share:Q",
        title="share of the gap's energy",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format="%", tickCount=5),
    )
    chart = alt.layer(
        alt.Chart(alt.NamedData("even")).mark_line(color=OTHERS, strokeDash=[4, 3]).encode(x=across, y=up),
        alt.Chart(alt.NamedData("single"))
        .mark_rule(color=BLUE, strokeWidth=6)
        .encode(
            x=across,
            y=up,
            y2=alt.datum(0),
            tooltip=[alt.Tooltip("coordinate:Q"), alt.Tooltip("share:Q", title="share of the energy", format=".1%")],
        ),
        alt.Chart(alt.NamedData("together")).mark_line(color=BLUE, strokeWidth=2).encode(x=across, y=up),
        alt.Chart(alt.NamedData("intervals")).mark_rule(strokeWidth=2).encode(x=across, y=alt.Y("low:Q"), y2="high:Q"),
        _drawn_label(across, up, inside=together > _HIGH),
        alt.Chart(alt.NamedData("evenly"))
        .mark_text(align="right", dx=-8, baseline="middle")
        .encode(x=across, y=up, text="text:N"),
    )
    evenly = sorted({round(d ** (step / _STEPS)) for step in range(_STEPS + 1)})  # a smooth line on this axis
    label = f"{_list([coordinate for _, coordinate, _ in named])} {sum(share for _, _, share in named):.0%}"
    if not named:
        label = f"coordinate {coordinates[0]} holds {shares[0]:.1%}"
    rows = {
        "even": rows_of(rank=evenly, share=[count / d for count in evenly]),
        "single": rows_of(rank=range(1, len(shares) + 1), coordinate=coordinates, share=shares),
        "together": rows_of(rank=counts, share=cumulative),
        "intervals": rows_of(
            rank=[one.options["coordinates"] for one in measured],
            low=[one.interval[0] for one in measured if one.interval],
            high=[one.interval[1] for one in measured if one.interval],
        ),
        "label": rows_of(rank=[few], share=[together], text=[label]),
        "evenly": rows_of(rank=[_NAME_AT * d], share=[_NAME_AT], text=["if spread evenly"]),
    }
    return Figure(
        name=figure_name(report, "gap-energy", x, y),
        title=f"Which coordinates carry the gap between {short(x)} and {short(y)}",
        description=(
            f"Share of the squared length of the gap vector in its largest coordinates, one by one (bars) and together "
            f"(line), of {d} coordinates. Number "
            + "; ".join(
                f"{coordinate} holds {share:.1%}"
                for coordinate, share in list(zip(coordinates, shares, strict=True))[:3]
            )
            + f". If it were spread evenly, each would hold {1 / d:.2%}."
        ),
        spec=specification(chart, height=_HEIGHT, rows=rows),
        table=Table(
            caption="Share of the gap's energy by coordinate",
            columns=("rank", "coordinate", "share"),
            rows=tuple(
                (rank, coordinate, share)
                for rank, (coordinate, share) in enumerate(zip(coordinates, shares, strict=True), start=1)
            ),
        ),
    )


def _drawn_label(across: Any, up: Any, *, inside: bool) -> Any:
    """Draw the label in the corner at the upper left, or below the line where that fills the corner."""
    import altair as alt

    drawn = alt.Chart(alt.NamedData("label"))
    if inside:
        return drawn.mark_text(align="left", dx=6, dy=6, baseline="top").encode(x=across, y=up, text="text:N")
    return drawn.mark_text(align="left", dx=6, baseline="top").encode(x=alt.value(0), y=alt.value(2), text="text:N")


def _list(coordinates: list[int]) -> str:
    """Name a few coordinates and what they do."""
    *firsts, last = map(str, coordinates or [0])
    return f"coordinates {', '.join(firsts)} and {last} hold" if firsts else f"coordinate {last} holds"

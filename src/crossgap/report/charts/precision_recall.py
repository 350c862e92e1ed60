"""What a threshold keeps: precision and recall of answers from each cosine upwards, with their bands."""

from crossgap.report.charts.palette import MATCHES, RECALL
from crossgap.report.charts.specification import figure_name, rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table
from crossgap.results import Measurement, with_bounds

__all__ = ["precision_recall"]

_HEIGHT = 220
_CLOSE = 0.15  # labels of curves that start nearer to each other stand at their other ends


def precision_recall(report: GapReport, queries: str, gallery: str) -> Figure | None:
    """Draw both curves over the threshold, one way of searching."""
    curves = {result: _curve(report, queries, gallery, result) for result in ("precision", "recall")}
    points = [(result, one) for result, found in curves.items() for one in found]
    if not points:
        return None
    import altair as alt

    cut = report.find("threshold_at_precision", queries, gallery, result="threshold")
    firsts = [found[0].value or 0.0 for found in curves.values() if found]
    at_start = abs(firsts[0] - firsts[-1]) > _CLOSE
    ends = [(result, found[0 if at_start else -1]) for result, found in curves.items() if found]
    colour = alt.Color(
        "result:N", legend=None, scale=alt.Scale(domain=["precision", "recall"], range=[MATCHES, RECALL])
    )
    dash = alt.StrokeDash("result:N", legend=None, scale=alt.Scale(domain=["precision", "recall"], range=[[], [6, 3]]))
    across = alt.X(
        "threshold:Q",
        title="cosine from which answers are kept",
        scale=alt.Scale(zero=False, nice=False),
        axis=alt.Axis(tickCount=6),
    )
    up = alt.Y("value:Q", title="share", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=5))
    drawn = alt.Chart(alt.NamedData("curves")).encode(x=across, color=colour)
    layers = [
        drawn.mark_area(opacity=0.25).encode(y=alt.Y("low:Q"), y2="high:Q"),
        drawn.mark_line(strokeWidth=2).encode(y=up, strokeDash=dash),
        drawn.mark_point(filled=True, size=22).encode(
            y=up,
            tooltip=[
                alt.Tooltip("result:N", title="what"),
                alt.Tooltip("threshold:Q", title="kept from"),
                alt.Tooltip("value:Q", title="share", format=".1%"),
                alt.Tooltip("low:Q", title="interval from", format=".1%"),
                alt.Tooltip("high:Q", title="to", format=".1%"),
            ],
        ),
        alt.Chart(alt.NamedData("names"))
        .mark_text(align="left" if at_start else "right", dx=4 if at_start else -4, dy=-10)
        .encode(x="threshold:Q", y="value:Q", text="result:N"),
    ]
    rows = {
        "curves": rows_of(
            result=[result for result, _ in points],
            threshold=[one.options["threshold"] for _, one in points],
            value=[one.value for _, one in points],
            low=[(one.interval or (one.value, one.value))[0] for _, one in points],
            high=[(one.interval or (one.value, one.value))[1] for _, one in points],
        ),
        "names": rows_of(
            result=[result for result, _ in ends],
            threshold=[one.options["threshold"] for _, one in ends],
            value=[one.value for _, one in ends],
        ),
    }
    said = ""
    if cut is not None and cut.value is not None:
        asked = float(cut.options.get("asked", 0))
        said = f" Dashed line: the threshold {cut.value:.3f} for precision {asked:.0%}."
        lines = alt.Chart(alt.NamedData("threshold")).encode(x="at:Q")
        right = cut.value > (points[0][1].options["threshold"] + points[-1][1].options["threshold"]) / 2
        layers += [
            lines.mark_rule(strokeDash=[4, 3]),
            lines.mark_text(align="right" if right else "left", dx=-4 if right else 4, baseline="top").encode(
                y=alt.value(2), text="text:N"
            ),
        ]
        rows["threshold"] = rows_of(at=[cut.value], text=[f"from {cut.value:.3f}: precision {asked:.0%}"])
    k = points[0][1].options.get("k", 10)
    return Figure(
        name=figure_name(report, "precision-recall", queries, gallery),
        title=f"What a threshold keeps when {short(queries)} searches {short(gallery)}",
        description=(
            f"Precision and recall of the {k} best answers to each query, over the cosine from which they are kept. "
            + " ".join(_said(result, found) for result, found in curves.items() if found)
            + f"{said} Bands: intervals."
        ),
        spec=specification(alt.layer(*layers), height=_HEIGHT, rows=rows),
        table=Table(
            caption="Precision and recall of answers kept from each cosine upwards",
            columns=("what", "kept from", "share", "low", "high"),
            rows=tuple(
                (result, one.options["threshold"], one.value, *(one.interval or (None, None))) for result, one in points
            ),
        ),
    )


def _curve(report: GapReport, queries: str, gallery: str, result: str) -> list[Measurement]:
    return [
        one
        for one in report.measurements
        if one.name == "precision_recall"
        and one.groups == (queries, gallery)
        and one.options.get("result") == result
        and one.value is not None
    ]


def _said(result: str, found: list[Measurement]) -> str:
    first, last = found[0], found[-1]
    return (
        f"{result.capitalize()} goes from {with_bounds(first.value or 0.0, first.interval)} at "
        f"{first.options['threshold']:.3f} to {with_bounds(last.value or 0.0, last.interval)} at "
        f"{last.options['threshold']:.3f}."
    )

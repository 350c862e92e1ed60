"""What cosines occur: of matches, of other pairs across, and of pairs within each group."""

from typing import Any

from crossgap.report.charts.palette import MATCHES, OTHERS, group_styles
from crossgap.report.charts.specification import figure_name, rounded, rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table
from crossgap.results import Measurement, told

__all__ = ["score_bands"]

_ROW = 66  # pixels
_TALLEST = 0.68  # of a row


def score_bands(report: GapReport, x: str, y: str) -> Figure | None:
    """Draw the distributions of cosines on one axis, one row for each kind of pair; thresholds as lines across."""
    styles = group_styles(report)
    kinds = [
        (f"matches of {short(x)} and {short(y)}", (x, y), "matched", MATCHES),
        (f"other pairs of {short(x)} and {short(y)}", (x, y), "unmatched", OTHERS),
        (f"two rows of {short(x)}", (x,), "within", styles[x].colour),
        (f"two rows of {short(y)}", (y,), "within", styles[y].colour),
    ]
    found = [(name, *_bins(report, groups, pairs), colour) for name, groups, pairs, colour in kinds]
    found = [band for band in found if band[1]]
    if not found:
        return None
    import altair as alt

    bars: dict[str, list[Any]] = {name: [] for name in ("kind", "from", "to", "base", "top", "low", "high", "share")}
    names: dict[str, list[Any]] = {"place": [], "text": [], "at": []}
    start = min(one.options["from"] for _, bins, _, _ in found for one in bins)
    for number, (name, bins, median, _) in enumerate(found):
        base = len(found) - 1 - number
        names["place"].append(base + _TALLEST + 0.04)
        names["text"].append(f"{name}: median {told(median, 2)}" if median is not None else name)
        names["at"].append(start)
        tallest = max(map(_high, bins))
        for one in bins:
            value = one.value or 0.0
            low, high = one.interval or (value, value)
            cells = (
                name,
                one.options["from"],
                one.options["to"],
                base,
                base + _TALLEST * value / tallest,
                base + _TALLEST * low / tallest,
                base + _TALLEST * high / tallest,
                value,
            )
            for column, cell in zip(bars.values(), cells, strict=True):
                column.append(float(cell) if isinstance(cell, int) else cell)
    lines = _thresholds(report, x, y)
    place = alt.Y("base:Q", axis=None, scale=alt.Scale(domain=[0, len(found) + 0.5 * bool(lines)]))
    across = alt.X(
        "from:Q", title="cosine of two rows", scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(tickCount=6)
    )
    drawn = alt.Chart(alt.NamedData("bars")).encode(x=across)
    layers = [
        drawn.mark_rect().encode(
            x2="to:Q",
            y=place,
            y2="top:Q",
            color=alt.Color(
                "kind:N", legend=None, scale=alt.Scale(domain=[b[0] for b in found], range=[b[3] for b in found])
            ),
            tooltip=[
                alt.Tooltip("kind:N", title="pairs"),
                alt.Tooltip("from:Q", title="cosine from"),
                alt.Tooltip("to:Q", title="to"),
                alt.Tooltip("share:Q", title="share of the pairs", format=".2%"),
            ],
        ),
        drawn.transform_calculate(middle="(datum.from + datum.to) / 2")
        .mark_rule(strokeWidth=1)
        .encode(x=alt.X("middle:Q"), y="low:Q", y2="high:Q"),
        alt.Chart(alt.NamedData("names"))
        .mark_text(align="left", baseline="bottom", dx=2)
        .encode(x="at:Q", y="place:Q", text="text:N"),
    ]
    rows = {"bars": rows_of(**bars), "names": rows_of(**names)}
    if lines:
        rows |= _threshold_rows(lines, len(found), start, _end(found))
        layers += _drawn_thresholds({row["right"] for row in rows["labels"]})
    told_lines = "".join(f" {sentence}." for _, _, sentence in lines)
    return Figure(
        name=figure_name(report, "score-bands", x, y),
        title=f"Which cosines occur between and within {short(x)} and {short(y)}",
        description=(
            "Distributions of cosines on one axis, each as tall as the others, with the interval of each bar. Medians: "
            + "; ".join(f"{name} {told(median, 2)}" for name, _, median, _ in found)
            + f".{told_lines}"
        ),
        spec=specification(alt.layer(*layers), height=_ROW * len(found) + 24 * bool(lines), rows=rows),
        table=Table(
            caption="Share of the pairs in each bin of cosines, with its interval",
            columns=("pairs", "from", "to", "share", "low", "high"),
            rows=tuple(
                (name, one.options["from"], one.options["to"], one.value, *(one.interval or (None, None)))
                for name, bins, _, _ in found
                for one in bins
            ),
            digits=4,
        ),
    )


def _bins(report: GapReport, groups: tuple[str, ...], pairs: str) -> tuple[list[Measurement], Measurement | None]:
    """Return the bins of a histogram, and the median."""
    found = [
        one
        for one in report.measurements
        if one.name == "cosine_quantiles"
        and one.groups == groups
        and one.options.get("pairs") == pairs
        and one.value is not None
    ]
    median = next((one for one in found if one.options.get("quantile") == 0.5), None)
    return [one for one in found if "from" in one.options], median


def _high(one: Measurement) -> float:
    return max(one.value or 0.0, one.interval[1] if one.interval else 0.0)


def _end(found: list[Any]) -> float:
    return max(one.options["to"] for _, bins, _, _ in found for one in bins)


def _thresholds(report: GapReport, x: str, y: str) -> list[tuple[float, str, str]]:
    """Return the thresholds for the precision asked, those of equal value in one: value, label, sentence."""
    ways: dict[float, list[tuple[str, str]]] = {}
    asked = 0.0
    for queries, gallery in ((x, y), (y, x)):
        cut = report.find("threshold_at_precision", queries, gallery, result="threshold")
        if cut is not None and cut.value is not None:
            asked = float(cut.options.get("asked", 0))
            ways.setdefault(round(cut.value, 3), []).append((queries, gallery))
    found = []
    for value, directions in ways.items():
        one_way = " to ".join(short(name, 10) for name in directions[0])
        which = "both ways" if len(directions) > 1 else one_way
        sentence = f"Dashed line: for precision {asked:.0%}, {which}, keep cosines from {value:.3f}"
        found.append(
            (value, f"from {value:.3f}: precision {asked:.0%}" if len(ways) == 1 else f"{value:.3f} {which}", sentence)
        )
    return found


def _threshold_rows(lines: list[tuple[float, str, str]], count: int, start: float, end: float) -> dict[str, Any]:
    """Return the labels of thresholds, and their lines, which spare the names of the rows."""
    places = [count + 0.36 - 0.22 * number for number in range(len(lines))]
    return {
        "labels": rows_of(
            at=[value for value, _, _ in lines],
            text=[text for _, text, _ in lines],
            place=places,
            right=[value > (start + end) / 2 for value, _, _ in lines],
        ),
        "thresholds": [
            {"at": value, "bottom": bottom, "top": top}
            for (value, _, _), place in zip(lines, places, strict=True)
            for bottom, top in [
                *((base, base + _TALLEST) for base in range(count)),
                (count - 0.04, rounded(place + 0.1)),
            ]
        ],
    }


def _drawn_thresholds(sides: set[bool]) -> list[Any]:
    import altair as alt

    labels = alt.Chart(alt.NamedData("labels"))
    texts = [
        labels.transform_filter(f"datum.right == {str(right).lower()}")
        .mark_text(align="right" if right else "left", dx=-4 if right else 4, baseline="middle")
        .encode(x="at:Q", y="place:Q", text="text:N")
        for right in sorted(sides)
    ]
    lines = alt.Chart(alt.NamedData("thresholds"))
    return [lines.mark_rule(strokeDash=[4, 3]).encode(x="at:Q", y="bottom:Q", y2="top:Q"), *texts]

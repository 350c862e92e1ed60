"""Who fills the top of one index over all groups: the share of each group in the first answers, against the corpus."""

from crossgap.report.charts.closer_rows import changes, judged
from crossgap.report.charts.palette import OTHERS, group_styles
from crossgap.report.charts.specification import figure_name, rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table
from crossgap.results import Measurement, told, with_bounds

__all__ = ["mixed_shares"]

_ROW = 34
_MOST_SAID = 4
_AFTER_SAID = "After closing: on rows that the closer was not fitted on, each part of them searched by itself. "
_NOW, _AFTER, _CORPUS = "now", "after closing", "in the corpus"


def mixed_shares(report: GapReport) -> Figure | None:
    """Draw the shares of the top ten with intervals, against the shares of the corpus; after closing where tried."""
    found = [one for one in report.measurements if one.name == "modality_share_at_k" and one.value is not None]
    if not found:
        return None
    import altair as alt

    styles = group_styles(report)
    closer, after = _after(report, found)
    k = found[0].options["k"]
    groups = list(dict.fromkeys(one.groups[1] for one in found))
    names = [short(group, 16) for group in groups]
    kinds = [_NOW, *([_AFTER] if closer else []), _CORPUS]
    shapes = ["circle", *(["diamond"] if closer else []), "stroke"]
    row = alt.Y(
        "row:N", title=None, sort=None, axis=alt.Axis(labelLimit=150, labelPadding=10, ticks=False, domain=False)
    )
    across = alt.X(
        "share:Q",
        title=f"share of the top {k}",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format="%", tickCount=5),
    )
    colour = alt.Color(
        "group:N", legend=None, scale=alt.Scale(domain=names, range=[styles[group].colour for group in groups])
    )
    shape = alt.Shape(
        "kind:N", title=None, sort=None, scale=alt.Scale(domain=kinds, range=shapes), legend=alt.Legend(columns=2)
    )
    drawn = alt.Chart(alt.NamedData("shares")).encode(y=row)
    chart = alt.layer(
        drawn.transform_filter(f"datum.kind == '{_CORPUS}'")
        .mark_point(color=OTHERS, size=300, strokeWidth=3, angle=90, opacity=1)
        .encode(x=across, shape=shape),
        drawn.transform_filter(f"datum.kind != '{_CORPUS}'")
        .mark_rule(strokeWidth=2)
        .encode(x=alt.X("low:Q"), x2="high:Q", color=colour),
        drawn.transform_filter(f"datum.kind != '{_CORPUS}'")
        .mark_point(filled=True, size=80, opacity=1)
        .encode(
            x=across,
            color=colour,
            shape=shape,
            tooltip=[
                alt.Tooltip("row:N", title="search"),
                alt.Tooltip("kind:N", title="when"),
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("low:Q", title="interval from", format=".1%"),
                alt.Tooltip("high:Q", title="to", format=".1%"),
            ],
        ),
    )
    cells = []
    for one in found:
        label = f"{short(one.groups[0], 12)} finds {short(one.groups[1], 12)}"
        bounds = one.interval or (one.value or 0.0, one.value or 0.0)
        cells.append((label, short(one.groups[1], 16), _NOW, one.value, *bounds))
        if one.groups in after:
            cells.append((label, short(one.groups[1], 16), _AFTER, *after[one.groups]))
        expected = float(one.options["corpus_share"])
        cells.append((label, short(one.groups[1], 16), _CORPUS, expected, expected, expected))
    then = f", now and after closing by {closer}" if closer else ""
    columns = ("row", "group", "kind", "share", "low", "high")
    rows = rows_of(**{name: [cell[number] for cell in cells] for number, name in enumerate(columns)})
    return Figure(
        name=figure_name(report, "mixed-shares"),
        title=f"Who fills the top {k} of one index over all groups{then}",
        description=(
            f"For each searching group the share of each group in the top {k}, with its interval, beside its share of "
            f"the corpus. {_AFTER_SAID if closer else ''}Shares: "
            + "; ".join(_said(one, after) for one in found[:_MOST_SAID])
            + (f"; {len(found) - _MOST_SAID} more are in the table." if len(found) > _MOST_SAID else ".")
        ),
        spec=specification(chart, height=_ROW * len(found), rows={"shares": rows}),
        table=Table(
            caption=f"Share of the top {k} by searching group",
            columns=("search", "group", "when", "share", "low", "high"),
            rows=tuple(cells),
        ),
    )


def _after(
    report: GapReport, found: list[Measurement]
) -> tuple[str | None, dict[tuple[str, ...], tuple[float, float, float]]]:
    """Return the closer that was judged, and the shares with it and their bounds."""
    one = judged(report)
    if one is None:
        return None, {}
    expected = {share.groups: float(share.options["corpus_share"]) for share in found}
    shares = {}
    for change in changes(one, "modality_share_excess"):
        groups = tuple(change["groups"])
        if groups in expected:
            low, high = change["interval"] or (change["change"], change["change"])
            start = change["before"] + expected[groups]
            shares[groups] = (change["after"] + expected[groups], max(0.0, start + low), min(1.0, start + high))
    return (str(one["name"]), shares) if shares else (None, {})


def _said(one: Measurement, after: dict[tuple[str, ...], tuple[float, float, float]]) -> str:
    then = ""
    if one.groups in after:
        value, *bounds = after[one.groups]
        then = f", after closing {with_bounds(value, (bounds[0], bounds[1]))}"
    searching, group = (short(name) for name in one.groups)
    return f"{searching} finds {group} {told(one)}{then}, corpus {float(one.options['corpus_share']):.3f}"

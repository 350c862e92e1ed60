"""Whether clusters mix the modalities: how many rows of each group every cluster holds."""

from collections.abc import Sequence

from crossgap.report.charts.barcodes import found_topology
from crossgap.report.charts.palette import group_styles
from crossgap.report.charts.specification import figure_name, rows_of, short, specification
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure, Table

__all__ = ["clusters"]

_ROW = 22
_MOST = 20


def clusters(report: GapReport, x: str, y: str) -> Figure | None:
    """Draw the largest clusters as bars of rows, by group."""
    found = (found_topology(report, x, y) or {}).get("clusters")
    if not found or found.get("reason") is not None or not found.get("sizes"):
        return None
    import altair as alt

    styles = group_styles(report)
    groups = [group for group in (x, y) if group in found["shares"]]
    names = [short(group) for group in groups]
    order = sorted(range(len(found["sizes"])), key=lambda number: -found["sizes"][number])[:_MOST]
    cells = [
        (rank, group, round(found["shares"][group][number] * found["sizes"][number]), found["shares"][group][number])
        for rank, number in enumerate(order, start=1)
        for group in groups
    ]
    pure = [
        (rank, found["sizes"][number], *_most(found["shares"], groups, number))
        for rank, number in enumerate(order, start=1)
    ]
    row = alt.Y("cluster:O", title="cluster, the largest first", axis=alt.Axis(ticks=False, domain=False))
    across = alt.X("rows:Q", title="rows", stack="zero", axis=alt.Axis(tickCount=5))
    chart = alt.layer(
        alt.Chart(alt.NamedData("parts"))
        .mark_bar()
        .encode(
            y=row,
            x=across,
            order=alt.Order("group:N", sort="ascending"),
            color=alt.Color(
                "group:N", title=None, scale=alt.Scale(domain=names, range=[styles[group].colour for group in groups])
            ),
            tooltip=[
                alt.Tooltip("cluster:O"),
                alt.Tooltip("group:N"),
                alt.Tooltip("rows:Q"),
                alt.Tooltip("share:Q", title="share of the cluster", format=".1%"),
            ],
        ),
        alt.Chart(alt.NamedData("most"))
        .mark_text(align="left", dx=4)
        .encode(
            y=row,
            x=alt.X("rows:Q", scale=alt.Scale(domainMax=1.35 * max(size for _, size, _, _ in pure))),
            text="text:N",
        ),
    )
    rows = {
        "parts": rows_of(
            cluster=[rank for rank, _, _, _ in cells],
            group=[short(group) for _, group, _, _ in cells],
            rows=[count for _, _, count, _ in cells],
            share=[share for _, _, _, share in cells],
        ),
        "most": rows_of(
            cluster=[rank for rank, _, _, _ in pure],
            rows=[size for _, size, _, _ in pure],
            text=[f"{share:.0%} {short(group, 14)}" for _, _, group, share in pure],
        ),
    }
    of_one = sum(1 for _, _, _, share in pure if share > 0.99)
    cut = f" {len(found['sizes']) - _MOST} smaller ones are not drawn." if len(found["sizes"]) > _MOST else ""
    return Figure(
        name=figure_name(report, "clusters", x, y),
        title=f"Whether clusters mix {short(x)} and {short(y)}",
        description=(
            f"Rows of each group in {_which(len(order), len(found['sizes']))}. Of one group only (above 99%): {of_one} "
            f"of them; {_noise(found.get('noise'))}{cut}"
        ),
        spec=specification(chart, height=_ROW * len(order) + 10, rows=rows),
        table=Table(
            caption="Rows of each cluster by group",
            columns=("cluster", "group", "rows", "share of the cluster"),
            rows=tuple(cells),
        ),
    )


def _which(drawn: int, all_of_them: int) -> str:
    return f"all {drawn} clusters" if drawn == all_of_them else f"the {drawn} largest of {all_of_them} clusters"


def _most(shares: dict[str, Sequence[float]], groups: list[str], number: int) -> tuple[str, float]:
    group = max(groups, key=lambda name: shares[name][number])
    return group, shares[group][number]


def _noise(noise: float | None) -> str:
    return (
        "every row is in a cluster."
        if not noise
        else f"{noise:.0%} of the rows are in no cluster."
        if noise < 1
        else f"{noise} rows are in no cluster."
    )

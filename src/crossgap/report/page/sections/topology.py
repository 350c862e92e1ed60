"""Whether two groups mix: in the tree of nearest rows, in clusters, and in the bars."""

from collections.abc import Iterator
from typing import Any

from crossgap.report.charts.barcodes import barcodes, found_topology
from crossgap.report.charts.clusters import clusters
from crossgap.report.charts.loops import loops
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Paragraph, Section
from crossgap.report.page.detail_entries import missing_entry
from crossgap.report.page.measurement_table import chosen, measurement_table, not_measured
from crossgap.report.source_words import measure_command
from crossgap.report.topology import TOPOLOGY
from crossgap.report.verdict import group_pairs
from crossgap.results import Measurement

__all__ = ["topology"]

_READING_BARS = (
    "How to read the curves: at distance 0 every row is alone; as the distance grows, rows that are that near join, "
    "until one piece is left. Where the groups lie apart, each becomes one piece first, and the two pieces join late: "
    "the dashed line then stands far on the right."
)
_READING_CLUSTERS = (
    "How to read the clusters: they are found without looking at the groups. Bars of one colour mean that rows gather "
    "by modality first and by content second. Purity is 1 where every cluster holds one group only; modality entropy "
    "is 1 where clusters hold both groups alike, 0 where each holds one. Neighbour purity is the share of nearest rows "
    "that are of a row's own group. The modality silhouette compares distances to the own group and to the other: 0 "
    "where groups mix; in many dimensions 0.1 to 0.3 is already a clear gap. By chance: what shuffled groups, or "
    "shuffled pairs, give."
)
_APART, _MIXED = 0.1, 0.8  # of the edges across that mixed groups have


def topology(report: GapReport) -> Section:
    """Show how the rows of the first two groups join with distance, and what clusters hold."""
    blocks: list[Any] = []
    missing: list[str] = []
    pairs = group_pairs(report)
    for x, y in pairs[:1]:
        blocks += [Paragraph(text=text, tone="key") for text in _said(report, x, y)]
        for chart, reading in ((barcodes, _READING_BARS), (loops, None), (clusters, _READING_CLUSTERS)):
            figure = chart(report, x, y)
            if figure is not None:
                blocks += [figure, *([] if reading is None else [Paragraph(text=reading, tone="reading")])]
        blocks.append(measurement_table(chosen(report, TOPOLOGY, (x, y)), f"How {x} and {y} mix"))
        missing += missing_entry(report, "topology", "Topology")
        missing += not_measured(report, TOPOLOGY, (x, y))
        found = found_topology(report, x, y)
        grouped = {} if found is None else found.get("clusters") or {}
        if grouped.get("reason") is not None:
            missing.append(f"Clusters: {str(grouped['reason']).rstrip('.')}.")
        looped = None if found is None else found.get("loops")
        if isinstance(looped, dict) and looped.get("reason") is not None:
            missing.append(f"Loops (H1): {str(looped['reason']).rstrip('.')}.")
        elif looped is None:
            missing.append(
                f"Loops (H1), rings of rows around a hole: {measure_command(report, '--everything')} finds them, after "
                f"pip install 'crossgap[topology]'."
            )
    for x, y in pairs[1:]:
        blocks.append(measurement_table(chosen(report, TOPOLOGY, (x, y)), f"How {x} and {y} mix"))
    if not pairs:
        missing.append("Whether groups mix needs two groups.")
    return Section(
        name="topology",
        title="Whether the groups mix",
        blocks=tuple(block for block in blocks if block is not None),
        missing=tuple(dict.fromkeys(missing)),
    )


def _said(report: GapReport, x: str, y: str) -> Iterator[str]:
    """Say what clusters hold, whether partners meet in them, and when the groups join; from the numbers alone."""
    yield from _mixing(report, x, y)
    purity = report.find("cluster_purity", x, y)
    if purity is not None and purity.value is not None:
        count, noise = purity.options.get("clusters"), purity.options.get("noise_share")
        by_chance = purity.options.get("by_chance")
        beside = "" if by_chance is None else f" (a cluster of mixed rows would have {by_chance:.1%})"
        outside = "" if not noise else f"; {noise:.1%} of the rows are in none"
        yield (
            f"Of the rows in {count} clusters, {purity.value:.1%} belong to the group that leads their cluster"
            f"{beside}{outside}. Found by {purity.options.get('path', 'clustering')}."
        )
    together = report.find("pairs_in_one_cluster", x, y)
    if together is not None and together.value is not None:
        shuffled = together.options.get("by_chance")
        beside = "" if shuffled is None else f", by chance (pairs shuffled) {shuffled:.1%}"
        yield f"The two rows of a match lie in one cluster in {together.value:.1%} of the pairs{beside}."
    found = found_topology(report, x, y)
    merge = None if found is None else found.get("longest_between")
    middle = None if found is None else found.get("median_within")
    if merge is not None and middle:
        yield (
            f"The longest edge of that tree from one group to the other is {merge:.3f}, {merge / middle:.2f} times the "
            f"median edge within a group: where the groups lie apart, it is the bridge between them."
        )


def _mixing(report: GapReport, x: str, y: str) -> Iterator[str]:
    """Say whether the groups mix, by the edges across, against what mixed groups would have."""
    edges = report.find("cross_edge_share", x, y)
    if edges is None or edges.value is None:
        return
    expected = edges.options.get("by_chance")
    verdict = ""
    if expected:
        share = edges.value / expected
        verdict = "do not mix" if share < _APART else "mix in part" if share < _MIXED else "mix"
        verdict = f"{x} and {y} {verdict}. "
    yield (
        f"{verdict}In the tree that joins all rows by the shortest edges, {edges.value:.1%} of the edges join {x} to "
        f"{y}{_by_chance(report, edges)}."
    )


def _by_chance(report: GapReport, edges: Measurement) -> str:
    """Say what mixed groups would have, and how many standard deviations away from it these are."""
    expected = edges.options.get("by_chance")
    z = report.value("friedman_rafsky_z_score", *edges.groups)
    beside = "" if expected is None else f", where mixed groups would have {expected:.1%}"
    if z is None:
        return beside
    way = "fewer" if z < 0 else "more"
    return f"{beside}: {abs(z):.1f} standard deviations {way} than chance (z = {z:.1f})"

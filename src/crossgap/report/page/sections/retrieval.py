"""How well a search across finds the match, when all candidates come from the other group."""

from typing import Any

from crossgap.report.charts.retrieval import chance_recall
from crossgap.report.charts.retrieval import retrieval as retrieval_chart
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Paragraph, Section
from crossgap.report.page.measurement_table import chosen, measurement_table, not_measured
from crossgap.report.verdict import group_pairs
from crossgap.results import Measurement, told

__all__ = ["retrieval"]

_QUANTITIES = ("recall_at_k", "median_rank", "mean_reciprocal_rank", "hubness", "stable_region")
_HUBS = 1.0  # of skewness, from which some rows are hubs
_READING = (
    "How to read it: recall@k is the share of queries whose match is among the first k answers; in half of the "
    "searches the match stands at the median rank or before it. Both get worse as the gallery grows: compare galleries "
    "of one size. Hubness is the skewness of how often a row is among the ten nearest: 0 where all come up alike, "
    "above 1 where a few rows come up for many queries that they do not answer. A stable pair is one that training "
    "would leave alone: its match scores so far above all others that the loss hardly pulls at it."
)


def retrieval(report: GapReport) -> Section:
    """Show recall both ways with intervals and chance, the median rank, and hubness."""
    blocks: list[Any] = []
    missing: list[str] = []
    pairs = group_pairs(report)
    for x, y in pairs[:1]:
        blocks += [Paragraph(text=text, tone="key") for text in _said(report, x, y)]
        blocks.append(retrieval_chart(report, x, y))
        found = [one for one in chosen(report, _QUANTITIES, (x, y)) if one.groups[0] != one.groups[-1]]
        table = measurement_table(found, f"Search between {x} and {y}")
        blocks += [table, *([Paragraph(text=_READING, tone="reading")] if table is not None else [])]
        missing += not_measured(report, _QUANTITIES, (x, y))
    for x, y in pairs[1:]:
        blocks.append(measurement_table(chosen(report, _QUANTITIES[:2], (x, y)), f"Search between {x} and {y}"))
    if not pairs:
        missing.append("A search across needs two groups.")
    return Section(
        name="retrieval",
        title="Search from one group to the other",
        blocks=tuple(block for block in blocks if block is not None),
        missing=tuple(dict.fromkeys(missing)),
    )


def _said(report: GapReport, x: str, y: str) -> list[str]:
    ways = [(queries, gallery) for queries, gallery in ((x, y), (y, x))]
    found = [report.find("recall_at_k", *way, k=1) for way in ways]
    parts = [_part(report, one) for one in found if one is not None and one.value is not None]
    if not parts:
        return []
    sentences = [f"Share of searches whose first answer is right: {'; '.join(parts)}.{_better(found)}"]
    hubs = [
        f"{one.groups[0]} searching {one.groups[1]} {told(one, 1)}"
        for way in ways
        if (one := report.find("hubness", *way)) is not None and one.value is not None and one.value > _HUBS
    ]
    if hubs:
        sentences.append(f"A few rows come up for many queries (hubness above {_HUBS:.0f}): {', '.join(hubs)}.")
    return sentences


def _part(report: GapReport, one: Measurement) -> str:
    rank = report.value("median_rank", *one.groups)
    full = one.options.get("sampled_from")
    gallery = f"{one.options['m']} rows" if full is None else f"{one.options['m']} of {full[-1]} rows"
    middle = "" if rank is None else f", median rank {rank:g}"
    chance = chance_recall(one)
    guessing = f"guessing gives about {chance:.3g}"
    if one.interval is not None and one.interval[0] <= chance:
        guessing += ", so this is no better than guessing"
    return f"{one.groups[0]} searching {one.groups[1]} ({gallery}) {told(one)} ({guessing}){middle}"


def _better(found: list[Measurement | None]) -> str:
    """Say which way is better, where the intervals tell."""
    known = [one for one in found if one is not None and one.value is not None and one.interval is not None]
    if len(known) != 2:
        return ""
    low, high = sorted(known, key=lambda one: one.value or 0.0)
    if low.interval is None or high.interval is None or low.interval[1] >= high.interval[0]:
        return " The intervals overlap, so which way is better is open."
    return f" {high.groups[0]} searching {high.groups[1]} is clearly better."

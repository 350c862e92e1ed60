"""Who wins a search over everything: shares, the quality of the lists, and real queries before and after closing."""

from collections.abc import Mapping
from typing import Any

from crossgap.report.charts.mixed_shares import mixed_shares
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Paragraph, Ranking, Section, Table
from crossgap.report.page.detail_entries import AGAIN, entries, missing_entry
from crossgap.results import told

__all__ = ["ranking"]


def ranking(report: GapReport) -> Section:
    """Show the shares of the modalities in the top ten, NDCG, and five queries with their first answers."""
    blocks: list[Any] = []
    missing: list[str] = []
    figure = mixed_shares(report)
    if figure is not None:
        blocks.append(
            Paragraph(
                text=(
                    "One index holds the rows of all groups, and each row of a group searches it, leaving itself out. "
                    "A fair search shows each modality about as often as the corpus holds it."
                ),
                tone="reading",
            )
        )
        blocks.append(figure)
    else:
        found = report.find("modality_share_at_k")
        why = f"this file holds no shares; {AGAIN} measures them" if found is None else str(found.reason).rstrip(".")
        missing.append(f"Who wins a search over everything: {why}.")
    quality = [found for found in report.measurements if found.name == "ndcg_at_k"]
    told_quality = [found for found in quality if found.value is not None]
    if told_quality:
        blocks.append(
            Table(
                caption=(
                    "Quality of the lists over everything. NDCG@10 is 1 where all rows of the right item stand first, "
                    "0 where none is in the top ten."
                ),
                columns=("searching", "NDCG@10 with interval"),
                rows=tuple((found.groups[0], told(found)) for found in told_quality),
            )
        )
    missing += [
        f"Quality of the lists of {found.groups[0]}: {str(found.reason).rstrip('.')}."
        for found in quality
        if found.value is None
    ]
    for number, examples in enumerate(entries(report, "ranking_examples")):
        blocks.append(
            Ranking(
                title=f"Real queries: {examples['queries']} searching everything",
                examples=examples,
                summary=_summary(examples),
                folded=number > 0,
            )
        )
    missing += missing_entry(report, "ranking_examples", "Real queries with their answers before and after")
    return Section(
        name="ranking", title="Who wins a mixed search", blocks=tuple(blocks), missing=tuple(dict.fromkeys(missing))
    )


def _summary(examples: Mapping[str, Any]) -> str:
    """Count the right answers before and after, and say how the queries were drawn."""
    counts = []
    for when in ("before", "after"):
        rows = [row for one in examples["examples"] for row in one.get(when) or ()]
        known = [row for row in rows if row.get("right") is not None]
        if known:
            counts.append(f"{sum(row['right'] for row in known)} of {len(known)} answers right {when}")
    said = [", ".join(counts), *map(str, [examples.get("how") or "", *(examples.get("notes") or ())])]
    return " ".join(f"{text[:1].upper()}{text[1:].rstrip('.')}." for text in said if text)

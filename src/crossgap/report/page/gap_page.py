"""The page of one report: its sections in the order in which a reader asks."""

from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Page
from crossgap.report.page.sections.verdict import verdict
from crossgap.report.verdict import group_pairs, headline

__all__ = ["gap_page"]


def gap_page(report: GapReport) -> Page:
    """Lay out a report."""
    pairs = group_pairs(report)
    lead = headline(report, *pairs[0]) if pairs else ""
    return Page(
        title="Modality gap report",
        lead=lead,
        sections=(verdict(report),),
        document=report.to_json(),
        file_name="gap.json",
    )

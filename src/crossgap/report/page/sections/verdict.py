"""What to do, task by task."""

from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Section, Sentences
from crossgap.report.verdict import group_pairs, verdicts

__all__ = ["verdict"]


def verdict(report: GapReport) -> Section:
    """Say for each task whether to close the gap."""
    pairs = group_pairs(report)[:1]
    items = tuple(sentence for x, y in pairs for sentence in verdicts(report, x, y))
    return Section(name="verdict", title="What to do, task by task", blocks=(Sentences(items=items),))

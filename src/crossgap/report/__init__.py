"""From embeddings to a record, and from the record to what a person reads."""

from crossgap.report.collect import collect
from crossgap.report.gap_report import GapReport

__all__ = ["GapReport", "collect"]

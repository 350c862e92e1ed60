"""From embeddings to a record, and from the record to what a person reads."""

from crossgap.report.charts.figures import figures
from crossgap.report.collect import collect
from crossgap.report.gap_report import GapReport
from crossgap.report.latex_table import latex_table

__all__ = ["GapReport", "collect", "figures", "latex_table"]

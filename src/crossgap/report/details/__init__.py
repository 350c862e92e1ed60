"""What a page shows beside the numbers: one file for each kind, plain data out."""

from crossgap.report.details.collect_details import collect_details

__all__ = ["collect_details"]

"""The page: a record drawn as one HTML file that needs no network."""

from crossgap.report.page.gap_page import gap_page
from crossgap.report.page.html import render

__all__ = ["gap_page", "render"]

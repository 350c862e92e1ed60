"""Neighbourhoods on a plane, by UMAP: shows what is near to what, not how far apart."""

from crossgap.report.charts.map_points import found_map, map_figure
from crossgap.report.charts.specification import figure_name, short
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure

__all__ = ["umap_map"]


def umap_map(report: GapReport, *groups: str) -> Figure | None:
    """Draw the planar UMAP map that shows these groups."""
    found = found_map(report, "umap", *groups)
    if found is None:
        return None
    return map_figure(
        report,
        found,
        name=figure_name(report, "umap-map", *found["points"]),
        title=f"Neighbourhoods of {' and '.join(map(short, found['points']))}, by UMAP",
        said=(
            "Every row as a point; rows that are near in the space are mostly near on the map, but distances and sizes "
            "on it say nothing."
        ),
        axes=("UMAP 1 (no unit)", "UMAP 2 (no unit)"),
    )

"""The gap as it is: the gap axis across, the strongest variation within the groups upwards."""

from collections.abc import Mapping
from typing import Any

from crossgap.report.charts.map_points import found_map, map_figure
from crossgap.report.charts.specification import figure_name, short
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Figure

__all__ = ["linear_map"]

_AXES = {
    "gap": "position along the gap axis",
    "first within-group component": "strongest direction within the groups",
    "second within-group component": "second strongest direction within them",
    "first centroid component": "strongest direction between the centres",
    "second centroid component": "second strongest direction between them",
}


def linear_map(report: GapReport, *groups: str) -> Figure | None:
    """Draw the linear map that shows these groups."""
    found = found_map(report, "linear", *groups)
    if found is None:
        return None
    across, up = (str(axis["name"]) for axis in found["axes"])
    distance = report.value("centroid_distance", *found["points"]) if across == "gap" else None
    apart = "" if distance is None else f" Their centroids lie {distance:.3f} apart along it."
    return map_figure(
        report,
        found,
        name=figure_name(report, "linear-map", *found["points"]),
        title=_title(across, list(found["points"])),
        said=(
            f"Every row as a point; across: {_words(across)}, upwards: {_words(up)}, one unit of equal length on both."
            f"{apart}{_share(found)}"
        ),
        axes=(_words(across), _words(up)),
    )


def _title(across: str, groups: list[str]) -> str:
    shown = list(map(short, groups))
    names = shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    whose = "its" if len(groups) == 1 else "their"
    return f"{names} on {'the gap axis and ' if across == 'gap' else ''}{whose} strongest variation"


def _words(axis: str) -> str:
    return _AXES.get(axis, axis)


def _share(found: Mapping[str, Any]) -> str:
    share = found["axes"][1].get("within_share")
    return "" if share is None else f" The upward axis holds {share:.1%} of the variation within the groups."

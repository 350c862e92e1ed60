"""Fonts and colours around the data where no page sets them: for pictures in papers, and for looking at dark ones."""

from collections.abc import Mapping
from typing import Any

__all__ = ["DARK", "LIGHT"]


def _theme(background: str, ink: str, lines: str) -> Mapping[str, Any]:
    return {
        "background": background,
        "font": "Liberation Sans, Arial, Helvetica, sans-serif",
        "padding": 6,
        "view": {"stroke": None},
        "text": {"color": ink, "fontSize": 11},
        "rule": {"color": ink},
        "tick": {"color": ink},
        "axis": {
            "labelColor": ink,
            "titleColor": ink,
            "titleFontWeight": "normal",
            "titlePadding": 8,
            "labelFontSize": 11,
            "titleFontSize": 11,
            "domainColor": lines,
            "tickColor": lines,
            "gridColor": lines,
            "gridOpacity": 0.35,
            "labelOverlap": True,
        },
        "legend": {
            "orient": "top",
            "title": None,
            "labelColor": ink,
            "titleColor": ink,
            "labelFontSize": 11,
            "symbolSize": 60,
            "labelLimit": 220,
        },
    }


LIGHT = _theme("#ffffff", "#1d2125", "#b8bcc2")
DARK = _theme("#14171a", "#e6e8ea", "#565c63")

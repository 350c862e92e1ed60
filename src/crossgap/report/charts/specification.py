"""A chart as plain data: its rows inside it by name, its numbers short, the same for the same report."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crossgap.report.gap_report import GapReport

__all__ = ["figure_name", "rounded", "rows_of", "short", "specification"]

_DIGITS = 5


def specification(chart: Any, *, height: int, rows: Mapping[str, Sequence[Any]]) -> dict:
    """Return the Vega-Lite specification of a chart that names its data, with those data in it.

    Parameters
    ----------
    chart
        An Altair chart of one view, or of several on top of each other; only these take their width from the page.
    height
        In pixels.
    rows
        The data by name.
    """
    spec = chart.properties(width="container", height=height).to_dict(validate=False)
    spec.pop("config", None)  # the page's
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    return {**spec, "datasets": {name: list(values) for name, values in rows.items()}}


def rows_of(**columns: Iterable[Any]) -> list[dict[str, Any]]:
    """Return columns as rows, numbers rounded."""
    return [
        {name: rounded(value) for name, value in zip(columns, values, strict=True)}
        for values in zip(*columns.values(), strict=True)
    ]


def rounded(value: Any) -> Any:
    """Return a number to five significant digits; anything else as it is.

    Examples
    --------
    >>> rounded(0.123456789), rounded(500), rounded("text")
    (0.12346, 500, 'text')
    """
    return float(f"{value:.{_DIGITS}g}") + 0.0 if isinstance(value, float) and math.isfinite(value) else value


def short(text: str, most: int = 24) -> str:
    """Return a text from outside as it may stand on a chart: one line, cut where it is long.

    Examples
    --------
    >>> short("a name that is longer than fits", 12)
    'a name that…'
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most]).split())
    return line if len(line) <= most else line[: most - 1].rstrip() + "…"


def figure_name(report: GapReport, kind: str, *groups: str) -> str:
    """Return the stem of a file name for a chart of some groups; groups without a plain name get their number."""
    slugs = {str(facts["group"]): _slug(str(facts["group"])) for facts in report.inputs}
    if len(set(slugs.values())) < len(slugs) or "" in slugs.values():
        slugs = {group: f"group{number}" for number, group in enumerate(slugs, start=1)}
    return "-".join([kind, *(slugs[group] for group in groups)])


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text[:40].lower()).strip("-")

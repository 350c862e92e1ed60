"""What ``crossgap close`` found, as it stands in a report: the candidates, the one that was judged, their changes."""

from collections.abc import Iterator, Mapping
from typing import Any

from crossgap.report.gap_report import GapReport

__all__ = ["candidates", "changes", "judged", "trial"]

Row = Mapping[str, Any]


def trial(report: GapReport) -> Row | None:
    """Return the entry on closers; None if none was tried."""
    for one in report.details.get("closers", ()):
        if one.get("candidates"):
            return one
    return None


def candidates(report: GapReport) -> list[Row]:
    """Return the candidates that could be tried."""
    found = trial(report)
    return [] if found is None else [one for one in found["candidates"] if one.get("changes") and not one.get("reason")]


def judged(report: GapReport) -> Row | None:
    """Return the candidate that was chosen, or judged where none was good enough; None if there is none."""
    found = trial(report) or {}
    name = found.get("judged") or found.get("chosen")
    return next((one for one in candidates(report) if one["name"] == name), None)


def changes(candidate: Row, name: str, *groups: str) -> Iterator[Row]:
    """Yield the quantities of this name that have a value after closing, on these groups where they are given."""
    for change in candidate["changes"]:
        if change["name"] == name and change["after"] is not None and groups in ((), tuple(change["groups"])):
            yield change

"""What a report holds beside its numbers, as sections and charts look it up."""

from collections.abc import Mapping
from typing import Any

from crossgap.report.gap_report import GapReport

__all__ = ["AGAIN", "entries", "missing_entry"]

AGAIN = "crossgap measure SOURCE -o gap.json"


def entries(report: GapReport, kind: str) -> list[Mapping[str, Any]]:
    """Return the entries of a kind that could be made."""
    return [entry for entry in _all(report, kind) if "reason" not in entry or entry["reason"] is None]


def missing_entry(report: GapReport, kind: str, what: str) -> tuple[str, ...]:
    """Say why a kind has no entry, or some have none, and which command makes them; nothing where all are there."""
    found = _all(report, kind)
    if not found:
        return (f"{what}: this file holds no {kind.replace('_', ' ')}; {AGAIN} measures them.",)
    reasons = []
    for entry in found:
        if entry.get("reason") is not None:
            where = " and ".join(map(str, entry.get("groups", ())))
            reason = str(entry["reason"]).rstrip(".")
            reasons.append(f"{what}{f', {where}' if where else ''}: {reason}.")
    return tuple(dict.fromkeys(reasons))


def _all(report: GapReport, kind: str) -> list[Mapping[str, Any]]:
    found = report.details.get(kind, [])
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list | tuple) else []

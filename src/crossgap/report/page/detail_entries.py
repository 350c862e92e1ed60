"""What a report holds beside its numbers, as sections and charts look it up."""

from collections.abc import Mapping
from typing import Any

from crossgap.report.gap_report import GapReport
from crossgap.report.source_words import measure_command

__all__ = ["entries", "findings", "judged_closer", "missing_entry"]


def entries(report: GapReport, kind: str) -> list[Mapping[str, Any]]:
    """Return the entries of a kind that could be made."""
    return [entry for entry in _all(report, kind) if "reason" not in entry or entry["reason"] is None]


def findings(report: GapReport, severity: str) -> list[Mapping[str, Any]]:
    """Return what ``crossgap doctor`` found, of one severity."""
    return [one for one in entries(report, "health") if one.get("severity") == severity]


def judged_closer(report: GapReport) -> Mapping[str, Any] | None:
    """Return what was found about closers for the first pair of groups; None where it was not looked for."""
    found = entries(report, "closers")
    return found[0] if found else None


def missing_entry(report: GapReport, kind: str, what: str, groups: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Say why a kind has no entry, or some have none, and which command makes them; nothing where all are there.

    With ``groups`` only of entries on these, whatever their order: a reason for both directions is told once.
    """
    found = _all(report, kind)
    if not found:
        return (f"{what}: this file holds no {kind.replace('_', ' ')}; {measure_command(report)} measures them.",)
    reasons: dict[tuple[str, ...], str] = {}
    for entry in found:
        names = tuple(map(str, entry.get("groups", ())))
        if entry.get("reason") is None or (groups and set(names) != set(groups)):
            continue
        reason = str(entry["reason"]).rstrip(".")
        reasons.setdefault(tuple(sorted(names)), f"{what}{f', {_and(names)}' if names else ''}: {reason}.")
    return tuple(dict.fromkeys(reasons.values()))


def _and(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _all(report: GapReport, kind: str) -> list[Mapping[str, Any]]:
    found = report.details.get(kind, [])
    return [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list | tuple) else []

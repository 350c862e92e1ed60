"""What ``examine`` reports: one thing that is wrong or worth knowing, with its numbers and the way to mend it."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["SEVERITIES", "Finding", "plural", "row_list", "sorted_findings", "verdict_line"]

SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing found in the groups, or in the installed packages.

    Parameters
    ----------
    name
        What it is, as a stable word such as ``not-normalised``.
    severity
        ``error``: results would be wrong. ``warning``: likely a mistake. ``note``: worth knowing.
    groups
        The groups it was found in; none for the environment.
    evidence, mend
        One sentence each: what was seen, with the numbers, and what to do.
    numbers
        The numbers of the evidence, finite.
    """

    name: str
    severity: str
    groups: tuple[str, ...] = ()
    evidence: str
    mend: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self):
        if self.severity not in SEVERITIES:
            raise ValueError(f"severity must be one of {', '.join(SEVERITIES)}, but it is {self.severity!r}.")
        for name, number in self.numbers.items():
            if not math.isfinite(number):
                raise ValueError(f"the numbers of {self.name} must be finite, but {name} is {number}; leave it out.")

    def as_json(self) -> dict[str, Any]:
        """Return plain data, numbers to nine significant digits."""
        return {
            "name": self.name,
            "severity": self.severity,
            "groups": list(self.groups),
            "evidence": self.evidence,
            "mend": self.mend,
            "numbers": {
                name: number if isinstance(number, int) else float(f"{number:.9g}")
                for name, number in self.numbers.items()
            },
        }


def sorted_findings(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings, the gravest first, then by name and groups."""
    return tuple(sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), f.name, f.groups, f.evidence)))


def verdict_line(findings: Sequence[Finding]) -> str:
    """Say in one line what was found.

    Examples
    --------
    >>> verdict_line([])
    'No blunder found.'
    >>> verdict_line([Finding(name="zero-rows", severity="error", evidence="", mend="")])
    '1 finding: 1 error.'
    """
    if not findings:
        return "No blunder found."
    count = Counter(finding.severity for finding in findings)
    parts = ", ".join(plural(count[severity], severity) for severity in SEVERITIES if count[severity])
    if set(count) == {"note"}:
        return f"No blunder found; {parts}."
    return f"{plural(len(findings), 'finding')}: {parts}."


def plural(count: int, noun: str) -> str:
    """Return the count and the noun in the right number."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def row_list(rows: Sequence[int] | np.ndarray, most: int = 5) -> str:
    """Name the first few rows: ``row 3``, ``rows 3, 8 and 12``, ``rows 3, 8 and 40 more``.

    Examples
    --------
    >>> row_list([3]), row_list([3, 8, 12]), row_list(range(12), most=2)
    ('row 3', 'rows 3, 8 and 12', 'rows 0, 1 and 10 more')
    """
    shown = [str(int(row)) for row in rows[:most]]
    if len(rows) > most:
        return f"rows {', '.join(shown)} and {len(rows) - most} more"
    if len(shown) == 1:
        return f"row {shown[0]}"
    return f"rows {', '.join(shown[:-1])} and {shown[-1]}"

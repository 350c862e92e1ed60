"""What explains a gap: one finding after the other, each a sentence, a number, an interval and its evidence."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossgap.results import Measurement, to_json

__all__ = ["SCHEMA", "Explanation", "Finding"]

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is true of a gap, in words and in one number.

    Parameters
    ----------
    name
        What it is about: ``offset``, ``rogue_coordinates``, ...
    groups
        The groups that it is about, one or two.
    sentence
        What was found, with the numbers that matter.
    value, interval
        The number of the finding and its confidence interval, or None.
    evidence
        The measurements that the sentence rests on.
    reason
        Why there is no value; None where there is one.
    """

    name: str
    groups: tuple[str, ...]
    sentence: str
    value: float | None
    interval: tuple[float, float] | None = None
    evidence: tuple[Measurement, ...] = ()
    reason: str | None = None

    def __post_init__(self):
        if (self.value is None) == (self.reason is None):
            raise ValueError(f"{self.name} must have either a value or a reason for having none; give exactly one.")
        for number in (self.value, *(self.interval or ())):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.name} must be finite, but it is {number}; give no value and a reason instead.")

    @classmethod
    def skipped(cls, name: str, groups: tuple[str, ...], reason: str) -> "Finding":
        """A finding that could not be made, and why."""
        reason = reason.rstrip(".")
        return cls(name=name, groups=groups, sentence=f"Not said: {reason}.", value=None, reason=reason)

    def measured(self, name: str, *groups: str, **options: Any) -> Measurement | None:
        """Return the first piece of evidence of this name, on these groups, with these options; None if there is none.

        Without groups, on any.
        """
        for found in self.evidence:
            right = found.name == name and (not groups or found.groups == groups)
            if right and all(found.options.get(key) == value for key, value in options.items()):
                return found
        return None

    def as_json(self) -> dict[str, Any]:
        """Return plain data in the order of the file format, numbers to nine significant digits."""
        return {
            "name": self.name,
            "groups": list(self.groups),
            "sentence": self.sentence,
            "value": _rounded(self.value),
            "interval": None if self.interval is None else [_rounded(bound) for bound in self.interval],
            "reason": self.reason,
            "evidence": [measurement.as_json() for measurement in self.evidence],
        }


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """All findings of one run, with what is needed to make them again.

    Parameters
    ----------
    version
        The version of crossgap.
    inputs
        One mapping for each group: its name, source, number of rows, dimension, type.
    settings
        Seed, replicates, confidence level, temperature, rows of a sub-sample, notes.
    findings
        For each two groups the headline, named ``gap``, then what explains it, the most important first.
    """

    version: str
    inputs: tuple[Mapping[str, Any], ...]
    settings: Mapping[str, Any]
    findings: tuple[Finding, ...]

    def find(self, name: str, *groups: str) -> Finding | None:
        """Return the first finding of this name, on these groups if any are given; None if there is none."""
        for found in self.findings:
            if found.name == name and (not groups or found.groups == groups):
                return found
        return None

    def to_json(self) -> str:
        """Return the file format: the same input, settings and version give the same bytes."""
        return to_json(
            {
                "schema": SCHEMA,
                "crossgap": self.version,
                "inputs": [dict(facts) for facts in self.inputs],
                "settings": dict(self.settings),
                "findings": [finding.as_json() for finding in self.findings],
            }
        )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.9g}")

"""Frozen records of plain numbers and strings, their JSON, and how their numbers stand in a sentence.

A ``Measurement`` has a finite value or none and a reason; NaN and infinity never leave. Equal records give equal bytes.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Interval", "Measurement", "percent", "to_json", "told", "with_bounds"]


_NUMBER = r"-?\d[\d.eE+\-]*"
_NUMBERS = re.compile(rf"\[\n\s*({_NUMBER}(?:,\n\s*{_NUMBER})*)\n\s*\]")  # a string holds no bare line end


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value and the bounds between which it lies with the stated confidence."""

    value: float
    low: float
    high: float
    level: float = 0.95

    def __contains__(self, number: float) -> bool:
        return self.low <= number <= self.high


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One number about one or two groups, with all that is needed to compute it again.

    Parameters
    ----------
    name
        Name of the function that gave the value.
    groups
        The groups it was given; [queries, gallery] where direction matters.
    value, interval
        The number and its confidence interval, or None.
    options
        Arguments that differ from those of other measurements of this name, and sizes: n, m, d, a sub-sample's size.
    reason
        Why there is no value; None where there is one.
    replicates
        The value under each bootstrap weighting, from which the interval comes; in memory only, never in a file. Those
        of two measurements with one seed and the same items belong together: their differences are paired.
    """

    name: str
    groups: tuple[str, ...]
    value: float | None
    interval: tuple[float, float] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    replicates: tuple[float, ...] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self):
        if (self.value is None) == (self.reason is None):
            raise ValueError(f"{self.name} must have either a value or a reason for having none; give exactly one.")
        for number in (self.value, *(self.interval or ())):
            if number is not None and not math.isfinite(number):
                raise ValueError(f"{self.name} must be finite, but it is {number}; give no value and a reason instead.")

    def matches(self, name: str, groups: tuple[str, ...] = (), options: Mapping[str, Any] | None = None) -> bool:
        """Tell whether this is a measurement of that name, on these groups if any are given, with these options."""
        return (
            self.name == name
            and (not groups or self.groups == groups)
            and all(self.options.get(key) == value for key, value in (options or {}).items())
        )

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Measurement":
        """Read what ``as_json`` gave."""
        return cls(
            name=entry["name"],
            groups=tuple(entry["groups"]),
            value=entry["value"],
            interval=None if entry["interval"] is None else _two(*entry["interval"]),
            options=entry["options"],
            reason=entry["reason"],
        )

    def as_json(self) -> dict[str, Any]:
        """Return plain data in the order of the file format, numbers to nine significant digits."""
        return {
            "name": self.name,
            "groups": list(self.groups),
            "value": _rounded(self.value),
            "interval": None if self.interval is None else [_rounded(bound) for bound in self.interval],
            "options": {key: _rounded(value) for key, value in self.options.items()},
            "reason": self.reason,
        }


def to_json(document: Any) -> str:
    """Return a JSON document: two spaces, lists of numbers on one line, UTF-8, one newline at the end, never NaN.

    Examples
    --------
    >>> print(to_json({"interval": [0.1, 0.2]}), end="")
    {
      "interval": [0.1, 0.2]
    }
    """
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def told(found: Measurement | None, digits: int = 3, *, sign: bool = False) -> str:
    """Write a measurement with its interval; "-" where there is no value.

    Examples
    --------
    >>> told(Measurement(name="recall_at_k", groups=("image", "text"), value=0.5, interval=(0.4, 0.61)))
    '0.500 [0.400, 0.610]'
    """
    return "-" if found is None or found.value is None else with_bounds(found.value, found.interval, digits, sign=sign)


def with_bounds(value: float, bounds: tuple[float, float] | None = None, digits: int = 3, *, sign: bool = False) -> str:
    """Write a number with its interval, and with ``sign`` a change with its sign; never -0.000.

    Examples
    --------
    >>> with_bounds(-0.00001, (-0.1, 0.25), sign=True)
    '+0.000 [-0.100, +0.250]'
    """
    first, *rest = (
        f"{round(number, digits) + 0.0:{'+' if sign else ''}.{digits}f}" for number in (value, *(bounds or ()))
    )
    return f"{first} [{', '.join(rest)}]" if rest else first


def percent(share: float) -> str:
    """Write a share in percent."""
    return f"{share:.1%}"


def _rounded(value: Any) -> Any:
    return float(f"{value:.9g}") if isinstance(value, float) else value


def _two(low: float, high: float) -> tuple[float, float]:
    return low, high

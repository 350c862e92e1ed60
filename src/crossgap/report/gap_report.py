"""The record of one measuring run; ``gap.json`` is this record and everything else is drawn from it alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from crossgap.errors import FormatError
from crossgap.results import Measurement, to_json

__all__ = ["SCHEMA", "GapReport"]

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class GapReport:
    """What was measured, on what, how: plain numbers and strings.

    Parameters
    ----------
    version
        The version of crossgap that measured.
    inputs
        One mapping for each group: its name, source, number of rows, dimension, type.
    settings
        Seed, replicates, confidence level, and the limits that may have led to sub-samples.
    measurements
        The numbers, in a fixed order.
    details
        What a page shows beside the numbers, by kind: examples, maps, counts of scores; ``docs/report_format.md`` lists
        the kinds. Empty where only numbers were asked for.
    """

    version: str
    inputs: tuple[Mapping[str, Any], ...]
    settings: Mapping[str, Any]
    measurements: tuple[Measurement, ...]
    details: Mapping[str, Any] = field(default_factory=dict)

    def find(self, name: str, *groups: str, **options: Any) -> Measurement | None:
        """Return the first measurement of this name, on these groups, with these options; None if there is none."""
        for found in self.measurements:
            if found.matches(name, groups, options):
                return found
        return None

    def value(self, name: str, *groups: str, **options: Any) -> float | None:
        """Return the value of what ``find`` finds, or None."""
        found = self.find(name, *groups, **options)
        return None if found is None else found.value

    def to_json(self) -> str:
        """Return the file format: the same record gives the same bytes."""
        return to_json(
            {
                "schema": SCHEMA,
                "crossgap": self.version,
                "inputs": [dict(facts) for facts in self.inputs],
                "settings": dict(self.settings),
                "measurements": [measurement.as_json() for measurement in self.measurements],
                **({"details": dict(self.details)} if self.details else {}),
            }
        )

    def to_html(self) -> str:
        """Return the page: one HTML file that needs no network; the same record gives the same bytes."""
        from crossgap.report.page.gap_page import gap_page
        from crossgap.report.page.html import render

        return render(gap_page(self))

    @classmethod
    def from_json(cls, text: str) -> "GapReport":
        """Read the file format back.

        Raises
        ------
        FormatError
            If the text is not a gap report of this schema.
        """
        try:
            document = json.loads(text)
            if document["schema"] != SCHEMA:
                raise FormatError(
                    f"a gap report must have schema {SCHEMA}, but this one has {document['schema']!r}; "
                    f"measure again with this version of crossgap."
                )
            return cls(
                version=str(document["crossgap"]),
                inputs=tuple(document["inputs"]),
                settings=document["settings"],
                measurements=tuple(map(Measurement.from_json, document["measurements"])),
                details=dict(document.get("details", {})),
            )
        except FormatError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise FormatError(
                f"a gap report must be JSON as `crossgap measure` writes it, but reading it failed ({error}); "
                f"measure again."
            ) from None

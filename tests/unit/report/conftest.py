from collections.abc import Callable
from typing import Any

import pytest

from crossgap.report import GapReport
from crossgap.results import Measurement

SETTINGS = {"seed": 0, "bootstrap": 200, "level": 0.95, "precision": 0.9, "rows": 10_000, "metrics": None, "notes": []}


def entry(
    name: str,
    groups: str,
    value: float | None,
    interval: tuple[float, float] | None = None,
    *,
    reason: str | None = None,
    **options: Any,
) -> Measurement:
    """One measurement; the groups are given as one string."""
    return Measurement(
        name=name, groups=tuple(groups.split()), value=value, interval=interval, options=options, reason=reason
    )


@pytest.fixture
def made_up() -> Callable[..., GapReport]:
    """Build a report from rows of ``entry`` arguments: (name, groups, value[, interval]) and a dict of the rest."""

    def build(*rows: tuple, groups: str = "image text", **settings: Any) -> GapReport:
        measurements = []
        for row in rows:
            options = row[-1] if isinstance(row[-1], dict) else {}
            measurements.append(entry(*(part for part in row if part is not options), **options))
        return GapReport(
            version="0",
            inputs=tuple({"group": name, "n": 500, "d": 64} for name in groups.split()),
            settings={**SETTINGS, **settings},
            measurements=tuple(measurements),
        )

    return build

"""An explanation for a terminal: the headline, the findings, and what was left aside."""

import itertools
import textwrap
from collections.abc import Iterator

from crossgap.explain.finding import Explanation, Finding
from crossgap.results import with_bounds

__all__ = ["lines"]

_MOST_PAIRS_IN_FULL = 1


def lines(explanation: Explanation, *, width: int = 100) -> Iterator[str]:
    """Yield the lines: the headline of every two groups, and all findings about the first two."""
    width = max(60, min(width, 120))
    headlines = [finding for finding in explanation.findings if finding.name == "gap"]
    for finding in headlines:
        yield from textwrap.wrap(finding.sentence, width)
    shown = headlines[0].groups if headlines else ()
    told = [
        finding
        for finding in explanation.findings
        if finding.name != "gap" and set(finding.groups) <= set(shown) and finding.reason is None
    ]
    for finding in told:
        yield ""
        value = with_bounds(finding.value or 0.0, finding.interval)
        where = finding.groups[0] if len(finding.groups) == 1 else ""
        yield f"{finding.name}{f' ({where})' if where else ''}  {value}"
        yield from textwrap.wrap(finding.sentence, width, initial_indent="  ", subsequent_indent="  ")
    if len(headlines) > _MOST_PAIRS_IN_FULL:
        yield ""
        yield from textwrap.wrap(
            f"Shown in full: {' and '.join(shown)}. The file holds all {len(headlines)} pairs of groups; --groups A,B "
            f"shows others.",
            width,
        )
    yield from _aside(explanation, shown, width)


def _aside(explanation: Explanation, shown: tuple[str, ...], width: int) -> Iterator[str]:
    """Yield what was skipped, what it rests on, and the notes."""
    left = [finding for finding in explanation.findings if finding.reason is not None]
    left = [finding for finding in left if set(finding.groups) <= set(shown)]
    settings = explanation.settings
    inputs = ", ".join(f"{facts['group']} {facts['n']} x {facts['d']}" for facts in explanation.inputs)
    with_intervals = settings["bootstrap"] and any(f.interval is not None for f in explanation.findings)
    certainty = (
        f"{settings['level']:.0%} intervals from {settings['bootstrap']} bootstrap replicates"
        if with_intervals
        else "no intervals"
    )
    yield ""
    yield from textwrap.wrap(f"{inputs}; rows brought to length 1; {certainty}, seed {settings['seed']}.", width)
    notes = [
        f"skipped: {', '.join(finding.name for finding in group)}: {reason}." for reason, group in _by_reason(left)
    ]
    for note in [*notes, *settings["notes"]]:
        yield from textwrap.wrap(note, width, subsequent_indent="  ")


def _by_reason(findings: list[Finding]) -> Iterator[tuple[str, list[Finding]]]:
    ordered = sorted(findings, key=lambda finding: str(finding.reason))
    for reason, group in itertools.groupby(ordered, key=lambda finding: str(finding.reason)):
        yield reason, list(group)

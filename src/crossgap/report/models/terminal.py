"""A comparison for a terminal: sentences, a table with one line for each model, and what was left aside."""

import textwrap
from collections.abc import Iterator

from crossgap.report.models.asides import in_part, not_measured, without_interval
from crossgap.report.models.first_screen import lead
from crossgap.report.models.model_comparison import ModelComparison
from crossgap.report.models.verdict import HEADLINES, direction, found_of, likeness, places, summaries, where
from crossgap.results import told

__all__ = ["lines"]


def lines(comparison: ModelComparison, *, width: int = 100) -> Iterator[str]:
    """Yield the lines of the comparison."""
    width = max(60, min(width, 120))
    yield from _wrapped(lead(comparison), width, "")
    for sentence in summaries(comparison):
        yield from _wrapped(f"- {sentence}", width)
    column = 2 + max(len(label) for label in comparison.models)
    for headline in HEADLINES:
        for groups in places(comparison, headline):
            found = {label: found_of(comparison, label, headline, groups) for label in comparison.models}
            if all(measurement is None for measurement, _ in found.values()):
                continue
            yield ""
            yield f"{headline.label}, {where(headline, groups)}"
            for label, (measurement, change) in found.items():
                reason = "" if measurement is None or measurement.reason is None else f" ({measurement.reason})"
                after = "" if change is None else f"  change {told(change, sign=True)}, {direction(change, headline)}"
                yield f"  {label:<{column}}{told(measurement)}{after}{reason}"
    for sentence in likeness(comparison):
        yield ""
        yield from _wrapped(sentence, width)
    yield ""
    yield from _aside(comparison, width)


def _aside(comparison: ModelComparison, width: int) -> Iterator[str]:
    settings = comparison.settings
    for label, items in settings["items"].items():
        d = next((facts["d"] for facts in comparison.models[label]), "?")
        yield from _wrapped(f"{label}: {', '.join(f'{name} {n} x {d}' for name, n in items.items())}.", width)
    paired = "paired differences" if settings["paired"] else "differences of different items"
    certainty = f"{settings['level']:.0%} intervals from {settings['bootstrap']} bootstrap replicates"
    yield from _wrapped(
        f"{paired}; {certainty if settings['bootstrap'] else 'no intervals'}, seed {settings['seed']}; no "
        f"correction for the number of differences.",
        width,
    )
    for sentence in not_measured(comparison):
        yield from _wrapped(f"not measured: {sentence}", width)
    for sentence in (*in_part(comparison), *without_interval(comparison), *settings["notes"]):
        yield from _wrapped(sentence, width)


def _wrapped(text: str, width: int, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent=indent, break_long_words=False)

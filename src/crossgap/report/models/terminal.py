"""A comparison for a terminal: sentences, a table with one line for each model, and what was left aside."""

import textwrap
from collections.abc import Iterator

from crossgap.report.models.model_comparison import ModelComparison
from crossgap.report.models.verdict import BOTH_WAYS, HEADLINES, direction, likeness, places, summaries
from crossgap.results import told

__all__ = ["lines"]


def lines(comparison: ModelComparison, *, width: int = 100) -> Iterator[str]:
    """Yield the lines of the comparison."""
    width = max(60, min(width, 120))
    for sentence in summaries(comparison):
        yield from textwrap.wrap(f"- {sentence}", width, subsequent_indent="  ", break_long_words=False)
    column = 2 + max(len(label) for label in comparison.models)
    for headline in HEADLINES:
        for groups in places(comparison, headline):
            found = {
                label: comparison.find(label, headline.name, *groups, **headline.options) for label in comparison.models
            }
            if all(measurement is None for measurement in found.values()):
                continue
            yield ""
            yield f"{headline.label}, {(' > ' if headline.of == BOTH_WAYS else ', ').join(groups)}"
            for label, measurement in found.items():
                change = comparison.difference(label, headline.name, *groups, **headline.options)
                shown = told(measurement)
                reason = (
                    "" if measurement is None or measurement.reason is None else f" ({measurement.reason.rstrip('.')})"
                )
                after = "" if change is None else f"  change {told(change, sign=True)}, {direction(change, headline)}"
                yield f"  {label:<{column}}{shown}{after}{reason}"
    for sentence in likeness(comparison):
        yield ""
        yield from textwrap.wrap(sentence, width, subsequent_indent="  ", break_long_words=False)
    yield ""
    yield from _aside(comparison, width)


def _aside(comparison: ModelComparison, width: int) -> Iterator[str]:
    settings = comparison.settings
    for label, items in settings["items"].items():
        d = next((facts["d"] for facts in comparison.models[label]), "?")
        yield from textwrap.wrap(f"{label}: {', '.join(f'{name} {n} x {d}' for name, n in items.items())}.", width)
    paired = "paired differences" if settings["paired"] else "differences of different items"
    certainty = f"{settings['level']:.0%} intervals from {settings['bootstrap']} bootstrap replicates"
    yield from textwrap.wrap(
        f"{paired}; {certainty if settings['bootstrap'] else 'no intervals'}, seed {settings['seed']}; no "
        f"correction for the number of differences.",
        width,
    )
    skipped: dict[str, list[str]] = {}
    for found in comparison.similarities:
        if found.reason is not None:
            skipped.setdefault(found.reason.rstrip("."), []).append(found.name)
    for reason, names in skipped.items():
        yield from textwrap.wrap(
            f"not measured: {', '.join(dict.fromkeys(names))}: {reason}.", width, subsequent_indent="  "
        )
    for note in settings["notes"]:
        yield from textwrap.wrap(note, width, subsequent_indent="  ")

"""A report for a terminal: headline, verdicts, a table of numbers, and what was skipped."""

import textwrap
from collections.abc import Iterator, Sequence

from crossgap.report.gap_report import GapReport
from crossgap.report.verdict import group_pairs, headline, verdicts
from crossgap.results import Measurement

__all__ = ["lines"]

_HIDDEN = {"match_probability", "precision_recall", "cosine_quantiles"}  # curves; they are in the file
_MOST_PAIRS_IN_FULL = 1


def lines(report: GapReport, *, width: int = 100) -> Iterator[str]:
    """Yield the lines of the report: for the first two groups in full, for further ones the headline."""
    width = max(60, min(width, 120))
    pairs = group_pairs(report)
    for x, y in pairs:
        yield from textwrap.wrap(headline(report, x, y), width)
    for x, y in pairs[:_MOST_PAIRS_IN_FULL]:
        for sentence in verdicts(report, x, y):
            yield from textwrap.wrap(f"- {sentence}", width, subsequent_indent="  ")
    shown = {group for pair in pairs[:_MOST_PAIRS_IN_FULL] for group in pair}
    if not pairs:
        shown = {str(facts["group"]) for facts in report.inputs}
    rows = [m for m in report.measurements if set(m.groups) <= shown and m.name not in _HIDDEN and m.value is not None]
    if rows:
        yield ""
        yield from _table(rows)
    if len(pairs) > _MOST_PAIRS_IN_FULL:
        yield ""
        yield from textwrap.wrap(
            f"Shown in full: {' and '.join(pairs[0])}. The file holds all {len(pairs)} pairs of groups; "
            f"--groups A,B shows others.",
            width,
        )
    yield from _aside(report, width)


def _table(rows: Sequence[Measurement]) -> Iterator[str]:
    cells = [("quantity", "groups", "value", "interval")]
    for row in rows:
        interval = "" if row.interval is None else f"[{_number(row.interval[0])}, {_number(row.interval[1])}]"
        cells.append((_label(row), _where(row), _number(row.value), interval))
    widths = [max(len(row[i]) for row in cells) for i in range(4)]
    for row in cells:
        first, second, third, last = row
        yield f"{first:<{widths[0]}}  {second:<{widths[1]}}  {third:>{widths[2]}}  {last}".rstrip()


def _label(row: Measurement) -> str:
    told = {key: value for key, value in row.options.items() if key in _TOLD}
    return row.name + (f" ({', '.join(f'{key} {value}' for key, value in told.items())})" if told else "")


_TOLD = ("k", "C", "quantile", "coordinates", "result")


def _where(row: Measurement) -> str:
    return " > ".join(row.groups) if row.name in _DIRECTED else ", ".join(row.groups)


_DIRECTED = {
    "recall_at_k",
    "median_rank",
    "mean_reciprocal_rank",
    "mean_average_precision",
    "r_precision",
    "hubness",
    "threshold_at_precision",
    "modality_share_at_k",
    "modality_share_excess",
}


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    if value == int(value) and abs(value) >= 10:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def _aside(report: GapReport, width: int) -> Iterator[str]:
    """Yield what was skipped, sub-sampled or left aside."""
    skipped: dict[str, list[str]] = {}
    for row in report.measurements:
        if row.reason is not None:
            skipped.setdefault(row.reason, []).append(row.name)
    sampled = sorted({row.name for row in report.measurements if "sampled_from" in row.options})
    notes = [f"skipped: {', '.join(dict.fromkeys(names))} ({reason})" for reason, names in skipped.items()]
    if sampled:
        notes.append(f"on a sub-sample of {report.settings['rows']} rows a group (--rows): {', '.join(sampled)}")
    notes += [f"not used: {note}" for note in report.settings.get("notes", [])]
    inputs = ", ".join(f"{facts['group']} {facts['n']} x {facts['d']}" for facts in report.inputs)
    certainty = f"{report.settings['level']:.0%} intervals from {report.settings['bootstrap']} bootstrap replicates"
    if not report.settings["bootstrap"]:
        certainty = "no intervals"
    yield ""
    yield from textwrap.wrap(f"{inputs}; rows brought to length 1; {certainty}, seed {report.settings['seed']}.", width)
    for note in notes:
        yield from textwrap.wrap(note, width, subsequent_indent="  ")

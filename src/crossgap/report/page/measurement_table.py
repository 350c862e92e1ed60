"""Measurements as a table of a page, and sentences on those that have no value."""

from collections.abc import Iterable, Sequence

from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Table
from crossgap.report.plain_names import plain_name, plain_where
from crossgap.report.source_words import measure_command
from crossgap.results import Measurement, with_bounds

__all__ = ["chosen", "measurement_table", "not_measured"]

_COUNTS = ("effective_dimension", "median_rank")


def chosen(report: GapReport, names: Sequence[str], groups: Iterable[str]) -> list[Measurement]:
    """Return the measurements of these names, in this order, on no other than these groups."""
    known = set(groups)
    return [
        found for name in names for found in report.measurements if found.name == name and set(found.groups) <= known
    ]


def measurement_table(found: Iterable[Measurement], caption: str) -> Table | None:
    """Return the measurements that have a value, one row each; None where none has."""
    known = [one for one in found if one.value is not None]
    if not known:
        return None
    chances = [one.options.get("by_chance") for one in known]
    has_chance = any(isinstance(chance, int | float) for chance in chances)
    has_interval = any(one.interval is not None for one in known)
    return Table(
        caption=caption,
        columns=(
            "quantity",
            "groups",
            "value",
            *(["interval"] if has_interval else []),
            *(["by chance"] if has_chance else []),
        ),
        rows=tuple(
            (
                _capital(plain_name(one)),
                plain_where(one),
                *_told(one)[: 1 + has_interval],
                *([chance] if has_chance else []),
            )
            for one, chance in zip(known, chances, strict=True)
        ),
        names=tuple(one.name for one in known),
    )


def not_measured(report: GapReport, names: Sequence[str], groups: Iterable[str]) -> tuple[str, ...]:
    """Say why quantities have no value, and how to get those that the file does not hold."""
    known = tuple(groups)
    reasons: dict[str, list[str]] = {}
    told: set[str] = set()  # a reason is given once, not for each direction
    absent = []
    for name in names:
        found = chosen(report, [name], known)
        if not found:
            absent.append(name)
        for one in found:
            if one.reason is not None and plain_name(one) not in told:
                told.add(plain_name(one))
                reasons.setdefault(one.reason.rstrip("."), []).append(plain_name(one))
    sentences = [f"{_capital(', '.join(names_of))}: {reason}." for reason, names_of in reasons.items()]
    if absent:
        sentences.append(f"Not in this file: {', '.join(absent)}; {measure_command(report)} measures what is usual.")
    return tuple(sentences)


def _told(one: Measurement) -> tuple[float | str | None, str | None]:
    """Write a value and its interval with the same digits after the point: none where all are whole numbers."""
    if one.interval is None or one.value is None:
        return one.value, None
    numbers = (one.value, *one.interval)
    digits = 3
    if one.name in _COUNTS and all(number == round(number) for number in numbers):
        digits = 0
    elif max(map(abs, numbers)) >= 10 or one.name in _COUNTS:
        digits = 1
    value, _, bounds = with_bounds(one.value, one.interval, digits).partition(" ")
    return value if digits < 3 else one.value, bounds


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"

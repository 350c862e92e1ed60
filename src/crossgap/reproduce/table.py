"""The record of an experiment: measured numbers with their spread, the numbers to compare with, and what held."""

import itertools
import math
import os
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crossgap.data.atomic import atomic_path
from crossgap.results import to_json

__all__ = [
    "Ordering",
    "Progress",
    "Reference",
    "Row",
    "Summary",
    "Table",
    "check_counts",
    "lower",
    "ordering",
    "rising",
]

Progress = Callable[[int, int, str], None]
"""What an experiment calls after each of its runs: runs done, runs in all, and what was run."""

_HEADINGS = {
    "centroid_distance": "gap",
    "linear_separability": "separability",
    "uniformity": "U",
    "cross_uniformity": "XU",
    "alignment": "A",
    "matched_cosine": "matched cos",
}
_GAP = "  "


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Several runs of one quantity as a mean and its spread.

    ``standard_error`` is the sample deviation over the root of n; None for one run, which has no spread.
    """

    n: int
    mean: float
    standard_error: float | None
    median: float
    least: float
    greatest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Summary":
        """Summarise the values, one a run.

        Examples
        --------
        >>> Summary.of([1.0, 2.0, 6.0]).mean, round(Summary.of([1.0, 2.0, 6.0]).standard_error, 4)
        (3.0, 1.5275)
        """
        if not values:
            raise ValueError("values must hold at least one number, but there are none; leave the quantity out.")
        for value in values:
            if not math.isfinite(value):
                raise ValueError(
                    f"values must be finite, but one is {value}; leave the run out and say so in the notes."
                )
        n = len(values)
        error = statistics.stdev(values) / math.sqrt(n) if n > 1 else None
        return cls(
            n=n,
            mean=statistics.fmean(values),
            standard_error=error,
            median=statistics.median(values),
            least=min(values),
            greatest=max(values),
        )


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A number to compare with, a range that the measured one should lie in, or both.

    Parameters
    ----------
    value, standard_error
        The number and its standard error, as printed; None where only a range is known.
    low, high
        Ends of the range; None for a number that is shown and not judged (it is of other data).

    Examples
    --------
    >>> Reference.band(0.1, 0.2).holds(0.15), Reference(value=0.3).holds(0.15)
    (True, None)
    """

    value: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None

    def __post_init__(self):
        if (self.low is None) != (self.high is None):
            raise ValueError("a range must have both ends, but one is missing; give low and high.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"low must not be above high, but they are {self.low:g} and {self.high:g}; swap them.")
        if self.value is None and self.low is None:
            raise ValueError("a reference must have a value or a range, but it has neither; leave it out.")

    @classmethod
    def band(cls, low: float, high: float, value: float | None = None, *, rounded_to: float = 0.0) -> "Reference":
        """A range, and the mean within it where it is known; one printed in steps of ``rounded_to`` has it half wider.

        Examples
        --------
        >>> Reference.band(0.1, 0.2).holds(0.204), Reference.band(0.1, 0.2, rounded_to=0.01).holds(0.204)
        (False, True)
        """
        return cls(low=low - rounded_to / 2, high=high + rounded_to / 2, value=value)

    @classmethod
    def published(cls, value: float, standard_error: float | None = None, *, judged_by: float = 0.0) -> "Reference":
        """A published mean and its standard error; ``judged_by`` is half the width of the range, 0 for not judged."""
        if judged_by == 0:
            return cls(value=value, standard_error=standard_error)
        return cls(value=value, standard_error=standard_error, low=value - judged_by, high=value + judged_by)

    def holds(self, measured: float) -> bool | None:
        """Whether the number lies in the range; None without a range."""
        if self.low is None or self.high is None:
            return None
        return self.low <= measured <= self.high

    def as_json(self) -> dict[str, Any]:
        """Return plain data without what is None."""
        parts = {"value": self.value, "standard_error": self.standard_error, "low": self.low, "high": self.high}
        return {name: _rounded(part) for name, part in parts.items() if part is not None}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One condition of an experiment: what was measured in its runs, and what others found.

    Parameters
    ----------
    condition
        What sets this row apart: ``{"d": 32, "loss": "CLIP"}``.
    measured
        For each quantity the values of the runs.
    references
        For each label of ``Table.sources`` a number for some of the quantities.
    statistic
        "mean" or "median": which of the two is compared with references and used in orderings.
    """

    condition: Mapping[str, str | int | float]
    measured: Mapping[str, tuple[float, ...]]
    references: Mapping[str, Mapping[str, Reference]] = field(default_factory=dict)
    statistic: str = "mean"

    def __post_init__(self):
        if self.statistic not in ("mean", "median"):
            raise ValueError(f"statistic must be 'mean' or 'median', but it is {self.statistic!r}; choose one.")

    def summary(self, quantity: str) -> Summary:
        """Summarise the runs of one quantity."""
        if quantity not in self.measured:
            raise ValueError(f"{quantity!r} was not measured; there are {', '.join(self.measured)}.")
        return Summary.of(self.measured[quantity])

    def middle(self, quantity: str) -> float:
        """The mean of the runs, or their median where the row asks for that."""
        return float(getattr(self.summary(quantity), self.statistic))

    def held(self, source: str, quantity: str) -> bool | None:
        """Whether the middle lies in the range of a source; None where there is no range."""
        reference = self.references.get(source, {}).get(quantity)
        return None if reference is None else reference.holds(self.middle(quantity))


@dataclass(frozen=True, kw_only=True)
class Ordering:
    """A sentence about the rows, whether it held here, and the numbers that say so.

    Parameters
    ----------
    sentence
        The claim, in the present tense: "the gap of CLIP grows with d".
    source
        Who claims it: a label of ``Table.sources``.
    held
        Whether the numbers of this table agree.
    numbers
        The numbers compared, as text.
    """

    sentence: str
    source: str
    held: bool
    numbers: str


def rising(sentence: str, source: str, values: Mapping[str, float], *, margin: float = 0.0) -> Ordering:
    """Check that each value is above the one before it, by more than ``margin`` (a negative one allows a fall).

    Examples
    --------
    >>> rising("the gap grows", "toy", {"d=8": 0.1, "d=16": 0.2}).held
    True
    """
    numbers = list(values.values())
    held = all(after - before > margin for before, after in itertools.pairwise(numbers))
    return Ordering(sentence=sentence, source=source, held=held, numbers=_listed(values))


def lower(sentence: str, source: str, pairs: Mapping[str, tuple[float, float]], *, margin: float = 0.0) -> Ordering:
    """Check that in each pair the first value is below the second, by more than ``margin``.

    Examples
    --------
    >>> lower("CUA has the smaller gap", "toy", {"d=8": (0.1, 0.3), "d=16": (0.2, 0.1)}).numbers
    'd=8: 0.100 < 0.300; d=16: 0.200 not < 0.100'
    """
    held = {name: b - a > margin for name, (a, b) in pairs.items()}
    numbers = "; ".join(f"{name}: {a:.3f} {'' if held[name] else 'not '}< {b:.3f}" for name, (a, b) in pairs.items())
    return Ordering(sentence=sentence, source=source, held=all(held.values()), numbers=numbers)


def ordering(sentence: str, source: str, held: bool, values: Mapping[str, float]) -> Ordering:
    """Record a claim that was checked in some other way, with its numbers."""
    return Ordering(sentence=sentence, source=source, held=held, numbers=_listed(values))


@dataclass(frozen=True, kw_only=True)
class Table:
    """What an experiment found, beside what others found; plain numbers, of which every view is drawn.

    Parameters
    ----------
    name
        Name of the experiment.
    title
        One line that says what was run.
    columns
        Quantities to show, by the names of ``crossgap.measure`` (with ``/x_to_y`` and the like).
    rows
        One for each condition.
    sources
        For each label of a reference or an ordering, where it comes from.
    orderings
        Claims and whether they held.
    settings
        All that is needed to run it again.
    notes
        What a reader must know: departures, runs that were left out.
    headings
        Heads of columns that are not the usual ones.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    sources: Mapping[str, str] = field(default_factory=dict)
    orderings: tuple[Ordering, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    headings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        named = [(label, "a row") for row in self.rows for label in row.references]
        named += [(claim.source, "an ordering") for claim in self.orderings]
        for label, where in named:
            if label not in self.sources:
                raise ValueError(f"{where} names the source {label!r}, which is not in sources; say where it is from.")

    def row(self, **condition: str | int | float) -> Row:
        """Return the one row of a condition."""
        found = [row for row in self.rows if condition.items() <= dict(row.condition).items()]
        if len(found) != 1:
            raise ValueError(f"one row must have {condition}, but {len(found)} have; name the condition in full.")
        return found[0]

    def bands(self, source: str) -> tuple[int, int]:
        """Return how many numbers lie in the ranges of a source, and how many ranges it has."""
        verdicts = [row.held(source, quantity) for row in self.rows for quantity in row.references.get(source, {})]
        judged = [verdict for verdict in verdicts if verdict is not None]
        return sum(judged), len(judged)

    def as_json(self) -> dict[str, Any]:
        """Return plain data in the order of the file, numbers to nine significant digits."""
        return {
            "schema": 1,
            "experiment": self.name,
            "title": self.title,
            "settings": {name: _plain(value) for name, value in self.settings.items()},
            "sources": dict(self.sources),
            "columns": list(self.columns),
            "rows": [_row_json(row) for row in self.rows],
            "orderings": [
                {"sentence": o.sentence, "source": o.source, "held": o.held, "numbers": o.numbers}
                for o in self.orderings
            ],
            "notes": list(self.notes),
        }

    def to_json(self) -> str:
        """Return one JSON document; equal tables give equal bytes."""
        return to_json(self.as_json())

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the JSON, whole or not at all."""
        with atomic_path(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")

    def text(self, *, width: int = 120) -> str:
        """Return the table as plain text of at most ``width`` columns where that is possible.

        Each condition has a line for what was measured and one for each source; columns that do not fit go to a block
        of their own below.
        """
        parts = [self.title, ""]
        for head, lines in self._blocks(width):
            table = [head, *lines]
            widths = [max(len(line[place]) for line in table) for place in range(len(head))]
            for number, line in enumerate(table):
                cells = [cell.ljust(size) for cell, size in zip(line, widths, strict=True)]
                parts.append(_GAP.join(cells).rstrip())
                if number == 0:
                    parts.append(_GAP.join("-" * size for size in widths))
            parts.append("")
        return "\n".join([*parts, *self._foot("")]).rstrip() + "\n"

    def markdown(self, *, quantities: Sequence[str] | None = None) -> str:
        """Return the table as Markdown, all columns or the given ones."""
        head, *lines = self._lines(self.columns if quantities is None else tuple(quantities))
        parts = [_pipes(head), _pipes(["---"] * len(head)), *(_pipes(line) for line in lines), ""]
        return "\n".join([*parts, *self._foot("- ")]).rstrip() + "\n"

    def _blocks(self, width: int) -> Iterator[tuple[list[str], list[list[str]]]]:
        """Yield (head, lines) of as many columns as fit, the condition's in front."""
        left = list(self.columns)
        while left:
            take = len(left)
            while take > 1 and _line_width(self._lines(tuple(left[:take]))) > width:
                take -= 1
            head, *lines = self._lines(tuple(left[:take]))
            yield head, lines
            left = left[take:]

    def _lines(self, columns: tuple[str, ...]) -> list[list[str]]:
        conditions = list(dict.fromkeys(name for row in self.rows for name in row.condition))
        shown = [label for label in self.sources if any(label in row.references for row in self.rows)]
        lines = [[*conditions, *([""] if shown else []), *(self._heading(column) for column in columns)]]
        for row in self.rows:
            own = [str(row.condition.get(name, "")) for name in conditions]
            label = ["here" if row.statistic == "mean" else "here, median"] if shown else []
            lines.append([*own, *label, *(_measured(row, column) for column in columns)])
            for source in shown:
                cells = [_compared(row, source, column) for column in columns]
                if any(cells):
                    lines.append([*[""] * len(conditions), source, *cells])
        return lines

    def _heading(self, column: str) -> str:
        if column in self.headings:
            return self.headings[column]
        name, _, group = column.partition("/")
        arrow = {"x_to_y": "x→y", "y_to_x": "y→x", "": ""}.get(group, group)
        if name.startswith("recall_at_"):
            return f"R@{name.removeprefix('recall_at_')} {arrow}".strip()
        return f"{_HEADINGS.get(name, name.replace('_', ' '))} {arrow}".strip()

    def _foot(self, bullet: str) -> Iterator[str]:
        for label, source in self.sources.items():
            held, judged = self.bands(label)
            yield f"{bullet}{label}: {source}" + (f" {held} of {judged} numbers lie in the range." if judged else "")
        for claim in self.orderings:
            yield f"{bullet}{'held' if claim.held else 'NOT HELD'}: {claim.sentence} [{claim.source}] ({claim.numbers})"
        for note in self.notes:
            yield f"{bullet}note: {note}"


def _line_width(lines: list[list[str]]) -> int:
    return sum(max(len(line[place]) for line in lines) + len(_GAP) for place in range(len(lines[0]))) - len(_GAP)


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _measured(row: Row, quantity: str) -> str:
    if quantity not in row.measured:
        return ""
    found = row.summary(quantity)
    if row.statistic == "median":
        return f"{_short(found.median)} ({_short(found.least)}..{_short(found.greatest)})"
    return _short(found.mean) + ("" if found.standard_error is None else f"±{found.standard_error:.3f}")


def _compared(row: Row, source: str, quantity: str) -> str:
    reference = row.references.get(source, {}).get(quantity)
    if reference is None:
        return ""
    parts = [] if reference.value is None else [_short(reference.value)]
    if parts and reference.standard_error is not None:
        parts[0] += f"±{reference.standard_error:.3f}"
    if reference.low is not None and reference.high is not None:
        span = f"{_short(reference.low)}..{_short(reference.high)}"
        parts.append(f"({span})" if parts else span)
        if quantity in row.measured:
            parts.append("ok" if row.held(source, quantity) else "OUT")
    return " ".join(parts)


def _short(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {_short(value)}" for name, value in values.items())


def _row_json(row: Row) -> dict[str, Any]:
    quantities = []
    for name, values in row.measured.items():
        found = row.summary(name)
        against = []
        for source, references in row.references.items():
            if name in references:
                against.append({"source": source, **references[name].as_json(), "held": row.held(source, name)})
        quantities.append(
            {
                "name": name,
                "mean": _rounded(found.mean),
                "standard_error": _rounded(found.standard_error),
                "median": _rounded(found.median),
                "least": _rounded(found.least),
                "greatest": _rounded(found.greatest),
                "n": found.n,
                "values": [_rounded(value) for value in values],
                "references": against,
            }
        )
    return {"condition": dict(row.condition), "compared_by": row.statistic, "quantities": quantities}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return _rounded(value) if isinstance(value, float) else value


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{float(value):.9g}")


def check_counts(**counts: int | None) -> None:
    """Raise unless each number of worlds, seeds or the like is at least 1; None stands for the usual one."""
    for name, count in counts.items():
        if count is not None and count < 1:
            raise ValueError(f"{name} must be at least 1, but it is {count}; leave it out for the usual number.")

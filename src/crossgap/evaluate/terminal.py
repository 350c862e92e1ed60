"""An evaluation for a terminal: verdicts, a table of before, after and difference, and how it was measured."""

import textwrap
from collections.abc import Iterator

from crossgap.evaluate.evaluation import Evaluation
from crossgap.measure.certainty import LEAST_ITEMS
from crossgap.results import Measurement, told

__all__ = ["lines"]

_IN_FILE_ONLY = ("modality_share_excess_part", "cosine_mean", "cosine_deviation", "spread", "hubness")
_SHARE = "modality_share_at_k"
_VERSIONS = ("before", "after", "difference", "as is")


def lines(evaluation: Evaluation, *, width: int = 100) -> Iterator[str]:
    """Yield the lines of an evaluation."""
    width = max(60, min(width, 120))
    for verdict in evaluation.verdicts:
        yield from textwrap.wrap(f"- {verdict.sentence}", width, subsequent_indent="  ")
    rows = _rows(evaluation)
    by_k = list(_shares_by_k(evaluation))
    if rows:
        heads = [version for version in _VERSIONS if any(version in cells for _, cells in rows)]
        table = [("", *heads), *((label, *(cells.get(head, "") for head in heads)) for label, cells in rows)]
        yield ""
        yield from _table(table, width)
    if by_k:
        yield ""
        for line in by_k:
            yield from textwrap.wrap(line, width, subsequent_indent="  ")
    yield ""
    yield from textwrap.wrap(_how(evaluation), width)
    held = [name for name in _IN_FILE_ONLY if any(m.name == name for m in evaluation.measurements)]
    if held:
        yield from textwrap.wrap(f"With -o, the file also holds: {', '.join(sorted(held))}.", width)
    for note in evaluation.settings.get("notes", []):
        yield from textwrap.wrap(note, width, subsequent_indent="  ")


def _table(table: list[tuple[str, ...]], width: int) -> Iterator[str]:
    """Yield the lines of a table; where it is too wide each label stands above its numbers, or above one a line."""
    head, *rows = table
    widths = [max(len(row[i]) for row in table) for i in range(len(head))]
    gaps = 2 * (len(widths) - 1)
    if sum(widths) + gaps <= width:
        for row in table:
            yield _in_columns(row, widths)
    elif sum(widths[1:]) + gaps <= width:
        widths[0] = 0
        yield _in_columns(head, widths)
        for label, *cells in rows:
            yield label
            yield _in_columns(("", *cells), widths)
    else:
        longest = max(map(len, head))
        for label, *cells in rows:
            yield label
            yield from (f"  {name:{longest}}  {cell}" for name, cell in zip(head[1:], cells, strict=True) if cell)


def _in_columns(row: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()


def _rows(evaluation: Evaluation) -> list[tuple[str, dict[str, str]]]:
    """Gather the versions of one number in one row."""
    found: dict[str, dict[str, str]] = {}
    for measurement in evaluation.measurements:
        if measurement.name in _IN_FILE_ONLY or measurement.value is None:
            continue
        if measurement.name == _SHARE and measurement.options["k"] != evaluation.settings["k"]:
            continue
        cells = found.setdefault(_label(measurement), {})
        cells[str(measurement.options["version"])] = _cell(measurement)
    return list(found.items())


def _shares_by_k(evaluation: Evaluation) -> Iterator[str]:
    """Yield one line for each group of a mixed corpus and of queries: its share of lists of several lengths."""
    shares = [m for m in evaluation.measurements if m.name == _SHARE and m.options["version"] != "difference"]
    for groups in dict.fromkeys(m.groups for m in shares):
        parts = []
        for version in dict.fromkeys(str(m.options["version"]) for m in shares):
            found = [
                f"{m.value:.2f} @{m.options['k']}"
                for m in shares
                if (m.groups, m.options["version"]) == (groups, version)
            ]
            parts.append(f"{version} {', '.join(found)}")
        yield f"share of {groups[1]} for {groups[0]} queries: {'; '.join(parts)}"


def _label(measurement: Measurement) -> str:
    k = measurement.options.get("k")
    name = measurement.name if k is None else measurement.name.replace("_at_k", "") + f" @{k}"
    share = measurement.options.get("corpus_share")
    return f"{name}  {' > '.join(measurement.groups)}" + ("" if share is None else f" ({share:.3f} of the corpus)")


def _cell(measurement: Measurement) -> str:
    difference = measurement.options["version"] == "difference"
    return told(measurement, sign=True) if difference else told(measurement)


def _how(evaluation: Evaluation) -> str:
    settings = evaluation.settings
    inputs = ", ".join(f"{facts['group']} {facts['n']} x {facts['d']}" for facts in evaluation.inputs)
    fitted = settings.get("fitted", "rows as they are")
    certainty = f"{settings['level']:.0%} intervals from {settings['bootstrap']} bootstrap replicates"
    if not settings["bootstrap"]:
        certainty = "no intervals"
    elif all(found.interval is None for found in evaluation.measurements):
        certainty = f"no intervals, which need at least {LEAST_ITEMS} items"
    if "parameters" in settings:
        used = "; ".join(
            f"{gallery} " + ", ".join(f"{key}={value}" for key, value in parameters.items())
            for gallery, parameters in settings["parameters"].items()
        )
        fitted += f"; {settings['index']}: {used}"
    return f"{inputs}; {fitted}; {certainty}, seed {settings['seed']}."

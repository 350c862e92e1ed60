"""What a person reads of a choice: what was chosen and why, the table, the verdict for each task."""

import textwrap
from collections.abc import Iterable, Iterator

from crossgap.close.choice import Choice
from crossgap.close.comparison_table import LEGEND, table_lines

__all__ = ["choice_lines"]

_WIDEST = 110


def choice_lines(choice: Choice, *, width: int = 100, use: Iterable[str] = ()) -> Iterator[str]:
    """Yield the lines of a choice, filled to ``width``; ``use`` says how to use what was chosen, before the table."""
    width = min(width, _WIDEST)
    yield f"Chosen: {choice.chosen}" if choice.score is not None else f"Method: {choice.chosen}"
    yield from _filled(choice.why, width)
    if choice.verdicts:
        yield ""
        name = choice.judged or choice.chosen
        told = f", with {name}{'' if name == choice.chosen else ' (not chosen)'}" if choice.judged is not None else ""
        yield f"Task by task{told}:"
        for verdict in choice.verdicts:
            yield from _filled(verdict.sentence, width)
    yield from use
    found = choice.comparison
    if found is not None:
        yield ""
        yield from _wrapped_rows(table_lines(found, width=width), width)
        yield from _filled(LEGEND, width)
        folds, drawn = found.settings["folds"], found.settings["bootstrap"]
        certain = (
            f"{found.settings['level']:.0%} intervals from {drawn} bootstrap replicates" if drawn else "no intervals"
        )
        yield from _filled(
            f"{', '.join(f'{name} {size} x {found.dimension}' for name, size in found.sizes.items())}; rows brought to "
            f"length 1; {folds} folds of whole items, each judged as a corpus of its own; {certain}, seed "
            f"{found.settings['seed']}.",
            width,
        )
        if len(found.groups) > 2:
            first, second = found.groups[:2]
            yield from _filled(f"Shown: {first} and {second}; --groups A,B shows others, --json all.", width)
        yield from _warnings(choice, width)


def _warnings(choice: Choice, width: int) -> Iterator[str]:
    """Yield what the candidate that the verdicts are about warned of, and that its rows have another dimension."""
    found = choice.comparison
    if found is None or choice.judged is None:
        return
    row = found.row(choice.judged)
    for note in row.notes:
        yield from _filled(f"Note: {note}", width)
    if row.dimension != found.dimension and row.closer != "ScoreStandardisation":  # which says itself how to search
        yield from _filled(
            f"Note: rows moved by {row.name} have {row.dimension} dimensions, not {found.dimension}: all of an index "
            f"must be moved, and its queries too.",
            width,
        )


def _wrapped_rows(lines: Iterator[str], width: int) -> Iterator[str]:
    """Keep the lines of the table; fill those that give a reason."""
    for line in lines:
        yield from [line] if len(line) <= width else _filled(line, width)


def _filled(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)

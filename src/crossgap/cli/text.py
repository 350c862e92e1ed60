"""What the commands print: names, columns, paragraphs, a report."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from crossgap.report.gap_report import GapReport

__all__ = [
    "apply_command",
    "chosen_groups",
    "close_names",
    "closest_names",
    "indented",
    "shell_words",
    "show_report",
    "terminal_width",
    "two_columns",
    "with_options",
]


def chosen_groups(groups: str | None, known: Iterable[str]) -> list[str]:
    """Return the groups that ``--groups`` names; all without it."""
    known = list(known)
    names = known if groups is None else [name.strip() for name in groups.split(",")]
    if len(set(names)) < len(names):
        raise ValueError(f"--groups must name each group once, but it is {groups!r}; leave the repeated name out.")
    for name in names:
        if name not in known:
            raise ValueError(f"there is no group {name!r}; {closest_names(name, known)}")
    return names


def closest_names(name: str, names: Sequence[str]) -> str:
    """Say which of the names to choose from."""
    return f"choose from {', '.join(close_names(name, names) or names)}."


def close_names(name: str, names: Sequence[str]) -> list[str]:
    """Return the names that are spelled nearly like ``name``."""
    import difflib

    return difflib.get_close_matches(name, names, n=5, cutoff=0.5)


def show_report(report: "GapReport", *, again: str | None = None) -> None:
    """Print a report, and with the words of its source the command that keeps it."""
    from crossgap.report.terminal import lines

    for line in lines(report, width=terminal_width()):
        typer.echo(line)
    if again is not None:
        typer.echo(f"\nNext: crossgap measure {again} -o gap.json --html gap.html")


def terminal_width() -> int:
    """Return the columns of the terminal."""
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


def shell_words(sources: Sequence[str], groups: str | None, unpaired: bool = False) -> str:
    """Return what was given, as words of a shell."""
    import shlex

    return shlex.join([*sources, *([] if groups is None else ["--groups", groups]), *["--unpaired"] * unpaired])


def with_options(command: str, given: Mapping[str, tuple[object, object]]) -> str:
    """Return a command with the options that are not as they are by default; each has its value and its default.

    Examples
    --------
    >>> with_options("crossgap demo", {"--seed": (3, 0), "--groups": (None, None), "--everything": (True, False)})
    'crossgap demo --seed 3 --everything'
    """
    import shlex

    words = [command]
    for option, (value, usual) in given.items():
        if value != usual:
            words += [option] if value is True else [option, shlex.quote(str(value))]
    return " ".join(words)


def apply_command(closer: str, sources: Sequence[str], groups: str | None) -> str:
    """Return the command that moves the sources with a closer: into a file of its kind for one file, else a folder."""
    import os
    import shlex

    from crossgap.data.source import parse_source

    output = "closed"
    if len(sources) == 1:
        named = parse_source(sources[0])[1].path
        if os.path.isfile(os.path.expanduser(named)):
            output += os.path.splitext(named)[1]
    others = [] if groups is None else ["--keep-others"]
    return shlex.join(["crossgap", "apply", closer, *sources, *others, "-o", output])


def two_columns(texts: Mapping[str, str]) -> str:
    """Set names beside texts; below each other where the terminal is narrow."""
    width = terminal_width()
    column = 2 + max(len(name) for name in texts)
    rows = []
    for name, text in texts.items():
        below = width < 2 * column  # too narrow for two columns
        indent = " " * (2 if below else column)
        told = textwrap.fill(
            text, max(width, 20), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        )
        rows.append(f"{name}\n{told}" if below else name + told[len(name) :])
    return "\n".join(rows)


def indented(text: str) -> str:
    """Set paragraphs two columns in, filled to the terminal."""
    width = min(terminal_width(), 110) - 2
    paragraphs = [
        paragraph
        if "\n" in paragraph
        else textwrap.fill(paragraph, width, break_long_words=False, break_on_hyphens=False)
        for paragraph in text.split("\n\n")
    ]
    return textwrap.indent("\n\n".join(paragraphs), "  ")

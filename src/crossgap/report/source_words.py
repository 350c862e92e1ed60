"""The commands that a reader of a report can type: with the source that was measured, where the report names it."""

import shlex

from crossgap.report.gap_report import GapReport

__all__ = [
    "SAMPLE",
    "SOURCE",
    "close_command",
    "doctor_command",
    "in_passing",
    "is_sample",
    "measure_command",
    "source_words",
]

SOURCE = "SOURCE"  # where a report does not say what was measured
SAMPLE = "image=images.npy text=texts.npy"  # what a reader of the packaged sample goes on with
_FLAGS = ("--unpaired", "--no-details", "--everything", "--json")
_ABOUT_ROWS = ("--groups", "--unpaired")  # options that say which rows there are, which other commands need too


def source_words(report: GapReport, *, unpaired: bool = True) -> str:
    """Return the source as words of a shell, with the groups and the pairing asked for; ``SOURCE`` if unknown.

    Examples
    --------
    >>> def report(settings):
    ...     return GapReport(version="1", inputs=(), settings=settings, measurements=())
    >>> source_words(report({"command": "crossgap measure a.npz --unpaired --seed 3"}))
    'a.npz --unpaired'
    >>> source_words(report({}))
    'SOURCE'
    """
    try:
        words = shlex.split(str(report.settings.get("command") or ""))
    except ValueError:
        return SOURCE
    if words[:2] != ["crossgap", "measure"]:
        return SOURCE
    kept: list[str] = []
    rest = iter(words[2:])
    for word in rest:
        if not word.startswith("--"):
            kept.append(word)
            continue
        value = [] if word in _FLAGS else [next(rest, "")]
        if word in _ABOUT_ROWS and (unpaired or word != "--unpaired"):
            kept += [word, *value]
    return shlex.join(kept) or SOURCE


def is_sample(report: GapReport) -> bool:
    """Tell whether the packaged sample was measured, which no other command takes as a source."""
    return str(report.settings.get("command") or "").split()[:2] == ["crossgap", "demo"]


def measure_command(report: GapReport, *options: str) -> str:
    """Return the command that measures the source anew and draws the page."""
    return " ".join(["crossgap measure", source_words(report), *options, "--html gap.html"])


def close_command(report: GapReport, method: str | None = None) -> str:
    """Return the command that fits a closer on the source and writes it: the one named, else the best of all."""
    words = SAMPLE if is_sample(report) else source_words(report)
    chosen = [] if method is None else ["--method", shlex.quote(method)]
    return " ".join(["crossgap close", words, *chosen, "-o closer.safetensors"])


def doctor_command(report: GapReport) -> str:
    """Return the command that looks for blunders in the source."""
    return f"crossgap doctor {source_words(report, unpaired=False)}"


def in_passing(report: GapReport, verb: str, *options: str) -> str:
    """Name a command within a sentence: with its source where that is known, without one where it is not."""
    words = source_words(report, unpaired=verb == "close")
    return " ".join(["crossgap", verb, *([] if words == SOURCE else [words]), *options])

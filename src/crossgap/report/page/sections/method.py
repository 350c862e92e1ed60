"""How this was measured: sources, settings, the command, every number, the formulas with their sources, the file."""

from typing import Any

from crossgap.report.documentation import documentation
from crossgap.report.gap_report import GapReport
from crossgap.report.page.blocks import Code, Download, Entries, Entry, Heading, Paragraph, Section, Table
from crossgap.results import Measurement

__all__ = ["method"]

_NOT_AS_OPTIONS = ("n", "m", "d", "corpus", "sampled_from", "pair_count", "answered", "pairs_counted", "pairs_sampled")
_SETTINGS = {
    "seed": "start of every random choice",
    "bootstrap": "resamplings of the items behind each interval",
    "level": "share of such intervals that hold the true value",
    "precision": "precision for which a score threshold is sought",
    "rows": "rows of a group up to which all pairs are counted; of more, a sample",
    "metrics": "quantities that were asked for",
}
_WORDS = (
    ("row", "one vector: an image, a text, a sound"),
    ("item", "what rows are about; rows of one item belong together"),
    ("group", "rows of one kind, such as image; its modality is the kind"),
    ("match", "two rows of one item, of different groups; also called a pair, or partners"),
    ("stranger", "a row of another item"),
    ("corpus", "all rows that a search looks through; a gallery, where they are of one group"),
    ("score", "the cosine of two rows, unless it says otherwise"),
    ("interval", "in brackets: the range in which the true value lies, with the confidence named above"),
    ("by chance", "what shuffled groups or guessing would give"),
    ("closer", "a fitted map that moves vectors, or rescales scores, so that modalities can be compared"),
    ("held out", "rows that a closer or a threshold was not fitted on"),
    ("NDCG@10", "quality of a list: 1 where all right answers stand first, 0 where the top ten holds none"),
)
_CURVES = ("match_probability", "precision_recall")


def method(report: GapReport) -> Section:
    """Describe the run so that it can be repeated and cited."""
    settings = report.settings
    keys = sorted({key for facts in report.inputs for key in facts} - {"group", "source", "n", "d", "dtype"})
    blocks: list[Any] = [
        Paragraph(text=_how(report)),
        Table(
            caption="What was measured",
            columns=("group", "rows", "dimensions", "type", "source", *keys),
            rows=tuple(
                (
                    str(facts["group"]),
                    facts.get("n"),
                    facts.get("d"),
                    str(facts.get("dtype", "–")),
                    str(facts.get("source", "–")),
                    *(_written(facts.get(key)) for key in keys),
                )
                for facts in report.inputs
            ),
        ),
        Table(
            caption="Settings",
            columns=("setting", "value", "what it is"),
            rows=(
                *(
                    (str(key), _written(value), _SETTINGS.get(str(key), "–"))
                    for key, value in settings.items()
                    if key not in ("notes", "command") and not (key == "metrics" and value is None)
                ),
                ("crossgap", report.version, "version that measured"),
            ),
        ),
    ]
    command = settings.get("command")
    if command:
        blocks.append(Code(caption="The command that measured (--html and -o say where to write):", text=str(command)))
    blocks += [
        Code(
            caption="This page again, from the file alone:",
            text="crossgap report gap.json -o gap.html",
        ),
        Download(text="Save the file that this page is drawn from (gap.json)"),
        Heading(text="Words of this page"),
        Table(caption="What words mean here", columns=("word", "meaning"), rows=_WORDS),
        Heading(text="Every number"),
        Paragraph(
            text=(
                "Ranges in brackets hold the true value with the confidence that the settings name (level). "
                "Histograms and curves stand with their charts."
            ),
            tone="reading",
        ),
        _numbers(report),
        Heading(text="What each quantity is"),
        Entries(
            caption=("Formula, how to read it, and where it comes from; crossgap explain --metric NAME says it too."),
            items=tuple(_entries(report)),
        ),
    ]
    missing = () if command else ("The command: this file does not hold it; one that crossgap measure writes does.",)
    return Section(name="method", title="Method", blocks=tuple(blocks), missing=missing)


def _how(report: GapReport) -> str:
    settings = report.settings
    sizes = ", ".join(f"{facts['group']} {facts.get('n', 0):,} × {facts.get('d', '–')}" for facts in report.inputs)
    certain = "no intervals were asked for"
    if settings.get("bootstrap"):
        certain = (
            f"ranges in brackets are {float(settings.get('level', 0.95)):.0%} intervals from "
            f"{settings['bootstrap']} bootstrap replicates over items"
        )
    return (
        f"Rows × dimensions: {sizes}. Every row was brought to length 1 first; {certain}; seed "
        f"{settings.get('seed', '–')}; crossgap {report.version}. The same vectors, seed and version give the same "
        f"numbers."
    )


def _numbers(report: GapReport) -> Table:
    shown = [one for one in report.measurements if one.name not in _CURVES and "from" not in one.options]
    return Table(
        caption="All measurements",
        columns=("quantity", "groups", "options", "value", "interval", "n", "m"),
        rows=tuple(
            (
                one.name,
                ", ".join(one.groups),
                _options(one),
                one.value,
                _interval(one),
                one.options.get("n"),
                one.options.get("m"),
            )
            for one in shown
            if one.value is not None
        ),
        digits=4,
        folded=True,
    )


def _options(one: Measurement) -> str:
    told = [
        f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in one.options.items()
        if key not in _NOT_AS_OPTIONS
    ]
    return ", ".join(told)


def _interval(one: Measurement) -> str | None:
    return None if one.interval is None else f"[{one.interval[0]:.4f}, {one.interval[1]:.4f}]"


def _entries(report: GapReport) -> list[Entry]:
    from crossgap import measure, topology

    found = []
    for name in sorted({one.name for one in report.measurements}):
        function = getattr(measure, name, None) or getattr(topology, name, None)
        if not callable(function):
            continue
        known = documentation(function)
        parts = (
            ("Formula", known.formula),
            ("How to read it", known.how_to_read[:1].upper() + known.how_to_read[1:]),
            ("Source", known.references),
            ("Notes", known.notes),
        )
        found.append(
            Entry(
                name=name,
                summary=known.summary.replace("``", ""),
                parts=tuple(
                    (head, text if head == "Formula" else text.replace("``", "")) for head, text in parts if text
                ),
            )
        )
    return found


def _written(value: Any) -> Any:
    """Write a setting; numbers stay numbers."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "–"
    return value if isinstance(value, int | float) else str(value)

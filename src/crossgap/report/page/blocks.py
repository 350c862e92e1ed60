"""What a page is made of: plain records, drawn by ``html.render`` and by nothing else.

    GapReport --sections.*--> Section(blocks) --> Page --html.render--> one HTML file

A block holds text as it came; the template escapes it. A section that has nothing to show says why in ``missing``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Answer",
    "Block",
    "Card",
    "Cards",
    "Code",
    "Download",
    "Entries",
    "Entry",
    "Figure",
    "Globe",
    "Heading",
    "Page",
    "Paragraph",
    "Ranking",
    "Section",
    "Sentences",
    "Slider",
    "Table",
]

Cell = str | float | int | None


@dataclass(frozen=True, kw_only=True)
class Heading:
    """A title within a section, above the blocks that follow it."""

    text: str
    kind: Literal["heading"] = "heading"


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """One paragraph.

    ``tone`` is "plain", "key" for what matters most, "caution" for a limit of what is said, "reading" for how to read
    what stands beside it.
    """

    text: str
    tone: Literal["plain", "key", "caution", "reading"] = "plain"
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """A list of sentences."""

    items: tuple[str, ...]
    kind: Literal["sentences"] = "sentences"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under heads; numbers are written with ``digits`` after the point, and ``folded`` shows the caption only.

    ``names`` are the quantities of the rows, where each row is one: they lead to what the page says on them.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    digits: int = 3
    folded: bool = False
    names: tuple[str, ...] = ()
    kind: Literal["table"] = "table"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One chart: a Vega-Lite specification, its words, and the table of what it shows.

    Parameters
    ----------
    name
        Stem of a file name, lower case with hyphens; unique on a page.
    title
        What the chart shows, in one line.
    description
        The chart in words and numbers, for who cannot see it: what stands on the axes and what one would notice.
    spec
        A Vega-Lite specification whose width may be "container"; its data are within it.
    table
        The numbers drawn.
    """

    name: str
    title: str
    description: str
    spec: Mapping[str, Any]
    table: Table
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True, kw_only=True)
class Slider:
    """A threshold that one moves, and what it keeps: counts of right and wrong answers from each cosine upwards.

    ``cuts`` is one entry of ``details["score_cuts"]``.
    """

    name: str
    title: str
    cuts: Mapping[str, Any]
    kind: Literal["slider"] = "slider"


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Real queries with their first answers, before and after closing; one entry of ``details["ranking_examples"]``.

    ``summary`` says what they show together; ``folded`` shows no more than that until it is opened.
    """

    title: str
    examples: Mapping[str, Any]
    summary: str = ""
    folded: bool = False
    kind: Literal["ranking"] = "ranking"


@dataclass(frozen=True, kw_only=True)
class Globe:
    """Points on a sphere that one turns; one entry of ``details["maps"]`` whose points have three coordinates."""

    name: str
    title: str
    description: str
    map: Mapping[str, Any]
    table: Table
    kind: Literal["globe"] = "globe"


@dataclass(frozen=True, kw_only=True)
class Card:
    """One task: what to do about it, the number that says so, and how sure it is; parts that are empty are left out.

    Parameters
    ----------
    task
        Its name.
    about
        What the task is, for who does not know its name.
    decision
        "close it", "leave it", "not enough data" or "not measured".
    numbers
        What says so: each a label, a value, and its change or interval.
    sentences
        The words behind the numbers.
    certainty
        How sure the decision is.
    """

    task: str
    about: str
    decision: str
    numbers: tuple[tuple[str, str, str], ...]
    sentences: tuple[str, ...]
    certainty: str


@dataclass(frozen=True, kw_only=True)
class Cards:
    """Tasks side by side."""

    items: tuple[Card, ...]
    kind: Literal["cards"] = "cards"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of a reference list: its name and summary, and below them parts, each a head and a text.

    A part whose head is "Formula" is set as it is written, in one width.
    """

    name: str
    summary: str
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Entries:
    """Reference entries that one opens one by one."""

    caption: str
    items: tuple[Entry, ...]
    kind: Literal["entries"] = "entries"


@dataclass(frozen=True, kw_only=True)
class Code:
    """A command or a few lines of code, with the words before it."""

    caption: str
    text: str
    kind: Literal["code"] = "code"


@dataclass(frozen=True, kw_only=True)
class Download:
    """The link that saves the document of the page."""

    text: str
    kind: Literal["download"] = "download"


Block = Heading | Paragraph | Sentences | Table | Figure | Slider | Ranking | Globe | Cards | Entries | Code | Download


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a page: its anchor, its title, its blocks, and what was not measured, with the reason."""

    name: str
    title: str
    blocks: tuple[Block, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One question of the first screen: the answer in a few words, the sentences behind it, and what to type."""

    question: str
    short: str
    sentences: tuple[str, ...]
    command: str = ""


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole page.

    Parameters
    ----------
    title, lead
        What stands on top.
    sections
        The parts, in the order in which a reader asks.
    document, file_name
        The JSON that the page was drawn from, for downloading, and what to call it.
    after_lead
        The numbers of the lead, and how to read them.
    answers
        The questions of the first screen.
    facts
        What was measured, in a few words each, under the title.
    colours
        The colour of each group, as on the charts.
    """

    title: str
    lead: str
    sections: tuple[Section, ...]
    document: str
    file_name: str
    answers: tuple[Answer, ...] = ()
    after_lead: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    colours: Mapping[str, str] = field(default_factory=dict)

"""What a page is made of: plain records, drawn by ``html.render`` and by nothing else.

    GapReport --sections.*--> Section(blocks) --> Page --html.render--> one HTML file

A block holds text as it came; the template escapes it. A section that has nothing to show says why in ``missing``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Block", "Figure", "Page", "Paragraph", "Ranking", "Section", "Sentences", "Slider", "Table"]

Cell = str | float | int | None


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """One paragraph; ``tone`` is "plain", "key" for what matters most, "caution" for a limit of what is said."""

    text: str
    tone: Literal["plain", "key", "caution"] = "plain"
    kind: Literal["paragraph"] = "paragraph"


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """A list of sentences."""

    items: tuple[str, ...]
    kind: Literal["sentences"] = "sentences"


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under heads; numbers are written by the template with ``digits`` after the point."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    digits: int = 3
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
    """Real queries with their first answers, before and after closing; one entry of ``details["ranking_examples"]``."""

    title: str
    examples: Mapping[str, Any]
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


Block = Paragraph | Sentences | Table | Figure | Slider | Ranking | Globe


@dataclass(frozen=True, kw_only=True)
class Section:
    """One part of a page: its anchor, its title, its blocks, and what was not measured, with the reason."""

    name: str
    title: str
    blocks: tuple[Block, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole page: what stands on top, the sections, and the JSON that it was drawn from, for downloading."""

    title: str
    lead: str
    sections: tuple[Section, ...]
    document: str
    file_name: str

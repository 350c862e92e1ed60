"""Colours, shapes and dashes of what is drawn, the same for a group on every chart.

The hues are those of Okabe and Ito, which all kinds of colour vision tell apart; two are darkened, so that each has a
contrast of 3 to 1 against white and against the dark page. Text, axes and backgrounds are the page's.
"""

from dataclasses import dataclass

from crossgap.report.gap_report import GapReport

__all__ = ["COLOURS", "MATCHES", "OTHERS", "RECALL", "GroupStyle", "group_styles"]

BLUE, VERMILION, PURPLE, OCHRE, SKY, GREEN = "#0072B2", "#D55E00", "#CC79A7", "#C58500", "#3A93CC", "#009E73"
COLOURS = (BLUE, VERMILION, PURPLE, OCHRE, SKY, GREEN)
_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_DASHES = ((), (6, 3), (2, 2), (8, 3, 2, 3), (4, 4), (10, 3))

MATCHES = GREEN  # pairs that match, and precision
RECALL = OCHRE
OTHERS = "#7F7F7F"  # pairs that do not match, and what is there for comparison


@dataclass(frozen=True, kw_only=True)
class GroupStyle:
    """How a group is drawn; ``dash`` holds the lengths of line and space, nothing for a whole line."""

    colour: str
    shape: str
    dash: tuple[int, ...]


def group_styles(report: GapReport) -> dict[str, GroupStyle]:
    """Return the style of each group of a report, in its order; after six groups they come again."""
    return {
        str(facts["group"]): GroupStyle(
            colour=COLOURS[number % len(COLOURS)],
            shape=_SHAPES[number % len(_SHAPES)],
            dash=_DASHES[number % len(_DASHES)],
        )
        for number, facts in enumerate(report.inputs)
    }

"""A quantity's documentation, taken from its docstring: the one place where formula, range and source are written."""

import inspect
import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Documentation", "documentation"]

_HEADING = re.compile(r"^(?P<title>[A-Z][A-Za-z ]+)\n-{3,}$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Documentation:
    """What a docstring says, by part; a part that it does not have is empty."""

    name: str
    signature: str
    summary: str
    formula: str
    how_to_read: str
    parameters: str
    returns: str
    raises: str
    notes: str
    references: str
    examples: str

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return dict(self.__dict__)


def documentation(function: Callable[..., Any]) -> Documentation:
    """Split the docstring of a function into its parts."""
    text = inspect.cleandoc(function.__doc__ or "")
    headings = list(_HEADING.finditer(text))
    sections = {
        heading["title"]: text[heading.end() : following.start() if following else len(text)].strip("\n")
        for heading, following in itertools.zip_longest(headings, headings[1:])
    }
    paragraphs = text[: headings[0].start()].split("\n\n") if headings else text.split("\n\n")
    formula, reading = "", ""
    for paragraph, following in zip(paragraphs, [*paragraphs[1:], ""], strict=True):
        if paragraph.strip() == "Formula::":
            formula = inspect.cleandoc("\n" + following)
        if paragraph.startswith("How to read it:"):
            reading = paragraph.removeprefix("How to read it:").strip()
    return Documentation(
        name=function.__name__,
        signature=_signature(function),
        summary=paragraphs[0].strip(),
        formula=formula,
        how_to_read=_one_line(reading),
        parameters=sections.get("Parameters", ""),
        returns=_one_line(sections.get("Returns", "")),
        raises=sections.get("Raises", ""),
        notes=_one_line(sections.get("Notes", "")),
        references=_one_line(sections.get("References", "")),
        examples=sections.get("Examples", ""),
    )


def _signature(function: Callable[..., Any]) -> str:
    """Return the call with names and defaults, without types."""
    parameters = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in inspect.signature(function).parameters.values()
    ]
    return function.__name__ + str(inspect.Signature(parameters))


def _one_line(text: str) -> str:
    return re.sub(r"(?<!\n)\n(?!\n)", " ", text).strip()

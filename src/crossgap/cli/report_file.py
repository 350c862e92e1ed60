"""Reading ``gap.json`` where a command asks for it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossgap.report.gap_report import GapReport

__all__ = ["drawn_from", "read_report"]

_MOST_BYTES = 200_000_000


def read_report(file: str) -> "GapReport":
    """Read a report, or say in a sentence why that file is none."""
    from crossgap.report.gap_report import GapReport

    if not os.path.isfile(file):
        raise ValueError(f"there is no report {file!r}; make one: crossgap measure SOURCE -o {file}.")
    if os.path.getsize(file) > _MOST_BYTES:
        raise ValueError(f"{file!r} has more than {_MOST_BYTES} bytes, too many for a report; measure again.")
    try:
        with open(file, encoding="utf-8") as opened:
            return GapReport.from_json(opened.read())
    except UnicodeDecodeError:
        raise ValueError(f"{file!r} is no text; a report is JSON as `crossgap measure -o` writes it.") from None


@contextmanager
def drawn_from(file: str) -> Iterator[None]:
    """Say in a sentence where a report reads well but holds details of another form, as after editing by hand."""
    from crossgap.errors import FormatError

    try:
        yield
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise FormatError(
            f"{file!r} holds details that cannot be drawn ({type(error).__name__}: {error}); measure again with this "
            f"version: crossgap measure SOURCE -o {file}."
        ) from error

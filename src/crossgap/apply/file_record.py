"""What was done to files."""

from dataclasses import dataclass
from typing import Any

__all__ = ["FileRecord"]


@dataclass(frozen=True, kw_only=True)
class FileRecord:
    """What was done to files.

    Parameters
    ----------
    closer
        SHA-256 of the closer.
    source, output
        What was read and written.
    files
        How many files that was.
    rows, groups
        Rows in all, and of each group of the source.
    treated_as
        For each group the group of the closer that moved it; None where its rows passed unchanged.
    zero_rows
        Rows of zeros, which have no direction and stay zero.
    kept_rows
        Rows of other groups, which passed unchanged.
    resumed_from
        Rows that an earlier run had written.
    bytes
        The size of the output.
    notes
        What was not copied, in sentences.
    """

    closer: str
    source: tuple[str, ...]
    output: str
    files: int
    rows: int
    groups: dict[str, int]
    treated_as: dict[str, str | None]
    zero_rows: int
    kept_rows: int
    resumed_from: int
    bytes: int
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**vars(self), "source": list(self.source), "notes": list(self.notes)}

"""What is to be done to the vectors of a store, and what was done."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from crossgap.close.closer import Closer

__all__ = ["ZEROS_SEEM_NEAR", "StoreRecord", "StoreTask", "silent"]

ZEROS_SEEM_NEAR = (
    "rows of zeros seem near to everything under the L2 distance: search with the cosine, or remove these rows."
)


def silent(done: int, total: int, text: str) -> None:
    """Take news of progress, and say nothing."""


@dataclass(frozen=True, kw_only=True, eq=False)
class StoreTask:
    """A closer, and how its vectors come into a store; ``crossgap.apply.apply_to_store`` explains each field."""

    closer: Closer
    source: str
    output: str | None = None
    group: str | None = None
    group_field: str = "modality"
    groups_file: str | None = None
    vector: str | None = None
    vectors_file: str | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    keep_others: bool = False
    dry_run: bool = False
    batch: int | None = None
    restart: bool = False
    switch: bool = False
    roll_back: bool = False
    progress: Callable[[int, int, str], None] = silent

    def __post_init__(self):
        asked = [name for name in ("dry_run", "switch", "roll_back") if getattr(self, name)]
        if len(asked) > 1:
            raise ValueError(
                f"{asked[0]} and {asked[1]} must not be asked for at once: one looks, one switches, one goes back, so "
                f"choose one."
            )
        if self.roll_back and self.restart:
            raise ValueError("roll_back and restart must not be asked for at once; roll back first, then restart.")
        if self.batch is not None and self.batch < 1:
            raise ValueError(f"batch must be at least 1 row, but it is {self.batch}.")


@dataclass(frozen=True, kw_only=True)
class StoreRecord:
    """What was done to a store.

    Parameters
    ----------
    store
        ``qdrant``, ``lancedb`` or ``faiss``.
    source, output
        Where the old vectors are, and the new ones: two collections, two columns or two files.
    rows, groups
        Rows in the source, and of each of the closer's groups.
    kept_rows, missing_rows
        Rows of other groups, copied as they are, and rows that hold no vector.
    zero_rows
        Rows of zeros among those moved in this run; they have no direction and stay zero.
    resumed_from, written
        Rows that an earlier run had written, and rows that this one wrote.
    dry_run, switched, rolled_back
        Whether nothing was written; whether searches now meet the new vectors; whether they were led back to the old.
    notes
        What to know and to do next, in sentences.
    """

    store: str
    source: str
    output: str
    rows: int
    groups: Mapping[str, int] = field(default_factory=dict)
    kept_rows: int = 0
    missing_rows: int = 0
    zero_rows: int = 0
    resumed_from: int = 0
    written: int = 0
    dry_run: bool = False
    switched: bool = False
    rolled_back: bool = False
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "groups": dict(self.groups), "notes": list(self.notes)}

"""Vectors in a LanceDB table: a new column beside the old one, and two names that change places in one commit.

    vector                      the old vectors
    vector, vector_closed       beside them the moved ones, written batch by batch
    vector_before, vector       switched: a search in "vector" meets the moved ones; rolling back renames again

Moved vectors are always computed from the old column, and a row that has one is passed over: a run that was stopped
goes on there, and none can be moved twice. What the new column was made of stands in the metadata of its field.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from crossgap.apply.closer_digest import closer_digest
from crossgap.apply.lancedb_column import MovedColumn, column_journals, rename_columns
from crossgap.apply.store_record import StoreRecord, StoreTask
from crossgap.errors import MissingExtraError

__all__ = ["apply_to_lancedb", "apply_to_table"]


def apply_to_lancedb(task: StoreTask, place: str) -> StoreRecord:
    """Apply a closer to ``FOLDER/table``; the folder may be a URL that LanceDB opens, such as ``s3://``."""
    folder, _, name = place.rstrip("/").rpartition("/")
    name = name.removesuffix(".lance")
    if not folder or not name:
        raise ValueError(
            f"the source must be lancedb:FOLDER/table, but it is {task.source!r}; add what is missing."
        )  # fmt: skip
    try:
        import lancedb
    except ImportError as error:
        raise MissingExtraError(
            "Vectors in LanceDB need lancedb, which is not installed; install it: pip install 'crossgap[lancedb]'."
        ) from error
    if folder.startswith("db:/"):
        raise ValueError(f"{folder!r} is a database of LanceDB Cloud, but only folders and object stores are moved.")
    if "://" not in folder and not os.path.isdir(folder):
        raise FileNotFoundError(f"{folder!r} is no folder, so it holds no LanceDB table; check the path.")
    with _lance_errors(task.source):
        database = lancedb.connect(folder)
        try:
            table = database.open_table(name)
        except (ValueError, FileNotFoundError) as error:
            raise ValueError(f"there is no table {name!r} in {folder!r}; check the name.") from error
        return apply_to_table(task, table)


def apply_to_table(task: StoreTask, table: Any) -> StoreRecord:
    """Apply a closer to an open table.

    Raises
    ------
    ValueError
        If there is no such column of vectors, they were moved already, a row is of a group that the closer does not
        know, or another run's column is in the way.
    """
    journals = column_journals(table.schema)
    vector = _chosen_column(table.schema, journals, task)
    own = journals.get(vector)
    if task.roll_back:
        return _roll_back(task, table, vector, own)
    if own is not None:
        return _already(task, vector, own)
    return MovedColumn(task, table, vector).run()


@contextmanager
def _lance_errors(source: str) -> Iterator[None]:
    """Tell in one sentence what LanceDB tells as a RuntimeError."""
    try:
        yield
    except RuntimeError as error:
        why = " ".join(str(error).split(", /")[0].split())[:300].rstrip(".")
        mend = "check the folder and its space"
        if "conflict" in why:
            mend = "another program wrote to it at the same moment, so run the same command again"
        raise OSError(f"{source!r} could not be read or written by LanceDB, which says {why!r}; {mend}.") from error


def _chosen_column(schema: Any, journals: Mapping[str, Mapping[str, str]], task: StoreTask) -> str:
    """Return the name of the column of vectors to move."""
    import pyarrow as pa

    vectors = [
        field.name
        for field in schema
        if pa.types.is_fixed_size_list(field.type) and pa.types.is_floating(field.type.value_type)
    ]
    if task.vector is not None:
        if task.vector not in vectors:
            there = ", ".join(vectors) or "none"
            raise ValueError(
                f"there is no column {task.vector!r} of vectors of a fixed size of floats; there is {there}."
            )  # fmt: skip
        return task.vector
    made = {own["vector"] for own in journals.values()}
    before = {own["before"] for own in journals.values()}
    free = sorted(made & set(vectors)) or [name for name in vectors if name not in journals and name not in before]
    if len(free) != 1:
        there = ", ".join(free) or "none"
        raise ValueError(
            f"the table must have one column of vectors of a fixed size of floats, but it has {there}; name the one "
            f"to move with --vector (vector=)."
        )
    return free[0]


def _already(task: StoreTask, vector: str, own: Mapping[str, str]) -> StoreRecord:
    """Refuse to move what was moved; the same command again, after it was done, is no error."""
    if own["vector"] != vector:
        raise ValueError(f"{vector!r} was made from {own['vector']!r} by a closer; apply it to {own['vector']!r}.")
    if own["closer"] == closer_digest(task.closer) and not task.restart:
        return StoreRecord(
            store="lancedb",
            source=own["before"],
            output=vector,
            rows=0,
            dry_run=task.dry_run,
            switched=True,
            notes=(f"{vector!r} holds the moved vectors already, so nothing was left to do.",),
        )
    raise ValueError(
        f"the vectors of {vector!r} were moved by a closer already, and a second time would be wrong; roll back first."
    )


def _roll_back(task: StoreTask, table: Any, vector: str, own: Mapping[str, str] | None) -> StoreRecord:
    """Give the old vectors their name again."""
    if own is None or own["vector"] != vector:
        raise ValueError(f"there is nothing to roll back in {table.name}: {vector!r} holds no moved vectors.")
    if own["before"] not in table.schema.names:
        raise ValueError(
            f"{own['before']!r}, which held the old vectors, is gone, so {vector!r} cannot go back to them."
        )
    rename_columns(table, (vector, own["closed"]), (own["before"], vector))
    return StoreRecord(
        store="lancedb",
        source=vector,
        output=own["closed"],
        rows=table.count_rows(),
        rolled_back=True,
        notes=(
            f"{vector!r} holds the old vectors again; give queries as they are, not moved.",
            f"{own['closed']!r} is kept: switch to it again, or drop it.",
        ),
    )

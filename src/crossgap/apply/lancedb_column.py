"""A new column of a LanceDB table: the vectors of another column, moved, row by row, so that it can go on.

A row gets a key of its own while the column is written, since LanceDB finds rows again by a key only. What the column
was made of stands in the metadata of its field, which goes with it when it is renamed.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crossgap.apply.closer_digest import closer_digest
from crossgap.apply.searching import how_to_search, wants_inner_product
from crossgap.apply.store_record import ZEROS_SEEM_NEAR, StoreRecord, StoreTask
from crossgap.apply.store_rows import GroupNames, count_groups, gives_unit_rows, move_rows, store_mover

__all__ = ["MovedColumn", "column_journals", "rename_columns"]

_KEY = b"crossgap"
_ROW_KEY = "crossgap_row"
_BATCH = 16384
_KEYS_A_QUERY = 1000


class MovedColumn:
    """One run: a table, its old column of vectors and the new one."""

    def __init__(self, task: StoreTask, table: Any, vector: str) -> None:
        self._task, self._table, self._vector = task, table, vector
        self._closed = task.output or f"{vector}_closed"
        self._field = table.schema.field(vector)
        self._names = GroupNames(task)
        self._unit = gives_unit_rows(task.closer)
        self._size = task.batch or _BATCH
        self._columns = _group_columns(table.schema, task)
        d = self._field.type.list_size
        if d != task.closer.n_features_in_:
            raise ValueError(
                f"{table.name}: the column {vector!r} has {d} dimensions, but the closer was fitted on "
                f"{task.closer.n_features_in_}; give vectors of the same model."
            )
        self._journal = {
            "vector": vector,
            "closed": self._closed,
            "before": f"{vector}_before",
            "closer": closer_digest(task.closer),
        }

    def run(self) -> StoreRecord:
        """Look at all rows, write those that are missing, and switch where asked."""
        task, table = self._task, self._table
        rows = table.count_rows()
        groups, kept = count_groups(self._survey(rows), self._names, task, where=table.name)
        self._mover = store_mover(task.closer, groups, kept, where=table.name)
        begun = self._begun()
        facts = StoreRecord(
            store="lancedb",
            source=self._vector,
            output=self._closed,
            rows=rows,
            groups=groups,
            kept_rows=kept,
            missing_rows=table.count_rows(f"{_quoted(self._vector)} IS NULL"),
            dry_run=task.dry_run,
        )
        if task.dry_run:
            return self._look(facts, begun)
        if begun and task.restart:
            table.drop_columns([name for name in (self._closed, _ROW_KEY) if name in table.schema.names])
            begun = False
        if not begun:
            self._add_column()
        before = table.count_rows(f"{_quoted(self._closed)} IS NOT NULL")
        written, zeros = self._write(rows - facts.missing_rows, before)
        self._check_whole()
        if _ROW_KEY in table.schema.names:
            table.drop_columns([_ROW_KEY])
        if task.switch:
            rename_columns(table, (self._vector, self._journal["before"]), (self._closed, self._vector))
        notes = self._notes(zeros, switched=task.switch)
        return replace(
            facts, zero_rows=zeros, resumed_from=before, written=written, switched=task.switch, notes=notes
        )  # fmt: skip

    def _survey(self, rows: int) -> Mapping[tuple[object, object], int]:
        """Count the rows of each modality and role, reading no vectors."""
        if self._task.group is not None:
            return {(self._task.group, None): rows} if rows else {}
        counts: Counter[tuple[object, object]] = Counter()
        for batch in self._table.search().select(self._columns).to_batches(65536):
            counts.update(_said(batch, self._columns))
            self._task.progress(sum(counts.values()), rows, f"looking at {self._table.name}")
        return counts

    def _begun(self) -> bool:
        """Say whether an earlier run added the new column; anything else of its name is an error."""
        schema = self._table.schema
        before = self._journal["before"]
        if before in schema.names:
            raise ValueError(
                f"{self._table.name} has a column {before!r}, which is where the old vectors would go; rename or drop "
                f"it first."
            )
        if self._closed not in schema.names:
            return False
        own = column_journals(schema).get(self._closed)
        if own is None:
            raise ValueError(
                f"{self._table.name} has a column {self._closed!r} that was not made here, so it is left as it is; "
                f"give another name with --output (output=)."
            )
        if not self._task.restart and own != self._journal:
            raise ValueError(
                f"the column {self._closed!r} was begun with another closer or from another column "
                f"({own.get('vector')!r}); write it anew with "
                f"--restart (restart=True), or give another --output (output=)."
            )
        return True

    def _add_column(self) -> None:
        import pyarrow as pa

        if _ROW_KEY in self._table.schema.names:  # of a run that was stopped right here, or before a restart
            self._table.drop_columns([_ROW_KEY])
        self._add_row_keys()
        kind = pa.list_(self._field.type.value_type, self._mover.moved_dimension)
        self._table.add_columns(pa.field(self._closed, kind, metadata={_KEY: json.dumps(self._journal).encode()}))

    def _add_row_keys(self) -> None:
        self._table.checkout_latest()
        self._table.add_columns({_ROW_KEY: "uuid()"})

    def _write(self, rows: int, before: int) -> tuple[int, int]:
        """Write the moved vectors of the rows that lack them; return how many, and zeros among these."""
        table, written, zeros = self._table, 0, 0
        if not table.count_rows(self._lacking):
            return 0, 0
        keys = _ROW_KEY in table.schema.names
        if not keys or table.count_rows(f"{_ROW_KEY} IS NULL"):  # rows came after the keys were given
            if keys:
                table.drop_columns([_ROW_KEY])
            self._add_row_keys()
        finished = False
        while not finished:
            finished = True
            table.checkout_latest()
            seen = table.version
            for lacking in self._lacking_rows():
                table.checkout_latest()
                if table.version != seen:  # another program wrote: read on from what it left
                    finished = False
                    break
                moved, zero = self._moved(lacking)
                self._merge(lacking, moved)
                seen = table.version
                written, zeros = written + len(moved), zeros + zero
                self._task.progress(min(before + written, rows), rows, f"writing {self._closed}")
        return written, zeros

    def _lacking_rows(self) -> Iterator[Any]:
        """Yield whole rows that lack a moved vector, as they are in the version at hand."""
        import pyarrow as pa

        query = self._table.search().where(f"{self._lacking} AND {_ROW_KEY} IS NOT NULL")
        for batch in query.to_batches(self._size):
            for start in range(0, batch.num_rows, self._size):
                yield pa.Table.from_batches([batch.slice(start, self._size)])

    def _merge(self, rows: Any, moved: np.ndarray) -> None:
        """Write rows with their moved vectors, in one commit.

        Whole rows are written, since LanceDB would hold the whole table in memory to fill in what is left out. Should
        another program have written to the table since they were read, they are read again as it left them.
        """
        table, seen = self._table, self._table.version
        while rows.num_rows:
            whole = rows.set_column(rows.schema.get_field_index(self._closed), self._closed, _as_vectors(moved))
            done = table.merge_insert(_ROW_KEY).when_matched_update_all().execute(whole)
            if done.version <= seen + 1:
                return
            table.checkout(done.version - 1)
            rows, seen = self._rows_of(rows.column(_ROW_KEY).to_pylist()), done.version
            table.checkout_latest()
            moved = self._moved(rows)[0]

    def _rows_of(self, keys: list[str]) -> Any:
        """Return the rows of these keys that have a vector."""
        import pyarrow as pa

        parts = []
        for start in range(0, len(keys), _KEYS_A_QUERY):
            listed = ", ".join(f"'{key}'" for key in keys[start : start + _KEYS_A_QUERY])
            where = f"{_ROW_KEY} IN ({listed}) AND {_quoted(self._vector)} IS NOT NULL"
            parts.append(self._table.search().where(where).limit(_KEYS_A_QUERY).to_arrow())
        return pa.concat_tables(parts)

    @property
    def _lacking(self) -> str:
        return f"{_quoted(self._vector)} IS NOT NULL AND {_quoted(self._closed)} IS NULL"

    def _moved(self, batch: Any) -> tuple[np.ndarray, int]:
        if not batch.num_rows:
            return np.zeros((0, self._mover.moved_dimension), np.float32), 0
        vectors = batch.column(self._vector).combine_chunks()
        d = vectors.type.list_size
        flat = vectors.flatten()
        if flat.null_count or len(flat) != d * batch.num_rows:
            raise ValueError(f"{self._table.name}: a vector of the column {self._vector!r} has a number that is null.")
        rows = np.asarray(flat).reshape(-1, d)
        groups = [self._group(*said) for said in _said(batch, self._columns)]
        return move_rows(self._mover, rows, groups, where=self._table.name)

    def _group(self, name: object, role: object) -> str | None:
        if self._task.group is not None:
            return self._task.group
        try:
            return self._names.find(name, role)
        except LookupError as error:
            raise ValueError(
                f"{self._table.name}: a row of the group {error.args[0]!r} was added while the closer was applied; run "
                f"the same command again once nothing is written there."
            ) from None

    def _look(self, facts: StoreRecord, begun: bool) -> StoreRecord:
        """Move one batch and write nothing."""
        first = self._table.search().where(f"{_quoted(self._vector)} IS NOT NULL").limit(self._size).to_arrow()
        zeros = self._moved(first)[1]
        before = self._table.count_rows(f"{_quoted(self._closed)} IS NOT NULL") if begun else 0
        return replace(facts, zero_rows=zeros, resumed_from=before, notes=self._notes(zeros, switched=False))

    def _check_whole(self) -> None:
        self._table.checkout_latest()
        left = self._table.count_rows(self._lacking)
        if left:
            raise ValueError(
                f"{left} rows were added to {self._table.name} while the closer was applied; run the same command "
                f"again, which moves those."
            )

    def _notes(self, zeros: int, *, switched: bool) -> tuple[str, ...]:
        old = self._journal["before"] if switched else self._vector
        new = self._vector if switched else self._closed
        notes = [
            how_to_search(self._task.closer),
            f"with two columns of vectors a search must name its own: search(x, vector_column_name={new!r}) for the "
            f"moved ones, {old!r} for the old ones.",
        ]
        if wants_inner_product(self._task.closer):
            notes.append('search with .distance_type("dot"): the cosine and L2 would undo the standardised scores.')
        elif not self._unit:
            notes.append("moved vectors are not of length 1: search with the cosine or the dot product, not with L2.")
        if zeros:
            notes.append(ZEROS_SEEM_NEAR)
        indexed = [index.name for index in self._table.list_indices() if self._vector in index.columns or
                   old in index.columns]  # fmt: skip
        if indexed:
            notes.append(
                f"the index {indexed[0]!r} goes with the old vectors; make one on the column {new!r}, which it then "
                f"follows when names are switched."
            )
        if switched:
            notes.append(f"drop the column {old!r} once you no longer want to roll back, then call optimize().")
        return tuple(notes)


def _as_vectors(rows: np.ndarray) -> Any:
    """Return rows (n, d) as an Arrow column of vectors."""
    import pyarrow as pa

    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(rows).reshape(-1)), rows.shape[1])


def rename_columns(table: Any, *names: tuple[str, str]) -> None:
    """Rename columns in one commit."""
    table.alter_columns(*({"path": old, "rename": new} for old, new in names))


def column_journals(schema: Any) -> dict[str, dict[str, str]]:
    """Return what earlier runs noted of the columns that they made, by the name of the column now."""
    found = {}
    for field in schema:
        text = (field.metadata or {}).get(_KEY)
        if text is not None:
            found[field.name] = json.loads(text)
    return found


def _group_columns(schema: Any, task: StoreTask) -> list[str]:
    if task.group is not None:
        return []
    if task.group_field not in schema.names:
        raise ValueError(
            f"there is no column {task.group_field!r} that says the group of each row; the columns are "
            f"{', '.join(schema.names)}; name the right one with "
            f"--group-field (group_field=), or give the group of all rows with --group (group=)."
        )
    return [task.group_field, *(["role"] if "role" in schema.names else [])]


def _said(batch: Any, columns: list[str]) -> list[tuple[object, object]]:
    """Return modality and role of each row of a batch."""
    if not columns:
        return [(None, None)] * batch.num_rows
    parts = [batch.column(name).to_pylist() for name in columns]
    roles = parts[1] if len(parts) > 1 else [None] * batch.num_rows
    return list(zip(parts[0], roles, strict=True))


def _quoted(name: str) -> str:
    return f"`{name}`"

"""A collection of Qdrant copied, its vectors moved, into a new collection; point by point, so that it can go on.

The new collection has the settings, ids, payloads, payload indexes and other vectors of the old one. What it was made
of stands in its metadata.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from crossgap.apply.closer_digest import closer_digest
from crossgap.apply.searching import how_to_search, wants_inner_product
from crossgap.apply.store_record import ZEROS_SEEM_NEAR, StoreRecord, StoreTask
from crossgap.apply.store_rows import GroupNames, count_groups, gives_unit_rows, move_rows, store_mover

__all__ = ["CollectionCopy", "collection_journal"]

_KEY = "crossgap"
_UNNAMED = ""
_BATCH = 1024
_ROUNDED = ("uint8", "turbo4", "turbo8", "turbo16")


class CollectionCopy:
    """One run: an old collection, the new one beside it, and what is known of both."""

    def __init__(self, task: StoreTask, client: Any, collection: str, aliases: Mapping[str, str]) -> None:
        self._task, self._client, self._source = task, client, collection
        self._target = task.output or f"{collection}_closed"
        self._names = GroupNames(task)
        self._config = client.get_collection(collection).config
        self._vector, self._params = _chosen_vector(self._config.params.vectors, task, collection)
        self._unit = gives_unit_rows(task.closer)
        _check_vector(self._params, task, self._unit, f"{collection}: the vector {self._vector!r}")
        if self._target in aliases or self._target == collection:
            raise ValueError(
                f"the output {self._target!r} is {'an alias' if self._target in aliases else 'the source'}; give "
                f"another name for the new collection."
            )
        self._distance = _plain(self._params.distance)
        self._own = {"source": collection, "vector": self._vector, "closer": closer_digest(task.closer)}
        self._size = task.batch or _BATCH

    def run(self) -> StoreRecord:
        """Look at all points, write those that are missing, and switch where asked."""
        task, client = self._task, self._client
        rows, counts = self._survey()
        groups, kept = count_groups(counts, self._names, task, where=f"{self._source}")
        self._mover = store_mover(task.closer, groups, kept, where=self._source)
        begun = self._begun()
        record = StoreRecord(
            store="qdrant", source=self._source, output=self._target, rows=rows, groups=groups, kept_rows=kept
        )
        if task.dry_run:
            return self._look(record, begun)
        if begun and task.restart:
            self._discard()
            begun = False
        if not begun:
            self._create()
        self._index_payload()
        before = client.count(self._target, exact=True).count
        written, zeros, missing = self._write(rows, before)
        self._check_count(rows)
        last = f"nothing searches the new vectors yet: switch an alias, or let the application search {self._target!r}."
        return replace(
            record,
            zero_rows=zeros,
            missing_rows=missing,
            written=written,
            resumed_from=before,
            notes=(*self._notes(zeros), last),
        )

    def _survey(self) -> tuple[int, dict[tuple[object, object], int]]:
        """Count the points of each modality and role, reading no vectors."""
        task = self._task
        rows = self._client.count(self._source, exact=True).count
        if task.group is not None:
            return rows, {(task.group, None): rows} if rows else {}
        counts: Counter[tuple[object, object]] = Counter()
        for records in self._pages(payload=[task.group_field, "role"], vectors=False):
            counts.update(_said(record.payload, task.group_field) for record in records)
            task.progress(sum(counts.values()), rows, f"looking at {self._source}")
        return rows, counts

    def _begun(self) -> bool:
        """Say whether an earlier run made the new collection; anything else of its name is an error."""
        if not self._client.collection_exists(self._target):
            return False
        own = collection_journal(self._client, self._target)
        if own is None:
            raise ValueError(
                f"the collection {self._target!r} exists and was not made here, so it is left as it is; give another "
                f"name with --output (output=)."
            )
        if not self._task.restart and own != self._own:
            raise ValueError(
                f"the collection {self._target!r} was begun with another closer or from another collection "
                f"({own.get('source')!r}); write it anew with "
                f"--restart (restart=True), or give another --output (output=)."
            )
        return True

    def _discard(self) -> None:
        leading = [one.alias_name for one in self._client.get_collection_aliases(self._target).aliases]
        if leading:
            raise ValueError(
                f"the collection {self._target!r} is in use by the alias {leading[0]!r}, so it is not written anew; "
                f"roll back first."
            )
        self._client.delete_collection(self._target)

    def _create(self) -> None:
        from qdrant_client import models

        config, params = self._config, self._config.params
        if _plain(params.sharding_method) == "custom":
            raise ValueError(
                f"{self._source}: points are spread by shard keys of your own, which are not copied; copy this "
                f"collection with your own code."
            )
        moved = self._params.model_copy(update={"size": self._mover.moved_dimension})
        vectors = params.vectors
        vectors = {**vectors, self._vector: moved} if isinstance(vectors, dict) else moved
        settings = {
            "hnsw_config": (models.HnswConfigDiff, config.hnsw_config),
            "optimizers_config": (models.OptimizersConfigDiff, config.optimizer_config),
            "wal_config": (models.WalConfigDiff, config.wal_config),
            "strict_mode_config": (models.StrictModeConfig, config.strict_mode_config),
        }
        self._client.create_collection(
            self._target,
            vectors_config=vectors,
            sparse_vectors_config=params.sparse_vectors,
            shard_number=params.shard_number,
            replication_factor=params.replication_factor,
            write_consistency_factor=params.write_consistency_factor,
            on_disk_payload=params.on_disk_payload,
            quantization_config=config.quantization_config,
            metadata={**(config.metadata or {}), _KEY: self._own},
            **{key: _as(kind, value) for key, (kind, value) in settings.items() if value is not None},
        )
        if collection_journal(self._client, self._target) is None:
            self._client.delete_collection(self._target)
            raise ValueError(
                f"{self._task.source!r} keeps no metadata of collections, which a resumed run and a roll-back need; "
                f"use a Qdrant server of version 1.16 or newer."
            )

    def _index_payload(self) -> None:
        """Make the payload indexes of the old collection that the new one lacks, also where a run was stopped here."""
        there = self._client.get_collection(self._target).payload_schema
        for key, index in self._client.get_collection(self._source).payload_schema.items():
            if key not in there:
                self._client.create_payload_index(self._target, key, field_schema=index.params or index.data_type)

    def _write(self, rows: int, before: int) -> tuple[int, int, int]:
        """Write the points that the new collection lacks; return how many, and of these zeros and without vector."""
        from qdrant_client import models

        written = zeros = missing = seen = 0
        for records in self._pages(payload=not before, vectors=not before):
            seen += len(records)
            if before:
                records = self._lacking([record.id for record in records])
            if records:
                vectors, zero, empty = self._moved(records)
                points = [
                    models.PointStruct(id=record.id, payload=record.payload, vector=vector)
                    for record, vector in zip(records, vectors, strict=True)
                ]
                self._client.upsert(self._target, points, wait=True)
                written, zeros, missing = written + len(points), zeros + zero, missing + empty
            self._task.progress(min(seen, rows), rows, f"writing {self._target}")
        return written, zeros, missing

    def _lacking(self, ids: list[Any]) -> list[Any]:
        there = self._client.retrieve(self._target, ids, with_payload=False, with_vectors=False)
        known = {record.id for record in there}
        lacking = [number for number in ids if number not in known]
        return self._client.retrieve(self._source, lacking, with_payload=True, with_vectors=True) if lacking else []

    def _moved(self, records: list[Any]) -> tuple[list[Any], int, int]:
        """Return what to store for each point, rows of zeros among them, and points without this vector."""
        held = [_held(record.vector, self._vector) for record in records]
        own = [number for number, vector in enumerate(held) if vector is not None]
        vectors: list[Any] = [record.vector if record.vector is not None else {} for record in records]
        if not own:
            return vectors, 0, len(records)
        groups = [self._group(records[number].payload) for number in own]
        moved, zeros = move_rows(
            self._mover,
            np.array([held[number] for number in own], np.float32),
            groups,
            where=f"{self._source}, in the batch from point {records[own[0]].id} on",
        )
        for number, row in zip(own, moved.tolist(), strict=True):
            whole = vectors[number]
            vectors[number] = {**whole, self._vector: row} if isinstance(whole, dict) else row
        return vectors, zeros, len(records) - len(own)

    def _group(self, payload: Mapping[str, Any] | None) -> str | None:
        if self._task.group is not None:
            return self._task.group
        try:
            return self._names.find(*_said(payload, self._task.group_field))
        except LookupError as error:
            raise ValueError(
                f"{self._source}: a point of the group {error.args[0]!r} was added while the closer was applied; run "
                f"the same command again once nothing is written there."
            ) from None

    def _pages(self, *, payload: Any, vectors: bool) -> Iterator[list[Any]]:
        """Yield all points of the source in order of their ids."""
        offset = None
        while True:
            records, offset = self._client.scroll(
                self._source, limit=self._size, offset=offset, with_payload=payload, with_vectors=vectors
            )
            if records:
                yield records
            if offset is None:
                return

    def _look(self, record: StoreRecord, begun: bool) -> StoreRecord:
        """Move one batch and write nothing."""
        zeros = missing = 0
        for records in self._pages(payload=True, vectors=True):
            _, zeros, missing = self._moved(records)
            break
        return replace(
            record,
            zero_rows=zeros,
            missing_rows=missing,
            resumed_from=self._client.count(self._target, exact=True).count if begun else 0,
            dry_run=True,
            notes=self._notes(zeros),
        )

    def _check_count(self, rows: int) -> None:
        there = self._client.count(self._target, exact=True).count
        now = self._client.count(self._source, exact=True).count
        if not there == now == rows:
            raise ValueError(
                f"{self._source} changed while the closer was applied: it had {rows} points and has {now}, and "
                f"{self._target} has {there}; stop writing to it and run the same command again, or with "
                f"--restart (restart=True) where "
                f"points were removed."
            )

    def _notes(self, zeros: int) -> tuple[str, ...]:
        notes = [how_to_search(self._task.closer)]
        if self._distance == "euclid":
            notes.append("the distance is Euclidean, which orders vectors of length 1 as the cosine does.")
            if zeros:
                notes.append(ZEROS_SEEM_NEAR)
        elif not self._unit and not wants_inner_product(self._task.closer):
            notes.append(
                f"moved vectors are not of length 1, and the distance is {self._distance}: cosine divides by the "
                f"length, dot does not."
            )
        return tuple(notes)


def collection_journal(client: Any, collection: str) -> dict[str, Any] | None:
    """Return what an earlier run noted of the collection that it made; None for any other collection."""
    own = (getattr(client.get_collection(collection).config, "metadata", None) or {}).get(_KEY)
    return own if isinstance(own, dict) and "source" in own else None


def _chosen_vector(vectors: Any, task: StoreTask, collection: str) -> tuple[str, Any]:
    """Return the name and the settings of the vector to move."""
    named = vectors if isinstance(vectors, dict) else {_UNNAMED: vectors} if vectors is not None else {}
    wanted = task.vector if task.vector is not None else next(iter(named)) if len(named) == 1 else None
    if wanted is None or wanted not in named:
        there = ", ".join(repr(one) for one in named) or "none"
        what = f"no vector {task.vector!r}" if task.vector is not None else f"{len(named)} dense vectors"
        raise ValueError(f"{collection} has {what} (it has {there}); name the one to move with --vector (vector=).")
    return wanted, named[wanted]


def _check_vector(params: Any, task: StoreTask, unit: bool, where: str) -> None:
    if params.multivector_config is not None:
        raise ValueError(f"{where} holds several vectors a point, but a closer moves one; choose another vector.")
    if params.size != task.closer.n_features_in_:
        raise ValueError(
            f"{where} has {params.size} dimensions, but the closer was fitted on {task.closer.n_features_in_}; give "
            f"vectors of the same model."
        )
    distance = _plain(params.distance)
    if distance != "dot" and wants_inner_product(task.closer):
        raise ValueError(
            f"{where} is compared by the distance {distance!r}, which would undo the standardised scores (cosine "
            f"brings vectors to length 1); they ask for dot: make a collection of that distance first."
        )
    if distance == "manhattan" or (distance == "euclid" and not unit):
        raise ValueError(
            f"{where} is compared by the distance {distance!r}, under which moved vectors mean little; they ask for "
            f"cosine or dot: make a collection of that distance first."
        )
    datatype = _plain(params.datatype)
    if datatype in _ROUNDED:
        raise ValueError(f"{where} is stored as {datatype}, which cannot hold moved vectors; use float32 or float16.")


def _said(payload: Mapping[str, Any] | None, field: str) -> tuple[object, object]:
    payload = payload or {}
    name, role = payload.get(field), payload.get("role")
    return (None if name is None else str(name)), (None if role is None else str(role))


def _held(vector: Any, name: str) -> Any:
    """Return the numbers of one vector of a point; None where the point has none."""
    if isinstance(vector, dict):
        return vector.get(name)
    return vector


def _as(kind: type[Any], value: Any) -> Any:
    """Return settings that a server told in the type that it takes them in."""
    known = kind.model_fields
    return kind(**{key: part for key, part in value.model_dump(exclude_none=True).items() if key in known})


def _plain(setting: Any) -> str:
    """Return the small letters of an enumerated setting; nothing where it is not set."""
    return str(getattr(setting, "value", setting or "")).lower()

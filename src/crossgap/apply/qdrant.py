"""Vectors in Qdrant: a new collection beside the old one, and an alias that leads from one to the other.

    docs -> photos            photos is copied, its vectors moved, into photos_closed; then, on demand,
    docs -> photos_closed     the alias docs is switched, in one step; rolling back switches it again

The old collection is only read. What a new collection was made of stands in its metadata, so that a run that was
stopped goes on there: ids that are there already are passed over, and a vector is always computed from the old one.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from crossgap.apply.closer_digest import closer_digest
from crossgap.apply.qdrant_connection import connected
from crossgap.apply.qdrant_copy import CollectionCopy, collection_journal
from crossgap.apply.store_record import StoreRecord, StoreTask

__all__ = ["apply_to_collection", "apply_to_qdrant"]


def apply_to_qdrant(task: StoreTask, place: str) -> StoreRecord:
    """Apply a closer to ``PATH_OR_URL/collection``, or to an alias in place of the collection."""
    location, _, name = place.rpartition("/")
    if not location or not name:
        raise ValueError(
            f"the source must be qdrant:FOLDER/collection or qdrant:http://host:6333/collection, but it is "
            f"{task.source!r}; add what is missing."
        )
    with connected(location) as client:
        return apply_to_collection(task, client, name)


def apply_to_collection(task: StoreTask, client: Any, name: str) -> StoreRecord:
    """Apply a closer to a collection, or to the one that an alias of this name leads to, of an open client.

    Raises
    ------
    ValueError
        If there is no such collection, its vectors cannot be moved or were moved already, a point is of a group that
        the closer does not know, or there is no alias to switch.
    """
    aliases = {one.alias_name: one.collection_name for one in client.get_aliases().aliases}
    collection = aliases.get(name, name)
    if not client.collection_exists(collection):
        there = ", ".join(sorted([*aliases, *(one.name for one in client.get_collections().collections)])) or "none"
        raise ValueError(f"there is no collection {name!r} in {task.source!r}; it holds {there}.")
    own = collection_journal(client, collection)
    if task.roll_back:
        return _roll_back(task, client, name, collection, aliases)
    if own is not None:
        return _already(task, name, collection, own)
    alias = _alias_to_switch(name, collection, aliases) if task.switch else None
    record = CollectionCopy(task, client, collection, aliases).run()
    if alias is None:
        return record
    _switch(client, alias, record.output)
    kept = f"{record.source!r} is kept as it was; delete it once you no longer want to roll back."
    return replace(record, switched=True, notes=(*record.notes[:-1], kept))


def _already(task: StoreTask, name: str, collection: str, own: Mapping[str, Any]) -> StoreRecord:
    """Refuse to move what was moved; the same command again, after it was done, is no error."""
    if name != collection and own.get("closer") == closer_digest(task.closer) and not task.restart:
        return StoreRecord(
            store="qdrant",
            source=str(own["source"]),
            output=collection,
            rows=0,
            dry_run=task.dry_run,
            switched=True,
            notes=(f"the alias {name!r} leads to {collection!r} already, so nothing was left to do.",),
        )
    raise ValueError(
        f"the vectors of {collection!r} were moved by a closer already, and a second time would be wrong; apply it to "
        f"{own['source']!r}, of which they were made, or roll back first."
    )


def _roll_back(task: StoreTask, client: Any, name: str, collection: str, aliases: Mapping[str, str]) -> StoreRecord:
    """Lead the alias back to the collection that the new one was made of."""
    made = {}
    for alias, there in aliases.items():
        if alias == name or name == collection:
            own = collection_journal(client, there)
            if own is not None and (alias == name or collection in (own["source"], there)):
                made[alias] = (there, str(own["source"]))
    if len(made) != 1:
        why = "no alias of it leads to moved vectors" if not made else f"several aliases do: {', '.join(sorted(made))}"
        raise ValueError(f"there is nothing to roll back at {name!r}, since {why}; name the alias that was switched.")
    ((alias, (there, source)),) = made.items()
    if not client.collection_exists(source):
        raise ValueError(f"{source!r}, of which {there!r} was made, is gone, so {alias!r} cannot lead back to it.")
    _switch(client, alias, source)
    return StoreRecord(
        store="qdrant",
        source=source,
        output=there,
        rows=client.count(source, exact=True).count,
        rolled_back=True,
        notes=(
            f"{alias!r} leads to {source!r} again; give queries as they are, not moved.",
            f"{there!r} is kept: switch to it again, or delete it.",
        ),
    )


def _switch(client: Any, alias: str, collection: str) -> None:
    """Lead an alias to another collection, in one step."""
    from qdrant_client import models

    client.update_collection_aliases(
        [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias)),
            models.CreateAliasOperation(
                create_alias=models.CreateAlias(collection_name=collection, alias_name=alias)
            ),
        ]
    )  # fmt: skip


def _alias_to_switch(name: str, collection: str, aliases: Mapping[str, str]) -> str:
    if name in aliases:
        return name
    leading = sorted(alias for alias, there in aliases.items() if there == collection)
    if len(leading) == 1:
        return leading[0]
    if leading:
        raise ValueError(
            f"several aliases lead to {collection!r} ({', '.join(leading)}); name the one to switch in place of the "
            f"collection."
        )
    raise ValueError(
        f"no alias leads to {collection!r}, so there is nothing to switch; leave --switch (switch=) out and let "
        f"the application search the new collection, or let it search by an alias first."
    )

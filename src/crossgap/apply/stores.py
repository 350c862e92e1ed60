"""A closer applied to the vectors of a store: Qdrant, LanceDB or a FAISS index."""

from collections.abc import Callable, Mapping

from crossgap.apply.store_record import StoreRecord, StoreTask, silent
from crossgap.close.closer import Closer

__all__ = ["apply_to_store", "is_store"]

_INDEX = (".faiss", ".index")


def is_store(source: str) -> bool:
    """Say whether a source names a store, and not files.

    Examples
    --------
    >>> is_store("qdrant:http://localhost:6333/photos"), is_store("photos.faiss"), is_store("photos.parquet")
    (True, True, False)
    """
    return source.startswith(("qdrant:", "lancedb:")) or source.lower().endswith(_INDEX)


def apply_to_store(
    closer: Closer,
    source: str,
    *,
    output: str | None = None,
    group: str | None = None,
    group_field: str = "modality",
    groups_file: str | None = None,
    vector: str | None = None,
    vectors_file: str | None = None,
    aliases: Mapping[str, str] | None = None,
    keep_others: bool = False,
    dry_run: bool = False,
    batch: int | None = None,
    restart: bool = False,
    switch: bool = False,
    roll_back: bool = False,
    progress: Callable[[int, int, str], None] = silent,
) -> StoreRecord:
    """Write moved vectors beside the old ones; then, where asked, let searches meet the new ones, or the old again.

    How to read it: the old vectors are only read, and each moved vector is computed from its old one, so nothing is
    lost and nothing is moved twice, however often a run is stopped. The same call again goes on where it stopped.

    Parameters
    ----------
    closer
        A fitted closer.
    source
        ``qdrant:FOLDER/collection``, ``qdrant:http://host:6333/collection`` (or an alias for the collection),
        ``lancedb:FOLDER/table``, or an index file that ends in ``.faiss`` or ``.index``.
    output
        Where the moved vectors go: the name of a new collection or column, or a file. By default the old name with
        ``_closed`` behind it.
    group
        The closer's group of all rows, where the store does not say.
    group_field
        The payload key or column that says the group of a row; where there is also ``role``, the group is
        ``modality/role`` if the closer knows it, else the modality.
    groups_file
        FAISS: a ``.txt`` with one group a line, or a ``.npy`` of strings, in the order of the rows.
    vector
        The named vector or the column to move, where there are several.
    vectors_file
        FAISS: a ``.npy`` of the original vectors, in the order of the rows, for an index that holds rounded ones.
    aliases
        The closer's group for a name that the store uses, such as ``{"photo": "image"}``.
    keep_others
        Copy rows of groups that the closer does not know, in place of an error.
    dry_run
        Look at all rows, move one batch, write nothing.
    batch
        Rows that are moved and written at once. By default 1024 for Qdrant, 16384 for LanceDB, 65536 for FAISS.
    restart
        Throw away what an earlier run wrote beside the old vectors, and write anew.
    switch
        Once all is written: let searches meet the new vectors. Qdrant: an alias leads to the new collection. LanceDB:
        the two columns change names. FAISS: the two files change names.
    roll_back
        Undo the switch; both sets of vectors stay.
    progress
        Called with rows done, rows in all and what is being done.

    Returns
    -------
    What was done, with notes on what to know and to do next.

    Raises
    ------
    ValueError
        If the source, a group, a dimension or the state of the store does not fit; nothing is written then.
    OSError
        If the store cannot be read or written; the same call goes on later.
    MissingExtraError
        If the store's library is not installed.

    Notes
    -----
    Queries must be moved with the same closer before they search moved vectors. Rows that are added after the switch
    must be moved before they are added. ``docs/stores.md`` shows each store step by step.
    """
    task = StoreTask(
        closer=closer,
        source=source,
        output=output,
        group=group,
        group_field=group_field,
        groups_file=groups_file,
        vector=vector,
        vectors_file=vectors_file,
        aliases=dict(aliases or {}),
        keep_others=keep_others,
        dry_run=dry_run,
        batch=batch,
        restart=restart,
        switch=switch,
        roll_back=roll_back,
        progress=progress,
    )
    kind, _, place = source.partition(":")
    if kind == "qdrant":
        from crossgap.apply.qdrant import apply_to_qdrant

        return apply_to_qdrant(task, place)
    if kind == "lancedb":
        from crossgap.apply.lancedb_table import apply_to_lancedb

        return apply_to_lancedb(task, place)
    if source.lower().endswith(_INDEX):
        from crossgap.apply.faiss_index import apply_to_index

        return apply_to_index(task, source)
    raise ValueError(
        f"the source must be qdrant:PLACE/collection, lancedb:FOLDER/table or a file that ends in "
        f"{' or '.join(_INDEX)}, but it is {source!r}."
    )

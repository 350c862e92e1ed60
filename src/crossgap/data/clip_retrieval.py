"""The folder that the tool clip-retrieval writes: ``img_emb/``, ``text_emb/`` and ``metadata/``, in numbered shards.

    img_emb/img_emb_0.npy    text_emb/text_emb_0.npy    metadata/metadata_0.parquet (image_path, caption, ...)

Row i of each belongs together. What the layout has no column for (item ids, labels, splits) is kept in further columns
of the metadata, which other tools pass over.
"""

from pathlib import Path
from typing import Any

import numpy as np

from crossgap.data.embeddings import Embeddings, Group
from crossgap.data.location import Location
from crossgap.data.npy import NpyRows, read_npy, write_npy
from crossgap.data.parquet import item_column, open_parquet, read_columns, string_column, strings_or_none
from crossgap.data.shards import join_shards
from crossgap.errors import FormatError

__all__ = ["is_clip_retrieval", "read_clip_retrieval", "write_clip_retrieval"]

_FOLDERS = {"image": "img_emb", "text": "text_emb"}
_FACTS = {
    "image_path": ("image", "uri"),
    "caption": ("text", "text"),
    "image_text": ("image", "text"),
    "image_label": ("image", "label"),
    "image_split": ("image", "split"),
    "text_uri": ("text", "uri"),
    "text_label": ("text", "label"),
    "text_split": ("text", "split"),
}


def is_clip_retrieval(location: Location) -> bool:
    """Whether a folder has the layout."""
    return any(location.child(folder).kind() == "folder" for folder in _FOLDERS.values())


def read_clip_retrieval(location: Location) -> tuple[dict[str, Group], list[str]]:
    """Return the groups ``image`` and ``text`` (or the one there is), not loaded yet, and what was left aside."""
    notes: list[str] = []
    shards = {
        group: _shards(location.child(folder), ".npy", notes)
        for group, folder in _FOLDERS.items()
        if location.child(folder).kind() == "folder"
    }
    first, count = next((group, len(files)) for group, files in shards.items())
    for group, files in shards.items():
        if len(files) != count:
            raise FormatError(
                f"{location} has {count} shards in {_FOLDERS[first]}/ but {len(files)} in {_FOLDERS[group]}/, while "
                f"row i of one belongs to row i of the other; copy the missing shards."
            )
    metadata: list[Location | None] = [None] * count
    if location.child("metadata").kind() == "folder":
        tables = _shards(location.child("metadata"), ".parquet", notes)
        if len(tables) != count:
            raise FormatError(
                f"{location} has {count} shards in {_FOLDERS[first]}/ but {len(tables)} in metadata/, while row i of "
                f"one belongs to row i of the other; copy the missing shards."
            )
        metadata = [*tables]
    notes += [
        f"{child}: not used, since it is no part of the clip-retrieval layout."
        for child in location.children()
        if child.name not in (*_FOLDERS.values(), "metadata")
    ]
    parts = []
    for number, table in enumerate(metadata):
        rows: dict[str, NpyRows] = {}
        for group, files in shards.items():
            rows[group], said = read_npy(files[number])
            notes += said
        n = rows[first].shape[0]
        for group, found in rows.items():
            if found.shape[0] != n:
                raise FormatError(
                    f"{shards[group][number]} has {found.shape[0]} rows but {shards[first][number]} has {n}, while row "
                    f"i of one belongs to row i of the other; write the folder again."
                )
        facts: dict[str, dict[str, Any]] = {group: {} for group in rows}
        if table is not None:
            _add_facts(table, n, facts, notes)
        where = str(shards[first][number])
        parts.append((where, {group: Group(vectors=rows[group], **facts[group]) for group in rows}))
    return join_shards(parts), list(dict.fromkeys(notes))


def write_clip_retrieval(embeddings: Embeddings, path: Path) -> None:
    """Write the groups image and text, which must pair row by row, as one shard each and their metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not set(embeddings) <= set(_FOLDERS):
        raise ValueError(
            f"a clip-retrieval folder holds the groups image and text, but the groups are {', '.join(embeddings)}; "
            f"write .npz, .safetensors or .parquet, or select two of them."
        )
    groups = list(embeddings.values())
    n = len(groups[0])
    for group in groups[1:]:
        same_items = np.array_equal(np.asarray(group.items), np.asarray(groups[0].items))  # also where both are None
        if len(group) != n or not same_items:
            raise ValueError(
                f"in a clip-retrieval folder row i of image belongs to row i of text, but here are {n} and "
                f"{len(group)} rows or differing item ids; write .npz, .safetensors or .parquet."
            )
    columns: dict[str, Any] = {}
    for column, (name, fact) in _FACTS.items():
        values = getattr(embeddings[name], fact) if name in embeddings else None
        if values is not None or column in ("image_path", "caption"):
            columns[column] = pa.array([None] * n if values is None else list(values), pa.string())
    if groups[0].items is not None:
        columns["item"] = pa.array(groups[0].items.tolist())
    path.mkdir()
    for name, group in embeddings.items():
        (path / _FOLDERS[name]).mkdir()
        write_npy(group.vectors, path / _FOLDERS[name] / f"{_FOLDERS[name]}_0.npy")
    (path / "metadata").mkdir()
    pq.write_table(pa.table(columns), path / "metadata" / "metadata_0.parquet", compression="zstd")


def _shards(folder: Location, suffix: str, notes: list[str]) -> list[Location]:
    files = folder.children()
    notes += [f"{file}: not used, since it is no {suffix} file." for file in files if file.suffix != suffix]
    shards = [file for file in files if file.suffix == suffix]
    if not shards:
        raise FormatError(f"{folder} holds no {suffix} file, but the shards of this layout were expected; copy them.")
    return shards


def _add_facts(table: Location, n: int, facts: dict[str, dict[str, Any]], notes: list[str]) -> None:
    with open_parquet(table) as file:
        rows, names = file.metadata.num_rows, file.schema_arrow.names
        used = [c for c in names if c == "item" or (c in _FACTS and _FACTS[c][0] in facts)]
    columns = read_columns(table, used)
    if rows != n:
        raise FormatError(
            f"{table} has {rows} rows, but the vectors beside it have {n}, while row i of one belongs to row i of the "
            f"other; write the folder again."
        )
    unused = [column for column in names if column not in used and column not in _FACTS]
    if unused:
        notes.append(f"metadata: columns not used: {', '.join(repr(column) for column in unused)}.")
    for column in used:
        if column == "item":
            ids, known = item_column(columns.column(column), table)
            if known.all():
                for group in facts:
                    facts[group]["items"] = np.array(ids.tolist(), dtype=str) if ids.dtype == object else ids
            else:
                notes.append(f"{table}: column 'item' is not used, since it is empty in some rows.")
            continue
        strings = string_column(columns.column(column))
        if strings is None:
            notes.append(f"{table}: column {column!r} is not used, since it holds no strings.")
        else:
            group, fact = _FACTS[column]
            facts[group][fact] = strings_or_none(strings)

"""The Parquet file of a map, which Embedding Atlas opens as it is."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from crossgap.maps.drawn_map import DrawnMap

__all__ = ["METADATA_KEY", "atlas_words", "is_map_file", "map_record", "map_table"]

METADATA_KEY = b"crossgap.map"


def map_record(drawn: DrawnMap) -> dict[str, Any]:
    """Return what a map says of itself, as JSON would hold it."""
    return {
        "kind": drawn.kind,
        "neighbours_kept": drawn.neighbours_kept,
        "neighbours_kept_by_chance": drawn.neighbours_kept_by_chance,
        "settings": drawn.settings,
        "notes": list(drawn.notes),
    }


def map_table(drawn: DrawnMap, **known: Any) -> Any:
    """Return an Arrow table of one row per vector, with the record of the map (and ``known``) in its metadata.

    Columns: id, modality, role, item, text, uri, label, x, y and neighbors; for the sphere also z, and longitude and
    latitude in degrees. ``neighbors`` holds ids (numbers of rows of this table, the row itself first) and cosine
    distances, as Embedding Atlas keeps them.
    """
    import pyarrow as pa

    shown = drawn.embeddings
    strings: dict[str, list[str | None]] = {c: [] for c in ("id", "modality", "role", "item", "text", "uri", "label")}
    for name, group in shown.items():
        n = len(group)
        modality, _, role = name.partition("/")
        strings["id"] += [f"{name}/{row}" for row in drawn.rows[name].tolist()]
        strings["modality"] += [modality] * n
        strings["role"] += [role or None] * n
        strings["item"] += [None] * n if group.items is None else [str(item) for item in group.items.tolist()]
        for fact in ("text", "uri", "label"):
            values = getattr(group, fact)
            strings[fact] += [None] * n if values is None else list(values)
    columns: dict[str, Any] = {name: pa.array(values, pa.string()) for name, values in strings.items()}
    placed = np.concatenate(list(drawn.coordinates.values())).astype(np.float64)
    for axis, name in enumerate("xyz"[: placed.shape[1]]):
        columns[name] = pa.array(placed[:, axis].astype(np.float32))
    if placed.shape[1] == 3:
        longitude = np.degrees(np.arctan2(placed[:, 1], placed[:, 0]))
        latitude = np.degrees(np.arcsin(np.clip(placed[:, 2], -1, 1)))
        columns |= {
            "longitude": pa.array(longitude.astype(np.float32)),
            "latitude": pa.array(latitude.astype(np.float32)),
        }
    columns["neighbors"] = _neighbours(drawn)
    record = json.dumps({**map_record(drawn), **known}, ensure_ascii=False, allow_nan=False)
    return pa.table(columns).replace_schema_metadata({METADATA_KEY: record.encode()})


def is_map_file(path: Path) -> bool:
    """Return whether a file is a map written earlier."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return METADATA_KEY in (pq.read_schema(path).metadata or {})
    except (pa.ArrowException, OSError):
        return False


def atlas_words(drawn: DrawnMap, path: Path) -> list[str]:
    """Return the command that opens the file in Embedding Atlas, as words."""
    x, y = ("longitude", "latitude") if drawn.kind == "sphere" else ("x", "y")
    words = ["embedding-atlas", str(path), "--x", x, "--y", y, "--neighbors", "neighbors"]
    for fact in ("text", "label", "uri"):
        if any(any(value for value in getattr(group, fact) or ()) for group in drawn.embeddings.values()):
            return [*words, "--text", fact]
    return words


def _neighbours(drawn: DrawnMap) -> Any:
    import pyarrow as pa

    rows, cosines = drawn.nearest
    n, k = rows.shape
    ids = np.concatenate([np.arange(n)[:, None], rows], axis=1).astype(np.int32)
    distances = np.concatenate([np.zeros((n, 1)), np.clip(1 - cosines, 0, None)], axis=1).astype(np.float32)
    ends = np.arange(0, n * (k + 1) + 1, k + 1, dtype=np.int32)
    lists = [pa.ListArray.from_arrays(ends, pa.array(values.ravel())) for values in (ids, distances)]
    return pa.StructArray.from_arrays(lists, ["ids", "distances"])

"""A24: a map of all groups of a source, with what it was drawn from and how far to trust it."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from crossgap.data import Embeddings
from crossgap.errors import DegenerateError
from crossgap.geometry.neighbours import Neighbours, nearest_rows
from crossgap.geometry.rows import as_numpy
from crossgap.maps.linear_map import linear_map
from crossgap.maps.neighbours_kept import neighbours_kept
from crossgap.maps.umap_map import check_umap, umap_coordinates

__all__ = ["KINDS", "DrawnMap", "draw_map"]

KINDS = ("linear", "umap", "sphere")
_NEIGHBOURS, _MIN_DISTANCE = 15, 0.1
_KEPT_AT = 15  # nearest rows that the map is judged by, as many as the purity of neighbours takes


@dataclass(frozen=True, kw_only=True, eq=False)
class DrawnMap:
    """Where the rows of each group lie, and what is known of the picture.

    Parameters
    ----------
    kind
        "linear", "umap" (a plane) or "sphere".
    embeddings
        The rows that are shown.
    rows
        By group, the numbers of these rows in the source.
    coordinates
        By group (n, 2), or unit vectors (n, 3) on the sphere.
    nearest
        The nearest rows of each row in the space, all groups one after the other.
    neighbours_kept, neighbours_kept_by_chance
        Share of the k nearest rows that are among the k nearest on the map, and what a map at random would reach.
    settings
        Everything the map depends on: numbers of rows, seed, options of the method, and for a linear map what the axes
        are, their shares of the variation and where the groups' means lie.
    notes
        What was left out, in sentences.
    """

    kind: str
    embeddings: Embeddings
    rows: dict[str, np.ndarray] = field(repr=False)
    coordinates: dict[str, np.ndarray] = field(repr=False)
    nearest: Neighbours = field(repr=False)
    neighbours_kept: float
    neighbours_kept_by_chance: float
    settings: dict[str, Any]
    notes: tuple[str, ...]


def draw_map(
    embeddings: Embeddings,
    *,
    kind: str = "linear",
    most_rows: int = 5_000,
    neighbours: int | None = None,
    min_distance: float | None = None,
    seed: int = 0,
    show: Callable[[int, int, str], None] | None = None,
) -> DrawnMap:
    """Draw a map of all groups together, of whole items drawn at random where there are too many rows.

    Parameters
    ----------
    embeddings
        Groups in one space, paired or not.
    kind
        "linear" (``linear_map`` of the groups), "umap" or "sphere" (``umap_coordinates`` of all rows).
    most_rows
        Most rows of a group, whole items.
    neighbours, min_distance
        Of UMAP alone; None takes 15 and 0.1.
    seed
        Of the rows drawn and of UMAP.
    show
        Told of each step: steps done, steps in all, what comes.

    Raises
    ------
    MissingExtraError
        If UMAP is asked for and not installed.
    ValueError
        If an option is out of its range.
    DegenerateError
        If a group has no row to show, there are too few rows in all, or nothing varies.

    Notes
    -----
    Cost: that of the map and 2 N^2 d flops for the exact neighbours of the N rows shown. Rows of zeros, which have no
    direction, are left out and counted in ``notes``.
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, but it is {kind!r}.")
    if most_rows < 1:
        raise ValueError(f"most_rows must be at least 1, but it is {most_rows}; 5,000 is usual.")
    if kind != "linear":
        check_umap()
    elif neighbours is not None or min_distance is not None:
        raise ValueError(
            "neighbours and min_distance must go with kind umap or sphere, but the kind is linear; leave them out."
        )
    options = {
        "neighbours": _NEIGHBOURS if neighbours is None else neighbours,
        "min_distance": _MIN_DISTANCE if min_distance is None else min_distance,
    }
    tell = show or (lambda done, total, text: None)
    tell(0, 4, "reading rows")
    shown, rows, notes = _shown(embeddings, most_rows, seed)
    joined = np.concatenate([group.vectors for group in shown.values()])
    n = len(joined)
    if n < 3:
        raise DegenerateError(
            f"a map needs at least three rows, but there are {n} with a direction; give more vectors."
        )
    k = min(_KEPT_AT, n - 1)
    tell(1, 4, f"nearest rows of {n:,}")
    nearest = nearest_rows(joined, joined, min(n - 1, max(k, options["neighbours"])), leave_out_self=True)
    tell(2, 4, f"{kind} map")
    settings: dict[str, Any] = {
        "rows_used": {name: len(group) for name, group in shown.items()},
        "rows_given": {name: len(group) for name, group in embeddings.items()},
        "seed": seed,
    }
    if kind == "linear":
        found = linear_map(*(group.vectors for group in shown.values()))
        placed = np.concatenate(found.coordinates)
        settings |= {
            "axes": list(found.axis_names),
            "shares": list(found.shares),
            "within_shares": list(found.within_shares),
            "centroids": dict(zip(shown, found.centroids.tolist(), strict=True)),
        }
    else:
        output = "haversine" if kind == "sphere" else "euclidean"
        placed = umap_coordinates(joined, output_metric=output, seed=seed, nearest=nearest, **options)
        settings |= {**options, "metric": "cosine", "output_metric": output}
    tell(3, 4, "neighbours kept")
    kept = neighbours_kept(joined, placed, k=k, nearest=nearest)
    tell(4, 4, "done")
    ends = np.cumsum([len(group) for group in shown.values()])[:-1]
    return DrawnMap(
        kind=kind,
        embeddings=shown,
        rows=rows,
        coordinates=dict(zip(shown, np.split(placed, ends), strict=True)),
        nearest=Neighbours(nearest.rows[:, :k], nearest.cosines[:, :k]),
        neighbours_kept=kept,
        neighbours_kept_by_chance=k / (n - 1),
        settings={**settings, "k": k},
        notes=tuple(notes),
    )


def _shown(embeddings: Embeddings, most_rows: int, seed: int) -> tuple[Embeddings, dict[str, np.ndarray], list[str]]:
    """Return the rows to show, in memory, their numbers in the source, and what was left out."""
    numbered = Embeddings(  # the numbers stand for the vectors while items are drawn
        {
            name: replace(group, vectors=np.arange(len(group), dtype=np.float64)[:, None])
            for name, group in embeddings.items()
        }
    ).sample_items(most_rows, seed=seed)
    with_ids = any(group.items is not None for group in embeddings.values())
    kept, rows, notes = {}, {}, []
    for name, group in embeddings.items():
        drawn = numbered[name].vectors[:, 0].astype(np.int64)
        taken = group.take(drawn)
        if not with_ids:
            taken = replace(taken, items=embeddings.row_items[name][drawn])
        if len(drawn) < len(group):
            notes.append(f"{len(drawn):,} of {len(group):,} rows of {name} are shown (whole items, seed {seed}).")
        vectors = as_numpy(taken.vectors)
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            raise ValueError(
                f"{name} must be finite, but row {drawn[np.argmin(finite)]} holds a NaN or an infinity; drop such rows "
                f"or embed them again (crossgap doctor lists them)."
            )
        directed = np.flatnonzero(vectors.any(axis=1))
        if len(directed) == 0:
            raise DegenerateError(f"{name} has no row of a length above zero; embed it again.")
        if len(directed) < len(drawn):
            notes.append(f"{name}: {len(drawn) - len(directed):,} rows are all zeros and were left out.")
        kept[name] = replace(taken, vectors=vectors).take(directed)
        rows[name] = drawn[directed]
    return Embeddings(kept), rows, notes

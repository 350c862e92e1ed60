"""Maps of the groups: linear ones with the gap on an axis, and with the extra those of UMAP."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crossgap.data.embeddings import Embeddings, Group
from crossgap.errors import DegenerateError, MissingExtraError
from crossgap.geometry.rows import unit_rows
from crossgap.maps import linear_map, neighbours_kept, umap_coordinates
from crossgap.report.details.sampled_rows import SampledRows, sampled_rows
from crossgap.report.details.short_numbers import short
from crossgap.report.details.shown_rows import shortened
from crossgap.report.selection import Settings

__all__ = ["linear_maps", "umap_maps"]

_SHOWN = 400  # rows of a group on a linear map
_SHOWN_BY_UMAP = 1_000
_FITTED = 2_000  # rows of a group that a linear map's axes are fitted to
_MOST_MAPS = 6  # linear ones: of two groups each, the first of them
_MOST_LINES = 400
_LABEL = 60  # characters
_DIGITS = 4
_KEPT = 15
_NEIGHBOURS, _MIN_DISTANCE = 15, 0.1


def linear_maps(embeddings: Embeddings, settings: Settings) -> list[dict[str, Any]]:
    """Draw a map of every two groups (the gap axis), and of all together where there are more."""
    names = list(embeddings)
    if len(names) == 1:
        sets: list[tuple[str, ...]] = [(names[0],)]
    else:
        sets = list(itertools.combinations(names, 2))[:_MOST_MAPS]
        sets += [tuple(names)] * (len(names) > 2)
    return [_linear(embeddings.select(chosen), settings) for chosen in sets]


def _linear(embeddings: Embeddings, settings: Settings) -> dict[str, Any]:
    fitted = sampled_rows(embeddings, _FITTED, seed=settings.seed)
    shown = sampled_rows(embeddings, _SHOWN, seed=settings.seed)
    try:
        basis = _span([fitted.vectors(name) for name in embeddings])
        found = linear_map(*(_within(fitted.vectors(name), basis) for name in embeddings))
    except (DegenerateError, ValueError) as error:
        return {"kind": "linear", "groups": list(embeddings), "reason": str(error)}
    at = {name: found.place(_within(shown.vectors(name), basis)) for name in embeddings}
    axes = [
        {"name": axis, "share": short(share), "within_share": short(within)}
        for axis, share, within in zip(found.axis_names, found.shares, found.within_shares, strict=True)
    ]
    centroids = {name: _rounded(place) for name, place in zip(embeddings, found.centroids, strict=True)}
    settings_told = {"seed": settings.seed, "fitted_on": fitted.sizes}
    return _map("linear", shown, at, axes, settings_told, centroids=centroids)


def umap_maps(embeddings: Embeddings, settings: Settings) -> list[dict[str, Any]]:
    """Draw all groups together by UMAP, on the plane and on the sphere."""
    from crossgap.geometry.neighbours import nearest_rows

    shown = sampled_rows(embeddings, _SHOWN_BY_UMAP, seed=settings.seed)
    rows = np.concatenate([unit_rows(shown.vectors(name), name=name) for name in embeddings])
    neighbours = min(_NEIGHBOURS, len(rows) - 1)
    entries = []
    nearest = None if len(rows) < 4 else nearest_rows(rows, rows, neighbours, leave_out_self=True)
    for kind, output in (("umap", "euclidean"), ("umap-sphere", "haversine")):
        try:
            placed = umap_coordinates(
                rows,
                neighbours=neighbours,
                min_distance=_MIN_DISTANCE,
                output_metric=output,
                seed=settings.seed,
                nearest=nearest,
            )
        except (DegenerateError, MissingExtraError, ValueError) as error:
            entries.append({"kind": kind, "groups": list(embeddings), "reason": str(error)})
            continue
        ends = np.cumsum(list(shown.sizes.values()))[:-1]
        at = dict(zip(embeddings, np.split(np.asarray(placed, dtype=np.float64), ends), strict=True))
        axes = [{"name": f"UMAP {number + 1}"} for number in range(placed.shape[1])]
        told = {"seed": settings.seed, "neighbours": neighbours, "min_distance": _MIN_DISTANCE, "metric": "cosine"}
        entries.append(_map(kind, shown, at, axes, {**told, "output_metric": output}))
    return entries


def _map(
    kind: str,
    shown: SampledRows,
    at: Mapping[str, np.ndarray],
    axes: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    **more: Any,
) -> dict[str, Any]:
    groups = shown.embeddings
    return {
        "kind": kind,
        "groups": list(groups),
        "axes": list(axes),
        "points": {
            name: {"rows": shown.rows[name].tolist(), "at": [_rounded(place) for place in at[name]]} for name in groups
        },
        **more,
        "pairs": [_lines(groups, a, b) for a, b in itertools.combinations(groups, 2)],
        "labels": _labels(groups),
        "sampled_from": shown.sampled_from,
        "neighbours_kept": _kept(shown, at),
        "settings": {**settings, "drawn": "single rows" if shown.single_rows else "whole items"},
    }


def _lines(groups: Embeddings, a: str, b: str) -> dict[str, Any]:
    """Return the places of partners; at most some hundred lines, the first ones."""
    codes = groups.item_codes(a, b)
    if codes.reason is not None:
        return {"groups": [a, b], "lines": [], "reason": f"nothing pairs: {codes.reason}"}
    pairs = groups.pairs(a, b)
    lines = np.stack([pairs.x_rows, pairs.y_rows], axis=1)[:_MOST_LINES]
    return {"groups": [a, b], "lines": lines.tolist()}


def _labels(groups: Embeddings) -> dict[str, list[str | None] | None] | None:
    """Return a few words for each row that has any."""
    found = {name: _words(group) for name, group in groups.items()}
    return None if all(words is None for words in found.values()) else found


def _words(group: Group) -> list[str | None] | None:
    facts = [values for values in (group.text, group.label, group.uri) if values is not None]
    if not facts:
        return None
    words = [next((str(values[row]) for values in facts if values[row]), None) for row in range(len(group))]
    return [None if word is None else shortened(word, _LABEL) for word in words]


def _kept(shown: SampledRows, at: Mapping[str, np.ndarray]) -> dict[str, Any] | None:
    rows = np.concatenate([shown.vectors(name) for name in at])
    if len(rows) <= _KEPT:
        return None
    return {"k": _KEPT, "share": short(neighbours_kept(rows, np.concatenate(list(at.values())), k=_KEPT))}


def _span(parts: Sequence[np.ndarray]) -> np.ndarray | None:
    """Return an orthonormal basis of the rows where they are fewer than dimensions: the same map, and cheaper."""
    if sum(map(len, parts)) >= parts[0].shape[1]:
        return None
    rows = np.concatenate([unit_rows(part.astype(np.float64)) for part in parts])
    return np.linalg.qr(rows.T)[0] if len(rows) > 1 else None


def _within(rows: np.ndarray, basis: np.ndarray | None) -> np.ndarray:
    return rows if basis is None else unit_rows(rows.astype(np.float64)) @ basis


def _rounded(place: np.ndarray) -> list[float]:
    return [round(float(value), _DIGITS) + 0.0 for value in place]

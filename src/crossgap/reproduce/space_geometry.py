"""E2: the geometry and topology of CLIP's space beside CLOOB's, on pairs like those of training and on others."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from crossgap import measure, topology
from crossgap.data.embeddings import Embeddings
from crossgap.data.read import read
from crossgap.errors import DegenerateError
from crossgap.reproduce.table import Ordering, Progress, Row, Table, check_counts, lower, ordering
from crossgap.reproduce.trained_spaces import DIMENSION, LIKE, UNLIKE, trained_spaces

__all__ = ["run"]

_MOST_ROWS = 2000  # of a group of a given file
_COLUMNS = (
    "centroid_distance",
    "linear_separability",
    "relative_modality_gap",
    "participation_ratio/x",
    "participation_ratio/y",
    "spectrum_area/x",
    "two_nn_dimension/x",
    "within_cosine/x",
    "matched_cosine",
    "unmatched_cosine",
    "recall_at_1/x_to_y",
    "recall_at_1/y_to_x",
    "hubness/x_to_y",
    "cross_edge_share",
    "neighbour_purity",
    "cluster_purity",
    "modality_entropy",
    "pairs_in_one_cluster",
)
_HEADINGS = {
    "participation_ratio/x": "PR x",
    "participation_ratio/y": "PR y",
    "spectrum_area/x": "area x",
    "two_nn_dimension/x": "TwoNN x",
    "within_cosine/x": "cosine within x",
    "cross_edge_share": "cross edges",
}
_PAPER = "Aziz 2024"
_SOURCES = {_PAPER: "Aziz and Rahim, arXiv 2405.18867: claims in words, without numbers."}


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    clip: str | os.PathLike[str] | None = None,
    cloob: str | os.PathLike[str] | None = None,
    x: str | None = None,
    y: str | None = None,
    worlds: int = 4,
    heads: int = 1,
) -> Table:
    """Measure gap, dimension, retrieval and topology of spaces trained with and without CLOOB's two parts.

    How to read it: the paper says that CLIP's modalities can be told apart perfectly and lie in clusters of their own,
    that CLOOB's lie nearer together, overlap more and fill more dimensions, and that this shows best on pairs like
    those of training. ``cross_edge_share`` is the share of edges of the minimum spanning tree of all rows that join the
    two modalities (0 apart, about 0.5 mixed); purity and entropy are those of clusters of all rows.

    Parameters
    ----------
    scale
        "small": four losses, linear heads on synthetic pairs; "full": ``clip`` and ``cloob`` must be given.
    seed
        Of the first world and of the first initialisation.
    output
        Where to write the JSON of the table; None for nowhere.
    progress
        Called after each training or file.
    clip, cloob
        Files with paired vectors of the same items by two models; any two models will do.
    x, y
        Names of the two groups in both files (the first two without).
    worlds, heads
        Synthetic worlds, and initialisations for each.

    Returns
    -------
    One row for each loss or file, and for the small scale one for each set of pairs.

    Raises
    ------
    ValueError
        If ``scale`` is neither of the two, only one file is given, or the files have no two groups of these names.
    DegenerateError
        If nothing pairs.

    Notes
    -----
    Cost: about two minutes on one core. The four losses are the ablation of ``loss_ablation``. Pairs unlike those of
    training come through the same two networks, from latent vectors of another covariance and with more nuisance.
    Departs from the source, which compares two public checkpoints that differ in more than their loss.

    References
    ----------
    Aziz and Rahim, *Topological Perspectives on Optimal Multimodal Embedding Spaces*, arXiv 2405.18867.
    """
    check_counts(worlds=worlds, heads=heads)
    if scale not in ("small", "full"):
        raise ValueError(f"scale must be 'small' or 'full', but it is {scale!r}; choose one.")
    if (clip is None) != (cloob is None) or (scale == "full" and clip is None):
        raise ValueError("clip and cloob must both be files; write --set clip=FILE --set cloob=FILE.")
    if clip is None or cloob is None:
        data = f"linear heads on {worlds} synthetic worlds, d = {DIMENSION}"
        measured = _trained(worlds, heads, seed, progress)
    else:
        data = f"{os.path.basename(os.fspath(clip))} and {os.path.basename(os.fspath(cloob))}"
        measured = _given({"CLIP": clip, "CLOOB": cloob}, (x, y), seed, progress)
    rows = tuple(
        Row(condition={"loss": loss, "pairs": pairs}, measured=found) for (loss, pairs), found in measured.items()
    )
    table = Table(
        name="space_geometry",
        title=f"The spaces of CLIP and CLOOB: {data}",
        columns=tuple(column for column in _COLUMNS if any(column in row.measured for row in rows)),
        rows=rows,
        sources=_SOURCES,
        orderings=tuple(_orderings({(row.condition["loss"], row.condition["pairs"]): row for row in rows})),
        settings={"scale": scale, "seed": seed, "worlds": worlds, "heads": heads, "data": data},
        headings=_HEADINGS,
    )
    if output is not None:
        table.write(output)
    return table


Measured = dict[tuple[str, str], dict[str, tuple[float, ...]]]


def _trained(worlds: int, heads: int, seed: int, progress: Progress | None) -> Measured:
    """Measure the spaces of the four losses, on unseen pairs of both kinds."""
    found: Measured = {}
    for space in trained_spaces(worlds=worlds, heads=heads, seed=seed, progress=progress):
        _gather(found.setdefault((space.loss, space.pairs), {}), _quantities(space.x, space.y, seed))
    return found


def _given(
    files: Mapping[str, str | os.PathLike[str]],
    names: tuple[str | None, str | None],
    seed: int,
    progress: Progress | None,
) -> Measured:
    found: Measured = {}
    for number, (label, file) in enumerate(files.items(), start=1):
        embeddings = read(file)
        a, b = [name for name in names if name is not None] or list(embeddings)[:2] + [None] * (2 - len(embeddings))
        if a is None or b is None:
            raise DegenerateError(f"{os.fspath(file)} must hold two groups, but it has one; give a file with two.")
        pairs = embeddings.select([a, b]).sample_items(_MOST_ROWS, seed=seed).pairs(a, b)
        rows_x, rows_y = (np.asarray(side[0 : side.shape[0]], dtype=np.float64) for side in (pairs.x, pairs.y))
        _gather(found.setdefault((label, os.path.basename(os.fspath(file))), {}), _quantities(rows_x, rows_y, seed))
        if progress is not None:
            progress(number, len(files), label)
    return found


def _gather(place: dict[str, tuple[float, ...]], quantities: Mapping[str, float]) -> None:
    for name, value in quantities.items():
        place[name] = (*place.get(name, ()), value)


def _quantities(x: np.ndarray, y: np.ndarray, seed: int) -> dict[str, float]:
    """Measure everything of one space."""
    ranks = measure.retrieval_ranks_both(x, y)
    clusters = topology.cluster_picture(Embeddings.from_arrays(image=x, text=y), seed=seed)
    found: dict[str, Any] = {
        "centroid_distance": measure.centroid_distance(x, y),
        "linear_separability": measure.linear_separability(x, y, seed=seed),
        "relative_modality_gap": measure.relative_modality_gap(x, y),
        "participation_ratio/x": measure.participation_ratio(x),
        "participation_ratio/y": measure.participation_ratio(y),
        "spectrum_area/x": measure.spectrum_area(x),
        "two_nn_dimension/x": measure.two_nn_dimension(x),
        "within_cosine/x": measure.within_cosine(x),
        "matched_cosine": measure.matched_cosine(x, y),
        "unmatched_cosine": measure.unmatched_cosine(x, y),
        "recall_at_1/x_to_y": ranks[0].recall_at_k(1),
        "recall_at_1/y_to_x": ranks[1].recall_at_k(1),
        "hubness/x_to_y": measure.hubness(x, y),
        "cross_edge_share": topology.cross_edge_share(x, y),
        "neighbour_purity": topology.neighbour_purity(x, y),
        "cluster_purity": clusters.purity,
        "modality_entropy": clusters.modality_entropy,
        "pairs_in_one_cluster": clusters.pairs[0].value,
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _orderings(rows: Mapping[Any, Row]) -> Iterator[Ordering]:
    sets = list(dict.fromkeys(pairs for _, pairs in rows))
    if len(sets) == 2 and (("CLIP", sets[1]) not in rows or ("CLOOB", sets[0]) not in rows):  # two files
        places = {"as given": (rows["CLIP", sets[0]], rows["CLOOB", sets[1]])}
    else:
        places = {pairs: (rows["CLIP", pairs], rows["CLOOB", pairs]) for pairs in sets}

    def both(quantity: str, *, swap: bool = False) -> dict[str, tuple[float, float]]:
        order = -1 if swap else 1
        return {
            name: (two[::order][0].middle(quantity), two[::order][1].middle(quantity)) for name, two in places.items()
        }

    separability = {name: clip.middle("linear_separability") for name, (clip, _) in places.items()}
    yield ordering(
        "CLIP's modalities are told apart perfectly (at least 0.99)",
        _PAPER,
        all(value >= 0.99 for value in separability.values()),
        separability,
    )
    yield lower("CLOOB is less separable than CLIP", _PAPER, both("linear_separability", swap=True))
    yield lower("CLOOB has the smaller centroid distance", _PAPER, both("centroid_distance", swap=True))
    yield lower("CLOOB has the higher effective dimension", _PAPER, both("participation_ratio/x"))
    purity = {name: clip.middle("cluster_purity") for name, (clip, _) in places.items()}
    yield ordering(
        "CLIP's clusters hold one modality each (purity at least 0.95)",
        _PAPER,
        all(value >= 0.95 for value in purity.values()),
        purity,
    )
    yield lower("CLOOB's clusters are less pure in modality", _PAPER, both("cluster_purity", swap=True))
    yield lower("CLOOB's spanning tree joins the modalities more often", _PAPER, both("cross_edge_share"))
    if LIKE in places and UNLIKE in places:
        falls = {
            name: clip.middle("linear_separability") - cloob.middle("linear_separability")
            for name, (clip, cloob) in places.items()
        }
        yield ordering(
            "CLOOB lowers separability more on pairs like those of training", _PAPER, falls[LIKE] > falls[UNLIKE], falls
        )

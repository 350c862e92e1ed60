"""A11: the effective dimension of each cluster, and how well retrieval works for its rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import matched_rows
from crossgap.geometry.rows import Rows, as_numpy, check_rows, check_same_dimension, unit_rows
from crossgap.measure.effective_dimension import effective_dimension
from crossgap.measure.entropy_rank import entropy_rank
from crossgap.measure.participation_ratio import participation_ratio
from crossgap.measure.retrieval_ranks import retrieval_ranks, retrieval_ranks_both
from crossgap.measure.spectrum_area import spectrum_area
from crossgap.measure.within_cosine import within_cosine
from crossgap.topology.cluster_purity import checked_labels

__all__ = [
    "DIMENSIONS",
    "Dimensions",
    "LocalCluster",
    "LocalDimensions",
    "local_dimensions",
    "partner_labels",
    "random_subset_dimensions",
]

DIMENSIONS = ("spectrum_area", "participation_ratio", "entropy_rank", "effective_dimension")
_GALLERIES = ("all", "cluster")


@dataclass(frozen=True, kw_only=True)
class Dimensions:
    """Four effective dimensions of some rows, and what may stand behind them.

    ``spectrum_area`` is of random draws of one size for all clusters, so it does not see theirs; the other three are of
    all ``n`` rows, and few rows bias them low. ``within_cosine`` is the mean cosine between two of the rows.
    """

    n: int
    spectrum_area: float
    participation_ratio: float
    entropy_rank: float
    effective_dimension: float
    within_cosine: float


@dataclass(frozen=True, kw_only=True)
class LocalCluster:
    """One cluster: the dimensions of its rows by modality and together, and recall@1 of its rows as queries.

    A part without a value is None and has its reason in ``reasons``, under its own name.
    """

    cluster: int
    x: Dimensions | None = None
    y: Dimensions | None = None
    joint: Dimensions | None = None
    recall_x_to_y: float | None = None
    recall_y_to_x: float | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LocalDimensions:
    """Dimensions and recall@1 of each cluster, and of all rows together.

    Parameters
    ----------
    clusters
        One entry for each cluster (or random subset), in the order of the labels.
    overall
        The same for all rows, noise too; its cluster is -1.
    noise_share
        Share of the rows of both sides that are in no cluster.
    settings
        The options; ``m`` is the number of rows of each draw for ``spectrum_area``, ``most`` the one asked for.
    """

    clusters: tuple[LocalCluster, ...]
    overall: LocalCluster
    noise_share: float
    settings: Mapping[str, Any]


def local_dimensions(
    x: Rows,
    y: Rows,
    *,
    x_labels: Any,
    y_labels: Any,
    x_items: Any = None,
    y_items: Any = None,
    gallery: str = "all",
    least_rows: int = 20,
    m: int = 50,
    repeats: int = 10,
    seed: int = 0,
) -> LocalDimensions:
    """Effective dimension of each cluster and recall@1 of its rows, in both directions.

    Formula::

        for a cluster with n_c >= 20 rows: spectrum_area (m rows drawn 10 times), participation_ratio, entropy_rank and
        effective_dimension (0.99) of its rows of x, of y and of both;
        recall@1 = share of its rows of x that find a right answer first among all rows of y, and the reverse

    How to read it: whether retrieval is better where the space is locally of higher dimension is the question of
    ``dimension_and_retrieval``. Compare clusters by ``spectrum_area``; the others grow with n_c.

    Parameters
    ----------
    x, y
        Rows (n, d) and (k, d).
    x_labels, y_labels
        The cluster of each row, below 0 for noise: ``find_clusters(x, y).by_group()``, or labels of one side and
        ``partner_labels`` of the other.
    x_items, y_items
        Item ids of the rows; without ids row i pairs with row i, which needs n = k.
    gallery
        "all": a row searches all rows of the other side; "cluster": only the partners of the cluster's own rows, which
        leaves out all competitors from elsewhere.
    least_rows
        Rows that a cluster (or its part in one modality) needs for a dimension, at least 3.
    m
        Greatest number of rows in a draw for ``spectrum_area``; the least cluster may lower it for all.
    repeats
        Draws.
    seed
        Of the draws.

    Raises
    ------
    TypeError
        If labels are not whole numbers.
    ValueError
        If an option is out of range, labels do not fit the rows, ids are given for one side only, the groups differ in
        dimension, or a row is zero or not finite.
    DegenerateError
        If nothing pairs.

    Notes
    -----
    Cost: one search, 2 n k d; then some 20 ms a cluster of 100 rows of 512 dimensions. With "cluster" the specification
    takes the other modality's rows of the cluster as the gallery; behind a gap a cluster has none, so the partners of
    its rows stand in, which is the same where clusters are those of one side.

    References
    ----------
    Aziz and Rahim, *Topological Perspectives on Optimal Multimodal Embedding Spaces*, arXiv 2405.18867, mechanism 2.

    Examples
    --------
    Two clusters, one spread over three directions and one over a single one, each row its own partner.

    >>> wide, thin = np.random.default_rng(0).normal(size=(2, 30, 6)) * [[[1, 1, 1, 0, 0, 0]], [[0, 0, 0, 1, 0, 0]]]
    >>> rows = np.concatenate([wide, thin + [0, 0, 0, 0, 3, 0]])
    >>> found = local_dimensions(rows, rows, x_labels=np.repeat([0, 1], 30), y_labels=np.repeat([0, 1], 30))
    >>> [round(cluster.x.participation_ratio) for cluster in found.clusters]
    [3, 1]
    >>> [cluster.recall_x_to_y for cluster in found.clusters], found.settings["m"]
    ([1.0, 1.0], 30)
    """
    sides = _Sides.of(x, y, x_items, y_items)
    labels = sides.labels(x_labels, y_labels)
    options = _options(gallery, least_rows, m, repeats, seed)
    names, members = _members(labels)
    return _local(sides, labels, names, members, _common_rows(sides, members, **options), options)


def random_subset_dimensions(
    x: Rows,
    y: Rows,
    *,
    x_labels: Any,
    y_labels: Any,
    x_items: Any = None,
    y_items: Any = None,
    count: int = 50,
    gallery: str = "all",
    least_rows: int = 20,
    m: int = 50,
    repeats: int = 10,
    seed: int = 0,
) -> LocalDimensions:
    """The same for random subsets of all rows that have the sizes of the clusters: the global baseline.

    How to read it: a random subset is a small copy of the whole space, so its dimension is the global one up to chance.
    Where dimension and recall@1 go together over clusters and not over such subsets, the place in the space matters.

    Parameters
    ----------
    x, y, x_labels, y_labels, x_items, y_items, gallery, least_rows, m, repeats
        As in ``local_dimensions``, whose ``m`` it keeps.
    count
        Number of subsets, at least 1; they take in turn the sizes that the clusters with ``least_rows`` or more rows
        have in x, and in y.
    seed
        Of the subsets and of the draws.

    Raises
    ------
    TypeError, ValueError, DegenerateError
        As in ``local_dimensions``; DegenerateError also where all rows are noise.

    Notes
    -----
    Cost: as ``local_dimensions`` with ``count`` clusters. Subsets overlap; rows within one do not repeat. Behind
    a gap a cluster has rows of one side only, a random subset has rows of both.

    References
    ----------
    As ``local_dimensions``; the baseline is defined here.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(60, 4))
    >>> labels = np.repeat([0, 1], [40, 20])
    >>> found = random_subset_dimensions(rows, rows, x_labels=labels, y_labels=labels, count=3)
    >>> [subset.x.n for subset in found.clusters]
    [40, 20, 40]
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, but it is {count}; 50 is usual.")
    sides = _Sides.of(x, y, x_items, y_items)
    labels = sides.labels(x_labels, y_labels)
    options = _options(gallery, least_rows, m, repeats, seed)
    _, members = _members(labels)
    if not members:
        raise DegenerateError("all rows are noise, so there are no cluster sizes to draw by; find clusters first.")
    m = _common_rows(sides, members, **options)
    random = np.random.default_rng(seed)
    sizes = [[size for size in map(len, side) if size >= least_rows] or [0] for side in zip(*members, strict=True)]
    subsets = [
        tuple(
            np.sort(random.permutation(len(rows))[: side[place % len(side)]])
            for rows, side in zip(sides.rows, sizes, strict=True)
        )
        for place in range(count)
    ]
    return _local(sides, labels, range(count), subsets, m, {**options, "count": count})


def partner_labels(labels: Any, *, n: int, items: Any = None, partner_items: Any = None) -> np.ndarray:
    """The clusters of the other modality's rows: that of the first row they pair with, -1 where there is none.

    How to read it: with clusters of images alone, each text is put into the cluster of its image.

    Parameters
    ----------
    labels
        The cluster of each row of one side.
    n
        Rows of the other side.
    items, partner_items
        Item ids of the labelled rows and of the others; without ids row i pairs with row i.

    Raises
    ------
    TypeError
        If the labels are not whole numbers.
    ValueError
        If ids are given for one side only, or do not fit.
    DegenerateError
        If nothing pairs.

    References
    ----------
    Defined here.

    Examples
    --------
    >>> partner_labels([0, 1], n=3, items=["a", "b"], partner_items=["b", "b", "c"]).tolist()
    [1, 1, -1]
    """
    labels = checked_labels(labels)
    own, others = matched_rows(len(labels), n, items, partner_items)
    if len(own) == 0:
        raise DegenerateError(f"nothing pairs: {len(labels)} labelled rows and {n} others; give item ids that match.")
    found = np.full(n, -1)
    found[others[::-1]] = labels[own[::-1]]  # the first of several is written last
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sides:
    """Unit rows of both sides, their item ids, and for each row whether it finds a right answer first (or NaN)."""

    rows: tuple[np.ndarray, np.ndarray]
    items: tuple[np.ndarray, np.ndarray]
    hits: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, x: Rows, y: Rows, x_items: Any, y_items: Any) -> "_Sides":
        n, _ = check_rows(x, "x")
        size, _ = check_rows(y, "y")
        check_same_dimension(x, y)
        rows = unit_rows(as_numpy(x, np.float64), name="x"), unit_rows(as_numpy(y, np.float64), name="y")
        ranks = retrieval_ranks_both(*rows, x_items=x_items, y_items=y_items, check=False)
        if x_items is None:
            x_items = y_items = np.arange(n)
        hits = np.full(n, np.nan), np.full(size, np.nan)
        for side, found in zip(hits, ranks, strict=True):
            side[found.answered] = found.best == 1
        return cls(rows=rows, items=(np.asarray(x_items), np.asarray(y_items)), hits=hits)

    def labels(self, x_labels: Any, y_labels: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return both sides' labels, checked."""
        labels = checked_labels(x_labels, "x_labels"), checked_labels(y_labels, "y_labels")
        for name, side, rows in zip("xy", labels, self.rows, strict=True):
            if len(side) != len(rows):
                raise ValueError(
                    f"{name}_labels must be one for each of the {len(rows)} rows of {name}, but there are {len(side)}."
                )
        return labels

    def recall(self, side: int, members: np.ndarray, gallery: str) -> float | None:
        """Recall@1 of some rows of one side; None where none of them has a right answer."""
        hits = self.hits[side][members]
        members, hits = members[~np.isnan(hits)], hits[~np.isnan(hits)]
        if len(members) == 0:
            return None
        if gallery == "all":
            return float(hits.mean())
        own, others = self.items[side][members], self.items[1 - side]
        partners = np.unique(matched_rows(len(own), len(others), own, others)[1])
        ranks = retrieval_ranks(
            self.rows[side][members],
            self.rows[1 - side][partners],
            query_items=own,
            gallery_items=others[partners],
            check=False,
        )
        return float(ranks.recall_at_k(1))


def _options(gallery: str, least_rows: int, m: int, repeats: int, seed: int) -> dict[str, Any]:
    if gallery not in _GALLERIES:
        raise ValueError(f"gallery must be 'all' or 'cluster', but it is {gallery!r}; choose one.")
    for name, value, least, usual in (("least_rows", least_rows, 3, 20), ("m", m, 3, 50), ("repeats", repeats, 1, 10)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, but it is {value}; {usual} is usual.")
    return {"gallery": gallery, "least_rows": least_rows, "most": m, "repeats": repeats, "seed": seed}


def _members(labels: tuple[np.ndarray, np.ndarray]) -> tuple[list[int], list[tuple[np.ndarray, ...]]]:
    """Return the numbers of the clusters, and for each the rows of both sides that are in it."""
    names = [int(name) for name in np.unique(np.concatenate(labels)) if name >= 0]
    return names, [tuple(np.flatnonzero(side == name) for side in labels) for name in names]


def _common_rows(
    sides: _Sides, members: Sequence[tuple[np.ndarray, ...]], *, least_rows: int, most: int, **_: Any
) -> int:
    """Return how many rows to draw of every set, so that the smallest one still has them."""
    sizes = [size for both in (sides.rows, *members) for size in (*map(len, both), sum(map(len, both)))]
    return min([most, *(size for size in sizes if size >= least_rows)])


def _local(
    sides: _Sides,
    labels: tuple[np.ndarray, np.ndarray],
    names: Sequence[int],
    members: Sequence[tuple[np.ndarray, ...]],
    m: int,
    options: dict[str, Any],
) -> LocalDimensions:
    everything = tuple(np.arange(len(rows)) for rows in sides.rows)
    overall, *clusters = _described(sides, [-1, *names], [everything, *members], m, **options)
    return LocalDimensions(
        clusters=tuple(clusters),
        overall=overall,
        noise_share=float(np.mean(np.concatenate(labels) < 0)),
        settings={**options, "m": m},
    )


def _described(
    sides: _Sides,
    names: Sequence[int],
    members: Sequence[tuple[np.ndarray, ...]],
    m: int,
    *,
    gallery: str,
    least_rows: int,
    repeats: int,
    seed: int,
    **_: Any,
) -> Iterator[LocalCluster]:
    for number, both in zip(names, members, strict=True):
        parts = dict(zip("xy", (side[own] for side, own in zip(sides.rows, both, strict=True)), strict=True))
        found: dict[str, Any] = {}
        reasons: dict[str, str] = {}
        for name, rows in parts.items():
            found[name] = _dimensions(rows, name, reasons, least_rows=least_rows, m=m, repeats=repeats, seed=seed)
        filled = [name for name, rows in parts.items() if len(rows)]
        if len(filled) == 1 and found[filled[0]] is not None:
            found["joint"] = found[filled[0]]
        else:
            joint = np.concatenate(list(parts.values()))
            found["joint"] = _dimensions(
                joint, "joint", reasons, least_rows=least_rows, m=m, repeats=repeats, seed=seed
            )
        for side, name in enumerate(("recall_x_to_y", "recall_y_to_x")):
            found[name] = sides.recall(side, both[side], gallery)
            if found[name] is None:
                reasons[name] = f"none of its {len(both[side])} rows of {'xy'[side]} has a partner"
        yield LocalCluster(cluster=number, **found, reasons=reasons)


def _dimensions(
    rows: np.ndarray, name: str, reasons: dict[str, str], *, least_rows: int, m: int, repeats: int, seed: int
) -> Dimensions | None:
    if len(rows) < least_rows:
        reasons[name] = f"{len(rows)} rows, fewer than {least_rows}"
        return None
    try:
        return Dimensions(
            n=len(rows),
            spectrum_area=float(spectrum_area(rows, m=m, repeats=repeats, seed=seed)),
            participation_ratio=float(participation_ratio(rows)),
            entropy_rank=float(entropy_rank(rows)),
            effective_dimension=float(effective_dimension(rows)),
            within_cosine=float(within_cosine(rows)),
        )
    except DegenerateError as error:
        reasons[name] = str(error)
        return None

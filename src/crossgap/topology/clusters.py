"""A11: the clusters of one or several groups of rows, found by density or, where that finds few, by k-means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import Rows, as_numpy, check_rows, check_same_dimension, unit_rows

__all__ = ["Clusters", "find_clusters"]

_REDUCTIONS = ("linear", "umap", None)
_LEAST_CLUSTERS = 8
_MOST_NOISE = 0.6
_LEAST_ROWS = 8
_COORDINATES = {"linear": 15, "umap": 10}
_TRIES = 4  # of k-means, the best of which is kept
_NO_VARIANCE = 1e-12  # as in measure.spectrum_values


@dataclass(frozen=True, kw_only=True, eq=False)
class Clusters:
    """Which cluster each row is in, and how that was found.

    Parameters
    ----------
    labels
        For each row the number of its cluster, 0 the largest; -1 for noise, a row that is in none. Rows of several
        groups stand one group after the other.
    group_sizes
        Rows of each group.
    path
        What gave the labels, in words, with the reason where it is the fallback.
    sizes
        Rows of each cluster.
    noise_share
        Share of all rows that are in no cluster; 0 after k-means, which leaves none out.
    settings
        All that is needed to find them again.
    """

    labels: np.ndarray
    group_sizes: tuple[int, ...]
    path: str
    sizes: tuple[int, ...]
    noise_share: float
    settings: Mapping[str, Any]

    def by_group(self) -> tuple[np.ndarray, ...]:
        """Return the labels of each group's rows."""
        return tuple(np.split(self.labels, np.cumsum(self.group_sizes)[:-1]))

    def groups(self) -> np.ndarray:
        """Return for each row the position of its group."""
        return np.repeat(np.arange(len(self.group_sizes)), self.group_sizes)


def find_clusters(
    *groups: Rows,
    reduction: str | None = "linear",
    dimension: int | None = None,
    min_cluster_size: int | None = None,
    min_samples: int = 5,
    fallback: bool = True,
    seed: int = 0,
    check: bool = True,
) -> Clusters:
    """Clusters of the unit rows of all groups together: HDBSCAN, and k-means where that finds too little.

    Formula::

        N rows in all, of length 1, brought to `dimension` coordinates
        HDBSCAN (excess of mass) with clusters of at least max(15, N / 200) rows
        with fewer than 8 clusters, or more than 60 % noise: k-means with k = sqrt(N / 2)

    How to read it: HDBSCAN finds as many clusters as there are and leaves scattered rows out as noise; k-means cuts
    everything into parts of about equal extent, whether or not there are clusters, so read ``path`` first. Two
    modalities with a gap are two clusters to HDBSCAN, which is too few to compare them, so the usual path for CLIP is
    k-means. No modality is centred, so that a gap keeps the clusters of one modality apart from those of the other;
    that is what ``cluster_purity`` measures.

    Parameters
    ----------
    groups
        Rows (n, d) of one or several groups that share a space.
    reduction
        "linear": the first principal axes about the common mean; "umap": a map by UMAP (cosine, 30 neighbours, least
        distance 0), which pulls clusters apart and needs an extra; None: the rows as they are, where in some hundred
        dimensions HDBSCAN calls most of them noise.
    dimension
        Coordinates after the reduction, at least 1; None for 15 principal axes or a map of 10 dimensions. Fewer where
        the rows have fewer.
    min_cluster_size
        Least rows of an HDBSCAN cluster, at least 2; None for max(15, N / 200).
    min_samples
        Rows near a row that make it dense, itself included, at least 1; more gives more noise.
    fallback
        Whether k-means may take over; without it the clusters are those of HDBSCAN, be they none.
    seed
        Of UMAP and of k-means.
    check
        Refuse zero and non-finite rows.

    Raises
    ------
    ValueError
        If an option is out of range, no group is given, or the groups differ in dimension.
    DegenerateError
        If there are fewer than 8 rows in all, fewer than ``min_samples``, or all rows have one direction.
    MissingExtraError
        If ``reduction`` is "umap" and umap-learn is missing.

    Notes
    -----
    Cost: N d^2 for the axes, then about 1 s for 5,000 rows; without a reduction N^2 d. Departs from
    the specification's default, a map by UMAP, which is an extra here: the axes are linear. Ignores the order of rows
    as long as no two distances are equal, except that k-means starts from other rows, and rotation.

    References
    ----------
    Campello, Moulavi, Sander, *Density-Based Clustering Based on Hierarchical Density Estimates*, PAKDD 2013; Aziz and
    Rahim, *Topological Perspectives on Optimal Multimodal Embedding Spaces*, arXiv 2405.18867, which gives no settings
    (erratum 27).

    Examples
    --------
    Three tight bunches of twenty rows; three clusters are fewer than eight, but k-means is not asked for.

    >>> rows = np.repeat(np.eye(3), 20, axis=0) + 0.01 * np.random.default_rng(0).normal(size=(60, 3))
    >>> found = find_clusters(rows, fallback=False)
    >>> found.sizes, found.noise_share
    ((20, 20, 20), 0.0)
    >>> found.path
    'HDBSCAN on the first 3 principal axes'
    """
    sizes = _checked(groups, reduction, dimension, min_cluster_size, min_samples)
    total = sum(sizes)
    least = max(15, total // 200) if min_cluster_size is None else min_cluster_size
    rows = np.concatenate(
        [
            unit_rows(as_numpy(group, np.float64), name=f"groups[{place}]", check=check)
            for place, group in enumerate(groups)
        ]
    )
    coordinates, where = _coordinates(rows, reduction, dimension, seed)
    labels = _by_density(coordinates, least, min_samples)
    path = f"HDBSCAN on {where}"
    why = _too_little(labels)
    k = None
    if fallback and why is not None:
        k = min(max(2, round(np.sqrt(total / 2))), len(np.unique(coordinates.round(9), axis=0)))
        labels = _by_means(coordinates, k, seed)
        path = f"k-means with k = {k} on {where}, since HDBSCAN found {why}"
    labels, counts = _largest_first(labels)
    return Clusters(
        labels=labels,
        group_sizes=sizes,
        path=path,
        sizes=tuple(int(count) for count in counts),
        noise_share=float((labels < 0).mean()),
        settings={
            "reduction": reduction,
            "dimension": coordinates.shape[1],
            "min_cluster_size": least,
            "min_samples": min_samples,
            "k": k,
            "seed": seed,
        },
    )


def _checked(
    groups: tuple[Rows, ...],
    reduction: str | None,
    dimension: int | None,
    min_cluster_size: int | None,
    min_samples: int,
) -> tuple[int, ...]:
    if not groups:
        raise ValueError("find_clusters needs at least one group of rows, but none was given; give an array (n, d).")
    sizes = tuple(check_rows(group, f"groups[{place}]")[0] for place, group in enumerate(groups))
    for place, group in enumerate(groups[1:], start=1):
        check_same_dimension(groups[0], group, ("groups[0]", f"groups[{place}]"))
    if reduction not in _REDUCTIONS:
        raise ValueError(f"reduction must be 'linear', 'umap' or None, but it is {reduction!r}; choose one.")
    if dimension is not None and dimension < 1:
        raise ValueError(f"dimension must be at least 1, but it is {dimension}; None is usual.")
    if min_cluster_size is not None and min_cluster_size < 2:
        raise ValueError(f"min_cluster_size must be at least 2, but it is {min_cluster_size}; None is usual.")
    if min_samples < 1:
        raise ValueError(f"min_samples must be at least 1, but it is {min_samples}; 5 is usual.")
    if sum(sizes) < max(_LEAST_ROWS, min_samples):
        raise DegenerateError(
            f"clusters need at least {max(_LEAST_ROWS, min_samples)} rows, but there are {sum(sizes)}; give more."
        )
    return sizes


def _coordinates(rows: np.ndarray, reduction: str | None, dimension: int | None, seed: int) -> tuple[np.ndarray, str]:
    """Return the coordinates in which clusters are looked for, and what they are."""
    centred = rows - rows.mean(axis=0)
    if float(np.vdot(centred, centred)) <= _NO_VARIANCE * len(rows):
        raise DegenerateError(
            "all rows have one and the same direction, so they have no clusters; give rows that differ."
        )
    if reduction is None:
        return rows, f"the rows in all {rows.shape[1]} dimensions"
    dimension = _COORDINATES[reduction] if dimension is None else dimension
    if reduction == "umap":
        from crossgap.maps.umap_map import umap_coordinates

        near = min(30, len(rows) - 1)
        found = umap_coordinates(rows, dimension=dimension, neighbours=near, min_distance=0.0, seed=seed)
        return np.asarray(found, dtype=np.float64), f"a map of {dimension} dimensions by UMAP"
    dimension = min(dimension, *rows.shape)
    axes = "the first principal axis" if dimension == 1 else f"the first {dimension} principal axes"
    return centred @ _axes(centred, dimension), axes


def _axes(centred: np.ndarray, dimension: int) -> np.ndarray:
    """Return the strongest principal directions (d, dimension), from the smaller of the two square matrices."""
    from scipy.linalg import eigh

    n, d = centred.shape
    square = centred.T @ centred if d <= n else centred @ centred.T
    size = len(square)
    values, vectors = eigh(square, subset_by_index=(size - dimension, size - 1))
    vectors = vectors[:, ::-1]
    if d <= n:
        return vectors
    lengths = np.sqrt(np.clip(values[::-1], 1e-300, None))
    return np.where(values[::-1] > _NO_VARIANCE, centred.T @ (vectors / lengths), 0.0)


def _by_density(coordinates: np.ndarray, least: int, min_samples: int) -> np.ndarray:
    from sklearn.cluster import HDBSCAN

    options: dict[str, Any] = {"cluster_selection_method": "eom", "copy": True}
    found = HDBSCAN(min_cluster_size=least, min_samples=min_samples, metric="euclidean", **options)
    return np.maximum(found.fit_predict(coordinates), -1)


def _by_means(coordinates: np.ndarray, k: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans

    options: dict[str, Any] = {"n_init": _TRIES}
    return KMeans(n_clusters=k, random_state=seed, **options).fit_predict(coordinates)


def _too_little(labels: np.ndarray) -> str | None:
    """Say what is wrong with clusters by density; None where nothing is."""
    count, noise = len(np.unique(labels[labels >= 0])), float((labels < 0).mean())
    if count < _LEAST_CLUSTERS:
        return f"{count} clusters, fewer than {_LEAST_CLUSTERS}"  # never 1: HDBSCAN takes no cluster of all rows
    return f"{noise:.0%} noise, more than {_MOST_NOISE:.0%}" if noise > _MOST_NOISE else None


def _largest_first(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number the clusters by size, equal ones by their first row; return the labels and the sizes."""
    names, first, counts = np.unique(labels[labels >= 0], return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    renamed = np.full(len(labels), -1)
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    renamed[labels >= 0] = place[np.searchsorted(names, labels[labels >= 0])]
    return renamed, counts[order]

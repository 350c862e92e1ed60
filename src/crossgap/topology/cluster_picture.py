"""A24: what the clusters of a space say of its modalities, in one record of plain numbers."""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from crossgap.data.embeddings import Embeddings
from crossgap.topology.cluster_purity import cluster_counts, cluster_purity
from crossgap.topology.clusters import find_clusters
from crossgap.topology.modality_entropy import modality_entropy
from crossgap.topology.pairs_in_one_cluster import pairs_in_one_cluster, pairs_in_one_cluster_by_chance

__all__ = ["ClusterPicture", "SharedClusters", "cluster_picture"]


@dataclass(frozen=True, kw_only=True)
class SharedClusters:
    """How often the pairs of two groups are in one cluster; no ``value`` and a ``reason`` where nothing pairs.

    Parameters
    ----------
    groups, n_pairs
        The two groups, and the pairs counted.
    value
        ``pairs_in_one_cluster``.
    shuffled, mixed
        What chance gives: ``pairs_in_one_cluster_by_chance``, with the pairs shuffled, and the modalities too.
    reason
        Why there is no value; None where there is one.
    """

    groups: tuple[str, str]
    n_pairs: int
    value: float | None
    shuffled: float | None = None
    mixed: float | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class ClusterPicture:
    """The clusters of a space and what they say of its modalities; plain numbers, strings and tuples.

    Parameters
    ----------
    groups, rows
        Names of the groups, and the rows of each that were clustered.
    sampled_from
        Rows of each group before the sub-sample; None where all were taken.
    path
        What gave the clusters, in words.
    noise_share
        Share of the rows that are in no cluster; they count in no other number but the pairs.
    sizes
        Rows of each cluster, the largest first.
    group_shares
        For each cluster the share of each group.
    purity, modality_entropy
        As the functions ``cluster_purity`` and ``modality_entropy``; None with a single group.
    purity_by_chance
        Share of the largest group among the clustered rows, the least value that purity can have; None with one group.
    pairs
        For every two groups how often their pairs are in one cluster.
    settings
        All that is needed to find the clusters again.
    """

    groups: tuple[str, ...]
    rows: tuple[int, ...]
    sampled_from: tuple[int, ...] | None
    path: str
    noise_share: float
    sizes: tuple[int, ...]
    group_shares: tuple[tuple[float, ...], ...]
    purity: float | None
    purity_by_chance: float | None
    modality_entropy: float | None
    pairs: tuple[SharedClusters, ...]
    settings: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return plain data in the order of the fields."""
        return asdict(self)


def cluster_picture(
    embeddings: Embeddings,
    *,
    reduction: str | None = "linear",
    dimension: int | None = None,
    min_cluster_size: int | None = None,
    min_samples: int = 5,
    fallback: bool = True,
    most_rows: int = 2500,
    seed: int = 0,
    check: bool = True,
) -> ClusterPicture:
    """Cluster all groups together and say how pure the clusters are, how mixed, and how many pairs share one.

    How to read it: behind a gap purity is 1, the entropy 0 and no pair shares a cluster; in a mixed space purity is
    near ``purity_by_chance``, the entropy near 1 and most pairs share one. ``path`` says whether the clusters are real
    (HDBSCAN) or parts of about equal extent (k-means).

    Parameters
    ----------
    embeddings
        One or more groups; select those that matter before.
    reduction, dimension, min_cluster_size, min_samples, fallback, check
        As in ``find_clusters``.
    most_rows
        Rows of a group up to which all are taken; above, a sample of whole items, which ``sampled_from`` tells.
    seed
        Of the sample, of UMAP and of k-means.

    Raises
    ------
    ValueError
        As in ``find_clusters``, and if ``most_rows`` is below 1.
    DegenerateError
        As in ``find_clusters``, and if all rows are noise, which only happens without a fallback.
    MissingExtraError
        As in ``find_clusters``.

    Notes
    -----
    Cost: that of ``find_clusters``; under 2 s for two groups of 2,500 rows of 512 dimensions on one core.

    References
    ----------
    The protocol of Aziz and Rahim, arXiv 2405.18867, put in numbers.

    Examples
    --------
    Two modalities on opposite sides: all clusters are pure, and no pair shares one.

    >>> x = np.random.default_rng(0).normal(size=(40, 4)) + [9, 0, 0, 0]
    >>> found = cluster_picture(Embeddings.from_arrays(image=x, text=-x))
    >>> found.purity, found.modality_entropy, found.pairs[0].value
    (1.0, 0.0, 0.0)
    """
    if most_rows < 1:
        raise ValueError(f"most_rows must be at least 1, but it is {most_rows}; 2500 is usual.")
    taken = embeddings.sample_items(most_rows, seed=seed)
    rows = tuple(len(group) for group in taken.values())
    full = tuple(len(group) for group in embeddings.values())
    found = find_clusters(
        *(group.vectors for group in taken.values()),
        reduction=reduction,
        dimension=dimension,
        min_cluster_size=min_cluster_size,
        min_samples=min_samples,
        fallback=fallback,
        seed=seed,
        check=check,
    )
    groups = found.groups()
    counts = cluster_counts(found.labels, groups)
    several = len(rows) > 1
    labels = dict(zip(taken, found.by_group(), strict=True))
    return ClusterPicture(
        groups=tuple(taken),
        rows=rows,
        sampled_from=None if rows == full else full,
        path=found.path,
        noise_share=found.noise_share,
        sizes=found.sizes,
        group_shares=tuple(tuple(map(float, line / line.sum())) for line in counts),
        purity=cluster_purity(found.labels, groups) if several else None,
        purity_by_chance=float(counts.sum(axis=0).max() / counts.sum()) if several else None,
        modality_entropy=modality_entropy(found.labels, groups) if several else None,
        pairs=tuple(_shared(taken, a, b, labels) for a, b in itertools.combinations(taken, 2)),
        settings={**found.settings, "most_rows": most_rows},
    )


def _shared(taken: Embeddings, a: str, b: str, labels: Mapping[str, Any]) -> SharedClusters:
    codes = taken.item_codes(a, b)
    if codes.reason is not None:
        return SharedClusters(groups=(a, b), n_pairs=0, value=None, reason=f"nothing pairs: {codes.reason}")
    pairs = taken.pairs(a, b)
    x, y = labels[a][pairs.x_rows], labels[b][pairs.y_rows]
    return SharedClusters(
        groups=(a, b),
        n_pairs=len(pairs),
        value=pairs_in_one_cluster(x, y),
        shuffled=pairs_in_one_cluster_by_chance(x, y),
        mixed=pairs_in_one_cluster_by_chance(x, y, mixed=True),
    )

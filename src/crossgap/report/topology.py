"""How far two groups mix, by their spanning tree, nearest rows and clusters, on a sub-sample of whole items."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from crossgap import topology
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.geometry.minimum_spanning_tree import minimum_spanning_tree
from crossgap.geometry.rows import as_numpy
from crossgap.report.selection import Settings
from crossgap.results import Measurement

__all__ = ["MOST_ROWS", "TOPOLOGY", "Shape", "Tree", "topology_measurements"]

MOST_ROWS = 1_000  # of a group
_OF_TREES = ("cross_edge_share", "friedman_rafsky_z_score", "longest_merge_ratio")
_OF_NEIGHBOURS = ("neighbour_purity", "modality_silhouette")
_OF_CLUSTERS = ("cluster_purity", "modality_entropy", "pairs_in_one_cluster")
TOPOLOGY = (*_OF_TREES, *_OF_NEIGHBOURS, *_OF_CLUSTERS)
_NEIGHBOURS = 15


@dataclass(frozen=True, kw_only=True, eq=False)
class Tree:
    """A minimum spanning tree: the length of each edge, shortest first, and whether it joins two groups."""

    lengths: np.ndarray
    between: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Shape:
    """Two groups, or one, cut down to whole items; clusters and trees of them are found once.

    Parameters
    ----------
    whole
        The groups.
    settings
        Those of the report; its seed draws the sub-sample.
    """

    whole: Embeddings
    settings: Settings

    @cached_property
    def groups(self) -> Embeddings:
        """The rows looked at.

        Raises
        ------
        DegenerateError
            If no whole item fits.
        """
        return self.whole.sample_items(min(MOST_ROWS, self.settings.most_rows), seed=self.settings.seed)

    @cached_property
    def sizes(self) -> dict[str, Any]:
        """Numbers of rows and dimensions, and the full sizes behind a sub-sample, as every measurement has them."""
        taken = [len(group) for group in self.groups.values()]
        full = [len(group) for group in self.whole.values()]
        sizes: dict[str, Any] = {**dict(zip("nm", taken, strict=False)), "d": self.whole.dimension}
        return sizes if taken == full else {**sizes, "sampled_from": full}

    @cached_property
    def rows(self) -> np.ndarray:
        """All rows looked at, one group after the other."""
        return np.concatenate([as_numpy(group.vectors) for group in self.groups.values()])

    @cached_property
    def tree(self) -> Tree:
        """The minimum spanning tree of the rows together."""
        number = np.repeat(np.arange(len(self.groups)), [len(group) for group in self.groups.values()])
        edges, lengths = minimum_spanning_tree(self.rows)
        ends = number[edges]
        return Tree(lengths=lengths, between=ends[:, 0] != ends[:, 1])

    @cached_property
    def lengths_of_groups(self) -> dict[str, np.ndarray]:
        """By group the lengths of the edges of its own tree."""
        return {name: minimum_spanning_tree(as_numpy(group.vectors))[1] for name, group in self.groups.items()}

    @cached_property
    def clusters(self) -> topology.ClusterPicture:
        """The clusters of the rows together.

        Raises
        ------
        DegenerateError
            If there are too few rows, or all have one direction.
        """
        rows = max(len(group) for group in self.groups.values())
        return topology.cluster_picture(self.groups, most_rows=rows, seed=self.settings.seed)


def topology_measurements(shape: Shape) -> Iterator[Measurement]:
    """Measure how far two groups mix: by the tree of all rows, by nearest rows, by clusters."""
    names = tuple(shape.whole)
    try:
        x, y = (as_numpy(group.vectors) for group in shape.groups.values())
    except DegenerateError as error:
        for name in TOPOLOGY:
            yield _skipped(name, names, str(error), {"d": shape.whole.dimension})
        return
    yield from _of_trees(shape, names, x, y)
    yield from _of_neighbours(shape, names, x, y)
    yield from _of_clusters(shape, names)


def _of_trees(shape: Shape, names: tuple[str, ...], x: np.ndarray, y: np.ndarray) -> Iterator[Measurement]:
    found = topology.mixing_scores(x, y, permutations=1, check=False)
    chance = {"by_chance": found.cross_edge_share_by_chance}
    for name, options in zip(_OF_TREES, (chance, {}, {}), strict=True):
        value = getattr(found, name)
        options = {**options, **shape.sizes}
        if value is None:
            yield _skipped(name, names, "the tree is too small, or most rows repeat", options)
        else:
            yield Measurement(name=name, groups=names, value=value, options=options)


def _of_neighbours(shape: Shape, names: tuple[str, ...], x: np.ndarray, y: np.ndarray) -> Iterator[Measurement]:
    n, m = len(x), len(y)
    k = min(_NEIGHBOURS, n + m - 1)
    by_chance = topology.neighbour_purity_by_chance(n, m)
    calls: tuple[tuple[str, Callable[[], float], dict[str, Any]], ...] = (
        ("neighbour_purity", lambda: topology.neighbour_purity(x, y, k=k), {"k": k, "by_chance": by_chance}),
        ("modality_silhouette", lambda: topology.modality_silhouette(x, y), {}),
    )
    for name, call, options in calls:
        options = {**options, **shape.sizes}
        try:
            yield Measurement(name=name, groups=names, value=call(), options=options)
        except DegenerateError as error:
            yield _skipped(name, names, str(error), options)


def _of_clusters(shape: Shape, names: tuple[str, ...]) -> Iterator[Measurement]:
    try:
        found = shape.clusters
    except DegenerateError as error:
        for name in _OF_CLUSTERS:
            yield _skipped(name, names, str(error), shape.sizes)
        return
    (pairs,) = found.pairs
    facts = {**shape.sizes, "clusters": len(found.sizes), "noise_share": found.noise_share, "path": found.path}
    for name, value, options in (
        ("cluster_purity", found.purity, {"by_chance": found.purity_by_chance}),
        ("modality_entropy", found.modality_entropy, {}),
        ("pairs_in_one_cluster", pairs.value, _chance_of_pairs(pairs)),
    ):
        options = {**options, **facts}
        if value is None:
            yield _skipped(name, names, f"needs pairs: {str(pairs.reason).removeprefix('nothing pairs: ')}", options)
        else:
            yield Measurement(name=name, groups=names, value=value, options=options)


def _chance_of_pairs(pairs: topology.SharedClusters) -> dict[str, Any]:
    if pairs.value is None:
        return {}
    return {"pair_count": pairs.n_pairs, "by_chance": pairs.shuffled, "by_chance_mixed": pairs.mixed}


def _skipped(name: str, names: tuple[str, ...], reason: str, options: dict[str, Any]) -> Measurement:
    return Measurement(name=name, groups=names, value=None, options=options, reason=reason)

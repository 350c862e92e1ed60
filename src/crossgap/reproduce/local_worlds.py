"""Made-up pairs whose clusters have a known local dimension, so that estimators can be judged."""

import itertools
from typing import NamedTuple

import numpy as np

__all__ = ["LocalWorld", "local_world"]

_SIZES = (60, 140)
_DIMENSIONS = (2, 20)
_SPREAD_SIZES = 12.0  # the largest cluster over the smallest, where size drives retrieval
_ONE_DIMENSION = 8


class LocalWorld(NamedTuple):
    """Pairs, the cluster of each, and the local dimension of each cluster."""

    x: np.ndarray
    y: np.ndarray
    clusters: np.ndarray
    dimensions: np.ndarray


def local_world(
    *,
    driver: str = "dimension",
    pairs: int = 2000,
    clusters: int = 20,
    seed: int = 0,
    ambient: int = 64,
    centre_length: float = 2.0,
    noise: float = 0.06,
    gap: float = 1.5,
) -> LocalWorld:
    """Draw pairs in clusters, each a sphere of its own dimension around its own centre.

    Formula::

        s = centre_c + Q_c z,  z uniform on the unit sphere of k_c dimensions, Q_c random orthonormal columns
        x = s + noise + gap/2 e_1,  y = s + other noise - gap/2 e_1,  noise ~ N(0, 0.06^2 I)

    How to read it: all spheres have one radius, so clusters of any dimension have about the same mean cosine. With
    "dimension" k_c runs from 2 to 20 and sizes vary apart from it: rows on a sphere of higher dimension lie farther
    apart, so the noise confuses fewer. With "size" all k_c are 8 and the largest cluster has 12 times the rows of the
    smallest: more competitors in one space, so retrieval is worse, and the dimension is estimated with less bias.

    Parameters
    ----------
    driver
        "dimension" or "size": what retrieval follows.
    pairs
        Pairs in all, at least 20 a cluster.
    clusters
        Number of clusters, at least 2.
    seed
        Of all draws.
    ambient
        Dimensions of the space, at least 20.
    centre_length
        Length of the centres; clusters overlap where it is small.
    noise
        Deviation of each coordinate.
    gap
        Distance of the two modalities before rows are brought to length 1.

    Raises
    ------
    ValueError
        If ``driver`` is unknown or a number is out of range.

    Notes
    -----
    Cost: some milliseconds. Defined here.

    Examples
    --------
    >>> world = local_world(pairs=600, clusters=6)
    >>> world.x.shape, world.dimensions.tolist()
    ((600, 64), [2, 6, 9, 13, 16, 20])
    """
    if driver not in ("dimension", "size"):
        raise ValueError(f"driver must be 'dimension' or 'size', but it is {driver!r}; choose one.")
    for name, value, least in (("clusters", clusters, 2), ("pairs", pairs, 20 * clusters), ("ambient", ambient, 20)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, but it is {value}; leave it out for the usual number.")
    random = np.random.default_rng(seed)
    if driver == "dimension":
        dimensions = np.linspace(*_DIMENSIONS, clusters).round().astype(int)
        weights = random.permutation(np.linspace(*_SIZES, clusters))
    else:
        dimensions = np.full(clusters, _ONE_DIMENSION)
        weights = np.geomspace(1, _SPREAD_SIZES, clusters)
    edges = np.concatenate([[0], np.cumsum(weights) / weights.sum() * pairs]).round().astype(int)
    shared = np.empty((pairs, ambient))
    for (start, stop), k in zip(itertools.pairwise(edges), dimensions, strict=True):
        axes = np.linalg.qr(random.normal(size=(ambient, k)))[0]
        points, centre = random.normal(size=(stop - start, k)), random.normal(size=ambient)
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        shared[start:stop] = centre_length * centre / np.linalg.norm(centre) + points @ axes.T
    offset = gap / 2 * np.eye(ambient)[0]
    x, y = (shared + sign * offset + noise * random.normal(size=shared.shape) for sign in (1, -1))
    return LocalWorld(x, y, np.repeat(np.arange(clusters), np.diff(edges)), dimensions)

"""A24, the map of the papers: UMAP of all groups together, on the plane or on the sphere."""

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError, MissingExtraError
from crossgap.geometry.neighbours import Neighbours, nearest_rows
from crossgap.geometry.rows import Rows, as_numpy, check_lengths, check_rows
from crossgap.maps.neighbours_kept import check_nearest

__all__ = ["check_umap", "umap_coordinates"]

_METRICS = ("cosine", "euclidean")
_OUTPUTS = ("euclidean", "haversine")
_EXACT_ROWS = 30_000  # above, exact neighbours (n^2 d flops) cost more than all the rest of UMAP


def umap_coordinates(
    rows: Rows,
    *,
    dimension: int = 2,
    neighbours: int = 15,
    min_distance: float = 0.1,
    metric: str = "cosine",
    output_metric: str = "euclidean",
    seed: int = 0,
    nearest: Neighbours | None = None,
) -> np.ndarray:
    """Place rows so that near rows stay near: UMAP with its usual settings, on a plane or on a sphere.

    Formula::

        minimise over z the cross entropy of v_ij (from the ``neighbours`` nearest rows) and w_ij = 1 / (1 + a D_ij^2b)
        D_ij = |z_i - z_j|                                    on the plane
        D_ij = arccos(p_i . p_j), p = (sin u cos v, sin u sin v, cos u), z = (u, v)       on the sphere

    How to read it: rows that lie together are near in the space, and a group that lies apart shares no neighbours with
    the others. Nothing else holds: the distance between two clouds, their size and their density mean nothing. When no
    row has a neighbour of the other group, as is usual with CLIP, the clouds are laid out on their own and the space
    between them is **not** the gap; ``linear_map`` shows that. ``neighbours_kept`` says how far to trust the picture.

    Parameters
    ----------
    rows
        Rows (n, d) of all groups together.
    dimension
        Columns of the result on the plane, at least 1; must be 2 (angles) for the sphere.
    neighbours
        How many nearest rows each row is tied to, itself included as the package counts; from 2 to n - 1.
    min_distance
        How close rows may lie on the map, from 0 to 1; small values give tight clumps.
    metric
        "cosine", or "euclidean" of the rows as they are given.
    output_metric
        "euclidean" for the plane, "haversine" for the sphere.
    seed
        Of the start and of every random choice.
    nearest
        What ``nearest_rows(rows, rows, k, leave_out_self=True)`` gave for a k of at least ``neighbours - 1``, where it
        is known already; for metric "cosine" alone.

    Returns
    -------
    Coordinates (n, dimension) in float32; on the sphere unit vectors (n, 3).

    Raises
    ------
    MissingExtraError
        If umap-learn is not installed.
    ValueError
        If an option is out of its range, ``nearest`` belongs to other rows, or a row is zero or not finite.
    DegenerateError
        If there are fewer than four rows.

    Notes
    -----
    Cost, on one core: the first call of a process compiles for about ten seconds, then 5,000 rows of 512 numbers take
    5 s and 10,000 take 10 s. The sphere compiles anew at each call and takes seven times as long. The same rows and
    seed give the same bytes on one machine and one set of package versions, not across them. Up to 30,000 rows
    neighbours are exact: that spares compiling the package's own search (30 s) and keeps more neighbours than it
    (0.136 against 0.112 on 5,000 rows); above, where n^2 d flops are too many, it searches by itself. One thread, since
    only that is reproducible. The package gives the sphere as two angles of which the first is that from the pole, not
    the geographer's latitude as in its haversine of inputs; here they are turned into unit vectors.

    References
    ----------
    McInnes, Healy, Melville, *UMAP: Uniform Manifold Approximation and Projection for Dimension Reduction*, arXiv
    1802.03426, section 3. The pictures, on the sphere too: Aziz and Rahim, *Topological
    Perspectives on Optimal Multimodal Embedding Spaces*, arXiv 2405.18867; it states no settings, so they are ours
    (erratum 27).

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(200, 8))
    >>> umap_coordinates(rows, output_metric="haversine").shape  # doctest: +SKIP
    (200, 3)
    """
    n, _ = check_rows(rows, "rows")
    _check_options(dimension, min_distance, metric, output_metric, seed)
    check_umap()
    if n < 4:
        raise DegenerateError(f"a UMAP map needs at least four rows, but there are {n}; give more vectors.")
    if not 2 <= neighbours < n:
        raise ValueError(
            f"neighbours must be from 2 to n - 1 = {n - 1}, but it is {neighbours}; 15 is usual. Give more "
            f"vectors or fewer neighbours."
        )
    if nearest is not None:
        check_nearest(nearest, n, neighbours - 1)
        if metric != "cosine":
            raise ValueError(f"nearest must go with metric 'cosine', but the metric is {metric!r}; leave one out.")
    check_lengths(rows, "rows")
    if nearest is None and metric == "cosine" and n <= _EXACT_ROWS:
        nearest = nearest_rows(rows, rows, neighbours - 1, leave_out_self=True, check=False)
    options: dict[str, Any] = {}
    if nearest is not None:
        options["precomputed_knn"] = _graph(nearest, neighbours)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of compilers, of a missing TensorFlow, of n_jobs beside a seed
        from umap import UMAP

        fitted = UMAP(
            n_components=dimension,
            n_neighbors=neighbours,
            min_dist=min_distance,
            metric=metric,
            output_metric=output_metric,
            random_state=seed,
            n_jobs=1,
            **options,
        )
        found = np.asarray(fitted.fit_transform(as_numpy(rows, np.float32)))
    return _on_sphere(found) if output_metric == "haversine" else found


def check_umap() -> None:
    """Raise unless the extra that draws these maps is installed; loads nothing."""
    if find_spec("umap") is None:
        raise MissingExtraError(
            "a UMAP map needs umap-learn, which is not installed; install it: pip install 'crossgap[umap]'."
        )


def _check_options(dimension: int, min_distance: float, metric: str, output_metric: str, seed: int) -> None:
    if metric not in _METRICS:
        raise ValueError(f"metric must be one of {', '.join(_METRICS)}, but it is {metric!r}.")
    if output_metric not in _OUTPUTS:
        raise ValueError(
            f"output_metric must be euclidean (a plane) or haversine (a sphere), but it is {output_metric!r}."
        )
    if dimension < 1 or (output_metric == "haversine" and dimension != 2):
        wanted = "2 on a sphere, which has two angles" if output_metric == "haversine" else "at least 1"
        raise ValueError(f"dimension must be {wanted}, but it is {dimension}.")
    if not 0 <= min_distance <= 1:
        raise ValueError(f"min_distance must be from 0 to 1, but it is {min_distance}; 0.1 is usual.")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be from 0 to 2^32 - 1, but it is {seed}.")


def _graph(nearest: Neighbours, neighbours: int) -> tuple[np.ndarray, np.ndarray]:
    """Return row numbers and cosine distances as the package wants them: each row first, as its own neighbour."""
    n = len(nearest.rows)
    rows = np.empty((n, neighbours), dtype=np.int32)
    distances = np.zeros((n, neighbours), dtype=np.float32)
    rows[:, 0] = np.arange(n)
    rows[:, 1:] = nearest.rows[:, : neighbours - 1]
    distances[:, 1:] = np.clip(1.0 - nearest.cosines[:, : neighbours - 1], 0.0, None)
    return rows, distances


def _on_sphere(angles: np.ndarray) -> np.ndarray:
    """Turn the angle from the pole and the longitude into unit vectors."""
    polar, longitude = angles[:, 0].astype(np.float64), angles[:, 1].astype(np.float64)
    around = np.sin(polar)
    return np.stack([around * np.cos(longitude), around * np.sin(longitude), np.cos(polar)], axis=1).astype(np.float32)

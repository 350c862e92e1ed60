"""A24: how many of the nearest rows a map keeps, instead of judging it by eye."""

import numpy as np

from crossgap.geometry.neighbours import Neighbours, nearest_rows, shared_neighbours
from crossgap.geometry.rows import Rows, check_rows, take_rows

__all__ = ["check_nearest", "neighbours_kept"]


def neighbours_kept(
    rows: Rows,
    coordinates: np.ndarray,
    *,
    k: int = 15,
    most_rows: int | None = None,
    seed: int = 0,
    nearest: Neighbours | None = None,
    check: bool = True,
) -> float:
    """Share of the k nearest rows in the space that are among the k nearest on the map.

    Formula::

        Q = 1/(n k) sum_i |N_k(i) in the space  ∩  N_k(i) on the map|        a row is no neighbour of itself

    How to read it: range [0, 1], higher is better; a map at random reaches k / (n - 1), which is why a share must be
    read beside n. Two axes keep few: of 1,000 rows of CLIP on COCO a linear map keeps 0.13, UMAP 0.45 and UMAP on the
    sphere 0.38. A low value says that rows that lie together on the map need not be alike; it says nothing of large
    distances, which a linear map keeps better than UMAP.

    Parameters
    ----------
    rows
        Rows (n, d) of all groups together; nearest is highest cosine.
    coordinates
        Where they lie on the map (n, 1 to 3), compared by Euclidean distance; unit vectors for a sphere.
    k
        Number of nearest rows, from 1 to n - 1.
    most_rows, seed
        Ask for so many rows only, drawn with ``seed``; their neighbours are still sought among all. None: all rows.
    nearest
        What ``nearest_rows(rows, rows, k, leave_out_self=True)`` gave, where it is known already.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A Python float.

    Raises
    ------
    ValueError
        If ``k`` or ``most_rows`` is out of its range, or the arguments are of different rows.

    Notes
    -----
    Cost: 2 n^2 d flops (2 n q d for q rows asked) and n log n on the map. Equal distances are broken by row number in
    the space and arbitrarily on the map, so rows that coincide on a map count by chance. This is the size of the
    co-ranking matrix's corner divided by n k; scikit-learn's ``trustworthiness`` weighs the wrong neighbours by their
    rank instead and therefore lies far higher (0.81 where this is 0.136).

    References
    ----------
    Lee and Verleysen, *Quality assessment of dimensionality reduction: Rank-based criteria*, Neurocomputing 72 (2009),
    Q_NX(k) in section 3.

    Examples
    --------
    Four points on a circle, two and two together; the map swaps the partners of the pairs.

    >>> angles = np.radians([0.0, 1.0, 90.0, 91.0])
    >>> rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> neighbours_kept(rows, rows, k=1)
    1.0
    >>> neighbours_kept(rows, np.array([[0.0], [5.0], [1.0], [6.0]]), k=1)
    0.0
    """
    n, _ = check_rows(rows, "rows")
    coordinates = np.asarray(coordinates, dtype=np.float64)
    if coordinates.ndim != 2 or len(coordinates) != n or not 1 <= coordinates.shape[1] <= 3:
        raise ValueError(
            f"coordinates must have shape (n, 1 to 3) with n = {n} as the rows, but their shape is "
            f"{coordinates.shape}; give the map of these rows."
        )
    if not np.isfinite(coordinates).all():
        raise ValueError("coordinates must be finite, but one is a NaN or an infinity; draw the map again.")
    if not 1 <= k < n:
        raise ValueError(f"k must be from 1 to n - 1 = {n - 1}, but it is {k}; 15 is usual.")
    if most_rows is not None and most_rows < 1:
        raise ValueError(f"most_rows must be at least 1, but it is {most_rows}; None asks for all rows.")
    asked = np.arange(n)
    if most_rows is not None and most_rows < n:
        asked = np.sort(np.random.default_rng(seed).choice(n, size=most_rows, replace=False))
    if nearest is not None:
        check_nearest(nearest, n, k)
        there = np.asarray(nearest.rows)[asked, :k]
    elif len(asked) == n:
        there = nearest_rows(rows, rows, k, leave_out_self=True, check=check).rows
    else:
        there = _without_self(nearest_rows(take_rows(rows, asked), rows, k + 1, check=check).rows, asked)
    return float(shared_neighbours(_nearest_on_map(coordinates, asked, k), there).mean())


def check_nearest(nearest: Neighbours, n: int, k: int) -> None:
    """Raise unless neighbours found earlier are those of ``n`` rows, and ``k`` or more of each."""
    have = np.shape(nearest.rows)
    if len(have) != 2 or have[0] != n or have[1] < k or np.shape(nearest.cosines) != have:
        raise ValueError(
            f"nearest must hold at least {k} neighbours of each of the {n} rows, but its shape is {tuple(have)}; take "
            f"nearest_rows(rows, rows, {k}, leave_out_self=True)."
        )


def _nearest_on_map(coordinates: np.ndarray, asked: np.ndarray, k: int) -> np.ndarray:
    from scipy.spatial import KDTree

    _, found = KDTree(coordinates).query(coordinates[asked], k=k + 1)
    return _without_self(np.asarray(found), asked)


def _without_self(found: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Drop each row from its own list (q, k + 1); where it is not in it, drop the last."""
    same = found == asked[:, None]
    same[:, -1] |= ~same.any(axis=1)
    return found[~same].reshape(len(found), -1)

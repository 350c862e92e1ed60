"""A24: whether the nearest rows of a row are of its own modality."""

import numpy as np

from crossgap.geometry.neighbours import nearest_rows
from crossgap.geometry.rows import Rows, as_numpy
from crossgap.topology.pooled_rows import pooled_rows

__all__ = ["neighbour_purity", "neighbour_purity_by_chance"]


def neighbour_purity(x: Rows, y: Rows, *, k: int = 15, unit: bool = True, check: bool = True) -> float:
    """Mean share of the k nearest rows, of both groups together, that are of a row's own group.

    Formula::

        1/(N k) sum_i #{j in N_k(i): j of the group of i}        (N = n + m rows; a row is no neighbour of itself)

    How to read it: range [0, 1]; 1 when no row has one of the other modality near it, as with CLIP's gap;
    ``neighbour_purity_by_chance`` (just under 1/2 for groups of one size) when the groups are mixed, and below it where
    matched pairs are each other's neighbours. It sees which side is nearer, not how wide a gap is.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d) of the space, or coordinates on a map; pairs are not needed.
    k
        Number of nearest rows, from 1 to N - 1. 15 as in maps by UMAP.
    unit
        Nearest by cosine; False is by Euclidean distance of the rows as they are, as for a map.
    check
        Refuse non-finite rows, and with ``unit`` rows of zeros.

    Returns
    -------
    A Python float.

    Raises
    ------
    ValueError
        If ``k`` is out of its range, the groups differ in dimension, or a row is not finite, or with ``unit`` zero.

    Notes
    -----
    Cost: N^2 d flops, or about N log N on a map. Equal cosines are broken by row number, so by group: the rows of x
    stand first. Equal distances on a map are broken arbitrarily.

    References
    ----------
    Defined here, to put a number to the maps of Aziz and Rahim, arXiv 2405.18867, which are judged by eye.

    Examples
    --------
    Two rows of each group, side by side, and then in turns on a line.

    >>> neighbour_purity(np.array([[0.0], [1.0]]), np.array([[5.0], [6.0]]), k=1, unit=False)
    1.0
    >>> neighbour_purity(np.array([[0.0], [5.0]]), np.array([[1.0], [6.0]]), k=1, unit=False)
    0.0
    """
    rows = pooled_rows(x, y, unit=unit, check=check)
    n, total = int(x.shape[0]), int(rows.shape[0])
    if not 1 <= k < total:
        raise ValueError(f"k must be from 1 to n + m - 1 = {total - 1}, but it is {k}; 15 is usual.")
    if unit:
        found = nearest_rows(rows, rows, k, leave_out_self=True, check=False).rows
    else:
        from sklearn.neighbors import NearestNeighbors

        points = as_numpy(rows, np.float64)
        found = NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False)
    of_x = np.arange(total) < n
    return float((of_x[found] == of_x[:, None]).mean())


def neighbour_purity_by_chance(n: int, m: int) -> float:
    """Share of the other rows that are of a row's own group, on average over rows.

    Formula::

        (n (n - 1) + m (m - 1)) / (N (N - 1))        (N = n + m)

    How to read it: what ``neighbour_purity`` is on average when labels are shuffled; just under 1/2 for two groups of
    one size, more the more they differ in size.

    Parameters
    ----------
    n, m
        Numbers of rows, at least 1 each.

    Raises
    ------
    ValueError
        If a group has no rows.

    References
    ----------
    Defined here.

    Examples
    --------
    >>> round(neighbour_purity_by_chance(2, 2), 4)
    0.3333
    """
    if min(n, m) < 1:
        raise ValueError(f"n and m must be at least 1, but they are {n} and {m}; give the sizes of the two groups.")
    return (n * (n - 1) + m * (m - 1)) / ((n + m) * (n + m - 1))

"""A15: how often each gallery row is among the nearest of the queries; hubness is read from these counts."""

from typing import Any

import numpy as np

from crossgap.geometry.neighbours import nearest_rows
from crossgap.geometry.rows import Rows, check_rows, check_same_dimension
from crossgap.geometry.score_offsets import check_temperature, log_sums, rows_with_offsets
from crossgap.measure.retrieval_ranks import query_weights

__all__ = ["k_occurrence", "list_counts"]

_CSLS_NEIGHBOURS = 10


def k_occurrence(
    queries: Rows,
    gallery: Rows | None = None,
    *,
    k: int = 10,
    correction: str = "none",
    temperature: float = 0.05,
    weights: Any = None,
    check: bool = True,
) -> np.ndarray:
    """Count the queries that have each gallery row among their k nearest.

    Formula::

        N_k(j) = #{queries i : row j is among the k gallery rows of highest cosine with i}

    How to read it: the mean is k n / m. Rows far above it are hubs, rows at 0 anti-hubs, which no query ever finds.

    Parameters
    ----------
    queries, gallery
        Rows (n, d) and (m, d). Without ``gallery`` the queries search among themselves, each leaving itself out.
    k
        Length of the lists, between 1 and the rows that a query can find.
    correction
        "none"; "csls": rank by 2 cos - r_i - r_j, r the mean cosine with the 10 nearest rows of the other side;
        "inverted-softmax": rank by the share of query i in the softmax over all queries of row j.
    temperature
        That of the inverted softmax; nothing else uses it.
    weights
        Weightings (n, b) of the queries, or a tuple (queries, gallery) of which the first is used; then the result is
        (b, m). The gallery stays as it is.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A NumPy array (m,) of float64, or (b, m).

    Raises
    ------
    ValueError
        If ``k`` is out of range, ``correction`` is none of the above, ``temperature`` is not above 0, the groups
        differ in dimension, or a row is zero or not finite.

    Notes
    -----
    Cost: 2 n m d flops in blocks; a correction takes as much again and holds both groups in memory. Ties go to the row
    that comes first. Both corrections add one number to each gallery row's scores, so they change which rows are found
    and not the measured cosines.

    References
    ----------
    Radovanović, Nanopoulos, Ivanović, *Hubs in Space*, JMLR 2010; Smith et al., ICLR 2017, arXiv 1702.03859 (inverted
    softmax); Conneau et al., *Word translation without parallel data*, ICLR 2018, arXiv 1710.04087 (CSLS).

    Examples
    --------
    Three queries around the first gallery row.

    >>> queries = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1]])
    >>> k_occurrence(queries, np.eye(2), k=1).tolist()
    [3.0, 0.0]
    """
    n, _ = check_rows(queries, "queries")
    others = queries if gallery is None else gallery
    m, _ = check_rows(others, "gallery")
    check_same_dimension(queries, others, ("queries", "gallery"))
    itself = gallery is None
    if not 1 <= k <= m - itself:
        raise ValueError(
            f"k must lie between 1 and the {m - itself} rows that a query can find, but it is {k}; choose a smaller k."
        )
    weights = query_weights(weights, n)
    if correction not in ("none", "csls", "inverted-softmax"):
        raise ValueError(f"correction must be 'none', 'csls' or 'inverted-softmax', but it is {correction!r}; choose.")
    check_temperature(temperature)
    if correction != "none":
        if correction == "csls":
            k_other = min(_CSLS_NEIGHBOURS, n - itself)
            offsets = (
                nearest_rows(others, queries, k_other, leave_out_self=itself, check=check).cosines.mean(axis=1) / 2
            )
        else:
            offsets = temperature * log_sums(
                others, queries, temperature, leave_out_self=itself, names=("gallery", "queries"), check=check
            )
        queries, others = rows_with_offsets(queries, others, offsets)
    return list_counts(nearest_rows(queries, others, k, leave_out_self=itself, check=check).rows, m, weights)


def list_counts(found: np.ndarray, rows: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Count the lists (n, k) that hold each of so many gallery rows, (rows,), or (b, rows) under b weightings."""
    if weights is None:
        return np.bincount(found.ravel(), minlength=rows).astype(np.float64)
    from scipy.sparse import csr_matrix

    n, k = found.shape
    lists = csr_matrix((np.ones(found.size), found.ravel(), np.arange(0, found.size + 1, k)), shape=(n, rows))
    return (lists.T @ weights.astype(np.float64)).T

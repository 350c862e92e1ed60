"""A16: how high all right answers stand, where a query has several."""

from typing import Any

from crossgap.geometry.means import weights_like, wide
from crossgap.geometry.rows import Array, Rows
from crossgap.measure.retrieval_ranks import retrieval_ranks

__all__ = ["mean_average_precision", "r_precision"]


def mean_average_precision(
    queries: Rows,
    gallery: Rows,
    *,
    query_items: Any = None,
    gallery_items: Any = None,
    ties: str = "optimistic",
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Mean over queries of the precision at each of its right answers (mAP).

    Formula::

        AP = mean_j  j / place of the j-th right answer,        mAP = mean of AP over queries

    How to read it: range (0, 1], higher is better; 1 when every query has all of its right answers before any wrong
    one. Unlike ``recall_at_k`` it wants all answers, not one. With one answer for each query it is the mean reciprocal
    rank.

    Parameters
    ----------
    queries, gallery, query_items, gallery_items, ties, weights, check
        As in ``recall_at_k``.

    Raises
    ------
    ValueError, DegenerateError
        As in ``recall_at_k``.

    Notes
    -----
    Cost: as ``recall_at_k``, and one comparison for each score and right answer. The list is not cut off.

    References
    ----------
    Manning, Raghavan, Schütze, *Introduction to Information Retrieval*, 2008, section 8.4.

    Examples
    --------
    Right answers at places 1 and 3: (1/1 + 2/3) / 2.

    >>> gallery = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 0.2]])
    >>> value = mean_average_precision(np.eye(2)[:1], gallery, query_items=[7], gallery_items=[7, 0, 7])
    >>> round(float(value), 4)
    0.8333
    """
    ranks = retrieval_ranks(
        queries, gallery, query_items=query_items, gallery_items=gallery_items, ties=ties, check=check
    )
    return weights_like(ranks.mean_average_precision(weights), wide(queries[:1]))


def r_precision(
    queries: Rows,
    gallery: Rows,
    *,
    query_items: Any = None,
    gallery_items: Any = None,
    ties: str = "optimistic",
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Share of right answers among the first R, where R is how many right answers the query has.

    Formula::

        mean over queries of  #{right answers among the first R} / R

    How to read it: range [0, 1], higher is better; 1 when every query has all of its right answers before any wrong
    one. With one answer for each query it is recall at 1.

    Parameters
    ----------
    queries, gallery, query_items, gallery_items, ties, weights, check
        As in ``recall_at_k``.

    Raises
    ------
    ValueError, DegenerateError
        As in ``recall_at_k``.

    Notes
    -----
    Cost: as ``mean_average_precision``.

    References
    ----------
    Manning, Raghavan, Schütze, *Introduction to Information Retrieval*, 2008, section 8.4.

    Examples
    --------
    Right answers at places 1 and 3: one of the first two is right.

    >>> gallery = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, 0.2]])
    >>> float(r_precision(np.eye(2)[:1], gallery, query_items=[7], gallery_items=[7, 0, 7]))
    0.5
    """
    ranks = retrieval_ranks(
        queries, gallery, query_items=query_items, gallery_items=gallery_items, ties=ties, check=check
    )
    return weights_like(ranks.r_precision(weights), wide(queries[:1]))

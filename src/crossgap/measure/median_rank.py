"""A16: where in the list the first right answer stands, as a median and as a mean of reciprocals."""

from typing import Any

from crossgap.geometry.means import weights_like, wide
from crossgap.geometry.rows import Array, Rows
from crossgap.measure.retrieval_ranks import retrieval_ranks

__all__ = ["mean_reciprocal_rank", "median_rank"]


def median_rank(
    queries: Rows,
    gallery: Rows,
    *,
    query_items: Any = None,
    gallery_items: Any = None,
    ties: str = "optimistic",
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Median over queries of the place of the first right answer (MedR).

    Formula::

        MedR = median over queries of the place of the first right answer    (gallery ranked by cosine, 1 is the top)

    How to read it: range [1, m], lower is better; 1 when most queries find an answer at the top, about m / 2 by chance
    with one answer in m rows. It does not see the worst half of the queries.

    Parameters
    ----------
    queries, gallery, query_items, gallery_items, ties, weights, check
        As in ``recall_at_k``.

    Returns
    -------
    A float64 scalar of the arrays' own library; half-way between the two middle places of an even number of queries.

    Raises
    ------
    ValueError, DegenerateError
        As in ``recall_at_k``.

    Notes
    -----
    Cost: as ``recall_at_k``.

    References
    ----------
    Defined here, from the ranks of ``retrieval_ranks``; both are standard measures of retrieval.

    Examples
    --------
    Places 1 and 2.

    >>> float(median_rank(np.eye(2), np.array([[1.0, 0.0], [0.8, -0.6]])))
    1.5
    """
    ranks = retrieval_ranks(
        queries, gallery, query_items=query_items, gallery_items=gallery_items, ties=ties, check=check
    )
    return weights_like(ranks.median_rank(weights), wide(queries[:1]))


def mean_reciprocal_rank(
    queries: Rows,
    gallery: Rows,
    *,
    query_items: Any = None,
    gallery_items: Any = None,
    ties: str = "optimistic",
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Mean over queries of 1 / place of the first right answer (MRR).

    Formula::

        MRR = mean over queries of 1 / place of the first right answer        (gallery ranked by cosine, 1 is the top)

    How to read it: range (0, 1], higher is better; 1 when every query finds a right answer at the top. It never lies
    below recall at 1, and needs no choice of k.

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
    Cost: as ``recall_at_k``.

    References
    ----------
    Defined here, from the ranks of ``retrieval_ranks``; both are standard measures of retrieval.

    Examples
    --------
    Places 1 and 2.

    >>> float(mean_reciprocal_rank(np.eye(2), np.array([[1.0, 0.0], [0.8, -0.6]])))
    0.75
    """
    ranks = retrieval_ranks(
        queries, gallery, query_items=query_items, gallery_items=gallery_items, ties=ties, check=check
    )
    return weights_like(ranks.mean_reciprocal_rank(weights), wide(queries[:1]))

"""A16: how often a right answer is among the first k."""

from typing import Any

from crossgap.geometry.means import weights_like, wide
from crossgap.geometry.rows import Array, Rows
from crossgap.measure.retrieval_ranks import retrieval_ranks

__all__ = ["recall_at_k"]


def recall_at_k(
    queries: Rows,
    gallery: Rows,
    *,
    k: int = 1,
    query_items: Any = None,
    gallery_items: Any = None,
    ties: str = "optimistic",
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Share of queries that find at least one right answer among their k nearest gallery rows.

    Formula::

        R@k = mean over queries of [ place of the first right answer <= k ]        (gallery ranked by cosine)

    How to read it: range [0, 1], higher is better; chance is k / m with one right answer in m rows. CLIP on 500 COCO
    pairs gives about 0.55 at k = 1 and 0.9 at k = 10. It falls as the gallery grows, so compare at one size only. It
    sees no offset that moves all scores of a query alike: a gap can close without it, and it can fall while a gap
    closes.

    Parameters
    ----------
    queries, gallery
        Rows (n, d) searched with, and (m, d) searched in.
    k
        Length of the list, between 1 and m.
    query_items, gallery_items
        Item ids of the rows; a gallery row of the query's item is a right answer, and any of them will do (five
        captions of one picture). Without ids row i answers query i, which needs n = m.
    ties
        Where rows of equal score stand: "optimistic" puts right answers first, "pessimistic" last.
    weights
        Weightings (n, b) of the queries for a bootstrap, or a tuple (queries, gallery) of which the first is used; then
        the result is (b,). The gallery stays as it is.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; a count, so it has no gradient.

    Raises
    ------
    ValueError
        If ``k`` is not between 1 and m, ``ties`` is neither of the two, ids are given for one side only, the groups
        differ in dimension, or a row is zero or not finite.
    DegenerateError
        If no query has a right answer in the gallery.

    Notes
    -----
    Cost: 2 n m d flops in blocks, no sorting. For several k, or both directions, search once: ``retrieval_ranks`` and
    ``retrieval_ranks_both``. Queries without any right answer in the gallery are left out; ``retrieval_ranks(...)
    .skipped`` counts them. The share of all right answers that are found is another quantity under the same name
    elsewhere; papers on image-text retrieval publish this one.

    References
    ----------
    Fahim, Murphy, Fyshe, arXiv 2405.18570, tables 4 and 10.

    Examples
    --------
    Two captions for each of two pictures; the second picture finds none of its own first.

    >>> pictures, captions = np.eye(2), np.array([[1.0, 0.1], [0.1, 1.0], [1.0, 0.2], [1.0, 0.3]])
    >>> float(recall_at_k(pictures, captions, query_items=["a", "b"], gallery_items=["a", "a", "b", "b"]))
    0.5
    """
    ranks = retrieval_ranks(
        queries, gallery, query_items=query_items, gallery_items=gallery_items, ties=ties, check=check
    )
    return weights_like(ranks.recall_at_k(k, weights), wide(queries[:1]))

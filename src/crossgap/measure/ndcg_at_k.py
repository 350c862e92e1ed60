"""How high relevant rows stand in a search over several modalities."""

from collections.abc import Mapping
from typing import Any

from crossgap.geometry.means import weights_like, wide
from crossgap.geometry.rows import Array, Rows
from crossgap.measure.mixed_search import mixed_search

__all__ = ["ndcg_at_k"]


def ndcg_at_k(
    queries: Rows,
    corpus: Mapping[str, Rows],
    *,
    query_items: Any,
    corpus_items: Mapping[str, Any],
    k: int = 10,
    own: str | None = None,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Discounted gain of the relevant rows in the top k, over the best that could be reached.

    Formula::

        DCG = sum over places p <= k of [ row at p is relevant ] / log2(p + 1)
        NDCG = mean over queries of DCG / (DCG with all R relevant rows first)

    How to read it: range [0, 1], higher is better; 1 when every list begins with its relevant rows. Relevant are the
    rows of the query's item, of any modality. Where a gap pushes one modality out of the lists, the relevant rows of
    that modality are lost here while ``recall_at_k`` within it may be perfect.

    Parameters
    ----------
    queries
        Rows (n, d).
    corpus
        Groups of rows by name.
    query_items
        Item id of each query.
    corpus_items
        Item ids of the rows of each group, by name. A group that is left out has no known relevance: its rows take
        places and count as not relevant.
    k
        Length of the list.
    own
        Name of the corpus group that holds the queries themselves; a query's own row is neither found nor relevant.
    weights
        Weightings (n, b) of the queries for a bootstrap; then the result is (b,). The corpus stays as it is.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; a count, so it has no gradient.

    Raises
    ------
    ValueError
        If ids are not one for each row or name no group of the corpus, and as in ``mixed_search``.
    DegenerateError
        If no query has a relevant row in the corpus.

    Notes
    -----
    Cost: 2 n m d flops for m rows of the corpus. Queries without a relevant row are left out; those that count are
    listed by ``mixed_search(...).ndcg_per_query(...)``.

    References
    ----------
    Järvelin and Kekäläinen, *Cumulated gain-based evaluation of IR techniques*, ACM TOIS 2002.

    Examples
    --------
    The one relevant row stands second: 1 / log2(3).

    >>> corpus = {"image": np.array([[1.0, 0.5]]), "text": np.array([[1.0, 0.1], [0.0, 1.0]])}
    >>> value = ndcg_at_k(np.array([[1.0, 0.0]]), corpus, query_items=[7], corpus_items={"image": [7]}, k=2)
    >>> round(float(value), 4)
    0.6309
    """
    search = mixed_search(queries, corpus, k=k, own=own, check=check)
    return weights_like(search.ndcg(query_items, corpus_items, weights), wide(queries[:1]))

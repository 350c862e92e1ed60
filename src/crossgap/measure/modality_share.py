"""Whether a search over several modalities favours one of them."""

from collections.abc import Mapping
from typing import Any

from crossgap.geometry.means import weights_like, wide
from crossgap.geometry.rows import Array, Rows
from crossgap.measure.mixed_search import mixed_search

__all__ = ["modality_share_at_k", "modality_share_excess"]


def modality_share_at_k(
    queries: Rows,
    corpus: Mapping[str, Rows],
    *,
    modality: str,
    k: int = 10,
    own: str | None = None,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Share of the places in the top k that rows of one modality take.

    Formula::

        mean over queries of  #{rows of the modality among the k of highest cosine} / k

    How to read it: range [0, 1]. A search blind to modality gives the modality's share of the corpus; in CLIP-like
    spaces text queries fill their lists with texts, because the gap puts every image further away than any text. The
    shares of all modalities sum to 1. It says nothing of whether the rows found are right: see ``ndcg_at_k``.

    Parameters
    ----------
    queries
        Rows (n, d) of one group.
    corpus
        Groups of rows by name, ``modality`` or ``modality/role``; pairs are not needed.
    modality
        Name of a group, or of a modality whose roles are taken together.
    k
        Length of the list.
    own
        Name of the corpus group that holds the queries themselves; each then leaves its own row out.
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
        If ``modality`` is not in the corpus, and as in ``mixed_search``.

    Notes
    -----
    Cost: 2 n m d flops for m rows of the corpus. For several modalities search once: ``mixed_search``.

    References
    ----------
    Defined here; no paper states it.

    Examples
    --------
    >>> corpus = {"image": np.array([[0.0, 1.0]]), "text": np.array([[1.0, 0.1], [1.0, 0.2]])}
    >>> float(modality_share_at_k(np.array([[1.0, 0.0]]), corpus, modality="text", k=2))
    1.0
    """
    search = mixed_search(queries, corpus, k=k, own=own, check=check)
    return weights_like(search.modality_share(modality, weights), wide(queries[:1]))


def modality_share_excess(
    queries: Rows,
    corpus: Mapping[str, Rows],
    *,
    modality: str,
    k: int = 10,
    own: str | None = None,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Share of one modality in the top k less its share of the corpus.

    Formula::

        (share of the places in the top k) - (share of the rows that a query can find)

    How to read it: range [-1, 1]; 0 when search is blind to modality, above 0 when it favours this one. An excess is no
    fault by itself where the favoured modality holds more of the right answers.

    Parameters
    ----------
    queries, corpus, modality, k, own, weights, check
        As in ``modality_share_at_k``.

    Raises
    ------
    ValueError
        As in ``modality_share_at_k``.

    Notes
    -----
    Cost: as ``modality_share_at_k``.

    References
    ----------
    Defined here; no paper states it.

    Examples
    --------
    Texts are two thirds of the corpus and all of the top 2.

    >>> corpus = {"image": np.array([[0.0, 1.0]]), "text": np.array([[1.0, 0.1], [1.0, 0.2]])}
    >>> round(float(modality_share_excess(np.array([[1.0, 0.0]]), corpus, modality="text", k=2)), 4)
    0.3333
    """
    search = mixed_search(queries, corpus, k=k, own=own, check=check)
    excess = search.modality_share(modality, weights) - search.corpus_share(modality)
    return weights_like(excess, wide(queries[:1]))

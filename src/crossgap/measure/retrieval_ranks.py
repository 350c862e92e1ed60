"""A16: at which place of the list each query finds its right answers; every retrieval score reads from here."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import matched_rows
from crossgap.geometry.means import weighted_mean
from crossgap.geometry.ranks import match_ranks
from crossgap.geometry.rows import Rows, check_rows, check_same_dimension, row_weights

__all__ = ["RetrievalRanks", "query_weights", "retrieval_ranks", "retrieval_ranks_both"]


@dataclass(frozen=True, kw_only=True, eq=False)
class RetrievalRanks:
    """The place of every right answer in the list of its query, and the scores that follow from it.

    The methods take ``weights`` (n_queries, b) over the queries, the gallery kept as it is, and then return (b,).

    Parameters
    ----------
    query
        Row of the query of each right answer (p,), in ascending order.
    place
        Place of that answer in the query's list, 1 is the top, (p,); ascending within a query.
    n_queries, gallery_size
        Rows searched with and searched in.
    ties
        How rows of equal score were placed.
    """

    query: np.ndarray
    place: np.ndarray
    n_queries: int
    gallery_size: int
    ties: str

    @property
    def answered(self) -> np.ndarray:
        """Rows of the queries that have a right answer in the gallery (q,)."""
        return self.query[self._first]

    @property
    def best(self) -> np.ndarray:
        """Place of the first right answer of each answered query (q,)."""
        return self.place[self._first]

    @property
    def skipped(self) -> int:
        """Number of queries left out because the gallery holds no right answer."""
        return self.n_queries - len(self.answered)

    def recall_at_k(self, k: int, weights: Any = None) -> np.ndarray:
        """Share of queries with a right answer among the first k."""
        if not 1 <= k <= self.gallery_size:
            raise ValueError(
                f"k must lie between 1 and the {self.gallery_size} rows of the gallery, but it is {k}; choose another."
            )
        return self._mean(self.best <= k, weights)

    def mean_reciprocal_rank(self, weights: Any = None) -> np.ndarray:
        """Mean of 1 / place of the first right answer."""
        return self._mean(1.0 / self.best, weights)

    def median_rank(self, weights: Any = None) -> np.ndarray:
        """Median place of the first right answer."""
        weights = query_weights(weights, self.n_queries)
        if weights is None:
            return np.median(self.best)
        order = np.argsort(self.best, kind="stable")
        running = np.cumsum(weights[self.answered][order], axis=0, dtype=np.float64)
        ranks, half = self.best[order], running[-1] / 2
        return (ranks[np.argmax(running >= half, axis=0)] + ranks[np.argmax(running > half, axis=0)]) / 2

    def mean_average_precision(self, weights: Any = None) -> np.ndarray:
        """Mean over queries of the mean precision at its right answers."""
        first = np.flatnonzero(self._first)
        precision = (self._within + 1) / self.place
        return self._mean(np.add.reduceat(precision, first) / self._answers, weights)

    def r_precision(self, weights: Any = None) -> np.ndarray:
        """Mean over queries of the share of right answers among the first R, R the number of its right answers."""
        first = np.flatnonzero(self._first)
        hits = self.place <= np.repeat(self._answers, self._answers)
        return self._mean(np.add.reduceat(hits, first, dtype=np.int64) / self._answers, weights)

    @property
    def _first(self) -> np.ndarray:
        return np.diff(self.query, prepend=-1) > 0

    @property
    def _answers(self) -> np.ndarray:
        return np.diff(np.flatnonzero(self._first), append=len(self.query))

    @property
    def _within(self) -> np.ndarray:
        return np.arange(len(self.query)) - np.repeat(np.flatnonzero(self._first), self._answers)

    def _mean(self, values: np.ndarray, weights: Any) -> np.ndarray:
        weights = query_weights(weights, self.n_queries)
        return weighted_mean(values, None if weights is None else weights[self.answered])


def retrieval_ranks(
    queries: Rows,
    gallery: Rows,
    *,
    query_items: Any = None,
    gallery_items: Any = None,
    ties: str = "optimistic",
    check: bool = True,
) -> RetrievalRanks:
    """Place of every right answer when each query ranks the gallery by cosine.

    How to read it: place 1 is the top. One search serves all scores: ``ranks.recall_at_k(1)``, ``recall_at_k(5)``,
    ``median_rank()``, ``mean_reciprocal_rank()``, ``mean_average_precision()``, ``r_precision()``.

    Parameters
    ----------
    queries, gallery
        Rows (n, d) and (m, d).
    query_items, gallery_items
        Item ids of the rows; a gallery row of the query's item is a right answer. Without ids row i answers query i,
        which needs n = m.
    ties
        Where rows of equal score stand: "optimistic" puts right answers before wrong ones, "pessimistic" after them.
        Duplicated captions make the two differ.
    check
        Refuse zero and non-finite rows.

    Raises
    ------
    ValueError
        If ``ties`` is neither of the two, ids are given for one side only, the groups differ in dimension, or a row is
        zero or not finite.
    DegenerateError
        If no query has a right answer in the gallery.

    Notes
    -----
    Cost: 2 n m d flops in blocks, two comparisons for each score, no sorting. Scores that agree to about eight times
    the rounding of the rows' type are ties.

    References
    ----------
    Defined here; docs/conventions.md says how ties count.

    Examples
    --------
    The first query finds its answer first, the second finds it last of two.

    >>> ranks = retrieval_ranks(np.eye(2), np.array([[1.0, 0.0], [0.8, -0.6]]))
    >>> ranks.best.tolist(), float(ranks.recall_at_k(1)), ranks.skipped
    ([1, 2], 0.5, 0)
    """
    return retrieval_ranks_both(queries, gallery, x_items=query_items, y_items=gallery_items, ties=ties, check=check)[0]


def retrieval_ranks_both(
    x: Rows,
    y: Rows,
    *,
    x_items: Any = None,
    y_items: Any = None,
    ties: str = "optimistic",
    check: bool = True,
) -> tuple[RetrievalRanks, RetrievalRanks]:
    """Places of right answers in both directions, (x searches y, y searches x), from one product.

    How to read it: as ``retrieval_ranks``, at half of the cost of two calls.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d).
    x_items, y_items, ties, check
        As in ``retrieval_ranks``.

    Raises
    ------
    ValueError, DegenerateError
        As in ``retrieval_ranks``.

    References
    ----------
    Defined here.

    Examples
    --------
    >>> forward, backward = retrieval_ranks_both(np.eye(2), np.array([[1.0, 0.0], [0.8, -0.6]]))
    >>> forward.best.tolist(), backward.best.tolist()
    ([1, 2], [1, 2])
    """
    n, _ = check_rows(x, "x")
    m, _ = check_rows(y, "y")
    check_same_dimension(x, y)
    if ties not in ("optimistic", "pessimistic"):
        raise ValueError(f"ties must be 'optimistic' or 'pessimistic', but it is {ties!r}; choose one.")
    matches = matched_rows(n, m, x_items, y_items)
    if not len(matches[0]):
        raise DegenerateError(
            f"no query has a right answer: {n} rows against {m}, "
            f"{'without item ids' if x_items is None else 'with no item id in common'}; give ids that match."
        )
    found = match_ranks(x, y, matches, pessimistic=ties == "pessimistic", check=check)
    return (
        _places(found.x_rows, found.y_for_x + 1, n, m, ties),
        _places(found.y_rows, found.x_for_y + 1, m, n, ties),
    )


def query_weights(weights: Any, n: int) -> np.ndarray | None:
    """Weightings of the queries: of a tuple (queries, gallery) the first, since the gallery stays as it is."""
    return row_weights(weights[0] if isinstance(weights, tuple) else weights, n)


def _places(query: np.ndarray, rank: np.ndarray, n: int, m: int, ties: str) -> RetrievalRanks:
    """Give right answers of one query places of their own: tied ones share a rank, but stand one after the other.

    Optimistic ranks count no tied row and pessimistic ones all, right answers too. So the j-th answer stands at its
    rank or one below the answer before it; or, from the bottom, at its rank or one above the answer after it.
    """
    order = np.lexsort((rank, query))
    query, rank = query[order], rank[order]
    starts = np.flatnonzero(np.diff(query, prepend=-1))
    within = np.arange(len(query)) - np.repeat(starts, np.diff(starts, append=len(query)))
    apart = query * (2 * m + 2)  # lets one running maximum serve all queries
    free = apart + rank - within
    free = np.maximum.accumulate(free) if ties == "optimistic" else np.minimum.accumulate(free[::-1])[::-1]
    return RetrievalRanks(query=query, place=free - apart + within, n_queries=n, gallery_size=m, ties=ties)

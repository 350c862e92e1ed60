"""Score bands: the scored (query, gallery) pairs from which match probabilities and thresholds are learned."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import matched_rows
from crossgap.geometry.neighbours import Neighbours, nearest_rows
from crossgap.geometry.ranks import match_cosines
from crossgap.geometry.rows import Rows, check_rows, check_same_dimension

__all__ = ["PairSetting", "ScoredPairs", "scored_pairs"]

_COLUMNS = 32  # of counts, widened at a time


@dataclass(frozen=True, kw_only=True)
class PairSetting:
    """Which pairs a probability, precision or recall is about; a number means nothing without it.

    Parameters
    ----------
    pairs
        "candidates": what a search shows, the k nearest gallery rows of each query. "all": every pair.
    k
        Gallery rows shown for each query (candidates); nearest rows kept in full, the rest sampled (all).
    base_rate
        Share of matches among the pairs, after any prevalence that was asked for.
    observed_rate
        Share of matches among the pairs as they came.
    n, m
        Rows of the queries and of the gallery.
    items
        Distinct items of the queries; intervals and folds go by items.
    scored
        Pairs that were scored.
    unanswerable
        Queries without any match in the gallery. Their pairs are all unmatched, as in a search.
    """

    pairs: str
    k: int
    base_rate: float
    observed_rate: float
    n: int
    m: int
    items: int
    scored: int
    unanswerable: int


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredPairs:
    """Cosines of pairs, lowest first, whether each is a match, and whose query it belongs to.

    Parameters
    ----------
    scores, matched
        Cosine, and whether both rows are of one item, (p,).
    weights
        How many pairs of the setting each scored pair stands for, (p,): 1 unless it was sampled.
    items
        Number of the query's item, from 0, (p,).
    matches
        Matches that the queries of each item have in the whole gallery, shown or not, (items,).
    setting
        Which pairs these are.
    """

    scores: np.ndarray
    matched: np.ndarray
    weights: np.ndarray
    items: np.ndarray
    matches: np.ndarray
    setting: PairSetting

    @property
    def factors(self) -> tuple[float, float]:
        """What a match and what an unmatched pair count, so that matches have the share that was asked for."""
        rate, observed = self.setting.base_rate, self.setting.observed_rate
        return rate / observed, (1 - rate) / (1 - observed)

    def item_folds(self, folds: int, seed: int) -> np.ndarray:
        """Deal the items at random into ``folds`` folds of equal size; return the fold of each item, (items,)."""
        count = self.setting.items
        if not 2 <= folds <= count:
            raise ValueError(
                f"folds must lie between 2 and the number of items, {count}, but it is {folds}; 5 is usual."
            )
        return np.random.default_rng([seed, 1]).permutation(count) % folds  # [.., 1]: not the bootstrap's stream

    def bin_starts(self, bins: int) -> np.ndarray:
        """Cut the pairs into at most ``bins`` runs of scores; half of the cuts are quantiles of the matched pairs.

        Equal scores share a run. Matches are few, but they decide the upper end: they get as many cuts as the rest.
        """
        cuts = [
            kind[np.linspace(0, len(kind), bins // 2, endpoint=False).astype(np.int64)]
            for kind in (self.scores[self.matched], self.scores[~self.matched])
            if len(kind)
        ]
        return np.unique(np.append(np.searchsorted(self.scores, np.concatenate(cuts)), 0))

    def resampled(self, starts: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Matched and unmatched pairs in each run of scores, (runs, b), with items that occur ``counts`` (items, b)."""
        from scipy.sparse import coo_array

        runs = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(self.scores)))
        sums = []
        for kind in (self.matched, ~self.matched):
            where = (runs[kind], self.items[kind])
            table = coo_array((self.weights[kind], where), shape=(len(starts), self.setting.items)).tocsr()
            sums.append(resampled_sums(table, counts))
        return sums[0], sums[1]


def resampled_sums(table: Any, counts: np.ndarray) -> np.ndarray:
    """Return ``table @ counts`` in float64; counts stay in eight bits but for a few columns at a time."""
    columns = range(0, counts.shape[1], _COLUMNS)
    return np.concatenate([table @ counts[:, c : c + _COLUMNS].astype(np.float64) for c in columns], axis=-1)


def scored_pairs(
    queries: Rows,
    gallery: Rows,
    *,
    query_items: Any = None,
    gallery_items: Any = None,
    pairs: str = "candidates",
    k: int = 10,
    prevalence: float | None = None,
    sample: int = 100_000,
    seed: int = 0,
    nearest: Neighbours | None = None,
    check: bool = True,
) -> ScoredPairs:
    """Score the pairs from which ``match_probability``, ``precision_recall`` and ``threshold_at_precision`` learn.

    One search serves all three::

        scored = scored_pairs(text, image)
        match_probability(scored).interval(0.25)
        threshold_at_precision(scored, 0.9).threshold

    How to read it: precision at a cosine depends on how many wrong pairs compete, so the setting is part of every
    number. *candidates* is what a search with a threshold on its results shows: the ``k`` nearest rows of each query.
    *all* is every pair, as in deduplication or a join; matches are then 1 in m. The candidates of a larger gallery
    score higher, so measure on a gallery of the size that you search. If you cannot, take ``pairs="all"`` and
    ``prevalence=1 / size``, which assumes that more rows bring more of the same wrong pairs. A gallery row that would
    do just as well but is of another item counts as wrong: precision is a lower bound.

    Parameters
    ----------
    queries, gallery
        Rows (n, d) and (m, d).
    query_items, gallery_items
        Item ids of the rows; equal id, match. Without ids row i matches row i where n = m.
    pairs
        "candidates" or "all".
    k
        Nearest gallery rows of each query.
    prevalence
        Share of matches to assume instead of the share among the pairs, between 0 and 1. Matched and unmatched pairs
        keep their distributions of scores.
    sample
        With ``pairs="all"``: number of pairs to draw from those that are neither a match nor among the k nearest. Each
        then stands for as many as it takes to make up n m pairs.
    seed
        Seed of that draw.
    nearest
        The ``k`` nearest gallery rows of each query, where they were found already; None searches.
    check
        As in ``centroid_distance``.

    Raises
    ------
    ValueError
        If ``pairs`` is another word, ``k`` or ``sample`` is below 1, ``prevalence`` is not between 0 and 1, ids are
        given for one side only or are not one for each row, ``nearest`` is of another search, the groups differ in
        dimension, or a row is bad.
    DegenerateError
        If no row of the queries matches a row of the gallery, or the scored pairs are all matches or hold none.

    Notes
    -----
    Cost: one search of 2 n m d flops; with ``pairs="all"`` also 2 d flops for each match and each pair drawn. Queries
    without a match in the gallery stay in, as they would in a search; ``setting.unanswerable`` counts them.

    References
    ----------
    Saerens, Latinne, Decaestecker, *Adjusting the Outputs of a Classifier to New a Priori Probabilities*, Neural
    Computation 2002 (``prevalence``).

    Examples
    --------
    >>> x = np.eye(4)[[0, 1, 2, 3]] + 0.1
    >>> found = scored_pairs(x, x, k=2)
    >>> found.matched.tolist()
    [False, False, False, False, True, True, True, True]
    >>> found.setting.base_rate, scored_pairs(x, x, pairs="all").setting.base_rate
    (0.5, 0.25)
    """
    n, _ = check_rows(queries, "queries")
    m, _ = check_rows(gallery, "gallery")
    check_same_dimension(queries, gallery, ("queries", "gallery"))
    if pairs not in ("candidates", "all"):
        raise ValueError(f'pairs must be "candidates" or "all", but it is {pairs!r}; see scored_pairs.')
    for name, number in (("k", k), ("sample", sample)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, but it is {number}; leave it out for the usual number.")
    if prevalence is not None and not 0 < prevalence < 1:
        raise ValueError(
            f"prevalence must lie between 0 and 1, but it is {prevalence}; it is the share of matches among the pairs."
        )
    query_rows, gallery_rows = matched_rows(n, m, query_items, gallery_items)
    if not len(query_rows):
        raise DegenerateError(
            f"no row of the queries ({n}) matches a row of the gallery ({m}), so there is no match to learn from; "
            f"give item ids for both (query_items, gallery_items)."
        )
    k = min(k, m)
    match_keys = query_rows * m + gallery_rows
    if nearest is None:
        nearest = nearest_rows(queries, gallery, k, check=check)
    elif nearest.rows.shape != (n, k):
        raise ValueError(f"nearest must hold {k} rows for each of {n} queries, but it has {nearest.rows.shape}.")
    keys, scores = (np.arange(n)[:, None] * m + nearest.rows).ravel(), nearest.cosines.ravel()
    matched = np.isin(keys, match_keys)
    weights = np.ones(len(keys))
    if pairs == "all":
        missed = ~np.isin(match_keys, keys)
        known = np.concatenate([keys, match_keys[missed]])
        drawn = np.arange(n * m) if n * m <= sample else np.random.default_rng(seed).integers(n * m, size=sample)
        drawn = drawn[~np.isin(drawn, known)]
        rest = np.concatenate([match_keys[missed], drawn])
        keys = np.concatenate([keys, rest])
        scores = np.concatenate([scores, _cosines(queries, gallery, (rest // m, rest % m))])
        matched = np.concatenate([matched, np.arange(len(rest)) < missed.sum()])
        each = (n * m - len(known)) / max(1, len(drawn))
        weights = np.concatenate([weights, np.ones(missed.sum()), np.full(len(drawn), each)])
    observed = float(weights @ matched / weights.sum())
    if not matched.any() or matched.all():
        raise DegenerateError(
            f"{'each' if matched.any() else 'none'} of the {len(scores)} scored pairs is a match, so scores cannot be "
            f"told apart; give more rows or another k."
        )
    item_of_query = np.arange(n) if query_items is None else np.unique(np.asarray(query_items), return_inverse=True)[1]
    order = np.argsort(scores, kind="stable")
    return ScoredPairs(
        scores=np.asarray(scores, dtype=np.float64)[order],
        matched=matched[order],
        weights=weights[order],
        items=item_of_query[keys // m][order],
        matches=np.bincount(item_of_query[query_rows], minlength=int(item_of_query.max()) + 1),
        setting=PairSetting(
            pairs=pairs,
            k=k,
            base_rate=observed if prevalence is None else float(prevalence),
            observed_rate=observed,
            n=n,
            m=m,
            items=int(item_of_query.max()) + 1,
            scored=len(scores),
            unanswerable=n - len(np.unique(query_rows)),
        ),
    )


def check_scored(scored: ScoredPairs) -> None:
    """Raise unless this is what ``scored_pairs`` returns."""
    if not hasattr(scored, "matched"):
        raise TypeError(
            f"scored must come from scored_pairs, but it is a {type(scored).__name__}; "
            f"call scored_pairs(queries, gallery) first and give what it returns."
        )


def _cosines(queries: Rows, gallery: Rows, rows: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    if not len(rows[0]):
        return np.empty(0)
    cosines = match_cosines(queries, gallery, rows, check=False)
    return cosines if isinstance(cosines, np.ndarray) else np.asarray(cosines.detach().cpu())

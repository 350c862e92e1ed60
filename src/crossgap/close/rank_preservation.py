"""C11: how much of the order of a search is left once rows have moved; measured, not assumed.

    before, after: the same rows ---> one value for each row ---> one value, or (b,) under bootstrap weights

Three views: the order of all rows of one group for each of them (Spearman), the nearest rows of one group (overlap),
and the head of the list in which a row of one group ranks the rows of another (Kendall).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import weighted_mean
from crossgap.geometry.neighbours import nearest_rows, shared_neighbours
from crossgap.geometry.rows import check_rows, unit_rows

__all__ = [
    "METRICS",
    "RankPreservation",
    "list_kendall",
    "list_kendall_per_query",
    "neighbour_overlap",
    "neighbour_overlap_per_row",
    "rank_preservation",
    "within_spearman",
    "within_spearman_per_row",
]

METRICS = ("cosine", "dot", "euclidean")
_BLOCK = 512  # queries; a block of scores is as many rows by the whole gallery
_ROUNDING = 8.0  # units in the last place up to which two scores are a tie


@dataclass(frozen=True, kw_only=True)
class RankPreservation:
    """What is left of the orders of several groups; 1 where nothing changed.

    Parameters
    ----------
    within_spearman, neighbour_overlap
        By group.
    list_kendall
        By direction (queries, gallery).
    k, length, metric
        Neighbours, length of the lists, and the score that ranks.
    """

    within_spearman: Mapping[str, float]
    neighbour_overlap: Mapping[str, float]
    list_kendall: Mapping[tuple[str, str], float]
    k: int
    length: int
    metric: str


def rank_preservation(
    before: Mapping[str, Any], after: Mapping[str, Any], *, k: int = 10, length: int = 50, metric: str = "cosine"
) -> RankPreservation:
    """Measure how much of the orders within and across groups is left.

    How to read it: 1 everywhere says that no search notices the difference. A common rotation of all groups gives that;
    mean removal gives values just below 1; a map that was fitted on few pairs does not.

    Parameters
    ----------
    before, after
        Rows (n, d) by group, row i of one the same as row i of the other; the dimension may change.
    k
        Nearest rows that are compared within a group; all but the row itself where there are fewer.
    length
        First rows of each list across groups that are compared; all where there are fewer.
    metric
        "cosine" (rows brought to length 1), "dot" or "euclidean": the score that ranks.

    Raises
    ------
    ValueError
        If the groups or their numbers of rows differ, or an option is out of range.
    DegenerateError
        If a group has fewer than 3 rows.

    Notes
    -----
    Cost: for each group n^2 d flops and a sort of n^2 numbers, before and after.

    References
    ----------
    The table "what preserves ranks" in ``docs/closing.md``; defined here.

    Examples
    --------
    Turning all rows by a right angle changes no order.

    >>> x = np.random.default_rng(0).normal(size=(20, 2))
    >>> turned = x @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> rank_preservation({"image": x}, {"image": turned}).neighbour_overlap
    {'image': 1.0}
    """
    if list(before) != list(after):
        raise ValueError(
            f"before and after must hold the same groups in one order, but they hold {', '.join(before)} and "
            f"{', '.join(after)}."
        )
    names = list(before)
    for name in names:
        check_rows(before[name], name, least=3)
    return RankPreservation(
        within_spearman={name: float(within_spearman(before[name], after[name], metric=metric)) for name in names},
        neighbour_overlap={
            name: float(
                neighbour_overlap(before[name], after[name], k=min(k, before[name].shape[0] - 1), metric=metric)
            )
            for name in names
        },
        list_kendall={
            (a, b): float(
                list_kendall(
                    (before[a], before[b]),
                    (after[a], after[b]),
                    length=min(length, before[b].shape[0]),
                    metric=metric,
                )
            )
            for a in names
            for b in names
            if a != b
        },
        k=k,
        length=length,
        metric=metric,
    )


def within_spearman(before: Any, after: Any, *, metric: str = "cosine", weights: Any = None) -> np.ndarray:
    """Mean over rows of the rank correlation of a row's similarities to all other rows, before and after.

    How to read it: range [-1, 1]; 1 where each row ranks all others as before, 0 where no order is left. It looks at
    whole lists, whose far ends no search shows: see ``neighbour_overlap``.

    Parameters
    ----------
    before, after
        Rows (n, d) of one group, n at least 3.
    metric
        "cosine", "dot" or "euclidean".
    weights
        Weightings (n, b) of the rows for a bootstrap; then the result is (b,). The rows that are ranked stay.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> float(within_spearman(x, 2 * x + 1, metric="euclidean")), float(within_spearman(x, 2 * x + 1)) < 1
    (1.0, True)
    """
    return weighted_mean(within_spearman_per_row(before, after, metric=metric), weights)


def within_spearman_per_row(
    before: Any, after: Any, *, metric: str = "cosine", rows: np.ndarray | None = None
) -> np.ndarray:
    """Rank correlation for each row, (n,), or for those numbered by ``rows`` only.

    A row whose similarities are all equal, before or after, has no order to keep and counts 1 if both are, else 0.
    """
    _check(before, after, least=3, metric=metric)
    rows = np.arange(before.shape[0]) if rows is None else rows
    found = np.empty(len(rows))
    for part, a, b in _score_blocks((before, before), (after, after), rows, metric):
        others = np.ones(a.shape, dtype=bool)
        others[np.arange(len(a)), rows[part]] = False
        shape = (len(a), a.shape[1] - 1)
        found[part] = _spearman(a[others].reshape(shape), b[others].reshape(shape))
    return found


def neighbour_overlap(
    before: Any, after: Any, *, k: int = 10, metric: str = "cosine", weights: Any = None
) -> np.ndarray:
    """Mean over rows of the share of a row's k nearest rows of its own group that stay among the k nearest.

    Formula::

        mean_i |N_k(i) before  ∩  N_k(i) after| / k

    How to read it: range [0, 1]; 1 where a search within the group finds the same rows, k / (n - 1) where it finds
    rows at random.

    Parameters
    ----------
    before, after
        Rows (n, d) of one group.
    k
        Neighbours, between 1 and n - 1.
    metric
        "cosine", "dot" or "euclidean".
    weights
        Weightings (n, b) of the rows for a bootstrap; then the result is (b,).

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(20, 3))
    >>> float(neighbour_overlap(x, 3 * x)), float(neighbour_overlap(x, x[::-1])) < 1
    (1.0, True)
    """
    return weighted_mean(neighbour_overlap_per_row(before, after, k=k, metric=metric), weights)


def neighbour_overlap_per_row(before: Any, after: Any, *, k: int = 10, metric: str = "cosine") -> np.ndarray:
    """Share of each row's k nearest rows that stay, (n,)."""
    _check(before, after, least=2, metric=metric)
    n = before.shape[0]
    if not 1 <= k < n:
        raise ValueError(
            f"k must lie between 1 and the {n - 1} rows that a row can find, but it is {k}; choose another."
        )
    if metric == "cosine":
        lists = [nearest_rows(rows, rows, k, leave_out_self=True).rows for rows in (before, after)]
        return shared_neighbours(*lists)
    found = np.empty(n)
    rows = np.arange(n)
    for part, a, b in _score_blocks((before, before), (after, after), rows, metric):
        for block in (a, b):
            block[np.arange(len(block)), rows[part]] = -np.inf
        found[part] = shared_neighbours(*(np.argsort(-block, axis=1, kind="stable")[:, :k] for block in (a, b)))
    return found


def list_kendall(
    before: tuple[Any, Any],
    after: tuple[Any, Any],
    *,
    length: int = 50,
    metric: str = "cosine",
    weights: Any = None,
) -> np.ndarray:
    """Mean over queries of Kendall's tau of the first rows of a query's list: their order before against after.

    Formula::

        tau_i = mean over pairs of the first `length` rows before of  sign(s_u - s_v before) sign(s_u - s_v after)

    How to read it: range [-1, 1]; 1 where the head of every list keeps its order, 0 where none is left. Rows that come
    up from below into the head are not seen.

    Parameters
    ----------
    before, after
        Queries (n, d) and gallery (m, d), of different groups.
    length
        Rows of the head, between 2 and m.
    metric
        "cosine", "dot" or "euclidean".
    weights
        Weightings (n, b) of the queries for a bootstrap; then the result is (b,). The gallery stays.

    Notes
    -----
    Scores that agree up to rounding are ties. Tau-a over pairs that were no tie before: a tie after counts 0.

    Examples
    --------
    Moving all texts by one vector adds one number to all scores of an image, so its list stays; a text's does not.

    >>> rng = np.random.default_rng(0)
    >>> x, y, b = rng.normal(size=(9, 4)), rng.normal(size=(9, 4)), rng.normal(size=4)
    >>> float(list_kendall((x, y), (x, y + b), length=9, metric="dot"))
    1.0
    >>> float(list_kendall((y, x), (y + b, x), length=9, metric="dot")) < 1
    True
    """
    return weighted_mean(list_kendall_per_query(before, after, length=length, metric=metric), weights)


def list_kendall_per_query(
    before: tuple[Any, Any],
    after: tuple[Any, Any],
    *,
    length: int = 50,
    metric: str = "cosine",
    rows: np.ndarray | None = None,
) -> np.ndarray:
    """Kendall's tau of the head of each query's list, (n,), or for the queries numbered by ``rows`` only."""
    for side in (0, 1):
        _check(before[side], after[side], least=1 if side == 0 else 2, metric=metric)
    m = before[1].shape[0]
    if not 2 <= length <= m:
        raise ValueError(f"length must lie between 2 and the {m} rows of the gallery, but it is {length}.")
    rows = np.arange(before[0].shape[0]) if rows is None else rows
    u, v = np.triu_indices(length, 1)
    found = np.empty(len(rows))
    for part, a, b in _score_blocks(before, after, rows, metric):
        head = np.argpartition(-a, length - 1, axis=1)[:, :length]
        signs = [_signs(np.take_along_axis(scores, head, axis=1), u, v) for scores in (a, b)]
        ordered = np.count_nonzero(signs[0], axis=1)
        agreed = np.einsum("ij,ij->i", signs[0], signs[1], dtype=np.int64)
        found[part] = np.where(ordered > 0, agreed / np.maximum(ordered, 1), 1.0)
    return found


def _signs(scores: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Sign of the difference of each pair of scores, 0 for one that is rounding."""
    slack = _ROUNDING * np.finfo(scores.dtype).eps * np.abs(scores).max(axis=1, keepdims=True)
    difference = scores[:, u] - scores[:, v]
    return (difference > slack).astype(np.int8) - (difference < -slack)


def _spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    ranks = [rankdata(scores, axis=1) for scores in (a, b)]
    centred = [rank - (rank.shape[1] + 1) / 2 for rank in ranks]
    squares = [np.vecdot(rank, rank) for rank in centred]
    product = np.sqrt(squares[0] * squares[1])
    same = (squares[0] == 0) & (squares[1] == 0)
    found = np.divide(np.vecdot(*centred), product, out=same.astype(np.float64), where=product > 0)
    return np.clip(found, -1.0, 1.0)


def _score_blocks(
    before: tuple[Any, Any], after: tuple[Any, Any], rows: np.ndarray, metric: str
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yield a slice of ``rows`` and their scores with the whole gallery, before and after."""
    prepared = [_prepared(*version, metric) for version in (before, after)]
    for first in range(0, len(rows), _BLOCK):
        part = slice(first, first + _BLOCK)
        a, b = (queries[rows[part]] @ gallery.T - shift for queries, gallery, shift in prepared)
        yield part, a, b


def _prepared(queries: Any, gallery: Any, metric: str) -> tuple[np.ndarray, np.ndarray, Any]:
    """Queries, gallery and what to subtract from their products, so that the higher score is the nearer row."""
    if metric == "cosine":
        return unit_rows(queries, name="queries"), unit_rows(gallery, name="gallery"), gallery.dtype.type(0)
    return queries, gallery, np.vecdot(gallery, gallery) / 2 if metric == "euclidean" else gallery.dtype.type(0)


def _check(before: Any, after: Any, *, least: int, metric: str) -> None:
    n, _ = check_rows(before, "before")
    m, _ = check_rows(after, "after")
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(map(repr, METRICS))}, but it is {metric!r}; choose one.")
    if n != m:
        raise ValueError(f"before and after must hold the same rows, but they have {n} and {m}; align them first.")
    if n < least:
        raise DegenerateError(f"an order within a group needs at least {least} rows, but there are {n}; give more.")

"""A15: whether a few rows of the gallery turn up in everybody's list."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import weights_like, wide
from crossgap.geometry.rows import Array, Rows
from crossgap.measure.k_occurrence import k_occurrence, list_counts

__all__ = [
    "HubnessScores",
    "antihub_share",
    "hubness",
    "hubness_gini",
    "hubness_max",
    "hubness_scores",
    "top_hub_share",
]


_TOP_SHARE = 0.01


@dataclass(frozen=True, kw_only=True)
class HubnessScores:
    """All hubness numbers of one search; each is the value of the function of its name."""

    hubness: float
    hubness_gini: float
    hubness_max: float
    antihub_share: float
    top_hub_share: float


def hubness(
    queries: Rows,
    gallery: Rows | None = None,
    *,
    k: int = 10,
    correction: str = "none",
    temperature: float = 0.05,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Skewness of how often gallery rows are found: the usual number for hubness.

    Formula::

        S = mean_j (N_k(j) - mean)^3 / std^3        (N_k as in k_occurrence; denominators m)

    How to read it: 0 when the counts spread evenly about their mean, above 1 when a few rows take many lists. CLIP on
    500 COCO pairs gives 1.6 (image to text) and 2.4 (text to image). It grows with the dimension and with the number of
    rows, so compare at one size. A strong cone makes hubs; closing a gap need not remove them.

    Parameters
    ----------
    queries, gallery, k, correction, temperature, weights, check
        As in ``k_occurrence``; with ``weights`` the result is (b,).

    Returns
    -------
    A float64 scalar of the arrays' own library; a count, so it has no gradient.

    Raises
    ------
    ValueError
        As in ``k_occurrence``.
    DegenerateError
        If every gallery row is found equally often.

    Notes
    -----
    Cost: as ``k_occurrence``. ``hubness_scores`` gives all numbers of this family from one search. Under weightings a
    replicate in which all rows are found equally often has the value 0.

    References
    ----------
    Radovanović, Nanopoulos, Ivanović, *Hubs in Space*, JMLR 2010.

    Examples
    --------
    Counts 3, 0, 0: deviations 2, -1, -1, so 2 / 2^1.5.

    >>> queries = np.array([[1.0, 0.0, 0.0], [1.0, 0.1, 0.0], [1.0, 0.0, 0.1]])
    >>> round(float(hubness(queries, np.eye(3), k=1)), 4)
    0.7071
    """
    counts = k_occurrence(
        queries, gallery, k=k, correction=correction, temperature=temperature, weights=weights, check=check
    )
    if weights is None:
        _check_spread(counts)
    return weights_like(_skewness(counts), wide(queries[:1]))


def hubness_of_lists(found: np.ndarray, rows: int, *, weights: Any = None) -> np.ndarray:
    """``hubness`` of lists that were found already: numbers of gallery rows (n, k), of so many rows in all.

    Raises
    ------
    DegenerateError
        If every gallery row is found equally often.
    """
    counts = list_counts(found, rows, weights)
    if weights is None:
        _check_spread(counts)
    return _skewness(counts)


def hubness_gini(
    queries: Rows,
    gallery: Rows | None = None,
    *,
    k: int = 10,
    correction: str = "none",
    temperature: float = 0.05,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Gini coefficient of how often gallery rows are found.

    Formula::

        G = sum_j (2 j - m - 1) N_(j) / (m sum_j N_j)        (counts in ascending order)

    How to read it: range [0, 1); 0 when all rows are found equally often, near 1 when one row takes every list.

    Parameters
    ----------
    queries, gallery, k, correction, temperature, weights, check
        As in ``k_occurrence``; with ``weights`` the result is (b,).

    Raises
    ------
    ValueError
        As in ``k_occurrence``.

    Notes
    -----
    Cost: as ``k_occurrence``.

    References
    ----------
    Defined here, from the counts of ``k_occurrence``.

    Examples
    --------
    Counts 3, 0, 0.

    >>> queries = np.array([[1.0, 0.0, 0.0], [1.0, 0.1, 0.0], [1.0, 0.0, 0.1]])
    >>> round(float(hubness_gini(queries, np.eye(3), k=1)), 4)
    0.6667
    """
    counts = k_occurrence(
        queries, gallery, k=k, correction=correction, temperature=temperature, weights=weights, check=check
    )
    return weights_like(_gini(counts), wide(queries[:1]))


def hubness_max(
    queries: Rows,
    gallery: Rows | None = None,
    *,
    k: int = 10,
    correction: str = "none",
    temperature: float = 0.05,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Number of queries that have the greatest hub among their k nearest.

    Formula::

        max_j N_k(j)

    How to read it: range [k n / m, n]; n when one row is in every list.

    Parameters
    ----------
    queries, gallery, k, correction, temperature, weights, check
        As in ``k_occurrence``; with ``weights`` the result is (b,).

    Raises
    ------
    ValueError
        As in ``k_occurrence``.

    Notes
    -----
    Cost: as ``k_occurrence``.

    References
    ----------
    Defined here, from the counts of ``k_occurrence``.

    Examples
    --------
    >>> queries = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1]])
    >>> float(hubness_max(queries, np.eye(2), k=1))
    3.0
    """
    counts = k_occurrence(
        queries, gallery, k=k, correction=correction, temperature=temperature, weights=weights, check=check
    )
    return weights_like(counts.max(axis=-1), wide(queries[:1]))


def antihub_share(
    queries: Rows,
    gallery: Rows | None = None,
    *,
    k: int = 10,
    correction: str = "none",
    temperature: float = 0.05,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Share of gallery rows that no query has among its k nearest.

    Formula::

        mean_j [ N_k(j) = 0 ]

    How to read it: range [0, 1); rows that search never shows. It falls as k n / m grows.

    Parameters
    ----------
    queries, gallery, k, correction, temperature, weights, check
        As in ``k_occurrence``; with ``weights`` the result is (b,). Replicates leave queries out, so their shares lie
        above the value itself.

    Raises
    ------
    ValueError
        As in ``k_occurrence``.

    Notes
    -----
    Cost: as ``k_occurrence``.

    References
    ----------
    Radovanović, Nanopoulos, Ivanović, *Hubs in Space*, JMLR 2010.

    Examples
    --------
    >>> queries = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1]])
    >>> float(antihub_share(queries, np.eye(2), k=1))
    0.5
    """
    counts = k_occurrence(
        queries, gallery, k=k, correction=correction, temperature=temperature, weights=weights, check=check
    )
    return weights_like(_antihubs(counts), wide(queries[:1]))


def top_hub_share(
    queries: Rows,
    gallery: Rows | None = None,
    *,
    k: int = 10,
    share: float = 0.01,
    correction: str = "none",
    temperature: float = 0.05,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Share of all places in the queries' lists that the most found gallery rows take.

    Formula::

        sum of the ceil(share m) largest N_k(j) / sum_j N_k(j)

    How to read it: range [share, 1]; equal to ``share`` when all rows are found equally often.

    Parameters
    ----------
    queries, gallery, k, correction, temperature, weights, check
        As in ``k_occurrence``; with ``weights`` the result is (b,).
    share
        Share of the gallery that counts as the top, above 0 and at most 1.

    Raises
    ------
    ValueError
        If ``share`` is out of range, and as in ``k_occurrence``.

    Notes
    -----
    Cost: as ``k_occurrence``.

    References
    ----------
    Defined here, from the counts of ``k_occurrence``.

    Examples
    --------
    >>> queries = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]])
    >>> round(float(top_hub_share(queries, np.eye(2), k=1)), 4)
    0.6667
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie above 0 and not above 1, but it is {share}; 0.01 is usual.")
    counts = k_occurrence(
        queries, gallery, k=k, correction=correction, temperature=temperature, weights=weights, check=check
    )
    return weights_like(_top_share(counts, share), wide(queries[:1]))


def hubness_scores(
    queries: Rows,
    gallery: Rows | None = None,
    *,
    k: int = 10,
    correction: str = "none",
    temperature: float = 0.05,
    check: bool = True,
) -> HubnessScores:
    """Skewness, Gini, maximum, anti-hubs and top share from one search.

    How to read it: each field as the function of its name.

    Parameters
    ----------
    queries, gallery, k, correction, temperature, check
        As in ``k_occurrence``.

    Raises
    ------
    ValueError, DegenerateError
        As in ``hubness``.

    References
    ----------
    Defined here, from the counts of ``k_occurrence``.

    Examples
    --------
    >>> queries = np.array([[1.0, 0.0], [1.0, 0.1], [1.0, -0.1]])
    >>> scores = hubness_scores(queries, np.eye(2), k=1)
    >>> scores.hubness_max, scores.antihub_share
    (3.0, 0.5)
    """
    counts = k_occurrence(queries, gallery, k=k, correction=correction, temperature=temperature, check=check)
    _check_spread(counts)
    return HubnessScores(
        hubness=float(_skewness(counts)),
        hubness_gini=float(_gini(counts)),
        hubness_max=float(counts.max()),
        antihub_share=float(_antihubs(counts)),
        top_hub_share=float(_top_share(counts, _TOP_SHARE)),
    )


def _check_spread(counts: np.ndarray) -> None:
    if counts.min() == counts.max():
        raise DegenerateError(
            f"every gallery row is found {counts.flat[0]:g} times, so the counts have no skewness; "
            f"give a larger gallery or a smaller k."
        )


def _skewness(counts: np.ndarray) -> np.ndarray:
    deviation = counts - counts.mean(axis=-1, keepdims=True)
    powers = deviation * deviation
    squares = powers.mean(axis=-1)
    powers *= deviation  # a power of 3 takes ten times as long as two products
    cubes = powers.mean(axis=-1)
    return _ratio(cubes, squares**1.5)


def _gini(counts: np.ndarray) -> np.ndarray:
    m, totals = counts.shape[-1], counts.sum(axis=-1)
    spread = np.sort(counts, axis=-1) @ (2.0 * np.arange(1, m + 1) - m - 1)
    return _ratio(spread, m * totals)


def _antihubs(counts: np.ndarray) -> np.ndarray:
    return (counts == 0).mean(axis=-1)


def _top_share(counts: np.ndarray, share: float) -> np.ndarray:
    m, totals = counts.shape[-1], counts.sum(axis=-1)
    top = np.sort(counts, axis=-1)[..., m - int(np.ceil(share * m - 1e-9)) :].sum(axis=-1)
    return _ratio(top, totals)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient, and 0 where a replicate counts nothing or has no spread."""
    quotient = np.zeros(np.shape(numerator))
    np.divide(numerator, denominator, out=quotient, where=denominator > 0)
    return quotient[()]

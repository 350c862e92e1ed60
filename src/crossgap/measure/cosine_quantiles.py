"""A14: the distribution of cosines within a group, between matched rows and between unmatched ones."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import matched_rows
from crossgap.geometry.ranks import match_cosines
from crossgap.geometry.rows import Array, Rows, check_rows, check_same_dimension
from crossgap.geometry.similarity import similarity_blocks
from crossgap.measure.matched_cosine import matched_cosine_per_pair

__all__ = ["CosineDistribution", "cosine_quantiles"]

_LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_EDGES = np.round(np.linspace(-1.0, 1.0, 101), 2)  # fixed, so that histograms of two models can be laid over each other


@dataclasses.dataclass(frozen=True, kw_only=True)
class CosineDistribution:
    """How cosines of one kind of pair are distributed.

    ``count`` pairs exist and ``sampled`` of them were looked at; the two are equal where nothing was sampled.
    ``quantiles[i]`` is the quantile of level ``levels[i]``. ``histogram[i]`` counts the sampled cosines from
    ``edges[i]`` up to ``edges[i + 1]``; the edges are always -1, -0.98, ..., 1. ``std`` has denominator ``sampled``.
    """

    count: int
    sampled: int
    mean: float
    std: float
    levels: tuple[float, ...]
    quantiles: tuple[float, ...]
    histogram: tuple[int, ...]
    edges: tuple[float, ...]


def cosine_quantiles(
    x: Rows,
    y: Rows | None = None,
    *,
    matched: bool = False,
    quantiles: Sequence[float] = _LEVELS,
    x_items: Any = None,
    y_items: Any = None,
    pairs_sampled: int = 1_000_000,
    seed: int = 0,
    check: bool = True,
) -> CosineDistribution:
    """Quantiles, mean, spread and histogram of the cosines of one kind of pair.

    Formula::

        {cos(x_i, x_j): i < j}                  x alone
        {cos(x_i, y_j): (i, j) unmatched}       x and y
        {cos(x_i, y_j): (i, j) matched}         x, y and matched=True

    How to read it: all values in [-1, 1]. What a threshold on scores can do is read off the upper quantiles of the
    unmatched cosines and the lower ones of the matched: where they overlap, no threshold separates right from wrong.
    For CLIP both lie between 0 and 0.4, and those within a modality around 0.5.

    Parameters
    ----------
    x
        Rows (n, d).
    y
        Rows (m, d) of the other group; None for pairs within ``x``.
    matched
        With ``y``: the matched pairs (True) or the unmatched ones (False).
    quantiles
        Levels between 0 and 1.
    x_items, y_items
        Item ids of the rows; rows of one item match. Without ids row i matches row i where n = m, and nothing matches
        otherwise.
    pairs_sampled
        Most pairs to look at. Where more exist, so many are drawn, with replacement.
    seed
        Seed of the draw.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A ``CosineDistribution``, which says how many pairs exist and how many were looked at.

    Raises
    ------
    ValueError
        If the groups differ in dimension, a level lies outside 0 to 1, ``pairs_sampled`` is below 1, ``matched`` or
        item ids are given without ``y``, ids are given for one side only, or a row is zero or not finite.
    DegenerateError
        If there is no pair of the kind asked for.

    Notes
    -----
    Cost: O(d) for each pair looked at. Means of all pairs, however many, come from ``within_cosine``,
    ``matched_cosine`` and ``unmatched_cosine`` at a fraction of the cost. With the default size a quantile of a sample
    is uncertain by at most 0.1 % of the pairs in rank.

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053, figure 2.

    Examples
    --------
    Cosines 0, 0 and 1.

    >>> cosines = cosine_quantiles(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]]), quantiles=[0.5])
    >>> cosines.count, cosines.quantiles, round(cosines.mean, 4)
    (3, (0.0,), 0.3333)
    """
    levels = tuple(float(level) for level in quantiles)
    if not all(0 <= level <= 1 for level in levels):
        raise ValueError(f"quantiles must lie between 0 and 1, but they are {levels}; the median is 0.5.")
    if pairs_sampled < 1:
        raise ValueError(f"pairs_sampled must be at least 1, but it is {pairs_sampled}; 1,000,000 is a good number.")
    if y is None:
        if matched or x_items is not None or y_items is not None:
            raise ValueError("matched and item ids belong to two groups, but y is missing; give y or leave them out.")
        n, _ = check_rows(x, "x", least=2)
        count = n * (n - 1) // 2
        parts = _exact_within(x, check) if count <= pairs_sampled else _drawn_within(x, pairs_sampled, seed, check)
        return _distribution(count, parts, levels)
    n, _ = check_rows(x, "x")
    m, _ = check_rows(y, "y")
    check_same_dimension(x, y)
    matches = matched_rows(n, m, x_items, y_items)
    if matched:
        count = len(matches[0])
        if count <= pairs_sampled:
            values = matched_cosine_per_pair(x, y, x_items=x_items, y_items=y_items, check=check)
        else:
            chosen = np.sort(np.random.default_rng(seed).integers(count, size=pairs_sampled))
            values = match_cosines(x, y, (matches[0][chosen], matches[1][chosen]), check=check)
        return _distribution(count, [_numpy(values)], levels)
    count = n * m - len(matches[0])
    if not count:
        raise DegenerateError("every row of x matches every row of y, so no unmatched pair is left; give more items.")
    if count <= pairs_sampled:
        return _distribution(count, _exact_unmatched(x, y, matches, check), levels)
    return _distribution(count, _drawn_unmatched(x, y, matches, pairs_sampled, seed, check), levels)


def _exact_within(x: Rows, check: bool) -> Iterator[np.ndarray]:
    for rows, columns, block in similarity_blocks(x, check=check):
        values = _numpy(block)
        yield values[np.triu_indices(len(values), 1)] if rows == columns else values.ravel()


def _exact_unmatched(x: Rows, y: Rows, matches: tuple[np.ndarray, np.ndarray], check: bool) -> Iterator[np.ndarray]:
    for rows, columns, block in similarity_blocks(x, y, check=check):
        values = _numpy(block)
        inside = (matches[0] >= rows.start) & (matches[0] < rows.stop)
        inside &= (matches[1] >= columns.start) & (matches[1] < columns.stop)
        keep = np.ones(values.shape, dtype=bool)
        keep[matches[0][inside] - rows.start, matches[1][inside] - columns.start] = False
        yield values[keep]


def _drawn_within(x: Rows, size: int, seed: int, check: bool) -> Iterator[np.ndarray]:
    n = x.shape[0]
    rng = np.random.default_rng(seed)
    a = np.sort(rng.integers(n, size=size))
    yield _numpy(match_cosines(x, x, (a, (a + rng.integers(1, n, size=size)) % n), check=check))


def _drawn_unmatched(
    x: Rows, y: Rows, matches: tuple[np.ndarray, np.ndarray], size: int, seed: int, check: bool
) -> Iterator[np.ndarray]:
    """Draw pairs, throw the matched ones away, and draw again for those."""
    n, m = x.shape[0], y.shape[0]
    known = np.sort(matches[0] * m + matches[1])
    rng = np.random.default_rng(seed)
    drawn = np.empty(0, np.int64)
    while len(drawn) < size:
        pairs = rng.integers(n * m, size=size - len(drawn))
        if len(known):
            place = np.minimum(np.searchsorted(known, pairs), len(known) - 1)
            pairs = pairs[known[place] != pairs]
        drawn = np.concatenate([drawn, pairs])
    drawn.sort()
    yield _numpy(match_cosines(x, y, (drawn // m, drawn % m), check=check))


def _numpy(values: Array) -> np.ndarray:
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()


def _distribution(count: int, parts: Iterable[np.ndarray], levels: tuple[float, ...]) -> CosineDistribution:
    values = np.clip(np.concatenate(list(parts), dtype=np.float64), -1.0, 1.0)
    return CosineDistribution(
        count=count,
        sampled=len(values),
        mean=float(values.mean()),
        std=float(values.std()),
        levels=levels,
        quantiles=tuple(float(value) for value in np.quantile(values, levels)),
        histogram=tuple(int(number) for number in np.histogram(values, _EDGES)[0]),
        edges=tuple(float(edge) for edge in _EDGES),
    )

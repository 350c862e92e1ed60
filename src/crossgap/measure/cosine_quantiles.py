"""A14: the distribution of cosines within a group, between matched rows and between unmatched ones."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import matched_rows
from crossgap.geometry.rows import (
    Array,
    Rows,
    as_float,
    check_rows,
    check_same_dimension,
    inverse_lengths,
    namespace,
    row_blocks,
    take_rows,
)
from crossgap.geometry.similarity import similarity_blocks
from crossgap.measure.certainty import LEAST_ITEMS, bootstrap_weights, interval
from crossgap.measure.matched_cosine import matched_cosine_per_pair

__all__ = ["CosineDistribution", "cosine_quantiles"]

_LEVELS = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
_EDGES = np.round(np.linspace(-1.0, 1.0, 101), 2)  # fixed, so that histograms of two models can be laid over each other
_NUMBERS_AT_ONCE = 1 << 17  # of drawn rows: half a MiB for each side, which stays in the cache
_SEGMENT_PAIRS = 512  # a replicate's pairs are counted in segments of sorted cosines; 512 * 8 * 8 is exact in float32
_COUNTS_AT_ONCE = 1 << 25  # items times replicates


@dataclasses.dataclass(frozen=True, kw_only=True)
class CosineDistribution:
    """How cosines of one kind of pair are distributed.

    ``count`` pairs exist and ``sampled`` of them were looked at; the two are equal where nothing was sampled.
    ``quantiles[i]`` is the quantile of level ``levels[i]``. ``histogram[i]`` counts the sampled cosines from
    ``edges[i]`` up to ``edges[i + 1]``; the edges are always -1, -0.98, ..., 1. ``std`` has denominator ``sampled``.

    The intervals hold with confidence ``level``: of the mean, the std, each quantile, and the share of the cosines in
    each bin (``histogram[i] / sampled``); a bin without cosines has (0, 0). They are None where none were asked for or
    the pairs show fewer than 10 items.
    """

    count: int
    sampled: int
    mean: float
    std: float
    levels: tuple[float, ...]
    quantiles: tuple[float, ...]
    histogram: tuple[int, ...]
    edges: tuple[float, ...]
    level: float
    mean_interval: tuple[float, float] | None
    std_interval: tuple[float, float] | None
    quantile_intervals: tuple[tuple[float, float], ...] | None
    histogram_intervals: tuple[tuple[float, float], ...] | None


class _Pairs(NamedTuple):
    """The row of x and the other row of each pair looked at, and their cosine."""

    left: np.ndarray
    right: np.ndarray
    cosines: np.ndarray


def cosine_quantiles(
    x: Rows,
    y: Rows | None = None,
    *,
    matched: bool = False,
    quantiles: Sequence[float] = _LEVELS,
    x_items: Any = None,
    y_items: Any = None,
    pairs_sampled: int = 250_000,
    replicates: int = 0,
    level: float = 0.95,
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
        Item ids of the rows; rows of one item match, and count together in the intervals. Without ids row i matches
        row i where n = m, and nothing matches otherwise. Within ``x`` alone, ``x_items`` serves the intervals only.
    pairs_sampled
        Most pairs to look at. Where more exist, so many are drawn, with replacement.
    replicates
        Bootstrap replicates for the intervals; 0: no intervals.
    level
        Confidence of the intervals, between 0 and 1.
    seed
        Seed of the draw and of the replicates.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A ``CosineDistribution``, which says how many pairs exist and how many were looked at.

    Raises
    ------
    ValueError
        If the groups differ in dimension, a level lies outside 0 to 1, ``pairs_sampled`` is below 1, ``replicates`` is
        1 or below 0, ``matched`` or item ids are given without ``y`` (but for ``x_items`` with ``replicates``), ids are
        given for one side only or are not one for each row, or a row is zero or not finite.
    DegenerateError
        If there is no pair of the kind asked for.

    Notes
    -----
    Cost: one pass over the rows, O(d) for each pair looked at, and one product of counts for each pair and replicate.
    Means of all pairs, however many, come from ``within_cosine``, ``matched_cosine`` and ``unmatched_cosine`` at a
    fraction of the cost.

    Intervals are those of ``bootstrap_interval``: items are drawn again, and a pair counts as often as its left item
    times its right item, or as its one item where it is matched; every replicate's quantiles are exact for its counts.

    The draw of pairs adds its own chance, which the intervals contain (three times over in variance, so they are a
    little wide). At the default size, for 5,000 rows with the means and covariances of 500 CLIP pairs, 95 % of draws
    fall within 0.0005 of the median and 0.0025 of the 1 % quantile, 0.1 to 0.4 of half an interval. For the 500 pairs
    themselves all cosines are taken (200,000 drawn ones: 0.1 to 0.2). Where cosines hardly depend on the items, as in
    isotropic noise, it is 0.5: there, look at more pairs.

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
    levels = tuple(float(share) for share in quantiles)
    if not all(0 <= share <= 1 for share in levels):
        raise ValueError(f"quantiles must lie between 0 and 1, but they are {levels}; the median is 0.5.")
    if pairs_sampled < 1:
        raise ValueError(f"pairs_sampled must be at least 1, but it is {pairs_sampled}; 250,000 is a good number.")
    if replicates < 0 or replicates == 1:
        raise ValueError(f"replicates must be 0 or at least 2, but it is {replicates}; 200 is a good number.")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, but it is {level}; 0.95 is usual.")
    if y is None:
        if matched or y_items is not None:
            raise ValueError("matched and y_items belong to two groups, but y is missing; give y or leave them out.")
        if x_items is not None and not replicates:
            raise ValueError(
                "x_items alone serve the intervals, but y is missing and replicates is 0; "
                "give y, ask for replicates, or leave x_items out."
            )
        n, _ = check_rows(x, "x", least=2)
        codes = _row_items(n, x_items)
        count = n * (n - 1) // 2
        pairs = _all_within(x, check) if count <= pairs_sampled else _drawn_within(x, pairs_sampled, seed, check)
        return _distribution(count, pairs, [codes, codes], levels, replicates, level, seed)
    n, _ = check_rows(x, "x")
    m, _ = check_rows(y, "y")
    check_same_dimension(x, y)
    matches = matched_rows(n, m, x_items, y_items)
    if x_items is None:
        codes = [np.arange(n), np.arange(m) + (0 if n == m else n)]
    else:
        codes = np.split(np.unique(np.concatenate([x_items, y_items]), return_inverse=True)[1], [n])
    if matched:
        count = len(matches[0])
        if count <= pairs_sampled:
            values = matched_cosine_per_pair(x, y, x_items=x_items, y_items=y_items, check=check)
            pairs = _Pairs(*matches, _numpy(values))
        else:
            chosen = np.sort(_draws(seed).integers(count, size=pairs_sampled))
            pairs = _scored(x, y, matches[0][chosen], matches[1][chosen], check)
    else:
        count = n * m - len(matches[0])
        if not count:
            raise DegenerateError(
                "every row of x matches every row of y, so no unmatched pair is left; give more items."
            )
        if count <= pairs_sampled:
            pairs = _all_unmatched(x, y, matches, check)
        else:
            pairs = _drawn_unmatched(x, y, matches, pairs_sampled, seed, check)
    return _distribution(count, pairs, codes[:1] if matched else codes, levels, replicates, level, seed)


def _row_items(n: int, x_items: Any) -> np.ndarray:
    if x_items is None:
        return np.arange(n)
    x_items = np.asarray(x_items)
    if x_items.shape != (n,):
        raise ValueError(f"item ids must be one for each of the {n} rows, but their shape is {x_items.shape}.")
    return np.unique(x_items, return_inverse=True)[1]


def _all_within(x: Rows, check: bool) -> _Pairs:
    parts = []
    for rows, columns, block in similarity_blocks(x, check=check):
        values = _numpy(block)
        keep = np.triu(np.ones(values.shape, dtype=bool), 1 if rows == columns else -len(values))
        parts.append(_kept(rows, columns, values, keep))
    return _joined(parts)


def _all_unmatched(x: Rows, y: Rows, matches: tuple[np.ndarray, np.ndarray], check: bool) -> _Pairs:
    parts = []
    for rows, columns, block in similarity_blocks(x, y, check=check):
        values = _numpy(block)
        inside = (matches[0] >= rows.start) & (matches[0] < rows.stop)
        inside &= (matches[1] >= columns.start) & (matches[1] < columns.stop)
        keep = np.ones(values.shape, dtype=bool)
        keep[matches[0][inside] - rows.start, matches[1][inside] - columns.start] = False
        parts.append(_kept(rows, columns, values, keep))
    return _joined(parts)


def _kept(rows: slice, columns: slice, values: np.ndarray, keep: np.ndarray) -> _Pairs:
    left, right = np.nonzero(keep)
    return _Pairs(left + rows.start, right + columns.start, values[keep])


def _joined(parts: Iterable[_Pairs]) -> _Pairs:
    return _Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _draws(seed: int) -> np.random.Generator:
    return np.random.default_rng((seed, 1))  # another stream than that of the replicates' counts


def _drawn_within(x: Rows, size: int, seed: int, check: bool) -> _Pairs:
    n = x.shape[0]
    rng = _draws(seed)
    left = np.sort(rng.integers(n, size=size))
    return _scored(x, x, left, (left + rng.integers(1, n, size=size)) % n, check)


def _drawn_unmatched(
    x: Rows, y: Rows, matches: tuple[np.ndarray, np.ndarray], size: int, seed: int, check: bool
) -> _Pairs:
    """Draw pairs, throw the matched ones away, and draw again for those."""
    n, m = x.shape[0], y.shape[0]
    known = np.sort(matches[0] * m + matches[1])
    rng = _draws(seed)
    drawn = np.empty(0, np.int64)
    while len(drawn) < size:
        pairs = rng.integers(n * m, size=size - len(drawn))
        if len(known):
            place = np.minimum(np.searchsorted(known, pairs), len(known) - 1)
            pairs = pairs[known[place] != pairs]
        drawn = np.concatenate([drawn, pairs])
    drawn.sort()
    return _scored(x, y, drawn // m, drawn % m, check)


def _scored(x: Rows, y: Rows, left: np.ndarray, right: np.ndarray, check: bool) -> _Pairs:
    """Cosines of drawn pairs in the type of the rows; the work is reading rows, so ``left`` should ascend."""
    x_scale = _inverse_lengths(x, "x", check)
    y_scale = x_scale if y is x else _inverse_lengths(y, "y", check)
    size = max(1, _NUMBERS_AT_ONCE // x.shape[1])
    parts = []
    for first in range(0, len(left), size):
        i, j = left[first : first + size], right[first : first + size]
        a = as_float(take_rows(x, i)) * take_rows(x_scale, i)[:, None]  # before the product, which could overflow
        b = as_float(take_rows(y, j))
        dots = np.vecdot(a, b) if isinstance(a, np.ndarray) else namespace(a).sum(a * b, axis=-1)
        parts.append(_numpy(dots * take_rows(y_scale, j)))
    return _Pairs(left, right, np.concatenate(parts))


def _inverse_lengths(x: Rows, name: str, check: bool) -> Array:
    parts = [inverse_lengths(block, name=name, check=check, first=rows.start) for rows, block in row_blocks(x)]
    return namespace(parts[0]).concat(parts)


def _numpy(values: Array) -> np.ndarray:
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()


def _distribution(
    count: int,
    pairs: _Pairs,
    items: list[np.ndarray],
    levels: tuple[float, ...],
    replicates: int,
    level: float,
    seed: int,
) -> CosineDistribution:
    order = np.argsort(pairs.cosines)
    values = np.clip(pairs.cosines[order].astype(np.float64), -1.0, 1.0)
    mean, std = float(values.mean()), float(values.std())
    quantiles = np.quantile(values, levels).tolist()
    cuts = np.append(np.searchsorted(values, _EDGES[:-1]), len(values))  # the last bin holds 1
    histogram = np.diff(cuts)
    drawn = None
    if replicates:
        sides = [codes[rows[order]] for codes, rows in zip(items, (pairs.left, pairs.right), strict=False)]
        within = len(items) == 2 and items[0] is items[1]
        fewest = min(len(np.unique(side)) for side in ([np.concatenate(sides)] if within else sides))
        drawn = _replicates(values, sides, levels, cuts, replicates, seed) if fewest >= LEAST_ITEMS else None

    def bounds(value: float, column: np.ndarray, lowest: float) -> tuple[float, float]:
        found = interval(value, column, level=level, lowest=lowest, highest=1.0)
        return found.low, found.high

    return CosineDistribution(
        count=count,
        sampled=len(values),
        mean=mean,
        std=std,
        levels=levels,
        quantiles=tuple(quantiles),
        histogram=tuple(histogram.tolist()),
        edges=tuple(_EDGES.tolist()),
        level=level,
        mean_interval=drawn and bounds(mean, drawn.means, -1.0),
        std_interval=drawn and bounds(std, drawn.stds, 0.0),
        quantile_intervals=drawn and tuple(map(bounds, quantiles, drawn.quantiles, [-1.0] * len(quantiles))),
        histogram_intervals=drawn and tuple(map(bounds, histogram / len(values), drawn.shares, [0.0] * len(histogram))),
    )


class _Replicates(NamedTuple):
    """Values of each bootstrap replicate, the last axis; NaN where no pair counts."""

    means: np.ndarray
    stds: np.ndarray
    quantiles: np.ndarray
    shares: np.ndarray


def _replicates(
    values: np.ndarray,
    sides: list[np.ndarray],
    levels: tuple[float, ...],
    cuts: np.ndarray,
    replicates: int,
    seed: int,
) -> _Replicates:
    """Draw items again; ``sides``: the left and the right item of each of the ascending ``values``, or one for both."""
    shown, codes = np.unique(np.concatenate(sides), return_inverse=True)
    sides = np.split(codes, len(sides))
    portions = np.array_split(np.arange(replicates), -(-len(shown) * replicates // _COUNTS_AT_ONCE))
    parts = [
        _weighted(values, sides, bootstrap_weights(len(shown), len(columns), seed=seed + int(columns[0])), levels, cuts)
        for columns in portions
    ]
    return _Replicates(*(np.concatenate(found, axis=-1) for found in zip(*parts, strict=True)))


def _weighted(
    values: np.ndarray, sides: list[np.ndarray], counts: np.ndarray, levels: tuple[float, ...], cuts: np.ndarray
) -> _Replicates:
    """Mean, std, quantiles and shares of the bins when each pair counts as the product of its items' counts.

    Counts are summed over segments of the ascending values, which end at the bins' edges; a quantile then needs the
    counts of one segment only.
    """
    size = len(values)
    starts = np.union1d(np.arange(0, size, _SEGMENT_PAIRS), cuts[cuts < size])
    middle = values.mean()
    powers = np.stack([np.ones(size), values - middle, (values - middle) ** 2]).astype(np.float32)
    sums = np.empty((3, len(starts), counts.shape[1]))
    for k, (first, last) in enumerate(zip(starts, np.append(starts[1:], size), strict=True)):
        weights = counts[sides[0][first:last]]
        if len(sides) == 2:
            weights *= counts[sides[1][first:last]]  # at most 8 * 8: eight bits hold it
        sums[:, k] = powers[:, first:last] @ weights.astype(np.float32)
    reached = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(sums[0], axis=0)])  # whole numbers, exact
    total = np.where(reached[-1] > 0, reached[-1], np.nan)
    shift, square = sums[1].sum(axis=0) / total, sums[2].sum(axis=0) / total
    quantiles = np.empty((len(levels), counts.shape[1]))
    for k, share in enumerate(levels):
        place = share * np.maximum(reached[-1] - 1, 0)  # counted from 0, as np.quantile does among repeated values
        low = _at(values, sides, counts, starts, reached, np.floor(place))
        high = _at(values, sides, counts, starts, reached, np.ceil(place))
        quantiles[k] = np.where(np.isnan(total), np.nan, low + (place - np.floor(place)) * (high - low))
    return _Replicates(
        means=middle + shift,
        stds=np.sqrt(np.maximum(square - shift**2, 0)),
        quantiles=quantiles,
        shares=np.diff(reached[np.searchsorted(np.append(starts, size), cuts)], axis=0) / total,
    )


def _at(
    values: np.ndarray,
    sides: list[np.ndarray],
    counts: np.ndarray,
    starts: np.ndarray,
    reached: np.ndarray,
    place: np.ndarray,
) -> np.ndarray:
    """Return the value at ``place[r]`` when each value stands as often as it counts in replicate r."""
    columns = np.arange(len(place))
    segment = np.minimum((reached[1:] <= place).sum(axis=0), len(starts) - 1)
    index = np.minimum(starts[segment][:, None] + np.arange(_SEGMENT_PAIRS), len(values) - 1)
    weights = counts[sides[0][index], columns[:, None]]
    if len(sides) == 2:
        weights = weights * counts[sides[1][index], columns[:, None]]
    passed = np.cumsum(weights, axis=1, dtype=np.int64) <= (place - reached[segment, columns])[:, None]
    return values[np.minimum(starts[segment] + passed.sum(axis=1), len(values) - 1)]

"""How certain a value is: bootstrap intervals over items, paired differences, permutation tests.

A bootstrap replicate gives each *item* a random count, and all rows of that item (a picture and its five captions) the
same count. All replicates are one matrix of counts, (rows, replicates), which a quantity takes as ``weights``; so a
replicate costs a column of a matrix product, not a second measurement.
"""

from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import Rows, materialise, namespace, take_rows
from crossgap.results import Interval

__all__ = ["bootstrap_interval", "bootstrap_weights", "interval", "paired_difference", "permutation_p"]

LEAST_ITEMS = 10
_TABLE = 1 << 16
_DRAWN_ITEMS = 8192


def bootstrap_weights(items: int, replicates: int = 200, *, seed: int = 0) -> np.ndarray:
    """Draw how often each item counts in each replicate: independent Poisson counts with mean 1.

    The Poisson bootstrap: as the multinomial one for more than a few dozen items, but each item is drawn on its own,
    which lets groups of any size share the counts of the items that they share.

    Parameters
    ----------
    items
        Number of items, at least 10: fewer give no meaningful interval.
    replicates
        Number of columns.
    seed
        The same seed gives the same counts.

    Returns
    -------
    Counts (items, replicates) in eight bits. Index it with an item's number to get the weights of rows:
    ``bootstrap_weights(count)[item_of_row]``.

    Raises
    ------
    DegenerateError
        If there are fewer than 10 items.

    References
    ----------
    Hanley and MacGibbon, *Creating non-parametric bootstrap samples using Poisson frequencies*, 2006; Chamandy et al.,
    *Estimating uncertainty for massive data streams*, 2012.

    Examples
    --------
    >>> counts = bootstrap_weights(1000, 50)
    >>> counts.shape, abs(counts.mean() - 1) < 0.02
    ((1000, 50), np.True_)
    """
    if items < LEAST_ITEMS:
        raise DegenerateError(
            f"an interval needs at least {LEAST_ITEMS} items, but there are {items}; give more, or ask for none."
        )
    if replicates < 2:
        raise ValueError(f"replicates must be at least 2, but there are {replicates}; 200 is a good number.")
    counts = np.empty((items, replicates), dtype=np.uint8)
    draw_counts(counts, seed=seed)
    return counts


def plain_and_drawn(items: int, replicates: int, *, seed: int) -> np.ndarray | None:
    """Counts of items (items, 1 + replicates), each once in the first column, for a value and its replicates at once.

    None where there are no intervals: no replicates, or fewer than 10 items.
    """
    if not replicates or items < LEAST_ITEMS:
        return None
    counts = np.ones((items, 1 + replicates), dtype=np.uint8)
    draw_counts(counts[:, 1:], seed=seed)
    return counts


def draw_counts(counts: np.ndarray, *, seed: int) -> None:
    """Fill (items, replicates) with Poisson counts of mean 1, some thousand items at a time."""
    rng, table = np.random.default_rng(seed), _poisson_table()
    for first in range(0, len(counts), _DRAWN_ITEMS):
        block = counts[first : first + _DRAWN_ITEMS]
        block[:] = table[rng.integers(_TABLE, size=block.shape, dtype=np.uint16)]


def interval(
    value: float,
    replicates: np.ndarray,
    *,
    level: float = 0.95,
    lowest: float = -np.inf,
    highest: float = np.inf,
) -> Interval:
    """Turn the values of bootstrap replicates into a confidence interval around ``value``.

    Formula::

        [value + q_low - q_half, value + q_high - q_half],   q the quantiles of the replicates

    The percentile interval, moved so that the replicates' median falls on the value. For means it is the percentile
    interval. Quantities that shrink when rows repeat (dimensions, covariances) have replicates that are all too low
    or too high; the move takes that bias out, which belongs to the resampling and not to the value.

    Parameters
    ----------
    value
        The value on all rows.
    replicates
        The values under each weighting, (b,).
    level
        Confidence, between 0 and 1.
    lowest, highest
        The range of the quantity; bounds are cut off there.

    Raises
    ------
    ValueError
        If ``level`` is not between 0 and 1.
    DegenerateError
        If fewer than half of the replicates have a finite value.

    References
    ----------
    Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapters 13 and 14 (percentile interval and bias).

    Examples
    --------
    >>> interval(0.5, np.linspace(0.4, 0.6, 201), level=0.9)
    Interval(value=0.5, low=0.41, high=0.59, level=0.9)
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, but it is {level}; 0.95 is usual.")
    replicates = np.asarray(replicates, dtype=np.float64)
    finite = replicates[np.isfinite(replicates)]
    if 2 * len(finite) < len(replicates):
        raise DegenerateError("most bootstrap replicates have no value, so there is no interval; give more items.")
    low, half, high = np.quantile(finite, [(1 - level) / 2, 0.5, (1 + level) / 2])
    bounds = np.clip([value + low - half, value + high - half], lowest, highest)
    return Interval(value=value, low=round(float(bounds[0]), 12), high=round(float(bounds[1]), 12), level=level)


def bootstrap_interval(
    quantity: Callable[..., Any],
    *groups: Rows,
    items: Any = None,
    replicates: int = 200,
    seed: int = 0,
    level: float = 0.95,
    **options: Any,
) -> Interval:
    """Measure a quantity with its interval.

    Parameters
    ----------
    quantity
        A function of this package that takes ``weights``.
    groups
        Its arrays: one, or two.
    items
        Item ids of the rows: one list for all groups, or a tuple with one list for each; equal id, same item. None:
        row i is item i in every group of this size, and groups of different sizes share no item.
    replicates, seed, level
        As in ``bootstrap_weights`` and ``interval``.
    options
        Further arguments of the quantity.

    Raises
    ------
    DegenerateError
        If there are fewer than 10 items.

    Examples
    --------
    >>> from crossgap.measure.centroid_distance import centroid_distance
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(size=(500, 8)) + 1, rng.normal(size=(500, 8)) - 1
    >>> found = bootstrap_interval(centroid_distance, x, y)
    >>> found.low < found.value < found.high
    True
    """
    value, values = _value_and_replicates(quantity, groups, items, replicates, seed, options)
    return interval(value, values, level=level)


def bounds(
    values: np.ndarray,
    *,
    level: float = 0.95,
    lowest: float = -np.inf,
    highest: float = np.inf,
    share_of: int | None = None,
) -> tuple[float, float]:
    """Turn a plain value and those of the replicates, (1 + replicates,), into bounds.

    A share of ``share_of`` items that is 0 or 1 in every replicate gets Wilson's interval: resampling cannot show what
    was never seen.
    """
    if share_of is not None and values[0] in (0.0, 1.0) and np.ptp(values) == 0:
        z = NormalDist().inv_cdf((1 + level) / 2)
        reach = z * z / (share_of + z * z)
        return (0.0, reach) if values[0] == 0.0 else (1.0 - reach, 1.0)
    found = interval(float(values[0]), values[1:], level=level, lowest=lowest, highest=highest)
    return found.low, found.high


def change_bounds(change: np.ndarray, *, level: float) -> tuple[float, float] | None:
    """Bounds of a change (1 + replicates,), the first without resampling; None where there is no bootstrap.

    ``interval`` of the change, and 0 belongs to it wherever more than (1 - level) / 2 of the replicates show no
    change, or one the other way: ``interval`` moves the replicates' median onto the value, which alone would make a
    single item that came out better look certain, though over a third of the replicates do not draw it.

    Examples
    --------
    >>> change_bounds(np.array([0.01, 0.0, 0.0, 0.005, 0.02, 0.02]), level=0.5)
    (0.0, 0.025)
    """
    replicates = change[1:][np.isfinite(change[1:])]
    if len(replicates) < 2 or 2 * len(replicates) < len(change) - 1:
        return None
    found = interval(float(change[0]), replicates, level=level)
    rare = (1 - level) / 2
    low = min(found.low, 0.0) if found.low > 0 and (replicates <= 0).mean() > rare else found.low
    high = max(found.high, 0.0) if found.high < 0 and (replicates >= 0).mean() > rare else found.high
    return low, high


def paired_difference(
    quantity: Callable[..., Any],
    before: tuple[Rows, ...],
    after: tuple[Rows, ...],
    *,
    items: Any = None,
    replicates: int = 200,
    seed: int = 0,
    level: float = 0.95,
    **options: Any,
) -> Interval:
    """Measure by how much a quantity differs between two versions of the same rows, with an interval.

    Both versions are resampled together, so what they share cancels: the interval is that of after - before, and far
    narrower than the two intervals would suggest.

    Parameters
    ----------
    quantity
        A function of this package that takes ``weights``.
    before, after
        The arrays of each version, row i of one the same item as row i of the other: two models, or before and after
        a gap is closed. Dimensions may differ between versions.
    items, replicates, seed, level, options
        As in ``bootstrap_interval``.

    Raises
    ------
    ValueError
        If the versions differ in their numbers of rows.
    DegenerateError
        If there are fewer than 10 items.

    Examples
    --------
    >>> from crossgap.measure.alignment import alignment
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(200, 8))
    >>> found = paired_difference(alignment, (x, x + 1), (x, x))
    >>> found.high < 0  # alignment is lower after than before
    True
    """
    sizes = [tuple(rows.shape[0] for rows in version) for version in (before, after)]
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"before and after must hold the same rows, but they have {sizes[0]} and {sizes[1]} rows; align them first."
        )
    a = _value_and_replicates(quantity, before, items, replicates, seed, options)
    b = _value_and_replicates(quantity, after, items, replicates, seed, options)
    change = np.concatenate([[b[0] - a[0]], b[1] - a[1]])
    found = change_bounds(change, level=level)
    if found is None:
        return interval(float(change[0]), change[1:], level=level)  # which says why there is none
    return Interval(value=float(change[0]), low=found[0], high=found[1], level=level)


def permutation_p(
    quantity: Callable[..., Any],
    x: Rows,
    y: Rows,
    *,
    permutations: int = 500,
    paired: bool | None = None,
    seed: int = 0,
    **options: Any,
) -> float:
    """Probability of a value at least this large if both groups came from one distribution.

    Formula::

        p = (1 + #{permuted value >= value}) / (1 + permutations)

    How to read it: small p, the groups differ; it cannot fall below 1 / (1 + permutations). It says that a difference
    exists, not that it is large or matters.

    Parameters
    ----------
    quantity
        A two-sample quantity that is larger for groups that differ more, such as ``centroid_distance``.
    x, y
        Rows (n, d) and (m, d).
    permutations
        Number of random relabellings.
    paired
        Swap x_i and y_i at random within pairs (True), or deal all rows out again (False). None: True where n = m,
        since rows of one item are not independent.
    seed, options
        Seed of the relabellings; further arguments of the quantity.

    Raises
    ------
    ValueError
        If ``paired`` is asked for and the sizes differ, or ``permutations`` is below 1.

    Notes
    -----
    Cost: one measurement for each permutation. ``mmd_p_value`` and ``centroid_distance_p_value`` do all permutations in
    one pass.

    References
    ----------
    Phipson and Smyth, *Permutation p-values should never be zero*, 2010.

    Examples
    --------
    >>> from crossgap.measure.centroid_distance import centroid_distance
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> permutation_p(centroid_distance, x + 1, x - 1, permutations=99)
    0.01
    """
    n, m = x.shape[0], y.shape[0]
    paired = permutes_pairs(n, m, permutations, paired)
    observed = float(as_numbers(quantity(x, y, **options)))
    xp = namespace(materialise(x))
    pooled = xp.concat([materialise(x), materialise(y)])
    rng = np.random.default_rng(seed)
    reached = 0
    for _ in range(permutations):
        if paired:
            swap = rng.integers(2, size=n).astype(bool)
            index = np.where(swap, np.arange(n) + n, np.arange(n))
            index = np.concatenate([index, np.where(swap, np.arange(n), np.arange(n) + n)])
        else:
            index = rng.permutation(n + m)
        value = float(as_numbers(quantity(take_rows(pooled, index[:n]), take_rows(pooled, index[n:]), **options)))
        reached += value >= observed * (1 - 1e-12)
    return (1 + reached) / (1 + permutations)


def permutes_pairs(n: int, m: int, permutations: int, paired: bool | None) -> bool:
    """Return whether a permutation test swaps within pairs; refuse what has no such test."""
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, but there are {permutations}; 500 is a good number.")
    if paired and n != m:
        raise ValueError(
            f"paired permutations need groups of one size, but they have {n} and {m} rows; set paired=False."
        )
    return n == m if paired is None else paired


def _value_and_replicates(
    quantity: Callable[..., Any],
    groups: tuple[Rows, ...],
    items: Any,
    replicates: int,
    seed: int,
    options: dict[str, Any],
) -> tuple[float, np.ndarray]:
    weights = _row_weights(groups, items, replicates, seed)
    value, replicated = quantity(*groups, **options), quantity(*groups, weights=weights, **options)
    return float(as_numbers(value)), as_numbers(replicated)


def as_numbers(value: Any) -> np.ndarray:
    """Return values as a NumPy array, off the device and without their gradient."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def _row_weights(groups: tuple[Rows, ...], items: Any, replicates: int, seed: int) -> Any:
    """One matrix of counts for one group or for aligned groups, else a tuple with one for each group."""
    sizes = [int(rows.shape[0]) for rows in groups]
    if items is None:
        ids = [np.arange(n) if n == sizes[0] else np.arange(n) + sum(sizes) for n in sizes]
    else:
        ids = [np.asarray(ids) for ids in (items if isinstance(items, tuple) else (items,) * len(groups))]
        if [len(rows) for rows in ids] != sizes:
            raise ValueError(
                f"items must have one id a row, but there are {[len(rows) for rows in ids]} ids for {sizes} rows."
            )
    codes, inverse = np.unique(np.concatenate(ids), return_inverse=True)
    counts = bootstrap_weights(len(codes), replicates, seed=seed)
    parts = np.split(inverse, np.cumsum(sizes)[:-1])
    if len(groups) == 1 or all(np.array_equal(parts[0], part) for part in parts[1:]):
        return counts[parts[0]]
    return tuple(counts[part] for part in parts)


def _poisson_table() -> np.ndarray:
    """Return a table that turns 16 random bits into a Poisson count with mean 1."""
    counts = np.arange(9)
    shares = np.exp(-1.0) / np.cumprod(np.maximum(counts, 1))
    edges = np.round(np.cumsum(shares) * _TABLE).astype(int)
    edges[-1] = _TABLE
    return np.repeat(counts, np.diff(edges, prepend=0)).astype(np.uint8)

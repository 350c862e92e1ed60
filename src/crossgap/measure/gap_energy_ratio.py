"""A6: how constant the gap is from pair to pair."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import squared_weight_sums, weighted_mean, weights_like, wide
from crossgap.geometry.rows import (
    Array,
    Rows,
    check_pair,
    namespace,
    row_weights,
    unit_blocks,
)
from crossgap.measure.alignment import alignment
from crossgap.measure.gap_vector import gap_vector

__all__ = [
    "check_gap",
    "gap_blocks",
    "gap_constancy",
    "gap_direction",
    "gap_direction_per_pair",
    "gap_energy_ratio",
]

_NO_LENGTH = 1e-6  # differences of unit rows shorter than this are rounding in float32


def gap_energy_ratio(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Share of the mean squared pair distance that one constant offset explains.

    Formula::

        rho = |g|^2 / mean_i |g_i|^2,   g_i = x_i - y_i,   g = mean_i g_i        (unit rows)

    How to read it: range [0, 1]; 1 where every pair differs by one and the same vector, so that a translation closes
    the gap wholly; 0 where the centres coincide. CLIP on COCO gives about 0.53: half of the distance of a pair is
    offset, half is noise. Untrained CLIP: 0.66. It says nothing of how large the gap is (``centroid_distance``).

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other.
    weights
        Weightings (n, b) of the pairs for a bootstrap; then the result is (b,).
    check
        Refuse zero and non-finite rows, and pairs that all coincide; switch off inside a training step.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch.

    Raises
    ------
    ValueError
        If the shapes differ, or a row is zero or not finite.
    DegenerateError
        If every row of x coincides with its row of y.

    Notes
    -----
    Cost: two passes, O(n d); files larger than memory stream. Ignores a rotation of both groups, the order of pairs
    and which group is x. With few pairs it is too high: pure noise gives about 1/n.

    References
    ----------
    Defined here; the claim that it tests is proposition 1 of Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*,
    ICLR 2024, arXiv 2401.08567.

    Examples
    --------
    Gaps (1, -1) and (1, 1): squared lengths 2 and 2, mean (1, 0).

    >>> x, y = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> round(float(gap_energy_ratio(x, y)), 6)
    0.5
    """
    check_pair(x, y)
    energy = alignment(x, y, weights=weights, check=check)
    xp = namespace(energy)
    if check and not bool(xp.all(energy > _NO_LENGTH**2)):
        raise DegenerateError(
            "every row of x coincides with its row of y, so no gap is left to split; check the pairs."
        )
    gap = gap_vector(x, y, weights=weights, check=False)
    return xp.clip(xp.sum(gap * gap, axis=-1) / energy, None, 1.0)


def gap_direction_per_pair(x: Rows, y: Rows, *, check: bool = True) -> Array:
    """Cosine between the gap of each pair and the mean gap, (n,).

    Formula::

        cos(g_i, g),   g_i = x_i - y_i,   g = mean_i g_i        (unit rows)

    How to read it: range [-1, 1]; 1 for a pair whose gap points where the mean gap points. ``gap_direction`` is its
    mean.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other.
    check
        Refuse zero and non-finite rows, pairs that coincide and a mean gap of length zero.

    Raises
    ------
    ValueError
        If the shapes differ, or a row is zero or not finite.
    DegenerateError
        If a row of x coincides with its row of y, or the two centres coincide: then there is no direction.

    Notes
    -----
    Cost: two passes, O(n d).

    References
    ----------
    Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, table 1.

    Examples
    --------
    Gaps (1, -1) and (1, 1) lie at 45 degrees to their mean (1, 0).

    >>> x, y = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> gap_direction_per_pair(x, y).round(6).tolist()
    [0.707107, 0.707107]
    """
    check_pair(x, y)
    direction = _unit_gap(gap_vector(x, y, check=check), check)
    parts = [block @ direction for _, block in _direction_blocks(x, y, check)]
    return namespace(direction).clip(namespace(direction).concat(parts), -1.0, 1.0)


def gap_direction(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Mean cosine between the gap of a pair and the mean gap.

    Formula::

        mean_i cos(g_i, g),   g_i = x_i - y_i,   g = mean_i g_i        (unit rows)

    How to read it: range [-1, 1]; 1 where all gaps point one way, about sqrt(1/n) for n gaps in random directions.
    About the square root of ``gap_constancy`` in a large sample. CLIP on COCO: 0.72.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other.
    weights
        Weightings (n, b) of the pairs for a bootstrap; then the result is (b,), each with its own mean gap.
    check
        Refuse zero and non-finite rows, pairs that coincide and a mean gap of length zero.

    Raises
    ------
    ValueError
        If the shapes differ, or a row is zero or not finite.
    DegenerateError
        If a row of x coincides with its row of y, or the two centres coincide: then there is no direction.

    Notes
    -----
    Cost: two passes, O(n d). Differs from the 0.99 printed in the source, which is the cosine of means over groups of
    100 pairs (erratum 17); ``gap_groups`` gives that.

    References
    ----------
    Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, table 1.

    Examples
    --------
    >>> x, y = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> round(float(gap_direction(x, y)), 6)
    0.707107
    """
    if weights is None:
        return weighted_mean(gap_direction_per_pair(x, y, check=check))
    n, _ = check_pair(x, y)
    weights = row_weights(weights, n)
    direction = _unit_gap(gap_vector(x, y, weights=weights, check=check), check)
    sums = _direction_sum(x, y, weights, check)
    count = weights_like(weights.sum(axis=0, dtype=np.float64), sums)
    return namespace(sums).sum(sums * direction, axis=-1) / count


def gap_constancy(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Mean cosine between the gaps of two different pairs.

    Formula::

        mean_{i != j} cos(g_i, g_j),   g_i = x_i - y_i        (unit rows)
          = (|sum_i u_i|^2 - n) / (n (n - 1)),   u_i = g_i / |g_i|

    How to read it: range [-1/(n - 1), 1]; 1 where all pairs differ in one direction, 0 for gaps in random directions,
    whatever n. CLIP on COCO gives 0.52: the gap is no constant vector for single pairs.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other, n at least 2.
    weights
        Weightings (n, b) of the pairs for a bootstrap; then the result is (b,). A pair never meets its own copies.
    check
        Refuse zero and non-finite rows and pairs that coincide; switch off inside a training step.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch.

    Raises
    ------
    ValueError
        If the shapes differ, or a row is zero or not finite.
    DegenerateError
        If there are fewer than two pairs, or a row of x coincides with its row of y and so has no direction.

    Notes
    -----
    Cost: one pass, O(n d). Departs from the source, which averages 100 pairs before it compares directions and so
    prints 0.99 (erratum 17).

    References
    ----------
    Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, proposition 1 and table 1.

    Examples
    --------
    Gaps (1, -1) and (1, 1) are at right angles.

    >>> x, y = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> round(abs(float(gap_constancy(x, y))), 6)
    0.0
    """
    n, _ = check_pair(x, y, least=2)
    weights = row_weights(weights, n)
    sums = _direction_sum(x, y, weights, check)
    square = namespace(sums).sum(sums * sums, axis=-1)
    if weights is None:
        return (square - n) / (n * (n - 1))
    selves = squared_weight_sums(weights)
    pairs = weights.sum(axis=0, dtype=np.float64) ** 2 - selves
    return (square - weights_like(selves, square)) / weights_like(pairs, square)


def gap_blocks(x: Rows, y: Rows, *, check: bool = True) -> Iterator[tuple[slice, Array]]:
    """Yield ``(rows, gaps)``, the differences of paired unit rows, in float64."""
    for (rows, a), (_, b) in zip(
        unit_blocks(x, name="x", check=check), unit_blocks(y, name="y", check=check), strict=True
    ):
        yield rows, wide(a) - wide(b)


def check_gap(gap: Array) -> None:
    """Raise if a gap vector, or one of several, has no length and so no direction."""
    xp = namespace(gap)
    if not bool(xp.all(xp.sum(gap * gap, axis=-1) > _NO_LENGTH**2)):
        raise DegenerateError(
            "the means of x and y coincide, so the gap has no direction; leave this quantity out, the gap is closed."
        )


def _unit_gap(gap: Array, check: bool) -> Array:
    if check:
        check_gap(gap)
    xp = namespace(gap)
    return gap / xp.sqrt(xp.clip(xp.sum(gap * gap, axis=-1), 1e-300, None))[..., None]


def _direction_blocks(x: Rows, y: Rows, check: bool) -> Iterator[tuple[slice, Array]]:
    for rows, gaps in gap_blocks(x, y, check=check):
        xp = namespace(gaps)
        squares = xp.sum(gaps * gaps, axis=-1)
        if check and not bool(xp.all(squares > _NO_LENGTH**2)):
            row = rows.start + int(xp.argmin(squares))
            raise DegenerateError(
                f"row {row} of x coincides with row {row} of y, so that pair's gap has no direction; drop such pairs."
            )
        yield rows, gaps / xp.sqrt(xp.clip(squares, 1e-300, None))[:, None]


def _direction_sum(x: Rows, y: Rows, weights: np.ndarray | None, check: bool) -> Array:
    """Sum of the directions of the gaps: (d,), or (b, d) under b weightings."""
    total: Any = 0.0
    for rows, directions in _direction_blocks(x, y, check):
        xp = namespace(directions)
        if weights is None:
            total = total + xp.sum(directions, axis=0)
        else:
            total = total + weights_like(weights[rows], directions).T @ directions
    return total

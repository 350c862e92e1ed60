"""Means over rows, in one pass and in double precision, under one weighting of the rows or under many at once.

A *weighting* gives each row a weight; ``weights`` of shape (n, b) holds b of them, one a column. Without weights each
row counts once. Many weightings at once are what a bootstrap needs: each replicate is one column of counts.
"""

from typing import Any

import numpy as np

from crossgap.geometry.rows import (
    Array,
    Rows,
    inverse_lengths,
    is_numpy,
    namespace,
    row_blocks,
    row_weights,
    unit_blocks,
)

__all__ = [
    "covariance",
    "mean_row",
    "mean_unit_row",
    "root_of_square",
    "squared_weight_sums",
    "weight_product_sums",
    "weighted_mean",
    "weights_like",
    "wide",
]

_EXACT_ROWS = 10_000
_WEIGHTED_ROWS = 8192


def wide(x: Array) -> Array:
    """Return ``x`` in float64, or as it is on a device that has no float64."""
    xp = namespace(x)
    if getattr(getattr(x, "device", None), "type", "cpu") == "mps":
        return x
    return xp.astype(x, xp.float64)


def root_of_square(squares: Array, power: float = 1.0) -> Array:
    """Return distances, to a power, from their squares; the gradient at distance 0 is 0, as that of ``torch.norm``."""
    xp = namespace(squares)
    zero = squares == 0
    safe = xp.where(zero, xp.ones_like(squares), squares)
    return xp.where(zero, xp.zeros_like(squares), xp.sqrt(safe) if power == 1 else safe ** (power / 2))


def mean_unit_row(x: Rows, *, weights: Any = None, name: str = "x", check: bool = True) -> Array:
    """Mean of the rows after each is divided by its length: (d,), or (b, d) under b weightings. Not renormalised."""
    weights = row_weights(weights, x.shape[0])
    total: Any = 0.0
    for rows, block in row_blocks(x):
        scale = inverse_lengths(block, name=name, check=check, first=rows.start)
        total = total + wide(_weighted_sum(block, scale, weights, rows))
    return _divide(total, x.shape[0], weights)


def mean_row(x: Rows, *, weights: Any = None) -> Array:
    """Mean of the rows as they are: (d,), or (b, d) under b weightings."""
    weights = row_weights(weights, x.shape[0])
    total: Any = 0.0
    for rows, block in row_blocks(x):
        xp = namespace(block)
        scale = xp.ones_like(block[:, 0])
        total = total + wide(_weighted_sum(block, scale, weights, rows))
    return _divide(total, x.shape[0], weights)


def weighted_mean(values: Array, weights: Any = None) -> Array:
    """Mean of one value for each row: a scalar, or (b,) under b weightings."""
    xp = namespace(values)
    weights = row_weights(weights, values.shape[0])
    if weights is None:
        return xp.mean(wide(values))
    total: Any = 0.0
    for first in range(0, values.shape[0], _WEIGHTED_ROWS):  # the weights, eight bits each, are never widened at once
        part = wide(values[first : first + _WEIGHTED_ROWS])
        total = total + weights_like(weights[first : first + _WEIGHTED_ROWS], part).T @ part
    return _divide(total, 0, weights)


def weight_product_sums(
    a: np.ndarray, a_rows: np.ndarray, b: np.ndarray, b_rows: np.ndarray, values: np.ndarray | None = None
) -> np.ndarray:
    """Sum over p of a[a_rows[p]] b[b_rows[p]] (values[p]), (b,): what pairs of rows count under each weighting.

    Weights are eight bits each and many, so they are widened some thousand rows at a time.
    """
    total = np.zeros(a.shape[1])
    for first in range(0, len(a_rows), _WEIGHTED_ROWS):
        part = slice(first, first + _WEIGHTED_ROWS)
        products = a[a_rows[part]].astype(np.float64) * b[b_rows[part]]
        total += products.sum(axis=0) if values is None else values[part] @ products
    return total


def squared_weight_sums(a: np.ndarray) -> np.ndarray:
    """Sum of the squares of the weights under each weighting, (b,)."""
    rows = np.arange(len(a))
    return weight_product_sums(a, rows, a, rows)


def covariance(x: Rows, *, centre: bool = True, name: str = "x", check: bool = True) -> Array:
    """Covariance of the unit rows (d, d): denominator n - 1, or n about the origin where ``centre`` is False.

    Up to 10,000 rows products are taken in float64; above, in the type of the rows with sums of blocks in float64,
    which costs the smallest eigenvalues (below about 1e-7 of the largest) their digits. Cost: n d^2 multiply-adds.
    """
    exact = x.shape[0] <= _EXACT_ROWS
    mean = mean_unit_row(x, name=name, check=check) if centre else None
    total: Any = 0.0
    for _, block in unit_blocks(x, name=name, check=False):
        rows = wide(block) if exact else block
        if mean is not None:
            rows = rows - namespace(rows).astype(mean, rows.dtype)
        total = total + wide(rows.T @ rows)
    return total / (x.shape[0] - 1 if centre else x.shape[0])


def _weighted_sum(block: Array, scale: Array, weights: np.ndarray | None, rows: slice) -> Array:
    if weights is None:
        return scale @ block
    return (weights_like(weights[rows], block) * scale[:, None]).T @ block


def weights_like(weights: np.ndarray, values: Array) -> Array:
    """Return weights in the library, type and device of ``values``."""
    if is_numpy(values):
        return weights.astype(values.dtype)
    return namespace(values).asarray(weights, dtype=values.dtype, device=values.device)


def _divide(total: Array, n: int, weights: np.ndarray | None) -> Array:
    if weights is None:
        return total / n
    sums = weights_like(weights.sum(axis=0, dtype=np.float64), total)
    return total / (sums if total.ndim == 1 else sums[:, None])

"""The mean Gaussian potential of pairs of unit rows, in blocks: the kernel under uniformity, MMD and their kin."""

from typing import Any

import numpy as np

from crossgap.geometry.means import squared_weight_sums, weight_product_sums, weights_like, wide
from crossgap.geometry.rows import Array, Rows, is_numpy, namespace, row_weights
from crossgap.geometry.similarity import similarity_blocks

__all__ = ["log_mean_potential"]

_NO_SHIFT_NEEDED = 30.0  # exp of twice this still fits float32


def log_mean_potential(
    x: Rows,
    y: Rows | None = None,
    *,
    t: float,
    leave_out: tuple[np.ndarray, np.ndarray] | None = None,
    x_weights: Any = None,
    y_weights: Any = None,
    check: bool = True,
) -> Array:
    """Log of the mean of exp(-t |x_i - y_j|^2) over pairs of unit rows: a scalar, or (b,) under b weightings.

    Without ``y`` the pairs are i < j within ``x``. With ``y`` they are all (i, j) except those listed in ``leave_out``
    as (rows of x, rows of y), in the order of the rows of x.

    With |a - b|^2 = 2 - 2 cos the exponent is 2 t (cos - 1). Sums run in the type of the rows within a block and in
    float64 across blocks, with the largest exponent taken out where t is large, so that nothing over- or underflows.
    """
    x_weights = row_weights(x_weights, x.shape[0], "x_weights")
    y_weights = x_weights if y is None else row_weights(y_weights, y.shape[0], "y_weights")
    xp = namespace(x)
    total: Any = 0.0
    shift: Any = 0.0 if 2 * t <= _NO_SHIFT_NEEDED else -np.inf
    for rows, columns, block in similarity_blocks(x, y, check=check):
        block = _scaled(block, 2 * t)
        if y is None and rows == columns:
            block = _without(block, np.arange(block.shape[0]), np.arange(block.shape[0]))
        elif y is not None and leave_out is not None:
            block = _without(block, *_within(leave_out, rows, columns))
        if 2 * t > _NO_SHIFT_NEEDED:
            highest = max(shift, float(xp.max(_detached(block))))
            if highest == -np.inf:  # nothing but pairs left out so far
                continue
            total = total * np.exp(shift - highest)
            shift = highest
            block = block - shift
        part = _block_sum(_exp(block), rows, columns, x_weights, y_weights)
        total = total + (0.5 * part if y is None and rows == columns else part)
    pairs = _pair_weight(x.shape[0], None if y is None else y.shape[0], leave_out, x_weights, y_weights)
    if not is_numpy(x) and not isinstance(pairs, (int, float)):
        pairs = xp.asarray(pairs, dtype=total.dtype, device=total.device)
    return xp.clip(xp.log(total / pairs) + (shift - 2 * t), None, 0.0)


def _scaled(block: Array, factor: float) -> Array:
    return np.multiply(block, block.dtype.type(factor), out=block) if isinstance(block, np.ndarray) else block * factor


def _exp(block: Array) -> Array:
    return np.exp(block, out=block) if isinstance(block, np.ndarray) else namespace(block).exp(block)


def _within(pairs: tuple[np.ndarray, np.ndarray], rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.searchsorted(pairs[0], [rows.start, rows.stop])
    r, c = pairs[0][low:high], pairs[1][low:high]
    inside = (c >= columns.start) & (c < columns.stop)
    return r[inside] - rows.start, c[inside] - columns.start


def _detached(block: Array) -> Array:
    return block.detach() if hasattr(block, "detach") else block


def _without(block: Array, r: np.ndarray, c: np.ndarray) -> Array:
    if not len(r):
        return block
    if isinstance(block, np.ndarray):
        block[r, c] = -np.inf
        return block
    keep = np.ones(tuple(block.shape), dtype=bool)
    keep[r, c] = False
    xp = namespace(block)
    return xp.where(xp.asarray(keep, device=block.device), block, -xp.inf)


def _block_sum(
    block: Array, rows: slice, columns: slice, x_weights: np.ndarray | None, y_weights: np.ndarray | None
) -> Any:
    xp = namespace(block)
    if x_weights is None or y_weights is None:
        return xp.sum(wide(block @ xp.ones_like(block[0])))
    return xp.sum(
        wide(weights_like(x_weights[rows], block) * (block @ weights_like(y_weights[columns], block))), axis=0
    )


def _pair_weight(
    n: int,
    m: int | None,
    leave_out: tuple[np.ndarray, np.ndarray] | None,
    x_weights: np.ndarray | None,
    y_weights: np.ndarray | None,
) -> Any:
    if x_weights is None or y_weights is None:
        if m is None:
            return n * (n - 1) / 2
        return n * m - (0 if leave_out is None else len(leave_out[0]))
    sums = x_weights.sum(axis=0, dtype=np.float64), y_weights.sum(axis=0, dtype=np.float64)
    if m is None:
        return (sums[0] ** 2 - squared_weight_sums(x_weights)) / 2
    left_out = 0.0 if leave_out is None else weight_product_sums(x_weights, leave_out[0], y_weights, leave_out[1])
    return sums[0] * sums[1] - left_out

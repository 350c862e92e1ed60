"""Eigenvalues of the covariance of unit rows, exactly or under many weightings at once."""

from typing import Any

import numpy as np

from crossgap.geometry.means import covariance, mean_unit_row, weights_like, wide
from crossgap.geometry.rows import Array, Rows, is_numpy, namespace, row_weights, unit_blocks

__all__ = ["covariance_eigenvalues"]


def covariance_eigenvalues(x: Rows, *, centre: bool = True, weights: Any = None, check: bool = True) -> Array:
    """Eigenvalues of the covariance of the unit rows, largest first: (d,), or (b, d) under b weightings.

    Under weightings the eigenvectors stay those of the unweighted rows and each eigenvalue is the weighted variance
    along its vector: exact to first order, and free of the loss of rank that repeated rows bring to a resample.

    Denominator n - 1 (n where ``centre`` is False). Rounding below zero is cut off at zero.
    Cost: n d^2 + 4/3 d^3, and with weightings as much again plus n d b.
    """
    xp = namespace(x)
    matrix = covariance(x, centre=centre, check=check)
    if weights is None:
        if is_numpy(x):
            from scipy.linalg import eigh

            values = eigh(matrix, eigvals_only=True, check_finite=False, overwrite_a=True, driver="evr")
        else:
            values = xp.linalg.eigvalsh(matrix)
        return xp.clip(xp.flip(values, axis=0), 0.0, None)
    weights = row_weights(weights, x.shape[0])
    _, vectors = xp.linalg.eigh(matrix)
    mean = mean_unit_row(x, check=False) if centre else None
    squares: Any = 0.0
    sums: Any = 0.0
    for rows, block in unit_blocks(x, check=False):
        along = (wide(block) if mean is None else wide(block) - mean) @ vectors
        w = weights_like(weights[rows], along).T
        squares = squares + w @ (along * along)
        sums = sums + w @ along
    count = weights_like(weights.sum(axis=0, dtype=np.float64), squares)[:, None]
    values = (squares - sums * sums / count) / (count - 1) if centre else squares / count
    return xp.clip(xp.flip(values, axis=1), 0.0, None)

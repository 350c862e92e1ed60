"""A14: how alike the rows of one modality are to each other."""

from typing import Any

import numpy as np

from crossgap.geometry.means import mean_unit_row, squared_weight_sums, weights_like
from crossgap.geometry.rows import Array, Rows, check_rows, namespace, row_weights

__all__ = ["within_cosine"]


def within_cosine(x: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Mean cosine of distinct rows of one group, the cone effect in one number.

    Formula::

        mean_{i != j} cos(x_i, x_j) = (n |m|^2 - 1) / (n - 1),   m = mean of x_i / |x_i|

    How to read it: range [-1/(n-1), 1]; 0 for rows that point everywhere, 1 when all coincide. CLIP on COCO gives about
    0.5 in each modality: its vectors fill a narrow cone. An untrained network shows a cone too, so the cone is not by
    itself a sign of bad training.

    Parameters
    ----------
    x
        Rows (n, d), n at least 2.
    weights
        Weightings (n, b) for a bootstrap; then the result is (b,). A row never pairs with itself.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the array's own library; differentiable on torch.

    Raises
    ------
    ValueError
        If a row is zero or not finite.
    DegenerateError
        If there are fewer than two rows.

    Notes
    -----
    Cost: one pass, O(n d), by the mean row and not by n^2 products; files larger than memory stream. Ignores rotation,
    row order and the lengths of rows. Captions of one image count as distinct rows.

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053, section 2 (the cone effect).

    Examples
    --------
    Cosines 0, 1 and 0.

    >>> round(float(within_cosine(np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 2.0]]))), 6)
    0.333333
    """
    n, _ = check_rows(x, "x", least=2)
    weights = row_weights(weights, n)
    mean = mean_unit_row(x, weights=weights, check=check)
    square = namespace(mean).sum(mean * mean, axis=-1)
    if weights is None:
        return (n * square - 1.0) / (n - 1)
    total, squares = weights.sum(axis=0, dtype=np.float64) ** 2, squared_weight_sums(weights)
    pairs = weights_like(total - squares, square)
    return (weights_like(total, square) * square - weights_like(squares, square)) / pairs

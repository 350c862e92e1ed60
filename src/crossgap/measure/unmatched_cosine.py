"""A14: how alike rows of two modalities are that do not belong together."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import matched_rows
from crossgap.geometry.means import mean_unit_row, weight_product_sums, weights_like
from crossgap.geometry.rows import Array, Rows, check_rows, check_same_dimension, group_weights, is_numpy, namespace
from crossgap.measure.matched_cosine import matched_cosine_per_pair

__all__ = ["unmatched_cosine"]


def unmatched_cosine(
    x: Rows, y: Rows, *, x_items: Any = None, y_items: Any = None, weights: Any = None, check: bool = True
) -> Array:
    """Mean cosine between rows of two groups that do not match: the floor that a match must rise above.

    Formula::

        (n m m_x . m_y - sum_{(i,j) matched} cos(x_i, y_j)) / (n m - #matched),   m_x = mean of x_i / |x_i|

    How to read it: range [-1, 1]. CLIP on COCO gives about 0.16; the margin is ``matched_cosine`` minus this. It is
    lower than ``within_cosine`` of either modality wherever there is a gap: a text is nearer to any other text than to
    its own image, which is why a mixed index ranks one modality first.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d).
    x_items, y_items
        Item ids of the rows; pairs of one item are left out. Without ids row i matches row i where n = m, and nothing
        matches otherwise.
    weights
        Weightings for a bootstrap: (n, b) for both groups or a tuple of two; then the result is (b,).
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch.

    Raises
    ------
    ValueError
        If the groups differ in dimension, ids are given for one side only or are not one for each row, or a row is
        zero or not finite.
    DegenerateError
        If every pair is matched.

    Notes
    -----
    Cost: O((n + m + p) d) for p matched pairs, by the mean rows and not by n m products; files larger than memory
    stream. Ignores a rotation of both groups and the lengths of rows.

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053.

    Examples
    --------
    The unmatched pairs (1, 2) and (2, 1) have cosines 1 and 0.

    >>> float(unmatched_cosine(np.eye(2), np.array([[1.0, 0.0], [1.0, 0.0]])))
    0.5
    """
    n, _ = check_rows(x, "x")
    m, _ = check_rows(y, "y")
    check_same_dimension(x, y)
    x_rows, y_rows = matched_rows(n, m, x_items, y_items)
    if len(x_rows) == n * m:
        raise DegenerateError("every row of x matches every row of y, so no unmatched pair is left; give more items.")
    a, b = group_weights(weights, n, m) if weights is not None else (None, None)
    x_mean = mean_unit_row(x, weights=a, name="x", check=check)
    y_mean = mean_unit_row(y, weights=b, name="y", check=check)
    xp = namespace(x_mean)
    product = xp.sum(x_mean * y_mean, axis=-1)
    cosines = xp.zeros_like(x_mean[..., :1].reshape(-1)[:1])  # one zero where nothing matches
    if len(x_rows):
        cosines = matched_cosine_per_pair(x, y, x_items=x_items, y_items=y_items, check=False)
    if a is None or b is None:
        return (n * m * product - xp.sum(cosines)) / (n * m - len(x_rows))
    if not len(x_rows):
        return product
    total = a.sum(axis=0, dtype=np.float64) * b.sum(axis=0, dtype=np.float64)
    left_out = weight_product_sums(a, x_rows, b, y_rows)
    seen = cosines if is_numpy(cosines) else cosines.detach().cpu().numpy()
    matched = weights_like(weight_product_sums(a, x_rows, b, y_rows, seen), product)
    return (weights_like(total, product) * product - matched) / weights_like(total - left_out, product)

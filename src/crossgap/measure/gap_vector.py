"""A6: the vector from the centre of one modality to that of another, from which the gap's quantities start."""

from typing import Any

from crossgap.geometry.means import mean_row, mean_unit_row
from crossgap.geometry.rows import Array, Rows, check_rows, check_same_dimension, group_weights

__all__ = ["gap_vector", "group_means"]


def gap_vector(x: Rows, y: Rows, *, raw: bool = False, weights: Any = None, check: bool = True) -> Array:
    """Difference between the means of the unit rows of two groups, (d,).

    Formula::

        g = m_x - m_y,   m_x = mean of x_i / |x_i|   (the means are not renormalised)

    How to read it: it points from the centre of y to the centre of x. Its length is ``centroid_distance``; where rows
    pair, it is also the mean of the gaps of the pairs, x_i - y_i.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d); pairs are not needed.
    raw
        Use the rows as they are, not brought to length 1.
    weights
        Weightings for a bootstrap: (n, b) for both groups or a tuple of two; then the result is (b, d).
    check
        Refuse zero and non-finite rows.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or a row is zero or not finite.

    Notes
    -----
    Cost: one pass, O((n + m) d); files larger than memory stream.

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053, section 4.2.

    Examples
    --------
    >>> gap_vector(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([[-1.0, 0.0]])).tolist()
    [1.5, 0.5]
    """
    a, b = group_means(x, y, raw=raw, weights=weights, check=check)
    return a - b


def group_means(x: Rows, y: Rows, *, raw: bool = False, weights: Any = None, check: bool = True) -> tuple[Array, Array]:
    """Return the means of the unit rows (or of the rows as they are) of two groups that share a space."""
    check_rows(x, "x")
    check_rows(y, "y")
    check_same_dimension(x, y)
    x_weights, y_weights = group_weights(weights, x.shape[0], y.shape[0])
    if raw:
        return mean_row(x, weights=x_weights), mean_row(y, weights=y_weights)
    return (
        mean_unit_row(x, weights=x_weights, name="x", check=check),
        mean_unit_row(y, weights=y_weights, name="y", check=check),
    )

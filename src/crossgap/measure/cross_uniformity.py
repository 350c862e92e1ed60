"""A4: the mean potential between unmatched rows of two modalities."""

from typing import Any

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import matched_rows
from crossgap.geometry.potentials import log_mean_potential
from crossgap.geometry.rows import Array, Rows, check_rows, check_same_dimension, group_weights
from crossgap.measure.uniformity import check_sharpness

__all__ = ["cross_uniformity"]


def cross_uniformity(
    x: Rows,
    y: Rows,
    *,
    t: float = 2.0,
    x_items: Any = None,
    y_items: Any = None,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Log of the mean Gaussian potential between rows of two groups that do not match.

    Formula::

        XU = log mean_{(i,j) unmatched} exp(-t |x_i - y_j|^2)        (unit rows)

    How to read it: range [-4 t, 0]. Two groups that fill the sphere together give about -4 + 8/d for t = 2. **A value
    below -4 is a sign of a gap, not of evenness**: the minimum, -8, is two opposite points. So lower is not better.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d).
    t
        Sharpness, above 0. The papers use 2.
    x_items, y_items
        Item ids of the rows; pairs of one item are left out. Without ids row i matches row i where n = m, and nothing
        matches otherwise.
    weights, check
        As in ``centroid_distance``.

    Returns
    -------
    A float64 scalar of the arrays' own library, in nats; differentiable on torch.

    Raises
    ------
    ValueError
        If ``t`` is not above 0, the groups differ in dimension, ids are given for one side only or are not one for
        each row, or a row is zero or not finite.
    DegenerateError
        If every pair is matched.

    Notes
    -----
    Cost: 2 n m d flops in blocks of a few MiB. Departs from eq. 4 of the source, whose prefactor 1/N on a double sum
    contradicts its tables: theirs is a mean over the ordered pairs i != j (erratum 2). As a loss it rewards a gap
    (erratum 7).

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, eq. 4.

    Examples
    --------
    Matched rows coincide, unmatched ones are opposite: squared distance 4.

    >>> x = np.array([[1.0, 0.0], [-1.0, 0.0]])
    >>> float(cross_uniformity(x, x))
    -8.0
    """
    n, _ = check_rows(x, "x")
    m, _ = check_rows(y, "y")
    check_same_dimension(x, y)
    check_sharpness(t)
    matches = matched_rows(n, m, x_items, y_items)
    if len(matches[0]) == n * m:
        raise DegenerateError("every row of x matches every row of y, so no unmatched pair is left; give more items.")
    x_weights, y_weights = group_weights(weights, n, m)
    return log_mean_potential(x, y, t=t, leave_out=matches, x_weights=x_weights, y_weights=y_weights, check=check)

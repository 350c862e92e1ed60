"""A14: how narrow the cone of one modality is."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import mean_row, mean_unit_row, weights_like, wide
from crossgap.geometry.rows import Array, Rows, check_rows, namespace, row_blocks, row_weights, unit_blocks

__all__ = ["conformity_per_row", "resultant_length", "thin_shell", "von_mises_concentration"]


def resultant_length(x: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Length of the mean of the unit rows.

    Formula::

        R = |m|,   m = mean of x_i / |x_i|

    How to read it: range [0, 1]; 1 when all rows point one way, near 1/sqrt(n) when they point everywhere. It is the
    statistics of directions' word for the cone effect: ``within_cosine`` is (n R^2 - 1) / (n - 1). CLIP on COCO gives
    about 0.7. Two opposite cones cancel, so R near 0 does not mean even.

    Parameters
    ----------
    x
        Rows (n, d).
    weights
        Weightings (n, b) for a bootstrap; then the result is (b,).
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the array's own library; differentiable on torch.

    Raises
    ------
    ValueError
        If a row is zero or not finite.

    Notes
    -----
    Cost: one pass, O(n d); files larger than memory stream. Ignores rotation, row order and the lengths of rows.

    References
    ----------
    Mardia and Jupp, *Directional Statistics*, 2000.

    Examples
    --------
    >>> round(float(resultant_length(np.eye(2))), 6)  # |(1/2, 1/2)|
    0.707107
    """
    check_rows(x, "x")
    mean = mean_unit_row(x, weights=weights, check=check)
    xp = namespace(mean)
    return xp.sqrt(xp.sum(mean * mean, axis=-1))


def von_mises_concentration(x: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Concentration of the von Mises-Fisher distribution fitted to one group, in closed form.

    Formula::

        kappa = R (d - R^2) / (1 - R^2),   R = resultant length

    How to read it: 0 and up, no unit; 0 for rows that point everywhere, larger for a narrower cone. It grows with the
    dimension at equal R, so compare within one space. The distribution has one cone that is round: clusters and
    ellipsoids inside the cone are not seen.

    Parameters
    ----------
    x
        Rows (n, d), not all of one direction.
    weights, check
        As in ``resultant_length``.

    Raises
    ------
    ValueError
        If a row is zero or not finite.
    DegenerateError
        If all rows point one way, so that the concentration is unbounded.

    Notes
    -----
    Cost: one pass, O(n d). An approximation to the maximum-likelihood value, within a few per cent.

    References
    ----------
    Banerjee et al., *Clustering on the Unit Hypersphere using von Mises-Fisher Distributions*, JMLR 2005, eq. 4.4.

    Examples
    --------
    R^2 = 1/2 and d = 2.

    >>> round(float(von_mises_concentration(np.eye(2))), 6)  # 0.707107 * 1.5 / 0.5
    2.12132
    """
    _, d = check_rows(x, "x")
    length = resultant_length(x, weights=weights, check=check)
    square = length * length
    xp = namespace(length)
    if not bool(xp.all(square < 1.0 - 1e-9)):
        raise DegenerateError("all rows of x point one way, so the concentration is unbounded; give rows that differ.")
    return length * (d - square) / (1.0 - square)


def conformity_per_row(x: Rows, *, check: bool = True) -> Array:
    """Cosine of each row with the mean direction of its group, (n,).

    Formula::

        c_i = cos(x_i, m),   m = mean of x_i / |x_i|

    How to read it: range [-1, 1]; high for typical rows, low for unusual ones. Its mean is ``resultant_length``. In
    CLIP generic captions conform most, so correlate it with caption length or image statistics.

    Parameters
    ----------
    x
        Rows (n, d).
    check
        Refuse zero and non-finite rows.

    Raises
    ------
    ValueError
        If a row is zero or not finite.
    DegenerateError
        If the rows cancel, so that there is no mean direction.

    Notes
    -----
    Cost: two passes, O(n d).

    References
    ----------
    Levi and Gilboa, *The Double-Ellipsoid Geometry of CLIP*, ICML 2025, arXiv 2411.14517.

    Examples
    --------
    >>> [round(c, 6) for c in conformity_per_row(np.eye(2)).tolist()]
    [0.707107, 0.707107]
    """
    check_rows(x, "x")
    mean = mean_unit_row(x, check=check)
    xp = namespace(mean)
    length = xp.sqrt(xp.sum(mean * mean))
    if not bool(length > 1e-9):
        raise DegenerateError("the rows of x cancel, so they have no mean direction to conform to; see their spread.")
    return xp.concat([wide(block) @ (mean / length) for _, block in unit_blocks(x, check=False)])


def thin_shell(x: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Spread of the distances to the mean over their mean, on the rows **as they are**.

    Formula::

        std_i |x_i - m| / mean_i |x_i - m|,   m = mean of x_i (not brought to length 1)

    How to read it: 0 and up; 0 when all rows lie on a sphere about their mean, well below 1 for a thin shell, as most
    distributions in high dimensions are (a standard normal: about 1 / sqrt(2 d)). Larger than that: a few rows lie
    far out, or lengths vary.

    Parameters
    ----------
    x
        Rows (n, d), at least 2, as the encoder gave them.
    weights
        Weightings (n, b) for a bootstrap; then the result is (b,).
    check
        Refuse non-finite rows.

    Raises
    ------
    ValueError
        If a row is not finite.
    DegenerateError
        If there are fewer than two rows, or all coincide.

    Notes
    -----
    Cost: two passes, O(n d), and O(n d b) with weightings; files larger than memory stream. The standard deviation has
    denominator n. Ignores rotation, translation, row order and one common scale.

    References
    ----------
    Levi and Gilboa, *The Double-Ellipsoid Geometry of CLIP*, ICML 2025, arXiv 2411.14517.

    Examples
    --------
    All four rows lie at distance 1 from their mean.

    >>> x = np.array([[0.0, 1.0], [0.0, -1.0], [-1.0, 0.0], [1.0, 0.0]])
    >>> float(thin_shell(x))
    0.0
    """
    n, _ = check_rows(x, "x", least=2)
    weights = row_weights(weights, n)
    mean = mean_row(x)
    xp = namespace(mean)
    if check and not bool(xp.all(xp.isfinite(mean))):
        raise ValueError("x must be finite, but a row holds a NaN or an infinity; drop such rows (crossgap doctor).")
    shift = None if weights is None else mean_row(x, weights=weights) - mean
    first: Any = 0.0
    second: Any = 0.0
    for rows, block in row_blocks(x):
        centred = wide(block) - mean
        squares = xp.sum(centred * centred, axis=-1)
        if weights is None or shift is None:
            first, second = first + xp.sum(xp.sqrt(squares)), second + xp.sum(squares)
            continue
        moved = squares[:, None] - 2.0 * centred @ shift.T + xp.sum(shift * shift, axis=-1)
        moved = xp.clip(moved, 0.0, None)
        w = weights_like(weights[rows], moved)
        first, second = first + xp.sum(w * xp.sqrt(moved), axis=0), second + xp.sum(w * moved, axis=0)
    count = n if weights is None else weights_like(weights.sum(axis=0, dtype=np.float64), first)
    average = first / count
    rounding = 16 * float(np.finfo(np.float64 if str(x.dtype).endswith("float64") else np.float32).eps)
    if not bool(xp.all(average > rounding * xp.sqrt(xp.sum(mean * mean)))):
        raise DegenerateError("all rows of x coincide, so their distances to the mean have no spread; give other rows.")
    return xp.sqrt(xp.clip(second / count - average * average, 0.0, None)) / average

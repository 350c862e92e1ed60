"""A21: Fréchet distance between two groups, each taken as a Gaussian: an offset part and a shape part."""

from typing import Any

import numpy as np

from crossgap.geometry.means import covariance, mean_unit_row, weights_like, wide
from crossgap.geometry.rows import Array, Rows, check_rows, check_same_dimension, group_weights, namespace, unit_blocks
from crossgap.measure.centroid_distance import centroid_distance

__all__ = ["frechet_covariance_part", "frechet_distance", "frechet_mean_part"]


def frechet_distance(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Squared Fréchet distance between the Gaussians fitted to the unit rows of two groups (the formula of FID).

    Formula::

        F = |m_x - m_y|² + Tr(S_x + S_y - 2 (S_x^1/2 S_y S_x^1/2)^1/2)
            mean part      covariance part                        S: covariance, denominator n - 1

    How to read it: range [0, 4], more for few rows; 0 when means and covariances agree. Read the two parts apart, with
    ``frechet_mean_part`` and ``frechet_covariance_part``: a translation removes the first and leaves the second. It
    sees no more than two moments. **With fewer rows than dimensions the covariance part is mostly sampling noise**, so
    compare only values from equally many rows.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d), at least 2 each; pairs are not needed.
    weights
        Weightings for a bootstrap: (n, b) for both groups or a tuple of two; then the result is (b,). The mean part is
        exact; the covariance part is exact to first order, with the optimal transport map held.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch where both covariances have full rank.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or a row is zero or not finite.
    DegenerateError
        If a group has fewer than two rows.

    Notes
    -----
    Cost: (n + m) d² + O(d³); files larger than memory stream. Ignores a rotation of both groups, row order and which
    rows pair.

    References
    ----------
    Dowson and Landau, *The Fréchet distance between multivariate normal distributions*, 1982; Heusel et al., NeurIPS
    2017, arXiv 1706.08500, eq. 6.

    Examples
    --------
    Two opposite points: no spread, means 2 apart.

    >>> x = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> float(frechet_distance(x, -x))
    4.0
    """
    mean_part = frechet_mean_part(x, y, weights=weights, check=check)
    return mean_part + frechet_covariance_part(x, y, weights=weights, check=False)


def frechet_mean_part(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Part of the Fréchet distance that an offset of the means makes: the squared centroid distance.

    Formula::

        |m_x - m_y|²

    How to read it: range [0, 4]; what a translation can remove. See ``frechet_distance``.

    Parameters
    ----------
    x, y, weights, check
        As in ``frechet_distance``.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or a row is zero or not finite.
    DegenerateError
        If a group has fewer than two rows.

    References
    ----------
    Dowson and Landau, *The Fréchet distance between multivariate normal distributions*, 1982.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> float(frechet_mean_part(x, -x))
    4.0
    """
    check_rows(x, "x", least=2)
    check_rows(y, "y", least=2)
    return centroid_distance(x, y, squared=True, weights=weights, check=check)


def frechet_covariance_part(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Part of the Fréchet distance that different covariances make.

    Formula::

        Tr(S_x + S_y - 2 (S_x^1/2 S_y S_x^1/2)^1/2)

    How to read it: range [0, 2 n/(n-1)]; 0 when the covariances agree, Tr S_x + Tr S_y when the two groups spread in
    directions that have nothing in common. What is left of the distance after a translation. It is the squared
    distance that the linear map of ``crossgap.close.GaussianTransport`` would cover.

    Parameters
    ----------
    x, y, weights, check
        As in ``frechet_distance``.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or a row is zero or not finite.
    DegenerateError
        If a group has fewer than two rows.

    Notes
    -----
    The trace of the root is the sum of the singular values of S_x^1/2 S_y^1/2. Eigenvalues below rounding count as 0,
    and so do singular values. Under weightings each covariance enters linearly, through its trace and its product
    with the transport map between the unweighted covariances; the root is concave, so these values lie at or below the
    exact ones. That needs more rows than dimensions to be close.

    References
    ----------
    Dowson and Landau, *The Fréchet distance between multivariate normal distributions*, 1982.

    Examples
    --------
    Variance 2 along one axis each, the axes at right angles: nothing in common.

    >>> x = np.array([[1.0, 0.0], [-1.0, 0.0]])
    >>> y = np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> round(float(frechet_covariance_part(x, y)), 6)
    4.0
    """
    n, _ = check_rows(x, "x", least=2)
    m, _ = check_rows(y, "y", least=2)
    check_same_dimension(x, y)
    a, b = group_weights(weights, n, m) if weights is not None else (None, None)
    s_x, s_y = covariance(x, name="x", check=check), covariance(y, name="y", check=check)
    xp = namespace(s_x)
    root_x, root_y = _root(s_x), _root(s_y)
    if a is None or b is None:
        common = xp.sum(xp.linalg.svdvals(root_x @ root_y))
        return xp.clip(xp.linalg.trace(s_x) + xp.linalg.trace(s_y) - 2.0 * common, 0.0, None)
    u, values, v = xp.linalg.svd(root_x @ root_y, full_matrices=False)
    inverse = _inverse(values)
    from_y = root_x @ (u * inverse) @ u.T @ root_x  # the optimal map from S_y to S_x
    from_x = root_y @ (v.T * inverse) @ v @ root_y
    identity = xp.eye(s_x.shape[0], dtype=s_x.dtype, device=s_x.device)
    return _weighted_trace(x, identity - from_x, a) + _weighted_trace(y, identity - from_y, b)


def _root(matrix: Array) -> Array:
    """Symmetric square root, with eigenvalues below rounding taken as 0."""
    xp = namespace(matrix)
    values, vectors = xp.linalg.eigh(matrix)
    cut = matrix.shape[0] * float(np.finfo(np.float64).eps) * xp.max(values)
    kept = values > cut  # the root has no slope at 0, so such values take no part in a gradient
    roots = xp.where(kept, xp.sqrt(xp.where(kept, values, xp.ones_like(values))), xp.zeros_like(values))
    return (vectors * roots) @ vectors.T


def _inverse(values: Array) -> Array:
    xp = namespace(values)
    kept = values > values.shape[0] * float(np.finfo(np.float64).eps) * xp.max(values)
    return xp.where(kept, 1.0 / xp.where(kept, values, xp.ones_like(values)), xp.zeros_like(values))


def _weighted_trace(x: Rows, matrix: Array, weights: np.ndarray) -> Array:
    """Tr(matrix S) for the covariance S under each weighting, without forming any S."""
    mean = mean_unit_row(x, check=False)
    xp = namespace(mean)
    first: Any = 0.0
    second: Any = 0.0
    for rows, block in unit_blocks(x, check=False):
        centred = wide(block) - mean
        w = weights_like(weights[rows], centred).T
        second = second + w @ xp.sum((centred @ matrix) * centred, axis=-1)
        first = first + w @ centred
    count = weights_like(weights.sum(axis=0, dtype=np.float64), second)
    return (second - xp.sum((first @ matrix) * first, axis=-1) / count) / (count - 1.0)

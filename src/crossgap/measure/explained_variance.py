"""A12: how much of the variance the first principal components explain."""

from typing import Any

from crossgap.geometry.rows import Array, Rows, namespace
from crossgap.measure.spectrum_area import spectrum_area
from crossgap.measure.spectrum_values import spectrum_values

__all__ = ["explained_variance", "explained_variance_area"]


def explained_variance(x: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Cumulative share of the variance that the first k principal components explain, k = 1 ... min(n, d).

    Formula::

        c_k = (v_1 + ... + v_k) / (v_1 + ... + v_r),   v = eigenvalues of the covariance of the unit rows

    How to read it: a rising curve that ends at 1; entry k - 1 belongs to k components. A curve that rises slowly means
    variance spread over many directions. The number of components for a share q is ``effective_dimension`` with
    ``quantile=q``, the area is ``explained_variance_area``. With n <= d the curve rises too fast.

    Parameters
    ----------
    x
        Rows (n, d), n at least 2.
    weights
        Weightings (n, b) for a bootstrap; then the result is (b, min(n, d)). The principal directions are kept (first
        order).
    check
        Refuse zero and non-finite rows, and rows that all coincide.

    Returns
    -------
    float64 (min(n, d),) of the array's own library; differentiable on torch.

    Raises
    ------
    ValueError
        If a row is zero or not finite.
    DegenerateError
        If there are fewer than two rows, or all rows have one direction.

    Notes
    -----
    Cost: n d^2 + 4/3 d^3. Ignores rotation and row order. The text of the source says that adding the uniformity and
    alignment terms spreads variance more; its stored curves show this for the first 20 components only (erratum 9).

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, figures 2 and 4.

    Examples
    --------
    Three rows at right angles have variance 1/2 in each of two directions.

    >>> explained_variance(np.eye(3)).round(6).tolist()
    [0.5, 1.0, 1.0]
    """
    values = spectrum_values(x, weights=weights, check=check)
    xp = namespace(values)
    running = xp.cumulative_sum(values, axis=-1)
    return xp.clip(running / running[..., -1:], None, 1.0)


def explained_variance_area(x: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Area under the curve of explained variance over the first min(n - 1, d) components.

    Formula::

        spectrum_area with kind="variance"

    How to read it: range [1/2, 1]; just above 1/2 for a flat spectrum, near 1 where a few components hold nearly all:
    larger is a *lower* dimension. CLIP on 500 COCO pairs: 0.908 (image) and 0.917 (text); untrained: 0.997 and 0.928.

    Parameters
    ----------
    x
        Rows (n, d), n at least 3 and d at least 2.
    weights, check
        As in ``explained_variance``.

    Raises
    ------
    ValueError
        If a row is zero or not finite.
    DegenerateError
        If there are fewer than three rows or two dimensions, or all rows have one direction.

    References
    ----------
    As ``explained_variance``; the area is defined here.

    Examples
    --------
    >>> round(float(explained_variance_area(np.eye(3))), 6)
    0.75
    """
    return spectrum_area(x, kind="variance", weights=weights, check=check)

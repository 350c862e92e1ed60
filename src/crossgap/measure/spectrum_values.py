"""A9: the spectrum of one modality, from which every count of dimensions is taken."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import weights_like, wide
from crossgap.geometry.rows import Array, Rows, check_rows, coincide, materialise, namespace, row_weights, unit_rows
from crossgap.geometry.spectra import covariance_eigenvalues

__all__ = ["spectrum_values"]

_NO_VARIANCE = 1e-12  # unit rows that differ by less than 1e-6 differ by the rounding of float32


def spectrum_values(
    x: Rows, *, spectrum: str = "covariance", centre: bool = True, weights: Any = None, check: bool = True
) -> Array:
    """Spectrum of the unit rows of one group, largest value first, (min(n, d),).

    Formula::

        covariance   eigenvalues of  1/(n - 1) sum_i (x_i - m)(x_i - m)^T
        singular     singular values s_k of the n rows x_i - m;   s_k^2 = (n - 1) times the k-th eigenvalue

    How to read it: the variance (or its root, times sqrt(n - 1)) along each principal direction. The eigenvalues sum to
    (1 - |m|^2) n / (n - 1). With n <= d the last value is 0 and the small ones are too small.

    Parameters
    ----------
    x
        Rows (n, d).
    spectrum
        "covariance" or "singular".
    centre
        Take out the mean m. Without it m is 0 and the denominator n; the first value then measures the mean.
    weights
        Weightings (n, b) for a bootstrap; then the result is (b, min(n, d)). The principal directions stay those of
        the rows as given and each value is the weighted variance along its own: exact to first order.
    check
        Refuse zero and non-finite rows, and rows that all coincide.

    Raises
    ------
    ValueError
        If ``spectrum`` is not one of the two names, or a row is zero or not finite.
    DegenerateError
        If there are fewer than two rows (one without ``centre``), or all rows have one and the same direction.

    Notes
    -----
    Cost: n d^2 + 4/3 d^3 for n > d, streaming; n^2 d otherwise. Ignores rotation and row order.

    References
    ----------
    Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, figure 3, which plots the
    singular values of the covariance matrix, that is its eigenvalues.

    Examples
    --------
    Two unit rows at right angles differ from their mean by half of sqrt(2).

    >>> spectrum_values(np.eye(2)).round(6).tolist()
    [1.0, 0.0]
    """
    n, d = check_rows(x, "x", least=2 if centre else 1)
    if spectrum not in ("covariance", "singular"):
        raise ValueError(f"spectrum must be 'covariance' or 'singular', but it is {spectrum!r}; give one of them.")
    xp = namespace(x)
    weights = row_weights(weights, n)
    freedom: Any = n - 1 if centre else n
    if weights is not None:
        values = covariance_eigenvalues(x, centre=centre, weights=weights, check=check)[:, : min(n, d)]
        values = xp.sort(values, axis=-1, descending=True)
        freedom = weights_like(weights.sum(axis=0, dtype=np.float64)[:, None] - (1 if centre else 0), values)
    elif n <= d:
        rows = wide(unit_rows(materialise(x), check=check))
        rows = rows - xp.mean(rows, axis=0) if centre else rows
        values = xp.linalg.svdvals(rows) ** 2 / freedom
    else:
        values = covariance_eigenvalues(x, centre=centre, check=check)
    if check and (not bool(xp.all(xp.sum(values, axis=-1) > _NO_VARIANCE)) or (centre and coincide(x))):
        raise DegenerateError(
            "all rows of x have one and the same direction, so their spectrum is zero; give rows that differ."
        )
    return values if spectrum == "covariance" else xp.sqrt(xp.clip(values * freedom, 1e-300, None))

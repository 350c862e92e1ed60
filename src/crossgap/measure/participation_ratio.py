"""A9: how many principal directions share the variance, counted smoothly."""

from typing import Any

from crossgap.geometry.rows import Array, Rows, namespace
from crossgap.measure.spectrum_values import spectrum_values

__all__ = ["participation_ratio", "participation_ratio_of"]


def participation_ratio(
    x: Rows, *, spectrum: str = "covariance", centre: bool = True, weights: Any = None, check: bool = True
) -> Array:
    """Number of equally strong principal directions that would be as concentrated as the spectrum is.

    Formula::

        PR = (sum_k v_k)^2 / sum_k v_k^2,   v = eigenvalues of the covariance of the unit rows

    How to read it: range [1, min(n - 1, d)]; k equal eigenvalues give k. Strong directions rule it, the tail hardly
    counts: CLIP on 500 COCO pairs gives 43 (image) and 42 (text) of 512, where ``effective_dimension`` gives 296 and
    277. Few rows bias it low: below about 10 PR rows compare groups of equal n only.

    Parameters
    ----------
    x
        Rows (n, d), n at least 2.
    spectrum
        "covariance" (variances) or "singular" (their roots).
    centre
        Take out the mean first. Without it the mean counts as a direction, as a rule the strongest.
    weights
        Weightings (n, b) for a bootstrap; then the result is (b,). The principal directions are kept (first order).
    check
        Refuse zero and non-finite rows, and rows that all coincide; switch off inside a training step.

    Returns
    -------
    A float64 scalar of the array's own library; differentiable on torch.

    Raises
    ------
    ValueError
        If ``spectrum`` is unknown, or a row is zero or not finite.
    DegenerateError
        If there are fewer than two rows, or all rows have one direction.

    Notes
    -----
    Cost: n d^2 + 4/3 d^3. Ignores rotation and row order.

    References
    ----------
    Gao et al., *A theory of multineuronal dimensionality, dynamics and measurement*, bioRxiv 214262.

    Examples
    --------
    Three rows at right angles have variance 1/2 in each of two directions.

    >>> round(float(participation_ratio(np.eye(3))), 6)
    2.0
    """
    return participation_ratio_of(spectrum_values(x, spectrum=spectrum, centre=centre, weights=weights, check=check))


def participation_ratio_of(values: Array) -> Array:
    """Participation ratio of non-negative values (..., r) of any spectrum."""
    xp = namespace(values)
    return xp.sum(values, axis=-1) ** 2 / xp.sum(values * values, axis=-1)

"""A9: ranks of one modality that a threshold or the strongest direction alone decides."""

from typing import Any

from crossgap.geometry.rows import Array, Rows, namespace
from crossgap.measure.spectrum_values import spectrum_values

__all__ = ["numerical_rank", "singular_values_above_one", "stable_rank"]


def stable_rank(x: Rows, *, centre: bool = True, weights: Any = None, check: bool = True) -> Array:
    """Total variance in units of the strongest direction.

    Formula::

        sum_k v_k / v_1,   v = eigenvalues of the covariance of the unit rows   (= |X|_F^2 / |X|_2^2 of centred rows)

    How to read it: range [1, min(n - 1, d)], never above ``participation_ratio``. One strong direction alone makes it
    small.

    Parameters
    ----------
    x
        Rows (n, d), n at least 2.
    centre
        Take out the mean first.
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
        If a row is zero or not finite.
    DegenerateError
        If there are fewer than two rows, or all rows have one direction.

    Notes
    -----
    Cost: n d^2 + 4/3 d^3. Ignores rotation and row order.

    References
    ----------
    Rudelson and Vershynin, *Sampling from large matrices*, Journal of the ACM 54, 2007, arXiv math/0503442.

    Examples
    --------
    Three rows at right angles have variance 1/2 in each of two directions.

    >>> round(float(stable_rank(np.eye(3))), 6)
    2.0
    """
    values = spectrum_values(x, centre=centre, weights=weights, check=check)
    return namespace(values).sum(values, axis=-1) / values[..., 0]


def numerical_rank(
    x: Rows, *, tolerance: float = 1e-5, centre: bool = True, weights: Any = None, check: bool = True
) -> Array:
    """Number of singular values that stand out from rounding.

    Formula::

        #{ k : s_k > tolerance s_1 },   s = singular values of the unit rows, centred

    How to read it: a count between 1 and min(n - 1, d). Embeddings nearly always have full rank: a lower count
    betrays rows that were reduced to fewer dimensions, or repeated.

    Parameters
    ----------
    x
        Rows (n, d), n at least 2.
    tolerance
        Share of the largest singular value, above 0 and below 1. The default stands above the rounding of float32;
        rows kept in float16 need about 1e-2. Below 1e-7 it counts the rounding of the computation itself.
    centre
        Take out the mean first.
    weights, check
        As in ``stable_rank``.

    Returns
    -------
    A whole number as a float64 scalar of the array's own library. Not differentiable.

    Raises
    ------
    ValueError
        If ``tolerance`` is not between 0 and 1, or a row is zero or not finite.
    DegenerateError
        If there are fewer than two rows, or all rows have one direction.

    Notes
    -----
    Cost: n d^2 + 4/3 d^3. Ignores rotation and row order.

    References
    ----------
    Golub and Van Loan, *Matrix Computations*, 4th edition, section 5.4.1.

    Examples
    --------
    Three points always lie in a plane.

    >>> float(numerical_rank(np.eye(3)))
    2.0
    """
    if not 0 < tolerance < 1:
        raise ValueError(f"tolerance must lie between 0 and 1, but it is {tolerance}; the default is 1e-5.")
    values = spectrum_values(x, spectrum="singular", centre=centre, weights=weights, check=check)
    xp = namespace(values)
    return xp.sum(xp.astype(values > tolerance * values[..., :1], xp.float64), axis=-1)


def singular_values_above_one(x: Rows, *, centre: bool = True, weights: Any = None, check: bool = True) -> Array:
    """Number of singular values above 1, logged as "rank" by one of the papers.

    Formula::

        #{ k : s_k > 1 },   s = singular values of the unit rows, centred

    How to read it: a count between 0 and min(n - 1, d). **Singular values grow with sqrt(n)**, so that more rows of the
    same kind give a larger count: compare groups of equal n only, and prefer ``effective_dimension``.

    Parameters
    ----------
    x
        Rows (n, d), n at least 2.
    centre, weights, check
        As in ``stable_rank``.

    Returns
    -------
    A whole number as a float64 scalar of the array's own library. Not differentiable.

    Raises
    ------
    ValueError
        If a row is zero or not finite.
    DegenerateError
        If there are fewer than two rows, or all rows have one direction.

    Notes
    -----
    Cost: n d^2 + 4/3 d^3. Ignores rotation and row order.

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, as logged by the authors' code.

    Examples
    --------
    Two opposite rows, each twice: one singular value, sqrt(4).

    >>> float(singular_values_above_one(np.array([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [-1.0, 0.0]])))
    1.0
    """
    values = spectrum_values(x, spectrum="singular", centre=centre, weights=weights, check=check)
    xp = namespace(values)
    return xp.sum(xp.astype(values > 1.0, xp.float64), axis=-1)

"""A13: intrinsic dimension by maximum likelihood, from the distances to the k nearest rows."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import weighted_mean, weights_like, wide
from crossgap.geometry.nearest_distances import NearestDistances, nearest_distances
from crossgap.geometry.rows import Array, Rows, check_rows, row_weights

__all__ = ["levina_bickel_dimension", "levina_bickel_dimension_per_row"]


def levina_bickel_dimension(
    x: Rows,
    *,
    k: int = 10,
    average: str = "harmonic",
    unit: bool = True,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Intrinsic dimension by maximum likelihood from the distances to the k nearest rows.

    Formula::

        1 / m_i = 1/(k - 1) sum_{j < k} ln(T_k(i) / T_j(i))     (T_j: distance of row i to its j-th nearest other row)
        d       = 1 / mean_i (1 / m_i)                          ("arithmetic": mean_i m_i)

    How to read it: above 0; the number of directions in which the rows spread at the scale of their k nearest
    neighbours. CLIP on 500 COCO pairs with k = 10 gives 13.9 (image) and 12.9 (text). It falls as k grows where the
    data are curved or have edges. Above about 15 it is biased low for any usual number of rows.

    Parameters
    ----------
    x
        Rows (n, d), more than ``k`` of them distinct.
    k
        Neighbours, at least 2. 10 and 20 are usual.
    average
        "harmonic" averages the inverses, as the likelihood of all rows together asks (MacKay and Ghahramani);
        "arithmetic" averages the rows' own estimates (Levina and Bickel), which is biased high for small k.
    unit
        Divide each row by its length first: chordal distances on the sphere. False takes the rows as they are.
    weights
        Weightings (n, b) for a bootstrap, the neighbours held; then the result is (b,).
    check
        Refuse rows that are not finite and, with ``unit``, zero rows.

    Returns
    -------
    A float64 scalar of the array's own library. Not differentiable.

    Raises
    ------
    ValueError
        If ``k`` is below 2, ``average`` is unknown, or a row is zero or not finite.
    DegenerateError
        If no more than ``k`` rows are distinct, or the k nearest rows are all equally far: of every row, or for
        "arithmetic" of one.

    Notes
    -----
    Cost: 2 n^2 d flops in float64, in blocks of 32 MiB, and the rows in float64. Of rows that coincide the first
    stays and counts once, with its own weight. Ignores rotation and row order.

    References
    ----------
    Levina and Bickel, *Maximum likelihood estimation of intrinsic dimension*, NIPS 2004, eq. 8; MacKay and
    Ghahramani, *Comments on "Maximum likelihood estimation of intrinsic dimension"*, 2005.

    Examples
    --------
    Three points on a line, two neighbours each: ratios 3, 2 and 3/2.

    >>> x = np.array([[0.0], [1.0], [3.0]])
    >>> round(float(levina_bickel_dimension(x, k=2, unit=False)), 4), round(3 / float(np.log(9)), 4)
    (1.3654, 1.3654)
    """
    n, _ = check_rows(x, "x")
    if average not in ("harmonic", "arithmetic"):
        raise ValueError(f"average must be 'harmonic' or 'arithmetic', but it is {average!r}; choose one.")
    weights = row_weights(weights, n)
    found, inverses = _inverses(x, k, unit, check)
    kept = None if weights is None else weights[found.kept]
    if average == "arithmetic":
        values = weighted_mean(1.0 / _positive(inverses, found), kept)
    else:
        means = weighted_mean(inverses, kept)
        if not np.all(means > 0):
            raise DegenerateError(
                f"the {k} nearest rows are all equally far from every row, so no dimension fits; give more rows."
            )
        values = 1.0 / means
    return weights_like(values, wide(x[:1]))


def levina_bickel_dimension_per_row(x: Rows, *, k: int = 10, unit: bool = True, check: bool = True) -> Array:
    """Maximum likelihood estimate of the dimension around every row.

    Formula::

        m_i = [1/(k - 1) sum_{j < k} ln(T_k(i) / T_j(i))]^-1

    How to read it: above 0 and noisy: its relative standard deviation is about 1 / sqrt(k - 2) even where the
    dimension is the same everywhere. Average it over clusters, not over single rows.

    Parameters
    ----------
    x, k, unit, check
        As in ``levina_bickel_dimension``.

    Returns
    -------
    Estimates (n,), in float64, of the array's own library; a row and its copies have the same.

    Raises
    ------
    ValueError
        If ``k`` is below 2, or a row is zero or not finite.
    DegenerateError
        If no more than ``k`` rows are distinct, or the k nearest rows of one row are all equally far.

    References
    ----------
    Levina and Bickel, NIPS 2004, eq. 8.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [3.0]])
    >>> levina_bickel_dimension_per_row(x, k=2, unit=False).round(4).tolist()  # 1/ln 3, 1/ln 2, 1/ln 1.5
    [0.9102, 1.4427, 2.4663]
    """
    check_rows(x, "x")
    found, inverses = _inverses(x, k, unit, check)
    values = 1.0 / _positive(inverses, found)
    return weights_like(values[found.place], wide(x[:1]))


def _inverses(x: Rows, k: int, unit: bool, check: bool) -> tuple[NearestDistances, np.ndarray]:
    """Return the neighbours and 1 / m_i of every distinct row."""
    if k < 2:
        raise ValueError(f"k must be at least 2, but it is {k}; 10 and 20 are usual.")
    found = nearest_distances(x, k, unit=unit, check=check)
    logs = np.log(found.distances)
    return found, (logs[:, -1:] - logs[:, :-1]).sum(axis=1) / (k - 1)


def _positive(inverses: np.ndarray, found: NearestDistances) -> np.ndarray:
    if not (inverses > 0).all():
        row = int(found.kept[np.argmin(inverses)])
        raise DegenerateError(
            f"the {found.rows.shape[1]} nearest rows of row {row} are all equally far from it, so no dimension fits "
            f"it; take a larger k."
        )
    return inverses

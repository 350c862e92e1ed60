"""A22: kernel alignment over the neighbours that two spaces agree on."""

from typing import Any

import numpy as np

from crossgap.compare.aligned_rows import check_aligned
from crossgap.compare.mutual_neighbours import clipped
from crossgap.errors import DegenerateError
from crossgap.geometry.means import weights_like, wide
from crossgap.geometry.neighbours import nearest_rows
from crossgap.geometry.rows import Array, Rows, as_numpy, row_weights, unit_rows
from crossgap.measure.neighbourhood_preservation import check_neighbours

__all__ = ["cknna"]


def cknna(
    x: Rows, y: Rows, *, k: int = 10, clip: float | None = None, weights: Any = None, check: bool = True
) -> Array:
    """Centred kernel alignment restricted to nearest neighbours (CKNNA).

    Formula::

        A(K, L) = sum over i and over j in both N_k(x_i) and N_k(y_i) of (K_ij - mean_l K_il) (L_ij - mean_l L_il)
        CKNNA   = A(K, L) / sqrt(A(K, K) A(L, L)),   K, L: cosines within X and within Y; means over l != i

    How to read it: range [0, 1] for all practical purposes; 1 when both spaces have the same neighbours at the same
    cosines. Between ``mutual_neighbours``, which counts shared neighbours, and ``cka``, which weighs all pairs: here
    shared neighbours are weighed by how near they are. CLIP on 500 COCO pairs, image against text: 0.29, shuffled 0.02.

    Parameters
    ----------
    x, y, k, clip, check
        As in ``mutual_neighbours``.
    weights
        Weightings (n, b) of the items i for a bootstrap, neighbours and means held; then the result is (b,).

    Returns
    -------
    A float64 scalar of the arrays' own library. Not differentiable.

    Raises
    ------
    ValueError
        As in ``mutual_neighbours``.
    DegenerateError
        If there are fewer than two rows, or all rows of one space are equally similar.

    Notes
    -----
    Cost: 2 n^2 (d1 + d2) flops for the neighbours, and n k (d1 + d2); both spaces in memory in float64. The paper's
    code computes something else by default: the unbiased estimate of ``cka`` on kernels that are set to 0 outside the
    neighbourhoods. Blind to a rotation of either space, and so to the gap.

    References
    ----------
    Huh, Cheung, Wang, Isola, *The Platonic Representation Hypothesis*, ICML 2024, arXiv 2405.07987, appendix A.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])
    >>> round(float(cknna(x, x, k=1)), 6), float(cknna(x, x[[0, 2, 1, 3]], k=1))
    (1.0, 0.0)
    """
    n = check_aligned(x, y, least=2)
    check_neighbours(k, n)
    weights = row_weights(weights, n)
    sides = [clipped(x, clip, "x", check=check), clipped(y, clip, "y", check=check)]
    lists = [nearest_rows(rows, rows, k, leave_out_self=True, check=False).rows for rows in sides]
    a, b = (unit_rows(as_numpy(rows, np.float64), check=False) for rows in sides)
    both = (lists[0][:, :, None] == lists[1][:, None, :]).any(axis=2)
    x_cosines, y_cosines = _centred_cosines(a, lists[0]), _centred_cosines(b, lists[0])
    per_row = [x_cosines**2, both * x_cosines * y_cosines, _centred_cosines(b, lists[1]) ** 2]
    counts = np.ones((n, 1)) if weights is None else weights.astype(np.float64)
    xx, xy, yy = (part.sum(axis=1) @ counts for part in per_row)
    if weights is None and not (xx[0] > 1e-24 and yy[0] > 1e-24):
        raise DegenerateError("all rows of one space are equally similar to each other; give rows that vary.")
    product = xx * yy
    values = np.where(product > 0, xy / np.sqrt(np.where(product > 0, product, 1.0)), 0.0)
    return weights_like(values[0] if weights is None else values, wide(x[:1]))


def _centred_cosines(unit: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Cosines of each row with the rows of its list (n, k), less its mean cosine with all others."""
    total = unit @ unit.sum(axis=0)
    means = (total - np.vecdot(unit, unit)) / (len(unit) - 1)
    cosines = np.stack([np.vecdot(unit, unit[column]) for column in found.T], axis=1)
    return cosines - means[:, None]

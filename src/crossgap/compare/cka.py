"""A22: centred kernel alignment, with its bias for few rows taken out."""

from collections.abc import Callable
from typing import Any

import numpy as np

from crossgap.compare.aligned_rows import centred_blocks, check_aligned
from crossgap.errors import DegenerateError
from crossgap.geometry.means import weights_like, wide
from crossgap.geometry.rows import BLOCK_ROWS, Array, Rows, as_numpy, namespace, row_weights

__all__ = ["cka"]

_ENOUGH_ROWS = 10  # rows for each dimension, below which the biased value is far too high
_NOTHING = 1e-12  # of the sum of squares of the kernel: no spread but rounding


def cka(
    x: Rows,
    y: Rows,
    *,
    debiased: bool | None = None,
    unit: bool = True,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Linear centred kernel alignment: whether two spaces find the same pairs of items alike.

    Formula::

        CKA  = H(K, L) / sqrt(H(K, K) H(L, L)),   K = X X^T, L = Y Y^T
        biased:    H(K, L) = |Xc^T Yc|_F^2                                (Xc, Yc: rows less their mean)
        debiased:  H(K, L) = [tr(K' L') + 1'K'1 1'L'1 / ((n-1)(n-2)) - 2/(n-2) 1'K'L'1] / (n (n-3))
                                                                          (K', L': K and L with a diagonal of zeros)

    How to read it: 1 when one space is a rotated and scaled copy of the other. Biased, the range is [0, 1], and two
    spaces that have nothing in common score about d / (n + d); debiased, [-1, 1], and they score 0 on average. CLIP on
    500 COCO pairs, image against text: 0.636 biased, 0.605 debiased. The few strongest directions rule it. **It is
    blind to the gap**: moving or rotating either space as a whole changes nothing, so read it beside
    ``centroid_distance``.

    Parameters
    ----------
    x, y
        Rows (n, d1) and (n, d2), row i of both the same item; the dimensions may differ. n at least 4 for debiased
        values, else 2.
    debiased
        Take the bias out. None: where n < 10 max(d1, d2).
    unit
        Divide each row by its length first. False takes the rows as they are, as the paper does.
    weights
        Weightings (n, b) for a bootstrap; then the result is (b,). Debiased, a row never pairs with its own copies.
    check
        Refuse rows that are not finite and, with ``unit``, zero rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch without ``weights``.

    Raises
    ------
    ValueError
        If the numbers of rows differ, or a row is zero or not finite.
    DegenerateError
        If there are too few rows, or the rows of one space do not differ.

    Notes
    -----
    Cost: the cheaper of n (d1 + d2)^2 and n^2 (d1 + d2) flops or so; memory three matrices of that side, d or n. A
    debiased value needs no n x n matrix either, since the rows of a centred kernel sum to 0. With weightings
    2 n^2 (d1 + d2 + 10 b) flops in blocks, in NumPy; a replicate without spread has the value 0.

    References
    ----------
    Kornblith et al., *Similarity of Neural Network Representations Revisited*, ICML 2019, arXiv 1905.00414; Song et
    al., *Feature selection via dependence maximization*, JMLR 2012, eq. 5 (the unbiased estimate).

    Examples
    --------
    A rotated copy, and one stretched along an axis.

    >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> turned = x @ np.array([[0.6, 0.8], [-0.8, 0.6]])
    >>> round(float(cka(x, 3 * turned, debiased=False)), 6)
    1.0
    >>> round(float(cka(x, x * [2.0, 1.0], debiased=False, unit=False)), 6)  # (16 + 4) / sqrt(8 * (64 + 4))
    0.857493
    """
    n = check_aligned(x, y, least=2)
    few = n < _ENOUGH_ROWS * max(int(x.shape[1]), int(y.shape[1]))
    unbiased = few if debiased is None else debiased
    if unbiased and n < 4:
        raise DegenerateError(
            f"x and y must have at least 4 rows for a debiased value, but they have {n}; give more, or debiased=False."
        )
    weights = row_weights(weights, n)
    if weights is not None:
        rows = [
            as_numpy(namespace(block[0]).concat(block))
            for block in (
                list(centred_blocks(side, unit=unit, name=name, check=check)) for side, name in ((x, "x"), (y, "y"))
            )
        ]
        return weights_like(_weighted(rows[0], rows[1], weights, unbiased), wide(x[:1]))
    xx, xy, yy = _kernel_products(x, y, unit, check)
    if not unbiased:
        return xy[0] / namespace(x).sqrt(xx[0] * yy[0])
    scales = xx[0], yy[0]
    xx, xy, yy = (_debiased(parts, n) for parts in (xx, xy, yy))
    for value, scale, name in zip((xx, yy), scales, ("x", "y"), strict=True):
        if not bool(value > _NOTHING * scale):
            raise DegenerateError(
                f"the rows of {name} must differ in their cosines to each other, but they do not; give rows that vary."
            )
    return xy / namespace(x).sqrt(xx * yy)


def _kernel_products(x: Rows, y: Rows, unit: bool, check: bool) -> tuple[tuple, tuple, tuple]:
    """For (x, x), (x, y) and (y, y): the sum of K L, that over its diagonal, and the sums of both diagonals.

    K and L are the kernels of the centred rows, so that each of their rows sums to 0.
    """
    xp = namespace(x)
    sides = [centred_blocks(x, unit=unit, name="x", check=check), centred_blocks(y, unit=unit, name="y", check=check)]
    if x.shape[0] <= max(x.shape[1], y.shape[1]):
        a, b = (xp.concat(list(blocks)) for blocks in sides)
        first, second = a @ a.T, b @ b.T
        sums = [xp.sum(first * first), xp.sum(first * second), xp.sum(second * second)]
        a_squares, b_squares = xp.sum(a * a, axis=1), xp.sum(b * b, axis=1)
    else:
        products: list[Any] = [0.0, 0.0, 0.0]
        parts: list[list[Array]] = [[], []]
        for a, b in zip(*sides, strict=True):
            products = [
                total + left.T @ right for total, left, right in zip(products, (a, a, b), (a, b, b), strict=True)
            ]
            parts[0].append(xp.sum(a * a, axis=1))
            parts[1].append(xp.sum(b * b, axis=1))
        sums = [xp.sum(product * product) for product in products]
        a_squares, b_squares = xp.concat(parts[0]), xp.concat(parts[1])
    a_sum, b_sum = xp.sum(a_squares), xp.sum(b_squares)
    return (
        (sums[0], xp.sum(a_squares * a_squares), a_sum, a_sum),
        (sums[1], xp.sum(a_squares * b_squares), a_sum, b_sum),
        (sums[2], xp.sum(b_squares * b_squares), b_sum, b_sum),
    )


def _debiased(parts: tuple, n: int) -> Any:
    """Song's estimate, given that without the diagonal each row of a kernel sums to minus its diagonal entry."""
    total, diagonal, first, second = parts
    return total - diagonal + first * second / ((n - 1) * (n - 2)) - 2.0 * diagonal / (n - 2)


def _weighted(x: np.ndarray, y: np.ndarray, weights: np.ndarray, debiased: bool) -> np.ndarray:
    """Value under each weighting, (b,), from blocks of both kernels."""
    n, w = len(x), weights.astype(np.float64)
    powers = np.concatenate([w, w * w], axis=1)
    pairs = [(0, 0), (0, 1), (1, 1)]
    sums = np.zeros((2, n, powers.shape[1]))
    products = np.zeros((3, n, powers.shape[1]))
    for start in range(0, n, BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        for first in range(0, n, BLOCK_ROWS):
            columns = slice(first, first + BLOCK_ROWS)
            kernels = [side[rows] @ side[columns].T for side in (x, y)]
            for number, kernel in enumerate(kernels):
                if debiased and start == first:
                    np.fill_diagonal(kernel, 0.0)
                sums[number, rows] += kernel @ powers[columns]
            for place, (i, j) in enumerate(pairs):
                products[place, rows] += (kernels[i] * kernels[j]) @ powers[columns]
    estimate: Callable[..., np.ndarray] = _over_distinct_rows if debiased else _over_all_rows
    xx, xy, yy = (estimate(w, sums[i], sums[j], products[place]) for place, (i, j) in enumerate(pairs))
    found = (xx > 0) & (yy > 0)
    return np.where(found, xy / np.sqrt(np.where(found, xx * yy, 1.0)), 0.0)


def _over_all_rows(w: np.ndarray, k_sums: np.ndarray, l_sums: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Biased estimate of rows that count w times: the centring under each weighting is written out."""
    b, total = w.shape[1], w.sum(axis=0)
    k, m = k_sums[:, :b], l_sums[:, :b]
    parts = [(w * part).sum(axis=0) for part in (products[:, :b], k * m, k, m)]
    value = parts[0] - 2.0 * parts[1] / total + parts[2] * parts[3] / total**2
    return np.where(value > _NOTHING * np.abs(parts[0]), value, 0.0)


def _over_distinct_rows(w: np.ndarray, k_sums: np.ndarray, l_sums: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Sum of K_ij L_ij + K_ij L_qr - 2 K_ij L_iq over four distinct rows, which count w_i w_j w_q w_r.

    For weights of 1 that is the unbiased estimate times the number of such fours, which cancels in the quotient. The
    sums are K w and K w^2, L w and L w^2, (K L) w and (K L) w^2; terms in which rows coincide are taken off again.
    """
    b = w.shape[1]
    k, k_squares, m, m_squares = k_sums[:, :b], k_sums[:, b:], l_sums[:, :b], l_sums[:, b:]
    squares = w * w
    first, second = w.sum(axis=0), squares.sum(axis=0)
    p11, p12, p13 = ((part * products[:, :b]).sum(axis=0) for part in (w, squares, squares * w))
    p22 = (squares * products[:, b:]).sum(axis=0)
    once, twice = (w * k * m).sum(axis=0), (squares * k * m).sum(axis=0)
    pairs = (first**2 - second) * p11 - 4.0 * first * p12 + 4.0 * p13 + 2.0 * p22
    fours = (w * k).sum(axis=0) * (w * m).sum(axis=0) - 4.0 * twice + 2.0 * p22
    threes = first * (once - p12) - (twice - p22) - (w * (k_squares * m + k * m_squares)).sum(axis=0) + 2.0 * p13
    return pairs + fours - 2.0 * threes

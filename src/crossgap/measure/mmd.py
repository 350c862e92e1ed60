"""A21: maximum mean discrepancy, a kernel distance between two distributions, and its permutation test."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import weights_like, wide
from crossgap.geometry.potentials import log_mean_potential
from crossgap.geometry.ranks import match_cosines
from crossgap.geometry.rows import Array, Rows, check_rows, check_same_dimension, group_weights, is_numpy, namespace
from crossgap.geometry.similarity import similarity_blocks
from crossgap.measure.certainty import permutes_pairs

__all__ = ["median_bandwidth", "median_squared_distance", "mmd", "mmd_p_value"]

_SCALES = {"gaussian": (1.0,), "mixture": (0.25, 0.5, 1.0, 2.0, 4.0)}
_EXACT_ROWS = 4096  # 8.4 million pairs, 64 MiB in float64
_SAMPLED_PAIRS = 1 << 18  # the median's rank is then uncertain by 0.1 % of the pairs


def mmd(
    x: Rows,
    y: Rows,
    *,
    kernel: str = "gaussian",
    bandwidth: float | None = None,
    squared: bool = True,
    seed: int = 0,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Squared maximum mean discrepancy of the unit rows of two groups, unbiased.

    Formula::

        MMD² = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)
        k(a, b) = exp(-|a - b|² / h),   h = median squared distance of the pooled rows

    How to read it: at most 2; 0 on average for two samples of one distribution, and then about as often below 0 as
    above. It sees every difference of distributions at the scale h, not only an offset; it says nothing of pairs.
    CLIP on COCO gives about 0.4. Subtract each group's mean first to see what is no offset. ``mmd_p_value`` tests it.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d), at least 2 each; pairs are not needed.
    kernel
        "gaussian", or "mixture": the mean of five Gaussian kernels with h times 1/4, 1/2, 1, 2 and 4, which depends
        less on the choice of h.
    bandwidth
        h, above 0. None takes ``median_squared_distance``, so that values of other data have other kernels: give one
        number to compare them.
    squared
        True gives MMD², as usual; False its square root, 0 where the estimate is below 0.
    seed
        Seed of the pairs from which the median is taken where there are more than 4,096 pooled rows.
    weights
        Weightings for a bootstrap: (n, b) for both groups or a tuple of two; then the result is (b,). The bandwidth
        stays that of the rows without weights.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch, with the bandwidth held.

    Raises
    ------
    ValueError
        If the groups differ in dimension, ``kernel`` is unknown, ``bandwidth`` is not above 0, or a row is zero or not
        finite.
    DegenerateError
        If a group has fewer than two rows, or more than half of the pooled pairs coincide so that the median is 0.

    Notes
    -----
    Cost: (n + m)² d flops in blocks of a few MiB, five times that for the mixture. All n m pairs between the groups
    count, matched ones too. Ignores a rotation of both groups, row order and which rows pair.

    References
    ----------
    Gretton et al., *A Kernel Two-Sample Test*, JMLR 2012, lemma 6 (unbiased estimate).

    Examples
    --------
    Two points, two rows each: squared distance 2 between, 0 within.

    >>> x, y = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    >>> round(float(mmd(x, y, bandwidth=2.0)), 4)  # 1 + 1 - 2 e^-1
    1.2642
    """
    n, _ = check_rows(x, "x", least=2)
    m, _ = check_rows(y, "y", least=2)
    check_same_dimension(x, y)
    x_weights, y_weights = group_weights(weights, n, m) if weights is not None else (None, None)
    xp = namespace(x)
    values = []
    for t in _sharpnesses(x, y, kernel, bandwidth, seed, check):
        within = [
            xp.exp(log_mean_potential(rows, t=t, x_weights=w, check=False))
            for rows, w in ((x, x_weights), (y, y_weights))
        ]
        between = xp.exp(log_mean_potential(x, y, t=t, x_weights=x_weights, y_weights=y_weights, check=False))
        values.append(within[0] + within[1] - 2.0 * between)
    value = sum(values[1:], start=values[0]) / len(values)
    return value if squared else xp.sqrt(xp.clip(value, 0.0, None))


def median_squared_distance(x: Rows, y: Rows, *, seed: int = 0, check: bool = True) -> Array:
    """Median squared distance of the pooled unit rows of two groups, the usual bandwidth of a kernel.

    Formula::

        median_{a < b} |z_a - z_b|²,   z the n + m pooled rows

    How to read it: range [0, 4]; 2 for rows at right angles. CLIP on COCO gives about 1.4.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d).
    seed
        Seed of the sample of pairs.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library. Not differentiable.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or a row is zero or not finite.

    Notes
    -----
    Exact up to 4,096 pooled rows. Above, the median of 262,144 pairs drawn with ``seed``, whose place among all pairs
    is uncertain by 0.1 %. Cost: (n + m)² d flops where exact, else O(d) for each drawn pair.

    References
    ----------
    Gretton et al., *A Kernel Two-Sample Test*, JMLR 2012, usually cited for the median heuristic.

    Examples
    --------
    Six pairs: four at squared distance 2, two at 4.

    >>> x, y = np.array([[1.0, 0.0], [-1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, -1.0]])
    >>> round(float(median_squared_distance(x, y)), 6)
    2.0
    """
    n, _ = check_rows(x, "x")
    m, _ = check_rows(y, "y")
    check_same_dimension(x, y)
    cosines = _all_cosines(x, y, check) if n + m <= _EXACT_ROWS else _some_cosines(x, y, seed, check)
    value = max(0.0, 2.0 - 2.0 * float(np.median(cosines)))
    xp = namespace(x)
    return np.float64(value) if isinstance(x[:1], np.ndarray) else xp.asarray(value, dtype=xp.float64)


def mmd_p_value(
    x: Rows,
    y: Rows,
    *,
    kernel: str = "gaussian",
    bandwidth: float | None = None,
    permutations: int = 500,
    paired: bool | None = None,
    seed: int = 0,
    check: bool = True,
) -> float:
    """Probability of an MMD² at least this large if both groups came from one distribution.

    Formula::

        p = (1 + #{permuted MMD² >= MMD²}) / (1 + permutations)

    How to read it: small p, the distributions differ; it cannot fall below 1 / (1 + permutations). With some hundred
    rows of any model with a gap it is as small as it can be: it says that a difference exists, not that it matters.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d), at least 2 each.
    kernel, bandwidth
        As in ``mmd``. The median does not depend on labels, so it is chosen once.
    permutations
        Number of random relabellings.
    paired
        Swap x_i and y_i at random within pairs (True), or deal all rows out again (False). None: True where n = m,
        since rows of one item are not independent.
    seed
        Seed of the relabellings and of the median's sample.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A plain float.

    Raises
    ------
    ValueError
        If ``permutations`` is below 1, ``paired`` is asked for and the sizes differ, or as in ``mmd``.
    DegenerateError
        As in ``mmd``.

    Notes
    -----
    Cost: (n + m)² (d + permutations) flops, (n + m)² (d + permutations / 4) where pairs are swapped: one pass over the
    kernel, each block multiplied by a matrix of label signs. The full kernel is never held. The same test as
    ``permutation_p(mmd, x, y)``, at a small part of its cost.

    References
    ----------
    Gretton et al., *A Kernel Two-Sample Test*, JMLR 2012; Phipson and Smyth, *Permutation p-values should never be
    zero*, 2010.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> mmd_p_value(x + 1, x - 1, permutations=99)
    0.01
    """
    n, _ = check_rows(x, "x", least=2)
    m, _ = check_rows(y, "y", least=2)
    check_same_dimension(x, y)
    paired = permutes_pairs(n, m, permutations, paired)
    sharpnesses = _sharpnesses(x, y, kernel, bandwidth, seed, check)
    signs = _label_signs(n, m, permutations, paired, seed)
    values = _swapped_mmd(x, y, sharpnesses, signs[:n]) if paired else _permuted_mmd(x, y, sharpnesses, signs)
    rounding = 1e-12 if str(x.dtype).endswith("float64") else 1e-6  # of sums of kernels, which are at most 1
    return float(1 + np.count_nonzero(values[1:] >= values[0] - rounding)) / (1 + permutations)


def _sharpnesses(x: Rows, y: Rows, kernel: str, bandwidth: float | None, seed: int, check: bool) -> tuple[float, ...]:
    """The t of every exp(-t |a - b|²) that the kernel is a mean of; checks the rows on the way."""
    if kernel not in _SCALES:
        raise ValueError(f"kernel must be 'gaussian' or 'mixture', but it is {kernel!r}; choose one of them.")
    if bandwidth is None:
        bandwidth = median_bandwidth(x, y, seed=seed, check=check)
    elif not 0 < bandwidth < float("inf"):
        raise ValueError(f"bandwidth must be a finite number above 0, but it is {bandwidth}; None takes the median.")
    elif check:
        _check_all(x, y)
    return tuple(1.0 / (scale * bandwidth) for scale in _SCALES[kernel])


def median_bandwidth(x: Rows, y: Rows, *, seed: int = 0, check: bool = True) -> float:
    """Bandwidth that ``mmd`` takes where it is given none.

    Raises
    ------
    DegenerateError
        If most rows coincide, so that the median distance is 0.
    """
    bandwidth = float(median_squared_distance(x, y, seed=seed, check=check))
    if not bandwidth > 1e-7:
        raise DegenerateError("most rows of x and y coincide, so the median distance is 0; give a bandwidth.")
    return bandwidth


def _check_all(x: Rows, y: Rows) -> None:
    from crossgap.geometry.means import mean_unit_row

    mean_unit_row(x, name="x")
    mean_unit_row(y, name="y")


def _numpy(block: Array) -> np.ndarray:
    return block if isinstance(block, np.ndarray) else block.detach().cpu().numpy()


def _all_cosines(x: Rows, y: Rows, check: bool) -> np.ndarray:
    n, m = x.shape[0], y.shape[0]
    parts = [_numpy(block).ravel() for _, _, block in similarity_blocks(x, y, check=check)]
    for rows_of, size in ((x, n), (y, m)):
        for rows, columns, block in similarity_blocks(rows_of, check=False) if size > 1 else ():
            values = _numpy(block)
            parts.append(values[np.triu_indices(len(values), 1)] if rows == columns else values.ravel())
    return np.concatenate(parts)


def _some_cosines(x: Rows, y: Rows, seed: int, check: bool) -> np.ndarray:
    """Cosines of pairs of distinct pooled rows, drawn with replacement."""
    if check:
        _check_all(x, y)
    n, size = x.shape[0], x.shape[0] + y.shape[0]
    rng = np.random.default_rng(seed)
    a = rng.integers(size, size=_SAMPLED_PAIRS)
    b = (a + rng.integers(1, size, size=_SAMPLED_PAIRS)) % size
    a, b = np.sort(np.stack([a, b]), axis=0)
    order = np.argsort(a, kind="stable")
    a, b = a[order], b[order]
    parts = []
    for chosen, left, right, start_left, start_right in (
        (b < n, x, x, 0, 0),
        ((a < n) & (b >= n), x, y, 0, n),
        (a >= n, y, y, n, n),
    ):
        if chosen.any():
            parts.append(
                _numpy(match_cosines(left, right, (a[chosen] - start_left, b[chosen] - start_right), check=False))
            )
    return np.concatenate(parts)


def _label_signs(n: int, m: int, permutations: int, paired: bool, seed: int) -> np.ndarray:
    """Labels +1 (x) and -1 (y) of the pooled rows, (n + m, 1 + permutations); column 0 holds the true ones."""
    rng = np.random.default_rng(seed)
    true = np.concatenate([np.ones(n, np.int8), -np.ones(m, np.int8)])
    signs = np.empty((n + m, 1 + permutations), np.int8)
    signs[:, 0] = true
    if paired:
        swap = rng.integers(2, size=(n, permutations), dtype=np.int8) * 2 - 1
        signs[:n, 1:], signs[n:, 1:] = swap, -swap
    else:
        for column in range(1, 1 + permutations):
            signs[:, column] = rng.permutation(true)
    return signs


def _permuted_mmd(x: Rows, y: Rows, sharpnesses: tuple[float, ...], signs: np.ndarray) -> np.ndarray:
    """MMD² under every column of labels s, from T = sum K, l = s' K 1 and q = s' K s, K the kernel of distinct rows.

    The sums of K over pairs within +1, within -1 and between are (T + 2l + q)/4, (T - 2l + q)/4 and (T - q)/4.
    """
    n, m = x.shape[0], y.shape[0]
    total, linear, quadratic = 0.0, np.zeros(signs.shape[1]), np.zeros(signs.shape[1])
    for rows, columns, block, same in _pooled_kernel(x, y, sharpnesses):
        a, b = weights_like(signs[rows], block), weights_like(signs[columns], block)
        xp = namespace(block)
        times = 1.0 if same else 2.0
        by_row, by_column = xp.sum(wide(block), axis=1), xp.sum(wide(block), axis=0)
        total += times * float(xp.sum(by_row))
        linear += _numpy(wide(a).T @ by_row) + (0.0 if same else _numpy(wide(b).T @ by_column))
        quadratic += times * _numpy(xp.sum(wide(a * (block @ b)), axis=0))
    within_x, within_y = (total + 2 * linear + quadratic) / 4, (total - 2 * linear + quadratic) / 4
    return within_x / (n * (n - 1)) + within_y / (m * (m - 1)) - 2 * (total - quadratic) / 4 / (n * m)


def _swapped_mmd(x: Rows, y: Rows, sharpnesses: tuple[float, ...], signs: np.ndarray) -> np.ndarray:
    """MMD² where row i of x and of y change places for every -1 in a column of ``signs`` (n, b), but for one constant.

    With K the kernel of distinct rows, MMD² depends on a column s through s' (K_xx + K_yy - K_xy - K_yx) s alone.
    """
    n = x.shape[0]
    quadratic = np.zeros(signs.shape[1])
    for rows, columns, block in similarity_blocks(_alternating(x, y), check=False):
        block = _kernel(block, sharpnesses, same=rows == columns)
        swapped = block[::2, ::2] + block[1::2, 1::2] - block[::2, 1::2] - block[1::2, ::2]
        a, b = (weights_like(signs[part.start // 2 : part.stop // 2], swapped) for part in (rows, columns))
        times = 1.0 if rows == columns else 2.0
        quadratic += times * _numpy(namespace(swapped).sum(wide(a * (swapped @ b)), axis=0))
    return quadratic * (1 / (n - 1) + 1 / n) / (2 * n)


def _alternating(x: Rows, y: Rows) -> Rows:
    """Row 0 of x, row 0 of y, row 1 of x, ..."""
    if is_numpy(x):
        return _Alternating(x, y)
    xp = namespace(x)
    return xp.reshape(xp.stack([x, y], axis=1), (2 * x.shape[0], x.shape[1]))


@dataclass(frozen=True, eq=False)
class _Alternating:
    """Rows of two groups in turn, read only where they are asked for, by slices between even numbers."""

    first: Rows
    second: Rows

    @property
    def shape(self) -> tuple[int, int]:
        return 2 * int(self.first.shape[0]), int(self.first.shape[1])

    @property
    def dtype(self) -> Any:
        return np.promote_types(self.first.dtype, self.second.dtype)

    def __getitem__(self, rows: slice) -> np.ndarray:
        part = slice(rows.start // 2, rows.stop // 2)
        return np.stack([self.first[part], self.second[part]], axis=1).reshape(-1, self.shape[1])


def _kernel(block: Array, sharpnesses: tuple[float, ...], *, same: bool) -> Array:
    """Kernel of a block of cosines, with zeros on the diagonal of a block of rows with themselves."""
    block = block if isinstance(block, np.ndarray) else block.detach()
    xp = namespace(block)
    values = [xp.exp((block - 1.0) * (2.0 * t)) for t in sharpnesses]
    kernel: Array = sum(values[1:], start=values[0]) / len(values)
    if same:
        diagonal = np.arange(kernel.shape[0])
        kernel[diagonal, diagonal] = 0.0
    return kernel


def _pooled_kernel(x: Rows, y: Rows, sharpnesses: tuple[float, ...]) -> Iterator[tuple[slice, slice, Array, bool]]:
    """Kernel blocks on and above the diagonal of the pooled rows, with zeros on the diagonal."""
    n = x.shape[0]
    for left, right, start_left, start_right in ((x, None, 0, 0), (y, None, n, n), (x, y, 0, n)):
        for rows, columns, block in similarity_blocks(left, right, check=False):
            same = right is None and rows == columns
            kernel = _kernel(block, sharpnesses, same=same)
            pooled_rows = slice(rows.start + start_left, rows.stop + start_left)
            yield pooled_rows, slice(columns.start + start_right, columns.stop + start_right), kernel, same

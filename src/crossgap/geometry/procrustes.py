"""C6: the rotation that brings one group of rows closest to another, row by row."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crossgap.errors import DegenerateError
from crossgap.geometry.means import mean_row, mean_unit_row, wide
from crossgap.geometry.rows import Array, Rows, check_pair, namespace, row_blocks, unit_blocks

__all__ = ["OrthogonalMap", "orthogonal_procrustes"]


@dataclass(frozen=True, kw_only=True, eq=False)
class OrthogonalMap:
    """The orthogonal matrix that maps rows ``y`` onto their partners ``x``, and what else the fit gives.

    All arrays are in float64, of the library and on the device of the rows.

    Parameters
    ----------
    matrix
        W (d, d), orthogonal. Of rows, ``y @ matrix.T`` is the image; of a column vector, ``matrix @ v``.
    singular_values
        Those of X^T Y (d,), largest first. Without reflections the last carries the sign of the determinant of U V^T,
        so that their sum is sum_i x_i . W y_i in both cases.
    scale
        The factor s that makes |x_i - s W y_i|^2 smallest in sum: sum of ``singular_values`` over sum_i |y_i|^2.
    x_mean, y_mean
        The means (d,) that were taken away before the fit; zeros where ``centre`` is False.
    """

    matrix: Array
    singular_values: Array
    scale: float
    x_mean: Array
    y_mean: Array

    def transform(self, y: Array) -> Array:
        """Return rows ``y`` (n, d) moved by W, in their own precision: W (y_i - y_mean) + x_mean, without the scale."""
        xp = namespace(y)
        matrix, x_mean, y_mean = (
            xp.asarray(part, dtype=y.dtype, device=y.device) for part in (self.matrix, self.x_mean, self.y_mean)
        )
        return (y - y_mean) @ matrix.T + x_mean


def orthogonal_procrustes(
    x: Rows, y: Rows, *, unit: bool = True, centre: bool = False, reflection: bool = True, check: bool = True
) -> OrthogonalMap:
    """Orthogonal matrix that brings the rows of ``y`` closest to their partners in ``x``.

    Formula::

        W = U V^T   with   U S V^T = X^T Y        (the smallest sum_i |x_i - W y_i|^2 over all orthogonal W)

    How to read it: angles and distances within ``y`` stay as they are, only its pose changes. Two narrow cones are
    brought onto each other almost whole, since their mean directions dominate X^T Y; two wide ones need not be.
    **Fit and judge on different rows**: with fewer pairs than dimensions W fits the noise of the pairs.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other.
    unit
        Divide each row by its length first.
    centre
        Take the mean away from both groups first (after ``unit``); ``transform`` then moves one mean to the other.
    reflection
        Allow a W of determinant -1. False gives the best rotation proper.
    check
        Refuse rows that are not finite and, with ``unit``, zero rows.

    Returns
    -------
    The map: its matrix, ``transform``, singular values, scale and means.

    Raises
    ------
    ValueError
        If the shapes differ, or a row is zero (with ``unit``) or not finite.
    DegenerateError
        If X^T Y is zero: then every rotation is as good as any other.

    Notes
    -----
    Cost: 2 n d^2 flops in blocks and one singular value decomposition, about 20 d^3. The sum over rows and the
    decomposition are in float64. Where X^T Y has a rank below d - 1 (fewer pairs than dimensions, say), W is fixed on
    that rank only; on the rest it is some rotation that depends on the linear algebra library.

    References
    ----------
    Schönemann, *A generalized solution of the orthogonal Procrustes problem*, Psychometrika 31, 1966; used at
    initialisation by Fahim, Murphy, Fyshe, arXiv 2405.18570, section 3 (erratum 5: their "translation" is this map).

    Examples
    --------
    A quarter turn is found back, and turns the rows of y onto those of x.

    >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> y = np.array([[0.0, 1.0], [-1.0, 0.0]])
    >>> found = orthogonal_procrustes(x, y)
    >>> (found.matrix + 0.0).round(9).tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    >>> bool(np.allclose(found.transform(y), x))
    True
    """
    check_pair(x, y)
    xp = namespace(x)
    x_mean, y_mean = _means(x, y, unit, check)
    if not centre:
        x_mean, y_mean = xp.zeros_like(x_mean), xp.zeros_like(y_mean)
    product: Any = 0.0
    energy: Any = 0.0
    for x_block, y_block in zip(_blocks(x, unit), _blocks(y, unit), strict=True):
        x_block, y_block = wide(x_block) - x_mean, wide(y_block) - y_mean
        product = product + x_block.T @ y_block
        energy = energy + xp.sum(y_block * y_block)
    if not bool(xp.any(product != 0)):
        raise DegenerateError(
            "x and y must have a product X^T Y other than zero for a rotation between them, but it is zero; "
            "give rows that vary together (after centring, two pairs that differ at least)."
        )
    left, values, right = xp.linalg.svd(product, full_matrices=False)
    if not reflection and float(xp.linalg.det(left @ right)) < 0:
        last = xp.ones_like(values)
        last[-1] = -1.0
        left, values = left * last, values * last
    scale = float(xp.sum(values) / energy)
    return OrthogonalMap(matrix=left @ right, singular_values=values, scale=scale, x_mean=x_mean, y_mean=y_mean)


def _means(x: Rows, y: Rows, unit: bool, check: bool) -> tuple[Array, Array]:
    if unit:
        return wide(mean_unit_row(x, check=check)), wide(mean_unit_row(y, name="y", check=check))
    means = wide(mean_row(x)), wide(mean_row(y))
    for name, mean in zip("xy", means, strict=True) if check else ():
        if not bool(namespace(mean).all(namespace(mean).isfinite(mean))):
            raise ValueError(f"{name} must be finite, but it holds a NaN or an infinity; drop such rows.")
    return means


def _blocks(rows: Rows, unit: bool) -> Iterator[Array]:
    for _, block in unit_blocks(rows, check=False) if unit else row_blocks(rows):
        yield block

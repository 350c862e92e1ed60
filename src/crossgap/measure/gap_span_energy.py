"""A7: how much of the gap lies in the directions along which a modality itself varies."""

from typing import Any

from crossgap.errors import DegenerateError
from crossgap.geometry.means import covariance
from crossgap.geometry.rows import Array, Rows, check_rows, check_same_dimension, namespace
from crossgap.measure.effective_dimension import check_share, components_for_share
from crossgap.measure.gap_energy_ratio import check_gap
from crossgap.measure.gap_vector import gap_vector

__all__ = ["gap_span_energy", "gap_span_energy_reference", "side_rows"]

_FIRST = 10


def gap_span_energy(
    x: Rows,
    y: Rows,
    *,
    components: int | None = None,
    variance: float | None = None,
    of: str = "x",
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Share of the squared gap that lies in the span of the first principal components of one group.

    Formula::

        |V_k^T g|^2 / |g|^2,   g = m_x - m_y,   V_k = first k eigenvectors of the covariance of the unit rows

    How to read it: range [0, 1]. A direction picked at random has k/d (``gap_span_energy_reference``): above that the
    gap lies more than by chance in the group's own span, below it less; 0 is a gap at right angles to the span. CLIP
    on COCO, k = 10 of 512: 0.10 (image) and 0.13 (text) against 0.02, so "orthogonal to the span" does not hold.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d); pairs are not needed.
    components
        Number of principal components, k, at most min(n - 1, d). Without it and ``variance``: 10, or that bound if it
        is below 10.
    variance
        Choose k so that the components hold more than this share of the group's variance, for example 0.9 or 0.99.
    of
        Whose components: "x" or "y".
    weights
        Weightings for a bootstrap: (n, b) for both groups or a tuple of two; then the result is (b,). The components
        stay those of the rows as given, so that the interval shows the spread of g alone.
    check
        Refuse zero and non-finite rows and a gap of length zero.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch where the eigenvalues differ (n > d).

    Raises
    ------
    ValueError
        If both ``components`` and ``variance`` are given, one of them is out of range, ``of`` is neither "x" nor "y",
        the groups differ in dimension, or a row is zero or not finite.
    DegenerateError
        If the group has fewer than two rows or does not vary, its rows span fewer than k dimensions, or the means
        coincide.

    Notes
    -----
    Cost: n d^2 + 9 d^3. Ignores a rotation of both groups, row order and which rows pair. Replaces the orthogonality
    statistic of the paper, whose mean is zero for any data (erratum 16).

    References
    ----------
    The claim that it tests is proposition 1 of Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv
    2401.08567; the quantity is defined here.

    Examples
    --------
    x varies along its second axis only; the gap (0.6, 0) + (0, -1) has 1/1.36 of its square there.

    >>> x, y = np.array([[0.6, 0.8], [0.6, -0.8]]), np.array([[0.0, 1.0]])
    >>> round(float(gap_span_energy(x, y, components=1)), 6)
    0.735294
    """
    gap = gap_vector(x, y, weights=weights, check=check)
    vectors, k = _span(x, y, components, variance, of, check)
    if check:
        check_gap(gap)
    xp = namespace(gap)
    inside = gap @ vectors[:, :k]
    return xp.clip(xp.sum(inside * inside, axis=-1) / xp.sum(gap * gap, axis=-1), None, 1.0)


def gap_span_energy_reference(
    x: Rows,
    y: Rows,
    *,
    components: int | None = None,
    variance: float | None = None,
    of: str = "x",
    check: bool = True,
) -> Array:
    """Value of ``gap_span_energy`` that a gap in a random direction has on average.

    Formula::

        k / d

    How to read it: range (0, 1]; compare ``gap_span_energy`` under the same options with it.

    Parameters
    ----------
    x, y, components, variance, of, check
        As in ``gap_span_energy``.

    Raises
    ------
    ValueError, DegenerateError
        As ``gap_span_energy``, save that the means may coincide.

    References
    ----------
    The mean of a coordinate's square on the unit sphere is 1/d.

    Examples
    --------
    >>> x, y = np.array([[0.6, 0.8], [0.6, -0.8]]), np.array([[0.0, 1.0]])
    >>> float(gap_span_energy_reference(x, y, components=1))
    0.5
    """
    vectors, k = _span(x, y, components, variance, of, check)
    return namespace(vectors).ones_like(vectors[0, 0]) * (k / int(x.shape[1]))


def side_rows(x: Rows, y: Rows, of: str) -> Rows:
    """Return the group that ``of`` names."""
    if of not in ("x", "y"):
        raise ValueError(f"of must be 'x' or 'y', but it is {of!r}; it names the group whose spread is meant.")
    return x if of == "x" else y


def _span(x: Rows, y: Rows, components: int | None, variance: float | None, of: str, check: bool) -> tuple[Array, int]:
    """Principal directions of one group as columns, the strongest first, and how many of them are meant."""
    group = side_rows(x, y, of)
    check_rows(x, "x")
    check_rows(y, "y")
    check_same_dimension(x, y)
    n, d = check_rows(group, of, least=2)
    if components is not None and variance is not None:
        raise ValueError(
            "components and variance were both given, but each sets how many components; give one of them."
        )
    if variance is not None:
        check_share(variance, "variance")
    elif components is None:
        components = min(_FIRST, n - 1, d)
    elif not 1 <= components <= d:
        raise ValueError(f"components must lie between 1 and the dimension, {d}, but it is {components}.")
    elif components > n - 1:
        raise DegenerateError(
            f"{of} has {n} rows, which span at most {n - 1} dimensions, but components is {components}; give more rows."
        )
    matrix = covariance(group, name=of, check=check)
    xp = namespace(matrix)
    if check and not float(xp.linalg.trace(matrix)) > 1e-12:
        raise DegenerateError(f"all rows of {of} have one and the same direction, so they span nothing; give others.")
    values, vectors = xp.linalg.eigh(matrix)
    if variance is not None:
        values = xp.clip(xp.flip(values, axis=0), 0.0, None)
        components = int(components_for_share(values, variance))
    return xp.flip(vectors, axis=1), int(components or 0)

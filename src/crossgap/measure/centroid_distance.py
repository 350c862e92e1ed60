"""A1: how far apart the means of two modalities lie, the plainest number for the modality gap."""

from typing import Any

from crossgap.geometry.rows import Array, Rows, namespace
from crossgap.measure.gap_vector import gap_vector, group_means

__all__ = ["centroid_cosine", "centroid_distance", "centroid_distance_floor"]


def centroid_distance(
    x: Rows, y: Rows, *, squared: bool = False, raw: bool = False, weights: Any = None, check: bool = True
) -> Array:
    """Distance between the means of the unit rows of two groups, the length of the gap vector.

    Formula::

        D = |m_x - m_y|,   m_x = mean of x_i / |x_i|   (the means are not renormalised)

    How to read it: range [0, 2]; 0 when the centres coincide, 2 when each group is one point and the two are
    opposite. OpenAI's CLIP on COCO gives about 0.82. It sees offsets only: two groups that differ in shape but share
    their centre have distance 0, and so have two spheres one inside the other. Finite samples of one and the same
    distribution have a distance above 0: compare with ``centroid_distance_floor``.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d); pairs are not needed. Rows are brought to length 1.
    squared
        Return D^2, range [0, 4].
    raw
        Use the rows as they are, not brought to length 1: then D has the unit of the rows and no upper bound.
    weights
        Weightings for a bootstrap: (n, b) for both groups or a tuple of two; then the result is (b,).
    check
        Refuse zero and non-finite rows; this reads each row's length, so a training step may switch it off.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or a row is zero or not finite.

    Notes
    -----
    Cost: one pass, O((n + m) d); a file larger than memory streams. Ignores a rotation of both groups, row order and
    which rows pair. Departs from the text of the source, which prints a squared norm with range 0 to 2 and tabulates
    the plain norm (erratum 1).

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, section 3.1; introduced by Liang et al., *Mind
    the Gap*, NeurIPS 2022, arXiv 2203.02053, section 4.2.

    Examples
    --------
    Means (1/2, 1/2) and (-1, 0) differ by (3/2, 1/2).

    >>> x, y = np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([[-1.0, 0.0]])
    >>> round(float(centroid_distance(x, y, squared=True)), 6)
    2.5
    """
    gap = gap_vector(x, y, raw=raw, weights=weights, check=check)
    xp = namespace(gap)
    square = xp.sum(gap * gap, axis=-1)
    return square if squared else xp.sqrt(square)


def centroid_cosine(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Cosine between the means of two groups: their angle, whatever the spread of each group.

    Formula::

        cos(m_x, m_y) = m_x . m_y / (|m_x| |m_y|)

    How to read it: range [-1, 1]; 1 when both centres lie in one direction. Unlike ``centroid_distance`` it does not
    shrink when a group spreads out. It is noise when a group has no mean direction (see ``resultant_length``).

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d); pairs are not needed.
    weights, check
        As in ``centroid_distance``.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or a row is zero or not finite.

    Notes
    -----
    Cost: one pass, O((n + m) d). Specification A1 (option ``renormalise_means`` there is one minus this).

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053.

    Examples
    --------
    >>> x, y = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    >>> round(float(centroid_cosine(x, y)), 6)
    0.707107
    """
    a, b = group_means(x, y, weights=weights, check=check)
    xp = namespace(a)
    lengths = xp.sqrt(xp.sum(a * a, axis=-1) * xp.sum(b * b, axis=-1))
    return xp.sum(a * b, axis=-1) / xp.clip(lengths, 1e-300, None)


def centroid_distance_floor(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Centroid distance that two samples of these sizes show even when there is no gap.

    Formula::

        sqrt((1 - |m_x|^2) / n + (1 - |m_y|^2) / m)

    How to read it: a centroid distance near this value is no evidence of a gap. It is the root of the expected square,
    since 1 - |m|^2 is the variance of unit rows about their mean. 5,000 rows without a mean direction: 0.02.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d) of independent items; rows of one item are not independent and raise the true floor.
    weights, check
        As in ``centroid_distance``.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or a row is zero or not finite.

    Notes
    -----
    Cost: one pass, O((n + m) d). Specification A1, pitfalls.

    References
    ----------
    Derived here from the variance of a mean; no paper states it.

    Examples
    --------
    Two rows at right angles: |m|^2 = 1/2, so the floor is sqrt(1/4 + 1/4).

    >>> x = np.eye(2)
    >>> round(float(centroid_distance_floor(x, x)), 6)
    0.707107
    """
    a, b = group_means(x, y, weights=weights, check=check)
    xp = namespace(a)
    square = (1.0 - xp.sum(a * a, axis=-1)) / x.shape[0] + (1.0 - xp.sum(b * b, axis=-1)) / y.shape[0]
    return xp.sqrt(xp.clip(square, 0.0, None))

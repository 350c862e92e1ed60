"""C1: the centroid distance with the side on which the groups lie, for groups that are moved through each other."""

from typing import Any

import numpy as np

from crossgap.geometry.means import root_of_square, weights_like
from crossgap.geometry.rows import Array, Rows, namespace
from crossgap.measure.gap_vector import gap_vector

__all__ = ["signed_centroid_distance"]


def signed_centroid_distance(x: Rows, y: Rows, *, direction: Any, weights: Any = None, check: bool = True) -> Array:
    """Centroid distance, negative where the groups have changed sides along a direction.

    Formula::

        sign(g . u) |g|,   g = m_x - m_y,   m_x = mean of x_i / |x_i|,   u: the direction

    How to read it: range [-2, 2]. Give the gap vector of the rows as they were, and groups that are translated along it
    pass through 0 and come out below: the sign is the order of the two centres along the original gap, the size is
    ``centroid_distance``. After renormalisation a translation that aims at coincidence does not reach 0, so publish
    this number beside the strength of a translation, not the strength alone.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d); pairs are not needed. Rows are brought to length 1.
    direction
        u (d,), of any length above 0: as a rule ``gap_vector`` of the rows before they were moved.
    weights, check
        As in ``centroid_distance``; the direction stays as it is.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch away from the change of sides.

    Raises
    ------
    ValueError
        If ``direction`` is no finite vector of the dimension with a length above 0, the groups differ in dimension, or
        a row is zero or not finite.

    Notes
    -----
    Cost: one pass, O((n + m) d). Ignores row order, which rows pair and the length of ``direction``; a gap at right
    angles to it counts as on the original side.

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053, section 5 and figure 3, whose axis it is.

    Examples
    --------
    The means are (-1, 0) and (1, 0), and were the other way round.

    >>> x, y = np.array([[-1.0, 0.0]]), np.array([[1.0, 0.0]])
    >>> float(signed_centroid_distance(x, y, direction=np.array([3.0, 0.0])))
    -2.0
    """
    gap = gap_vector(x, y, weights=weights, check=check)
    xp = namespace(gap)
    axis = _axis(direction, int(gap.shape[-1]))
    side = gap @ weights_like(axis, gap)
    distance = root_of_square(xp.sum(gap * gap, axis=-1))
    return xp.where(side < 0, -distance, distance)


def _axis(direction: Any, d: int) -> np.ndarray:
    values = direction.detach().cpu() if hasattr(direction, "detach") else direction
    axis = np.asarray(values, dtype=np.float64)
    if axis.shape != (d,):
        raise ValueError(
            f"direction must have one number for each of the {d} dimensions, but its shape is {axis.shape}; give the "
            f"gap vector of the rows before they were moved."
        )
    length = float(np.sqrt(axis @ axis))
    if not 0 < length < np.inf:
        raise ValueError(
            f"direction must be finite and longer than 0, but its length is {length:g}; give the gap vector of the "
            f"rows before they were moved."
        )
    return axis / length

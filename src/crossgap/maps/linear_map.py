"""A24, the default map: the gap on one axis, the strongest variation within the groups on the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import covariance, mean_unit_row
from crossgap.geometry.rows import Rows, as_numpy, check_rows, check_same_dimension, coincide, unit_blocks

__all__ = ["LinearMap", "linear_map"]

_NO_DISTANCE = 1e-6  # centroids of unit rows that lie closer than this are one, at the precision of float32
_NO_VARIATION = 1e-12  # variance of unit rows below which they are one point
_NO_SKEW = 1e-3  # of the largest that the third moment could be; below, the tails say nothing of the sign
_ROUNDING = 1e-12
_NO_SECOND_AXIS = (
    "the rows vary in no direction beside the first axis of the map, so there is no second one; give more vectors."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearMap:
    """Two axes fitted to groups of rows, and where their rows lie on them.

    Parameters
    ----------
    coordinates
        One array (n, 2) for each group given, in their order.
    centroids
        (g, 2): the mean of each group on the map.
    axes
        (2, d): unit vectors at right angles.
    axis_names
        What each axis is: "gap", "first centroid component", "second centroid component", "first within-group
        component" or "second within-group component".
    origin
        (d,): the point of the space at (0, 0), the mean of the groups' means.
    shares
        Share of all variation about the origin that lies along each axis; every group counts the same.
    within_shares
        Share of the variation within the groups, each about its own mean, that lies along each axis.
    """

    coordinates: tuple[np.ndarray, ...] = field(repr=False)
    centroids: np.ndarray
    axes: np.ndarray = field(repr=False)
    axis_names: tuple[str, str]
    origin: np.ndarray = field(repr=False)
    shares: tuple[float, float]
    within_shares: tuple[float, float]

    def place(self, rows: Rows) -> np.ndarray:
        """Return where other rows of the same space lie on the map, (n, 2): a further group, or moved rows."""
        _, d = check_rows(rows, "rows")
        if d != self.axes.shape[1]:
            raise ValueError(
                f"rows must have {self.axes.shape[1]} dimensions as those the map was fitted on, but they have {d}; "
                f"embed both with the same model."
            )
        return _placed(rows, self.axes, self.origin, "rows")


def linear_map(*groups: Rows, check: bool = True) -> LinearMap:
    """Place the rows of one, two or more groups on a plane that shows the gap at its true size.

    Formula::

        x on the map = (a_1 . (x - o), a_2 . (x - o))       unit rows; o = mean of the groups' means m_g
        two groups:   a_1 = (m_1 - m_2) / |m_1 - m_2|;      a_2 = first eigenvector of P W P
        one group:    a_1, a_2 = first two eigenvectors of W
        three and more: a_1, a_2 = first two principal components of the means
        W = mean over the groups of Cov(group),  P = I - a_1 a_1^T

    How to read it: the two centroids lie exactly ``centroid_distance`` apart along the first axis, and one unit is the
    same length on both axes, so draw it with equal scales. Groups that overlap along the first axis are no longer
    linearly separable by the gap vector; they may still be so in another direction. Distances on the map are never
    longer than in the space, and the second axis shows only a few percent of the variation (``within_shares``), so
    that neighbours on the map are seldom neighbours in the space (``neighbours_kept`` says how seldom).

    Parameters
    ----------
    *groups
        Rows (n, d) of each group, of any number. The first of two groups lies on the right.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A ``LinearMap``: coordinates by group, the fitted axes and what share of the variation they show. Its ``place`` maps
    other rows onto the same axes, such as the same rows after a closer has moved them.

    Raises
    ------
    ValueError
        If no group is given, the groups differ in dimension or have only one, or a row is zero or not finite.
    DegenerateError
        If the rows vary in no direction beside the first axis, so that there is no second one.

    Notes
    -----
    Cost: n d^2 + 4/3 d^3 flops and two more passes; files larger than memory stream. Where an axis has nothing to
    show it makes way: with means that coincide (after mean removal) two groups get two within-group components, three
    groups on one line the line and a within-group component; ``axis_names`` says what was drawn. With four groups or
    more the plane shows the distances between means only in part. Groups count the same whatever their number of rows.
    The sign of an axis of means puts the first group that lies off the middle on the positive side; that of a
    within-group component puts the longer tail there (third moment, else the largest coordinate of the axis).

    References
    ----------
    Ours; the linear counterpart of the UMAP pictures of Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053,
    figure 1.

    Examples
    --------
    The gap lies along the first axis of the space, all other variation along the second.

    >>> x = np.array([[0.6, 0.8], [0.6, -0.8]])
    >>> found = linear_map(x, -x)
    >>> found.axis_names, found.centroids[:, 0].round(6).tolist()
    (('gap', 'first within-group component'), [0.6, -0.6])
    >>> found.coordinates[0].round(6).tolist()
    [[0.6, 0.8], [0.6, -0.8]]
    """
    names = _checked_names(groups)
    means = np.stack(
        [
            as_numpy(mean_unit_row(rows, name=name, check=check), np.float64)
            for rows, name in zip(groups, names, strict=True)
        ]
    )
    within = np.mean([_scatter(rows) for rows in groups], axis=0)
    origin = means.mean(axis=0)
    axes, axis_names = _axes_of_means(means - origin)
    missing = 2 - len(axes)
    if missing:
        axes = np.concatenate([axes, _components(within, axes, missing)])
        axis_names += [f"{order} within-group component" for order in ("first", "second")[:missing]]
    coordinates = [_placed(rows, axes, origin, name, check=check) for rows, name in zip(groups, names, strict=True)]
    centroids = (means - origin) @ axes.T
    signs = np.ones(2)
    for axis in range(2 - missing, 2):
        tails = [placed[:, axis] - mean[axis] for placed, mean in zip(coordinates, centroids, strict=True)]
        signs[axis] = _sign(tails, axes[axis])
    axes, centroids = axes * signs[:, None], centroids * signs
    centroids[np.abs(centroids) < _ROUNDING] = 0.0
    along = np.vecdot(axes @ within, axes)
    inside, between = float(np.trace(within)), float(np.mean(np.sum((means - origin) ** 2, axis=1)))
    return LinearMap(
        coordinates=tuple(placed * signs for placed in coordinates),
        centroids=centroids,
        axes=axes,
        axis_names=(axis_names[0], axis_names[1]),
        origin=origin,
        shares=_two((np.mean(centroids**2, axis=0) + along) / (inside + between)),
        within_shares=_two(along / inside if inside > _NO_VARIATION else np.zeros(2)),
    )


def _checked_names(groups: Sequence[Rows]) -> list[str]:
    """Check the groups of rows, and return their names for messages."""
    if not groups:
        raise ValueError("linear_map needs the rows of at least one group, but none was given; give for example x, y.")
    names = ["x", "y"][: len(groups)] if len(groups) < 3 else [f"groups[{number}]" for number in range(len(groups))]
    for rows, name in zip(groups, names, strict=True):
        _, d = check_rows(rows, name)
        check_same_dimension(groups[0], rows, (names[0], name))
        if d < 2:
            raise ValueError(f"{name} must have at least two dimensions for a map, but it has one; plot its values.")
    return names


def _axes_of_means(means: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return up to two axes on which centred means differ, and what they are."""
    _, lengths, directions = np.linalg.svd(means, full_matrices=False)
    kept = int(np.count_nonzero(lengths[:2] > _NO_DISTANCE))
    along = means @ directions[:kept].T
    first = np.argmax(np.abs(along) > _NO_DISTANCE, axis=0)  # the first group off the middle lies on the positive side
    axes = directions[:kept] * np.sign(along[first, np.arange(kept)])[:, None]
    if len(means) == 2:
        return axes, ["gap"] * kept
    return axes, ["first centroid component", "second centroid component"][:kept]


def _scatter(rows: Rows) -> np.ndarray:
    """Covariance of the unit rows with denominator n; zeros for a single row, once or many times."""
    n, d = rows.shape
    if coincide(rows):
        return np.zeros((d, d))
    return as_numpy(covariance(rows, check=False), np.float64) * ((n - 1) / n)


def _components(within: np.ndarray, taken: np.ndarray, count: int) -> np.ndarray:
    """First eigenvectors of the variation that is left beside the axes taken."""
    from scipy.linalg import eigh

    left = within - taken.T @ (taken @ within)
    left = left - (left @ taken.T) @ taken
    d = len(within)
    if d - len(taken) < count:
        raise DegenerateError(_NO_SECOND_AXIS)
    values, vectors = eigh((left + left.T) / 2, subset_by_index=[d - count, d - 1], check_finite=False)
    if values[0] <= _NO_VARIATION:
        raise DegenerateError(_NO_SECOND_AXIS)
    vectors = vectors.T[::-1]
    vectors = vectors - (vectors @ taken.T) @ taken
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _sign(tails: list[np.ndarray], axis: np.ndarray) -> float:
    """Return the sign that puts the longer tail on the positive side; without one, the axis's largest coordinate."""
    third = float(np.mean([np.mean(tail**3) for tail in tails]))
    scale = float(np.mean([np.mean(np.abs(tail) ** 3) for tail in tails]))
    if abs(third) <= _NO_SKEW * scale:
        third = float(axis[np.argmax(np.abs(axis) > 0.999 * np.abs(axis).max())])
    return 1.0 if third > 0 else -1.0


def _placed(rows: Rows, axes: np.ndarray, origin: np.ndarray, name: str, *, check: bool = True) -> np.ndarray:
    placed = np.empty((rows.shape[0], len(axes)))
    for part, block in unit_blocks(rows, name=name, check=check):
        placed[part] = (as_numpy(block, np.float64) - origin) @ axes.T
    return placed


def _two(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[1])

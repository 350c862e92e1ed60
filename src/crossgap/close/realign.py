"""C5: ReAlign, three steps that bring the mean and the spread of the other groups to the target's."""

import numpy as np

from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import Calibration, LinearCloser
from crossgap.close.target_group import target_group
from crossgap.errors import DegenerateError

__all__ = ["ReAlign"]


class ReAlign(LinearCloser):
    """Anchor, scale and centre: mean and total spread of each other group become the target's, on the sphere.

    Formula::

        (1) anchor    y1 = norm(y) - m_g + m_t                          t: the target, which stays
        (2) trace     y2 = norm(m_t + s (y1 - m_t)),  s = sqrt(T_t / T_g),  T: mean squared distance to the mean
        (3) centroid  y' = norm(y2 - mean(y2) + m_t)

    How to read it: for generation, where a decoder that was trained on one modality must accept the other. The target
    stays exactly as it is, and the spectrum keeps its shape: nothing is whitened. **Not for ranking**: the shared mean
    m_t takes part in every cosine, so on 500 CLIP pairs recall@1 falls from 0.55 to 0.39 while the gap goes from 0.85
    to 0.001. ``MeanRemoval`` keeps recall.

    Parameters
    ----------
    target
        The group that stays; None takes the one that appears first. The paper moves texts to images.
    renormalise
        Bring the rows to length 1 after the third step; the projection after the second is part of the method.

    Attributes
    ----------
    target_
        The group that stays.
    means_
        m (d,) of the unit rows, by group.
    spreads_
        T by group.
    scales_
        s of each other group.
    projected_means_
        mean(y2) (d,) of each other group.

    Raises
    ------
    ValueError
        If ``target`` is none of the groups.
    DegenerateError
        If there is one group only, all rows of one point one way, or nothing is left of a row.

    Notes
    -----
    Any number of groups, of any sizes, no pairs. There is no ``partial_fit``: mean(y2) needs the rows a second time,
    once the means are known. Cost: two passes over the rows. One round of step 3 leaves a small distance; more rounds
    would make it smaller, and the paper takes one.

    References
    ----------
    *ReAlign*, arXiv 2602.07026: anchor, trace and centroid alignment.

    Examples
    --------
    >>> X = np.array([[0.6, 0.8], [-0.6, 0.8], [0.6, -0.8], [-0.6, -0.8]])
    >>> groups = ["image", "image", "text", "text"]
    >>> ReAlign().fit(X, groups=groups).transform(X, groups=groups).round(9).tolist()
    [[0.6, 0.8], [-0.6, 0.8], [0.6, 0.8], [-0.6, 0.8]]
    """

    _least_groups = 2

    def __init__(self, *, target: str | None = None, renormalise: bool = True):
        self.target = target
        self.renormalise = renormalise

    def _learn(self, calibration: Calibration) -> None:
        self.target_ = target_group(self.target, calibration.groups)
        self.means_: dict[str, np.ndarray] = {name: rows.mean(axis=0) for name, rows in calibration.rows.items()}
        self.spreads_ = {name: _spread(rows, self.means_[name], name) for name, rows in calibration.rows.items()}
        others = [name for name in calibration.groups if name != self.target_]
        self.scales_ = {name: float(np.sqrt(self.spreads_[self.target_] / self.spreads_[name])) for name in others}
        self.projected_means_: dict[str, np.ndarray] = {
            name: self._scaled(name).apply(calibration.rows[name], name=name).mean(axis=0) for name in others
        }

    def steps(self, group: str) -> tuple[AffineStep, ...]:
        """Return two steps, anchor with trace and centroid; the target has the step that changes nothing."""
        if group == self.target_:
            return (AffineStep(renormalise=False),)
        shift = self.means_[self.target_] - self.projected_means_[group]
        return self._scaled(group), AffineStep(offset=shift, renormalise=self.renormalise)

    def _scaled(self, group: str) -> AffineStep:
        scale, mean = self.scales_[group], self.means_[group]
        return AffineStep(matrix=np.full_like(mean, scale), offset=self.means_[self.target_] - scale * mean)


def _spread(rows: np.ndarray, mean: np.ndarray, name: str) -> float:
    centred = rows - mean
    spread = float(np.vecdot(centred, centred).mean())
    if not spread > np.finfo(np.float64).eps:
        raise DegenerateError(f"{name} must have rows that differ, but all {len(rows)} point one way; give other rows.")
    return spread

"""C5: give one group's covariance to the others."""

import numpy as np

from crossgap.close.covariance_closer import Spectrum
from crossgap.close.covariance_map import CovarianceMap

__all__ = ["Coral"]


class Coral(CovarianceMap):
    """Whiten each other group and colour it with the covariance of the target, then renormalise.

    Formula::

        x' = S_t^1/2 S_g^-1/2 (norm(x) - m_g) + m_t,  then norm        t: the target, which stays
        S: (1 - rho) cov + rho tr(cov)/d I

    How to read it: means and covariances agree afterwards (before rows are renormalised), so what tells the groups
    apart is finer than two moments. The map is one of many that do so; ``GaussianTransport`` is the one that moves rows
    least, and keeps more of the order within a group and of the pairs: on 250 CLIP pairs judged on 250 others it ranks
    better at every shrinkage. The shared mean m_t stays in every cosine.

    Parameters
    ----------
    target
        The group that stays; None takes the one that appears first.
    shrinkage
        rho, from 0 to 1, or "ledoit-wolf", as in ``Whitening``. At 1 only the total spread is matched.
    match_means
        Move the mean onto the target's too. False keeps each group's own mean, as in the paper, which matches
        covariances alone: the offset between the groups then stays.
    renormalise
        Bring the moved rows to length 1 again.

    Attributes
    ----------
    target_
        The group that stays.
    matrices_, offsets_
        A (d, d) and b (d,) of x' = A norm(x) + b, by group; the target has none.
    means_, shrinkages_
        The groups' means (d,), and rho by group.

    Raises
    ------
    ValueError
        If ``target`` is none of the groups, or ``shrinkage`` is out of range.
    DegenerateError
        If there is one group only, a covariance that must be inverted has no inverse, or nothing is left of a row.

    Notes
    -----
    Any number of groups, of any sizes, no pairs; ``partial_fit`` takes batches where shrinkage is a number. Cost:
    n d^2 and about 20 d^3 flops a group. Departures from the paper: it standardises features first and adds the
    identity to both covariances, which for unit rows would drown them; here each is shrunk towards its own mean
    variance. It does not move means, since standardised features have none.

    References
    ----------
    Sun, Feng, Saenko, *Return of Frustratingly Easy Domain Adaptation*, AAAI 2016, arXiv 1511.05547, algorithm 1.

    Examples
    --------
    >>> X = np.array([[0.6, 0.8], [-0.6, 0.8], [0.8, 0.6], [-0.8, 0.6]])
    >>> X, groups = np.concatenate([X, X[:, ::-1]] * 3), ["image"] * 4 + ["text"] * 4
    >>> closer = Coral(shrinkage=0.0, renormalise=False).fit(X, groups=groups * 3)
    >>> moved = closer.transform(X[4:8], groups=groups[4:])
    >>> [moved.mean(axis=0).round(9).tolist(), X[:4].mean(axis=0).round(9).tolist()]
    [[0.0, 0.7], [0.0, 0.7]]
    """

    def __init__(
        self,
        *,
        target: str | None = None,
        shrinkage: float | str = 0.1,
        match_means: bool = True,
        renormalise: bool = True,
    ):
        self.target = target
        self.shrinkage = shrinkage
        self.match_means = match_means
        self.renormalise = renormalise

    def _matrix(self, spectrum: Spectrum, goal: np.ndarray) -> np.ndarray:
        return goal @ spectrum.power(-0.5)

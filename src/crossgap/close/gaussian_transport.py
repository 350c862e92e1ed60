"""C5: the optimal transport between two groups taken as Gaussians."""

import numpy as np

from crossgap.close.covariance_closer import Spectrum
from crossgap.close.covariance_map import CovarianceMap

__all__ = ["GaussianTransport"]


class GaussianTransport(CovarianceMap):
    """Move each other group onto the mean and covariance of the target over the least distance, then renormalise.

    Formula::

        x' = A (norm(x) - m_g) + m_t,  then norm                          t: the target, which stays
        A = S_g^-1/2 (S_g^1/2 S_t S_g^1/2)^1/2 S_g^-1/2                   A S_g A = S_t
        S: (1 - rho) cov + rho tr(cov)/d I

    How to read it: of all maps that give a group the target's mean and covariance, the one that moves its rows least,
    in the mean of squares: that mean is the Fréchet distance (``measure.frechet_distance``), the offset part by the
    means and the shape part by A. A is symmetric and positive, so it turns as little as it can, and partners stay
    closer than under ``Coral``. The shared mean m_t stays in every cosine.

    Parameters
    ----------
    target
        The group that stays; None takes the one that appears first.
    shrinkage
        rho, from 0 to 1, or "ledoit-wolf", as in ``Whitening``. At 1 only the mean and the total spread are
        matched: ``ReAlign`` without its third step.
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
        If there is one group only, the covariance of a group that is moved has no inverse, or nothing is left of a row.

    Notes
    -----
    Any number of groups, of any sizes, no pairs; ``partial_fit`` takes batches where shrinkage is a number. Cost:
    n d^2 and about 30 d^3 flops a group. With shrinkage the map is exact between the shrunk covariances.

    References
    ----------
    Dowson and Landau, *The Fréchet distance between multivariate normal distributions*, 1982; Peyré and Cuturi,
    *Computational Optimal Transport*, 2019, remark 2.31.

    Examples
    --------
    Spread along the second axis becomes spread along the first, with the mean moved.

    >>> X = np.array([[0.6, 0.8], [-0.6, 0.8], [0.8, 0.6], [-0.8, 0.6]])
    >>> X, groups = np.concatenate([X, X[:, ::-1]] * 3), ["image"] * 4 + ["text"] * 4
    >>> closer = GaussianTransport(shrinkage=0.0, renormalise=False).fit(X, groups=groups * 3)
    >>> (closer.matrices_["text"].round(4) + 0.0).tolist()
    [[7.0711, 0.0], [0.0, 0.1414]]
    """

    def __init__(self, *, target: str | None = None, shrinkage: float | str = 0.1, renormalise: bool = True):
        self.target = target
        self.shrinkage = shrinkage
        self.renormalise = renormalise

    def _matrix(self, spectrum: Spectrum, goal: np.ndarray) -> np.ndarray:
        left, values, _ = np.linalg.svd(spectrum.power(0.5) @ goal)  # their squares would lose the small ones
        half = spectrum.power(-0.5) @ left
        return (half * values) @ half.T

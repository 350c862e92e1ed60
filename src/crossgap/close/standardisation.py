"""C4: bring every coordinate of every group to mean 0 and deviation 1."""

import numpy as np

from crossgap.close.affine_step import AffineStep
from crossgap.close.moments import MomentCloser, Moments

__all__ = ["Standardisation"]


class Standardisation(MomentCloser):
    """Subtract each group's mean and divide by its deviation, coordinate by coordinate, then renormalise.

    Formula::

        x'_k = (norm(x)_k - m_gk) / (sd_gk + epsilon),  then norm

    How to read it: what a frozen batch normalisation for each modality does. It takes the few coordinates that dominate
    a CLIP space down to the size of the others, so it changes order within a group more than ``MeanRemoval``, for
    better or worse: measure it. It depends on the basis, and knows nothing of correlations (``Whitening`` does).

    Parameters
    ----------
    epsilon
        Added to each deviation, > 0, so that a constant coordinate stays finite.
    renormalise
        Bring the moved rows to length 1 again.

    Attributes
    ----------
    means_, deviations_
        m_g and sd_g (d,) by group; the deviation has denominator n - 1.

    Raises
    ------
    ValueError
        If ``epsilon`` is not above 0.
    DegenerateError
        If a group has fewer than two rows, or nothing is left of a row.

    Notes
    -----
    Any number of groups, of any sizes; ``partial_fit`` takes batches. Cost: one pass over the rows and n d^2 flops.
    Often cited as I0T, but the official I0T-post only subtracts the mean; I0T-async adds one batch normalisation
    a modality and trains it.

    References
    ----------
    An et al., *I0T: Embedding Standardization Method Towards Zero Modality Gap*, 2024.

    Examples
    --------
    >>> X = np.array([[0.6, 0.8], [0.6, -0.8], [1.0, 0.0], [0.8, 0.6]])
    >>> closer = Standardisation().fit(X)
    >>> closer.means_["rows"].round(3).tolist()
    [0.75, 0.15]
    """

    _products = True

    def __init__(self, *, epsilon: float = 1e-6, renormalise: bool = True):
        self.epsilon = epsilon
        self.renormalise = renormalise

    def _learn_from(self, moments: dict[str, Moments]) -> None:
        if not self.epsilon > 0:
            raise ValueError(f"epsilon must be above 0, but it is {self.epsilon}; 1e-6 is usual.")
        self.means_ = {name: sums.mean for name, sums in moments.items()}
        self.deviations_ = {
            name: np.sqrt(np.clip(np.diag(sums.covariance), 0.0, None)) for name, sums in moments.items()
        }

    def steps(self, group: str) -> tuple[AffineStep, ...]:
        """Return the factors and the offset of the group."""
        factors = 1.0 / (self.deviations_[group] + self.epsilon)
        return (AffineStep(matrix=factors, offset=-self.means_[group] * factors, renormalise=self.renormalise),)

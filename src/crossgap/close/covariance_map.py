"""What maps between covariances share: the target's root, one matrix for each other group, means moved along."""

import numpy as np

from crossgap.close.covariance_closer import CovarianceCloser, Spectrum
from crossgap.close.moments import Moments
from crossgap.close.target_group import OntoTarget, target_group

__all__ = ["CovarianceMap"]


class CovarianceMap(OntoTarget, CovarianceCloser):
    """A closer that gives each other group the target's covariance; a subclass writes ``_matrix``.

    Its parameters are ``target``, ``shrinkage`` and ``renormalise``, and its own.
    """

    target: str | None
    match_means: bool = True

    def _matrix(self, spectrum: Spectrum, goal: np.ndarray) -> np.ndarray:
        """Return A (d, d) with A S A^T = T, from the spectrum of S and T^1/2."""
        raise TypeError(f"{type(self).__name__} must make its matrix; use one of the closers of crossgap.close.")

    def _inverted(self) -> dict[str, int]:
        target = target_group(self.target, self.groups_)
        return {name: count for name, count in self.fit_rows_.items() if name != target}

    def _learn_from(self, moments: dict[str, Moments]) -> None:
        target = target_group(self.target, tuple(moments))
        spectra = self._spectra(moments)
        goal = spectra[target].power(0.5)
        means: dict[str, np.ndarray] = {name: sums.mean for name, sums in moments.items()}
        self.target_ = target
        self.means_ = means
        self.matrices_ = {name: self._matrix(part, goal) for name, part in spectra.items() if name != target}
        self.offsets_ = {
            name: means[target if self.match_means else name] - matrix @ means[name]
            for name, matrix in self.matrices_.items()
        }

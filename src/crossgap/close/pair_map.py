"""What maps fitted to pairs share: the pairs of each group with the target, their means, and the word of warning."""

import warnings

import numpy as np

from crossgap.close.closer import Calibration
from crossgap.close.target_group import OntoTarget, target_group

__all__ = ["PairMap", "warn_of_few_pairs"]


class PairMap(OntoTarget):
    """A closer that fits one matrix a group to its pairs with the target; a subclass writes ``_matrix``.

    Its parameters are ``target``, ``centre``, ``add_mean_back`` and ``renormalise``, and its own.
    """

    target: str | None
    centre: bool
    add_mean_back: bool
    pairs_: dict[str, int]

    def _matrix(self, x: np.ndarray, y: np.ndarray, name: str) -> np.ndarray:
        """Return the matrix (d, d) that brings ``y`` (n, d), rows of the group, to their partners ``x`` of the target.

        Both are without their means where ``centre``.
        """
        raise TypeError(f"{type(self).__name__} must fit its matrix; use one of the closers of crossgap.close.")

    def _learn(self, calibration: Calibration) -> None:
        self.target_ = target_group(self.target, calibration.groups)
        self.matrices_, self.offsets_, self.pairs_ = {}, {}, {}
        for name in calibration.groups:
            if name == self.target_:
                continue
            x, y = calibration.pairs(self.target_, name)
            self.pairs_[name] = len(x)
            x_mean, y_mean = (x.mean(axis=0), y.mean(axis=0)) if self.centre else (np.zeros(x.shape[1]),) * 2
            warn_of_few_pairs(type(self).__name__, calibration.common_items(self.target_, name), x.shape[1])
            matrix = self._matrix(x - x_mean, y - y_mean, name)
            self.matrices_[name] = matrix
            self.offsets_[name] = (x_mean if self.add_mean_back else 0.0) - matrix @ y_mean
        if self.centre and not self.add_mean_back:
            self.offsets_[self.target_] = -calibration.rows[self.target_].mean(axis=0)


def warn_of_few_pairs(method: str, pairs: int, d: int) -> None:
    """Warn where there are fewer pairs than dimensions, so that any matrix fits them.

    ``pairs`` are those of different items: rows that repeat an item add nothing to what the pairs fix.
    """
    if pairs < d:
        warnings.warn(
            f"{method} is fitted on {pairs} pairs in {d} dimensions: with fewer pairs than dimensions it fits their "
            f"noise, so recall on these very pairs rises while it may fall on all others; judge it on pairs held out, "
            f"or give more pairs.",
            stacklevel=4,
        )

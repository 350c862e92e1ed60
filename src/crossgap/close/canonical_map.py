"""C6: canonical correlation: two groups into the few shared coordinates that agree best."""

import math

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin

from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import Calibration, LinearCloser, is_whole_number
from crossgap.close.covariance_closer import Spectrum, check_shrinkage
from crossgap.close.pair_map import warn_of_few_pairs
from crossgap.errors import DegenerateError

__all__ = ["CanonicalMap"]


class CanonicalMap(ClassNamePrefixFeaturesOutMixin, LinearCloser):
    """Map both groups to the k directions in which partners are most correlated (CCA), then renormalise.

    Formula::

        x' = diag(r^p) U^T S_x^-1/2 (norm(x) - c_x),   y' = diag(r^p) V^T S_y^-1/2 (norm(y) - c_y),  then norm
        U diag(r) V^T = S_x^-1/2 S_xy S_y^-1/2,  the k largest r
        S: (1 - rho) cov + rho tr(cov)/d I,  over the pairs

    How to read it: a linear upper baseline that moves both sides, into a new space of k dimensions: both indexes must
    be written anew. Column j of both groups has the correlation r_j on the pairs that it was fitted on, far less on
    others where there are fewer pairs than dimensions: **judge it on pairs that it was not fitted on.**

    Parameters
    ----------
    dimensions
        k, from 1 to d: columns of the moved rows.
    regularisation
        rho, from 0 to 1, of both covariances; 0 is the plain method, which needs more pairs than dimensions. 1 leaves
        the covariances out: then it is the decomposition of S_xy (partial least squares).
    power
        p >= 0: each column is multiplied by its correlation to this power, so that those that agree more count more in
        a cosine. 0 is the plain method, with columns of variance 1.
    renormalise
        Bring the moved rows to length 1.

    Attributes
    ----------
    matrices_, offsets_
        A (k, d) and b (k,) of x' = A norm(x) + b, by group.
    correlations_
        r (k,), largest first; with regularisation below the correlation of the columns.
    pairs_
        How many pairs it was fitted on.

    Raises
    ------
    ValueError
        If ``dimensions``, ``regularisation`` or ``power`` is out of range.
    DegenerateError
        If there are not exactly two groups, no rows pair, a covariance has no inverse, the two groups are correlated in
        fewer than k directions, or nothing is left of a row.

    Notes
    -----
    Pairs are rows that show one item: say so with ``items``, or give groups of one size in one order. A ``UserWarning``
    names the risk where there are fewer pairs than dimensions. Each column's
    sign is fixed by its largest entry in the first group's matrix. Cost: 3 n d^2 and about 40 d^3 flops.

    References
    ----------
    Hotelling, *Relations between two sets of variates*, Biometrika 28, 1936; powers of the correlations: Gong et al.,
    *A Multi-View Embedding Space for Modeling Internet Images, Tags, and their Semantics*, IJCV 2014, section 3.

    Examples
    --------
    Only the first axis of the images says something of the texts, through their second.

    >>> angles = np.array([-0.4, -0.2, 0.2, 0.4])
    >>> image = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    >>> X = np.concatenate([image, image[:, ::-1]])
    >>> closer = CanonicalMap(dimensions=1).fit(X, groups=["image"] * 4 + ["text"] * 4)
    >>> closer.transform(X[:2], groups=["image", "image"]).tolist()
    [[-1.0], [-1.0]]
    """

    _least_groups = 2

    def __init__(
        self, *, dimensions: int = 64, regularisation: float = 0.5, power: float = 1.0, renormalise: bool = True
    ):
        self.dimensions = dimensions
        self.regularisation = regularisation
        self.power = power
        self.renormalise = renormalise

    def _learn(self, calibration: Calibration) -> None:
        self._check(calibration)
        first, second = calibration.groups
        x, y = calibration.pairs(first, second)
        x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
        x, y = x - x_mean, y - y_mean
        self.pairs_ = len(x)
        warn_of_few_pairs("CanonicalMap", calibration.common_items(first, second), x.shape[1])
        x_root, y_root = self._inverse_root(x, first), self._inverse_root(y, second)
        left, values, right = np.linalg.svd(x_root @ (x.T @ y / (len(x) - 1)) @ y_root)
        k = int(self.dimensions)
        found = int(np.count_nonzero(values > len(values) * np.finfo(np.float64).eps))
        if found < k:
            raise DegenerateError(
                f"{first} and {second} must be correlated in at least dimensions={k} directions, but their "
                f"{len(x)} pairs are in {found}; ask for fewer, or give more pairs."
            )
        self.correlations_ = values[:k]
        factors = self.correlations_[:, None] ** self.power
        a, b = factors * (left[:, :k].T @ x_root), factors * (right[:k] @ y_root)
        signs = np.sign(a[np.arange(k), np.argmax(np.abs(a), axis=1)])[:, None]
        self.matrices_ = {first: signs * a, second: signs * b}
        self.offsets_ = {first: -(signs * a) @ x_mean, second: -(signs * b) @ y_mean}

    def _check(self, calibration: Calibration) -> None:
        d = self.n_features_in_
        if len(calibration.groups) != 2:
            raise DegenerateError(
                f"CanonicalMap must have exactly two groups, but there are {len(calibration.groups)} "
                f"({', '.join(calibration.groups)}); fit it on two of them."
            )
        if not (is_whole_number(self.dimensions) and 1 <= self.dimensions <= d):
            raise ValueError(
                f"dimensions must be a whole number from 1 to the {d} dimensions of the rows, but it is "
                f"{self.dimensions!r}."
            )
        if not (math.isfinite(self.power) and self.power >= 0):
            raise ValueError(f"power must be a finite number of at least 0, but it is {self.power!r}.")
        check_shrinkage(self.regularisation, name="regularisation", estimated=False)

    def _inverse_root(self, centred: np.ndarray, name: str) -> np.ndarray:
        if len(centred) < 2:
            raise DegenerateError(f"{name} must have at least two rows with a partner, but it has {len(centred)}.")
        covariance = centred.T @ centred / (len(centred) - 1)
        return Spectrum.of(covariance, self.regularisation, name=name, rows=len(centred)).power(-0.5)

    @property
    def _n_features_out(self) -> int:
        """Columns of the moved rows, for ``get_feature_names_out``."""
        return len(self.correlations_)

    def steps(self, group: str) -> tuple[AffineStep, ...]:
        """Return the matrix (k, d) and the offset (k,) of the group."""
        return (AffineStep(matrix=self.matrices_[group], offset=self.offsets_[group], renormalise=self.renormalise),)

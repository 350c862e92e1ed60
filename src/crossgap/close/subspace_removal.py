"""C7: take out the few directions or coordinates in which the groups differ, for all groups alike."""

import warnings
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import Calibration, is_whole_number
from crossgap.close.moments import MomentCloser, Moments
from crossgap.close.null_space import null_space_directions
from crossgap.errors import DegenerateError

__all__ = ["SubspaceRemoval"]

_DIRECTIONS = ("gap", "components", "coordinates", "classifier", "private")
_NO_LENGTH = 1e-9


def _learns_from_sums(closer: Any) -> bool:
    return closer.directions != "classifier"


class SubspaceRemoval(MomentCloser):
    """Project all rows onto what is left beside a few directions, then renormalise.

    Formula::

        x' = norm(norm(x) - B^T B norm(x)),   the rows of B (k, d) orthonormal, the same for every group

        "gap"          the span of the differences between the groups' means; for two groups g / |g|
        "components"   the k strongest principal directions of all rows pooled, the mean left in (all-but-the-top)
        "coordinates"  the k coordinates in which the means differ most, by |g_j|
        "classifier"   normals of a linear classifier of the groups, taken out one after the other until one that is
                       trained anew is right on held-out items no more often than a guess (iterative null space)
        "private"      the k strongest principal directions of each group that lie more than ``angle`` off the span of
                       every other group

    How to read it: one linear map for all groups, so it can be applied to rows whose group is unknown; ``MeanRemoval``
    needs the group. "gap" makes the means coincide (until rows are renormalised) and costs one dimension; the mean that
    the groups share stays in every cosine, so retrieval often falls: 500 CLIP pairs go from recall@1 0.55 to 0.35, at a
    gap of 0.01. Two "components" take the span of both means and do what mean removal does (0.54, 0.01); one takes the
    shared mean only and opens the gap (1.06). Two "coordinates" hold 69 % of CLIP's squared gap, yet it stays at 0.62.
    "classifier" goes on until no plane tells the groups apart; 28 directions there. "private" directions are spread,
    not offset: they leave the gap alone.

    Parameters
    ----------
    directions
        One of the five above.
    count
        k. None: 1, or for "gap" all (groups - 1), and for "classifier" as many as it takes. "gap" with fewer takes the
        strongest, and more than there are is an error.
    variance
        For "private": the span of a group is that of its first principal components that hold this share of variance.
    angle
        For "private": degrees, between 0 and 90.
    seed
        For "classifier": which fifth of the items is held out.
    renormalise
        Bring the moved rows to length 1 again.

    Attributes
    ----------
    basis_
        B (k, d), orthonormal rows.
    accuracies_
        For "classifier": accuracy on held-out items before each removal, and after the last; else empty.
    groups_, fit_rows_
        The groups, and how many rows of each were learned from.

    Raises
    ------
    ValueError
        If ``directions`` is unknown, or a number is out of range.
    DegenerateError
        If there are fewer than two groups (except for "components"), a group has fewer than two rows, the means
        coincide, ``count`` is above the directions of "gap" or "components" that there are, no direction is private,
        every dimension would be removed, or nothing is left of a row.

    Notes
    -----
    Any number of groups, of any sizes; in "components" a larger group counts for more. ``partial_fit`` takes batches,
    except for "classifier", which needs all rows at once; there, rows of one item (``items``) are held out together.
    Cost of fitting: one pass for "gap" and "coordinates", n d^2 + 9 d^3 for "components" and "private", and that for
    each direction for "classifier"; of moving, 4 d k flops a row.

    The classifier is linear discriminant analysis with a Ledoit-Wolf covariance; "no more often than a guess" is an
    accuracy within 1.64 standard errors of the share of the largest group. It is trained on four fifths of the items
    and judged on the fifth: on the rows that it was trained on, it would be fooled by its own removal.

    References
    ----------
    Mu and Viswanath, *All-but-the-top*, ICLR 2018, algorithm 1 (which also removes the mean); Schrodi et al., *Two
    effects, one trigger*, ICLR 2025 (coordinates); Ravfogel et al., *Null it out*, ACL 2020, algorithm 1.

    Examples
    --------
    The groups differ along the first coordinate.

    >>> X = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> groups = ["image", "image", "text", "text"]
    >>> closer = SubspaceRemoval().fit(X, groups=groups)
    >>> closer.transform(X, groups=groups).round(9).tolist()
    [[0.0, 1.0], [0.0, -1.0], [0.0, 1.0], [0.0, -1.0]]
    >>> (closer.projector() + 0.0).round(9).tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """

    basis_: np.ndarray
    accuracies_: np.ndarray

    def __init__(
        self,
        *,
        directions: str = "gap",
        count: int | None = None,
        variance: float = 0.9,
        angle: float = 60.0,
        seed: int = 0,
        renormalise: bool = True,
    ):
        self.directions = directions
        self.count = count
        self.variance = variance
        self.angle = angle
        self.seed = seed
        self.renormalise = renormalise

    @property
    def _least_groups(self) -> int:  # pyright: ignore[reportIncompatibleVariableOverride]
        return 1 if self.directions == "components" else 2

    @property
    def _products(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.directions in ("components", "private")

    @available_if(_learns_from_sums)
    def partial_fit(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, X: Any, y: Any = None, *, groups: Any = None
    ) -> "SubspaceRemoval":
        """Learn from one more batch, as ``MomentCloser.partial_fit``; "classifier" needs all rows at once."""
        super().partial_fit(X, y, groups=groups)
        return self

    def projector(self) -> np.ndarray:
        """Return the matrix I - B^T B (d, d) that the unit rows are multiplied by; products of such maps compose."""
        return AffineStep(removed=self.basis_).dense(self.basis_.shape[1])[0]

    def steps(self, group: str) -> tuple[AffineStep, ...]:
        """Return the projection; it is the same for every group."""
        if self.directions == "coordinates":  # factors 0 and 1 are less to write
            return (AffineStep(matrix=1.0 - self.basis_.sum(axis=0), renormalise=self.renormalise),)
        return (AffineStep(removed=self.basis_, renormalise=self.renormalise),)

    def _learn(self, calibration: Calibration) -> None:
        self._check()
        if self.directions != "classifier":
            super()._learn(calibration)
            return
        self._moments = {}  # a classifier has no sums to add to
        d = self.n_features_in_
        found = null_space_directions(calibration, count=self._limit(d, default=d - 1), seed=self.seed)
        self.basis_, self.accuracies_ = map(np.ascontiguousarray, found)

    def _learn_from(self, moments: dict[str, Moments]) -> None:
        self._check()
        self.accuracies_ = np.zeros(0)
        means = np.stack([sums.mean for sums in moments.values()])
        differences = means - means.mean(axis=0)
        if self.directions in ("gap", "coordinates") and not np.linalg.norm(differences) > _NO_LENGTH:
            raise DegenerateError("the means of the groups coincide, so there is no gap whose directions to remove.")
        d = means.shape[1]
        if self.directions == "gap":
            found = _strongest(differences, self._limit(d, default=len(means) - 1))
            self.basis_ = self._asked(found, "the means of the groups differ")
        elif self.directions == "coordinates":
            sizes = np.linalg.norm(differences, axis=0)
            self.basis_ = np.eye(d)[np.sort(np.argsort(-sizes, kind="stable")[: self._limit(d)])]
        elif self.directions == "components":
            products = sum((sums.products for sums in moments.values()), np.zeros((d, d)))
            values, vectors = _principal(products)
            lie = vectors[values > values[0] * d * np.finfo(np.float64).eps]
            self.basis_ = self._asked(lie[: self._limit(d)], "the rows lie")
        else:
            self.basis_ = self._private(moments, self._limit(d))

    def _check(self) -> None:
        if self.directions not in _DIRECTIONS:
            raise ValueError(
                f"directions must be one of {', '.join(map(repr, _DIRECTIONS))}, but it is {self.directions!r}; choose "
                f"one."
            )
        if not 0 < self.variance <= 1:
            raise ValueError(f"variance must lie above 0 and up to 1, but it is {self.variance}; 0.9 is usual.")
        if not 0 < self.angle < 90:
            raise ValueError(f"angle must lie between 0 and 90 degrees, but it is {self.angle}; 60 is usual.")

    def _limit(self, d: int, *, default: int = 1) -> int:
        count = default if self.count is None else self.count
        if not (is_whole_number(count) and count >= 1):
            raise ValueError(f"count must be at least 1, but it is {count!r}; each direction costs one dimension.")
        if count >= d:
            raise DegenerateError(
                f"count must be below the number of dimensions, so that something is left, but count={count} and "
                f"n_features={d}; remove fewer."
            )
        return int(count)

    def _asked(self, basis: np.ndarray, what: str) -> np.ndarray:
        """Return the directions found, unless more were asked for."""
        if self.count is not None and len(basis) < self.count:
            raise DegenerateError(
                f"count must be at most the {len(basis)} directions in which {what}, but it is {self.count}; ask for "
                f"fewer, or None."
            )
        return basis

    def _private(self, moments: dict[str, Moments], count: int) -> np.ndarray:
        spectra = {name: _principal(sums.covariance) for name, sums in moments.items()}
        spans = {name: _span(*spectrum, self.variance) for name, spectrum in spectra.items()}
        found = []
        for name, span in spans.items():
            others = [other for key, other in spans.items() if key != name]
            cosines = np.max([np.linalg.norm(span @ other.T, axis=1) for other in others], axis=0)
            own = span[cosines < np.cos(np.radians(self.angle))][:count]
            if len(own) < count:
                warnings.warn(
                    f"{name} has {len(own)} of the {count} private directions asked for: no more of its first "
                    f"{len(span)} components are {self.angle:g} degrees off the other groups.",
                    stacklevel=5,
                )
            found.append(own)
        basis = np.concatenate(found)
        if not len(basis):
            raise DegenerateError(
                f"no group has a principal component more than {self.angle:g} degrees off the span of every other, so "
                f"nothing is private; lower angle or variance."
            )
        self._limit_all(len(basis), basis.shape[1])
        return _strongest(basis, len(basis))

    def _limit_all(self, found: int, d: int) -> None:
        if found >= d:
            raise DegenerateError(f"{found} private directions would leave nothing of {d} dimensions; lower count.")


def _strongest(rows: np.ndarray, count: int) -> np.ndarray:
    """Orthonormal directions of the span of ``rows``, the strongest first, at most ``count`` of them."""
    _, values, directions = np.linalg.svd(rows, full_matrices=False)
    return directions[: min(count, int(np.count_nonzero(values > _NO_LENGTH)))]


def _principal(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues of a covariance, largest first, and its eigenvectors as rows."""
    values, vectors = np.linalg.eigh(matrix)
    return np.clip(values[::-1], 0.0, None), np.ascontiguousarray(vectors.T[::-1])


def _span(values: np.ndarray, vectors: np.ndarray, share: float) -> np.ndarray:
    """The first eigenvectors that hold this share of the variance."""
    held = np.cumsum(values) / values.sum() if values.sum() > 0 else np.ones(len(values))
    return vectors[: min(int(np.searchsorted(held, share - 1e-12)) + 1, len(values))]

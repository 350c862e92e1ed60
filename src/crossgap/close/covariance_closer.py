"""What closers that need covariances share: shrinkage, powers of a covariance, and when one cannot be inverted."""

import warnings
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.utils.metaestimators import available_if

from crossgap.close.closer import Calibration
from crossgap.close.moments import MomentCloser, Moments
from crossgap.errors import DegenerateError

__all__ = ["CovarianceCloser", "Spectrum", "check_shrinkage"]

_LEDOIT_WOLF = "ledoit-wolf"


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrum:
    """The eigenvalues and eigenvectors of one shrunk covariance (1 - rho) S + rho tr(S)/d I.

    Parameters
    ----------
    values
        Eigenvalues (k,), largest first, shrunk; k = d unless only the leading ones are kept.
    variances
        The same before shrinkage.
    vectors
        Eigenvectors (d, k), one a column; shrinkage does not turn them.
    name, rows
        Whose covariance it is and of how many rows, for messages.
    """

    values: np.ndarray
    variances: np.ndarray
    vectors: np.ndarray
    name: str
    rows: int

    @classmethod
    def of(cls, covariance: np.ndarray, shrinkage: float, *, name: str, rows: int) -> "Spectrum":
        """Take a covariance (d, d) of unit rows apart.

        Raises
        ------
        DegenerateError
            If it is zero.
        """
        variances, vectors = np.linalg.eigh(covariance)
        variances, vectors = np.clip(variances[::-1], 0.0, None), vectors[:, ::-1]
        values = (1.0 - shrinkage) * variances + shrinkage * variances.mean()
        found = cls(values=values, variances=variances, vectors=vectors, name=name, rows=rows)
        if not found.rank:
            raise DegenerateError(
                f"{name} must have rows that differ, but all {rows} point one way (n_features={len(variances)}); "
                f"give other rows."
            )
        return found

    @property
    def rank(self) -> int:
        """Directions in which the rows vary at all."""
        return int(np.count_nonzero(self.variances > self._rounding))

    @property
    def _rounding(self) -> float:
        return len(self.vectors) * float(np.finfo(np.float64).eps)  # rows have length 1, so sums are exact to this

    def leading(self, directions: int | float) -> "Spectrum":
        """Return the first few directions alone: so many, or those that hold this share of the variance if below 1.

        Raises
        ------
        DegenerateError
            If the rows vary in fewer directions.
        """
        if directions < 1:
            shares = np.cumsum(self.variances) / self.variances.sum()
            directions = min(int(np.searchsorted(shares, directions)) + 1, self.rank)
        count = int(directions)
        if count > self.rank:
            raise _too_flat(self.name, self.rows, self.rank, len(self.vectors), asked=count)
        return replace(
            self, values=self.values[:count], variances=self.variances[:count], vectors=self.vectors[:, :count]
        )

    def power(self, exponent: float) -> np.ndarray:
        """Return the symmetric power (d, d), zero on directions that were dropped.

        Raises
        ------
        DegenerateError
            If the exponent is negative and the covariance has no inverse.
        """
        if exponent < 0 and not self.values[-1] > self._rounding:
            raise _too_flat(self.name, self.rows, self.rank, len(self.vectors))
        return (self.vectors * self.values**exponent) @ self.vectors.T


class CovarianceCloser(MomentCloser):
    """A closer that needs a covariance of each group, or one of all where ``joint``; a subclass has ``shrinkage``.

    A subclass writes ``_learn_from(moments)``, and calls ``_spectra(moments)`` there.
    """

    shrinkage: float | str
    shrinkages_: dict[str, float]

    joint: bool = False
    _products = True

    def _takes_batches(self) -> bool:
        if self.shrinkage == _LEDOIT_WOLF:
            raise AttributeError(
                f"partial_fit needs a number for shrinkage, since {_LEDOIT_WOLF!r} needs all rows at once; use fit."
            )
        return True

    @available_if(_takes_batches)
    def partial_fit(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, X: Any, y: Any = None, *, groups: Any = None
    ) -> "CovarianceCloser":
        """Learn from one more batch, as ``MomentCloser.partial_fit`` does; each batch costs a decomposition, O(d^3).

        Not available with shrinkage "ledoit-wolf". Without shrinkage nothing is learned before there are more rows
        than dimensions, and no warning says that there are few.
        """
        super().partial_fit(X, y, groups=groups)
        return self

    def _inverted(self) -> dict[str, int]:
        """Whose covariance is inverted, and from how many rows it comes."""
        return {"all groups": sum(self.fit_rows_.values())} if self.joint else self.fit_rows_

    def _truncates(self) -> bool:
        """Whether only leading directions are used."""
        return False

    def _directions_needed(self) -> int:
        """How many directions the rows must vary in: all d where nothing is shrunk."""
        return 1 if self.shrinkage else self.n_features_in_

    def _learn(self, calibration: Calibration) -> None:
        check_shrinkage(self.shrinkage)
        if self.shrinkage == _LEDOIT_WOLF:
            self._estimated = _ledoit_wolf(calibration, joint=self.joint)
        super()._learn(calibration)
        counts = self._inverted()
        fewest = min(counts, key=lambda name: counts[name])
        n, d = counts[fewest], self.n_features_in_
        if not self.__sklearn_is_fitted__():
            asked = self._directions_needed() if self._truncates() else None
            raise _too_flat(fewest, n, n - self._means_taken(), d, asked=asked)
        if not (self.shrinkage or self._truncates()) and n < 5 * d:
            warnings.warn(
                f"{fewest}: {n} rows for a covariance in {d} dimensions are fewer than {5 * d} (5 d), so small "
                f"eigenvalues are mostly noise, and its inverse magnifies them; set shrinkage above 0, or give more "
                f"rows.",
                stacklevel=3,
            )

    def __sklearn_is_fitted__(self) -> bool:
        """Whether there are rows enough for the covariances."""
        if not super().__sklearn_is_fitted__():
            return False
        return min(self._inverted().values()) - self._means_taken() >= self._directions_needed()

    def _means_taken(self) -> int:
        """How many means are taken from the rows of one covariance: each costs it a direction."""
        return len(self.fit_rows_) if self.joint else 1

    def _spectra(self, moments: dict[str, Moments]) -> dict[str, Spectrum]:
        """Return the shrunk covariance of each group taken apart; with ``joint`` it is the same for all."""
        check_shrinkage(self.shrinkage)
        groups = tuple(moments)
        if isinstance(self.shrinkage, str):
            self.shrinkages_ = {name: self._estimated[name] for name in groups}
        else:
            self.shrinkages_ = {name: float(self.shrinkage) for name in groups}
        if self.joint:
            rows = sum(sums.count for sums in moments.values())
            centred = sum(((sums.count - 1) * sums.covariance for sums in moments.values()), np.zeros(()))
            pooled = Spectrum.of(
                centred / (rows - len(groups)), self.shrinkages_[groups[0]], name="all groups", rows=rows
            )
            return dict.fromkeys(groups, pooled)
        return {
            name: Spectrum.of(sums.covariance, self.shrinkages_[name], name=name, rows=sums.count)
            for name, sums in moments.items()
        }


def check_shrinkage(shrinkage: Any, *, name: str = "shrinkage", estimated: bool = True) -> None:
    """Raise unless it is a number from 0 to 1 or, where it may be estimated, "ledoit-wolf"."""
    if estimated and isinstance(shrinkage, str) and shrinkage == _LEDOIT_WOLF:
        return
    if not isinstance(shrinkage, Real) or isinstance(shrinkage, bool) or not 0 <= float(shrinkage) <= 1:
        words = f" or {_LEDOIT_WOLF!r}" if estimated else ""
        raise ValueError(f"{name} must be a number from 0 to 1{words}, but it is {shrinkage!r}; 0.1 is usual.")


def _too_flat(name: str, rows: int, rank: int, d: int, *, asked: int | None = None) -> DegenerateError:
    """Return the error of rows that vary in too few directions: for an inverse, or for the directions asked for."""
    found = f"its {rows} rows (n_samples={rows}) vary in {rank} of {d} dimensions"
    if asked is None:
        return DegenerateError(
            f"{name} must have a covariance that can be inverted, but {found}; shrink it (a shrinkage or "
            f"regularisation of 0.1 is usual), or give more than {d} rows."
        )
    return DegenerateError(
        f"{name} must vary in at least {asked} directions, but {found}; ask for no more than {rank}, or give more rows."
    )


def _ledoit_wolf(calibration: Calibration, *, joint: bool) -> dict[str, float]:
    """Estimate the best shrinkage of each group from its centred rows, or one for all."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    centred = {name: rows - rows.mean(axis=0) for name, rows in calibration.rows.items()}
    if joint:
        return dict.fromkeys(centred, float(ledoit_wolf_shrinkage(np.concatenate([*centred.values()]), True)))
    return {name: float(ledoit_wolf_shrinkage(rows, True)) for name, rows in centred.items()}

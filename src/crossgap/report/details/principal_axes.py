"""Means and principal components of each group, computed once for the spectra and for where the gap lies."""

from functools import cached_property

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import covariance, mean_unit_row
from crossgap.geometry.rows import unit_rows
from crossgap.report.details.sampled_rows import SampledRows

__all__ = ["PrincipalAxes"]

_NO_VARIANCE = 1e-12  # as in measure.spectrum_values


class PrincipalAxes:
    """Principal components of the unit rows of each group of a sample, strongest first."""

    def __init__(self, sample: SampledRows) -> None:
        self.sample = sample

    @cached_property
    def _found(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        return {}

    @cached_property
    def means(self) -> dict[str, np.ndarray]:
        """By group the mean of its unit rows."""
        names = self.sample.embeddings
        return {name: np.asarray(mean_unit_row(self.sample.vectors(name), name=name)) for name in names}

    def values(self, name: str) -> np.ndarray:
        """Return the variances of one group along its components, min(n, d) of them."""
        return self._components(name)[0]

    def vectors(self, name: str) -> np.ndarray:
        """Return the components of one group as columns: those of some variance, at most n - 1."""
        return self._components(name)[1]

    def _components(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        if name not in self._found:
            self._found[name] = _components(self.sample.vectors(name), name)
        return self._found[name]


def _components(rows: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    from scipy.linalg import eigh

    n, d = rows.shape
    if n < 2:
        raise DegenerateError(f"{name} has one row, which has no spread; give more vectors.")
    if n > d:
        values, vectors = eigh(covariance(rows, name=name), overwrite_a=True, check_finite=False, driver="evr")
        values, vectors = np.clip(values[::-1], 0.0, None), vectors[:, ::-1]
    else:  # the small matrix of n rows has the same values
        centred = unit_rows(rows.astype(np.float64), name=name)
        centred -= centred.mean(axis=0)
        values, vectors = eigh(centred @ centred.T / (n - 1), overwrite_a=True, check_finite=False, driver="evr")
        values, vectors = np.clip(values[::-1], 0.0, None), vectors[:, ::-1]
        lengths = np.sqrt(values * (n - 1))
        kept = lengths > 1e-9 * max(lengths[0], 1e-300)
        vectors = centred.T @ (vectors[:, kept] / lengths[kept])
    if not values.sum() > _NO_VARIANCE:
        raise DegenerateError(f"all rows of {name} have one and the same direction, so their spectrum is zero.")
    return values, vectors[:, : min(n - 1, d)]

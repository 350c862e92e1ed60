"""Sums over rows that add up: what closers learn from, in one go or batch by batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.close.closer import Calibration, LinearCloser

__all__ = ["MomentCloser", "Moments"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Sums over the unit rows of one group, in float64: the rows, and (where asked) their products x x^T.

    Unit rows keep the sums about the origin well conditioned, so that two batches merge by addition.
    """

    count: int
    total: np.ndarray
    products: Any

    @classmethod
    def of(cls, rows: np.ndarray, *, products: bool) -> "Moments":
        """Sum over rows (n, d)."""
        return cls(count=len(rows), total=rows.sum(axis=0), products=rows.T @ rows if products else None)

    def __add__(self, other: "Moments") -> "Moments":
        products = None
        if self.products is not None and other.products is not None:
            products = self.products + other.products
        return Moments(count=self.count + other.count, total=self.total + other.total, products=products)

    @property
    def mean(self) -> np.ndarray:
        """The mean row (d,), not renormalised."""
        return self.total / self.count

    @property
    def covariance(self) -> np.ndarray:
        """The covariance (d, d), denominator n - 1."""
        mean = self.mean
        centred = self.products - self.count * np.outer(mean, mean)
        return centred / (self.count - 1)


class MomentCloser(LinearCloser):
    """A linear closer that needs only means, and covariances where ``_products``; it can learn batch by batch.

    A subclass writes ``_learn_from(moments)`` and ``steps``.
    """

    _products = False

    def partial_fit(self, X: Any, y: Any = None, *, groups: Any = None) -> "MomentCloser":
        """Learn from one more batch: after the last one the closer is what ``fit`` on all rows gives (to rounding).

        A batch may hold any of the groups, and new ones. A closer that was read from a file keeps no sums and must be
        fitted anew.
        """
        known: dict[str, Moments] = getattr(self, "_moments", {})
        if hasattr(self, "groups_") and not known:
            raise ValueError(
                f"{type(self).__name__} was fitted with parameters that need all rows at once, or was read from a "
                f"file, which keeps no sums to add to; fit it anew on all rows."
            )
        if self._products and any(sums.products is None for sums in known.values()):
            raise ValueError(
                f"{type(self).__name__} now needs covariances, which were not summed while it was fitted with other "
                f"parameters; fit it anew on all rows."
            )
        rows, _, _ = self._unit_rows_by_group(X, groups, reset=not known)
        batch = {name: Moments.of(part, products=self._products) for name, part in rows.items()}
        self._settle({**known, **{name: known[name] + new if name in known else new for name, new in batch.items()}})
        return self

    def _learn(self, calibration: Calibration) -> None:
        self._settle({name: Moments.of(rows, products=self._products) for name, rows in calibration.rows.items()})

    def _settle(self, moments: dict[str, Moments]) -> None:
        self._moments = moments
        self.groups_ = tuple(moments)
        self.fit_rows_ = {name: sums.count for name, sums in moments.items()}
        if self.__sklearn_is_fitted__():
            self._learn_from(moments)

    def __sklearn_is_fitted__(self) -> bool:
        """Whether every group that was seen has rows enough, and there are groups enough."""
        sizes = getattr(self, "fit_rows_", {}).values()
        return len(sizes) >= self._least_groups and min(sizes) >= self._least_rows

    def _learn_from(self, moments: dict[str, Moments]) -> None:
        """Set what is learned."""
        raise TypeError(f"{type(self).__name__} must say what it learns; use one of the closers of crossgap.close.")

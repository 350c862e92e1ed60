"""Two groups under explanation: their rows, which of them are partners, and bootstrap counts, each computed once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import as_numpy
from crossgap.measure.certainty import LEAST_ITEMS, as_numbers, interval, plain_and_drawn
from crossgap.results import Measurement

__all__ = ["Bounds", "TwoGroups"]

Bounds = tuple[float, float] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class TwoGroups:
    """Two groups of one space, with all that a finding asks of them.

    Parameters
    ----------
    embeddings
        The two groups, cut down to as many rows as are to be looked at.
    replicates, level, seed
        Of the bootstrap; 0 replicates for no intervals.
    """

    embeddings: Embeddings
    replicates: int = 200
    level: float = 0.95
    seed: int = 0

    @property
    def names(self) -> tuple[str, str]:
        """The names of the groups."""
        first, second = self.embeddings
        return first, second

    @property
    def dimension(self) -> int:
        """The length of every vector."""
        return self.embeddings.dimension

    @cached_property
    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows of both groups, as given."""
        first, second = (_as_floats(group.vectors) for group in self.embeddings.values())
        return first, second

    @cached_property
    def items(self) -> tuple[np.ndarray, np.ndarray]:
        """The numbers of the items of all rows, equal where two rows show one item."""
        return self._codes.x, self._codes.y

    @property
    def unpaired(self) -> str | None:
        """Why nothing pairs; None where something does."""
        return None if self._codes.reason is None else f"needs pairs: {self._codes.reason}"

    @cached_property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The aligned rows of both groups."""
        return self.rows[0][self._pairs.x_rows], self.rows[1][self._pairs.y_rows]

    @cached_property
    def pair_items(self) -> np.ndarray:
        """The number of the item of each pair."""
        return self._pairs.items

    @cached_property
    def counts(self) -> np.ndarray | None:
        """Bootstrap counts of the items, each once in the first column; None for no intervals."""
        return plain_and_drawn(self._codes.count, self.replicates, seed=self.seed)

    @property
    def weights(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Counts of the rows of both groups."""
        return None if self.counts is None else (self.counts[self.items[0]], self.counts[self.items[1]])

    @property
    def pair_weights(self) -> np.ndarray | None:
        """Counts of the pairs."""
        if self.counts is None or len(np.unique(self.pair_items)) < LEAST_ITEMS:
            return None
        return self.counts[self.pair_items]

    @cached_property
    def halves(self) -> tuple["TwoGroups", "TwoGroups"]:
        """The same groups cut in two: each item is in one half, drawn at random.

        Raises
        ------
        DegenerateError
            If there are fewer than four items, or a group has fewer than two rows in a half.
        """
        count = self._codes.count
        first = np.zeros(count, dtype=bool)
        first[np.random.default_rng(self.seed).permutation(count)[: count // 2]] = True
        parts = []
        for number, chosen in enumerate((first, ~first)):
            groups = {
                name: replace(group.take(index), items=items[index])
                for (name, group), items in zip(self.embeddings.items(), self.items, strict=True)
                if len(index := np.flatnonzero(chosen[items])) >= 2
            }
            if len(groups) < 2:
                raise DegenerateError("the groups must have at least two rows in each half, but they have fewer.")
            parts.append(replace(self, embeddings=Embeddings(groups), seed=self.seed + number))
        return parts[0], parts[1]

    def with_rows(self, rows: Mapping[str, np.ndarray]) -> "TwoGroups":
        """Return the same groups with other vectors for their rows."""
        groups = {name: replace(group, vectors=rows[name]) for name, group in self.embeddings.items()}
        return replace(self, embeddings=Embeddings(groups))

    def of_group(self, quantity: Callable[..., Any], side: int, *, within: Bounds = None, **options: Any):
        """Measure a quantity of one group."""
        weights = None if self.weights is None else self.weights[side]
        return self._measured(quantity, (self.names[side],), (self.rows[side],), weights, within, options)

    def of_groups(self, quantity: Callable[..., Any], *, within: Bounds = None, **options: Any):
        """Measure a quantity of both groups, whether they pair or not."""
        return self._measured(quantity, self.names, self.rows, self.weights, within, options)

    def of_pairs(self, quantity: Callable[..., Any], *, within: Bounds = None, turned: bool = False, **options: Any):
        """Measure a quantity of the pairs, from the second group to the first where ``turned``."""
        way = slice(None, None, -1 if turned else 1)
        rows, names = self.pairs[way], self.names[way]
        return self._measured(quantity, names, rows, self.pair_weights, within, options, n=len(rows[0]))

    def of_search(self, quantity: Callable[..., Any], *, within: Bounds = None, turned: bool = False, **options: Any):
        """Measure a quantity of one group searching the other: the second the first where ``turned``."""
        way = slice(None, None, -1 if turned else 1)
        weights = None if self.weights is None else self.weights[way][0]
        return self._measured(quantity, self.names[way], self.rows[way], weights, within, options)

    def number(self, name: str, value: float, *groups: str, **options: Any) -> Measurement:
        """Return a plain number of these groups as a measurement, without an interval."""
        names = groups or self.names
        return Measurement(name=name, groups=names, value=float(value), options={**options, **self._sizes(names)})

    def number_of(
        self, name: str, values: np.ndarray, *groups: str, within: Bounds = None, **options: Any
    ) -> Measurement:
        """Return as a measurement what was computed under all weightings, the plain value first."""
        names = groups or self.names
        values = np.atleast_1d(values)
        return Measurement(
            name=name,
            groups=names,
            value=float(values[0]),
            interval=self.bounds(values, within),
            options={**options, **self._sizes(names)},
        )

    def bounds(self, values: np.ndarray, within: Bounds = None) -> tuple[float, float] | None:
        """Return the interval of a value and its replicates, the value first; None where there are none."""
        if len(values) < 2:
            return None
        lowest, highest = within or (-np.inf, np.inf)
        found = interval(float(values[0]), values[1:], level=self.level, lowest=lowest, highest=highest)
        return found.low, found.high

    def _measured(
        self,
        quantity: Callable[..., Any],
        names: Sequence[str],
        rows: Sequence[np.ndarray],
        weights: Any,
        within: Bounds,
        options: Mapping[str, Any],
        **sizes: int,
    ) -> Measurement:
        values = self._values(quantity, rows, weights, options)
        shown = {key: value for key, value in options.items() if isinstance(value, str | int | float)}
        return Measurement(
            name=quantity.__name__,
            groups=tuple(names),
            value=float(values[0]),
            interval=self.bounds(values, within),
            options={**shown, **self._sizes(names), **sizes},
        )

    def _values(
        self, quantity: Callable[..., Any], rows: Sequence[np.ndarray], weights: Any, options: Mapping[str, Any]
    ) -> np.ndarray:
        if weights is not None:
            try:
                with np.errstate(divide="ignore", invalid="ignore"):  # a replicate may draw nothing that counts
                    return np.atleast_1d(as_numbers(quantity(*rows, weights=weights, **options)))
            except DegenerateError:  # of a replicate; the plain value may exist
                pass
        return np.atleast_1d(as_numbers(quantity(*rows, **options)))

    def _sizes(self, names: Sequence[str]) -> dict[str, Any]:
        taken = [len(self.embeddings[name]) for name in names]
        sizes: dict[str, Any] = {**dict(zip("nm", taken, strict=False)), "d": self.dimension}
        return sizes

    @cached_property
    def _codes(self) -> Any:
        return self.embeddings.item_codes(*self.names)

    @cached_property
    def _pairs(self) -> Any:
        return self.embeddings.pairs(*self.names)


def _as_floats(vectors: Any) -> np.ndarray:
    """Return vectors as an array in float32 or float64."""
    array = as_numpy(vectors)
    return array if array.dtype in (np.float32, np.float64) else array.astype(np.float32)

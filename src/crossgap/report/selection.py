"""Groups under measurement, whole or sub-sampled, with what every quantity needs of them, computed once."""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from crossgap import measure
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.geometry.neighbours import Neighbours, nearest_rows_both
from crossgap.measure.certainty import plain_and_drawn
from crossgap.measure.mmd import median_bandwidth
from crossgap.measure.spectrum_values import spectrum_values

__all__ = ["SEARCHED", "Selection", "Settings", "item_counts"]

SEARCHED = 10  # rows shown for each query
_MOST_COUNTS = 100_000_000  # bytes of bootstrap counts; more items than this allows get fewer replicates
_FEWEST_REPLICATES = 40


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a report measures: replicates and level of its intervals, seed, precision sought, rows of a sub-sample."""

    replicates: int
    level: float
    seed: int
    precision: float
    most_rows: int

    def __post_init__(self):
        if self.replicates < 0 or self.replicates == 1:
            raise ValueError(f"replicates must be 0 or at least 2, but it is {self.replicates}; 200 is a good number.")
        for name, share in (("precision", self.precision), ("level", self.level)):
            if not 0 < share < 1:
                raise ValueError(f"{name} must lie between 0 and 1, but it is {share}; give for example 0.9.")


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """Two groups, whole or a sub-sample of their items, with what every quantity needs of them, computed once.

    One group alone is a selection of the group and itself.
    """

    embeddings: Embeddings
    names: tuple[str, str]
    settings: Settings
    most_rows: int | None = None
    mirror: "Selection | None" = None

    @cached_property
    def groups(self) -> Embeddings:
        """The two groups, cut down to whole items where they are too large."""
        if self.mirror is not None:
            return self.mirror.groups
        if self.most_rows is None:
            return self.embeddings.select(self.names)
        return self.embeddings.select(self.names).sample_items(self.most_rows, seed=self.settings.seed)

    @cached_property
    def codes(self) -> Any:
        """Item codes of both groups, and the reason where they do not pair."""
        return self.groups.item_codes(*self.names)

    @cached_property
    def counts(self) -> np.ndarray | None:
        """Counts of the items, (items, 1 + replicates), each once in the first column; None for no intervals."""
        return item_counts(self.codes.count, self.settings) if self.mirror is None else self.mirror.counts

    def weights(self, items: np.ndarray) -> np.ndarray | None:
        """Counts of rows from the numbers of their items; without a copy where row i is item i."""
        counts = self.counts
        if counts is None or (len(items) == len(counts) and np.array_equal(items, np.arange(len(items)))):
            return counts
        return counts[items]

    @cached_property
    def pairs(self) -> Any:
        """The aligned view of both groups."""
        return self.groups.pairs(*self.names)

    @cached_property
    def one_row_an_item(self) -> bool:
        """Whether no two rows of a group show the same item, so that the rows are independent."""
        return all(len(np.unique(codes)) == len(codes) for codes in (self.codes.x, self.codes.y))

    @property
    def sizes(self) -> dict[str, Any]:
        """Numbers of rows and dimensions; the full sizes behind a sub-sample; replicates, if fewer than asked."""
        taken = [len(self.groups[name]) for name in self.measured]
        full = [len(self.embeddings[name]) for name in self.measured]
        sizes: dict[str, Any] = {**dict(zip("nm", taken, strict=False)), "d": self.groups.dimension}
        if taken != full:
            sizes["sampled_from"] = full
        if self.counts is not None and self.counts.shape[1] <= self.settings.replicates:
            sizes["replicates"] = self.counts.shape[1] - 1
        return sizes

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of the groups, a single one once."""
        return tuple(dict.fromkeys(self.names))

    @cached_property
    def spectrum(self) -> Any:
        """Variances of the first group along its principal directions, (min(n, d),).

        Raises
        ------
        DegenerateError
            If all rows have one direction.
        """
        return spectrum_values(self.groups[self.names[0]].vectors)

    @cached_property
    def drawn_spectra(self) -> Any:
        """The same under the counts of the rows, each once in the first row: (1 + replicates, min(n, d)).

        Raises
        ------
        DegenerateError
            If all rows have one direction, also in one replicate.
        """
        return spectrum_values(self.groups[self.names[0]].vectors, weights=self.weights(self.codes.x))

    @cached_property
    def bandwidth(self) -> float:
        """The bandwidth of a kernel over both groups.

        Raises
        ------
        DegenerateError
            If most rows coincide.
        """
        x, y = (self.groups[name].vectors for name in self.names)
        return median_bandwidth(x, y, seed=self.settings.seed)

    @cached_property
    def reversed(self) -> "Selection":
        """The same two groups the other way round; what both need is computed once."""
        return replace(self, names=(self.names[1], self.names[0]), mirror=self)

    @cached_property
    def scored(self) -> Any:
        """Scores of the answers that the first group finds in the second.

        Raises
        ------
        DegenerateError
            If nothing pairs, or the answers are all right or all wrong.
        """
        if self.codes.reason is not None:
            raise DegenerateError(f"needs pairs: {self.codes.reason}")
        queries, gallery = (self.groups[name].vectors for name in self.names)
        return measure.scored_pairs(
            queries,
            gallery,
            query_items=self.codes.x,
            gallery_items=self.codes.y,
            k=min(SEARCHED, gallery.shape[0]),
            seed=self.settings.seed,
            nearest=self.nearest,
        )

    @property
    def nearest(self) -> Neighbours:
        """The rows of the second group that a search with each row of the first one shows."""
        return self._both_nearest[0]

    @cached_property
    def _both_nearest(self) -> tuple[Neighbours, Neighbours]:
        if self.mirror is not None:
            there, back = self.mirror._both_nearest
            return back, there
        x, y = (self.groups[name].vectors for name in self.names)
        return nearest_rows_both(x, y, SEARCHED)

    @cached_property
    def both_ranks(self) -> Any:
        """Places of the right answers when the first group searches the second, and the other way round."""
        if self.mirror is not None:
            return self.mirror.both_ranks[::-1]
        x, y = (self.groups[name].vectors for name in self.names)
        return measure.retrieval_ranks_both(x, y, x_items=self.codes.x, y_items=self.codes.y)


@lru_cache(maxsize=2)
def item_counts(items: int, settings: Settings) -> np.ndarray | None:
    """Counts of items, (items, 1 + replicates), each once in the first column; None where there are no intervals.

    Selections of equally many items share one table.
    """
    replicates = min(settings.replicates, max(_FEWEST_REPLICATES, _MOST_COUNTS // max(1, items)))
    counts = plain_and_drawn(items, replicates, seed=settings.seed)
    if counts is not None:
        counts.flags.writeable = False
    return counts

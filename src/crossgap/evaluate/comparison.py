"""One quantity on two versions of the same queries: before, after, and their difference with a paired interval."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from crossgap.close.tasks import CLOSE, LEAVE, MATTERS, NOT_ENOUGH
from crossgap.measure.certainty import bounds, change_bounds, plain_and_drawn
from crossgap.results import Measurement

__all__ = ["Resampling", "compared", "decide", "item_counts", "units"]

Scores = TypeVar("Scores")


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How intervals are made: replicates (0 for none), seed, confidence."""

    replicates: int = 200
    seed: int = 0
    level: float = 0.95

    def __post_init__(self):
        if self.replicates < 0 or self.replicates == 1:
            raise ValueError(f"replicates must be 0 or at least 2, but it is {self.replicates}; 200 is a good number.")
        if not 0 < self.level < 1:
            raise ValueError(f"level must lie between 0 and 1, but it is {self.level}; 0.95 is usual.")


def units(items: np.ndarray, unit: str) -> np.ndarray:
    """Return what is resampled, an id for each query: its item, or with ``unit="row"`` the query itself."""
    return np.arange(len(items)) if unit == "row" else items


def item_counts(items: np.ndarray, resampling: Resampling) -> np.ndarray | None:
    """Return how often each query counts, (q, 1 + replicates), each once in the first column.

    Queries of one item count alike. None where there are no intervals: none asked for, or fewer than 10 items.
    """
    found, numbers = np.unique(items, return_inverse=True)
    counts = plain_and_drawn(len(found), resampling.replicates, seed=resampling.seed)
    return None if counts is None else counts[numbers]


def compared(
    name: str,
    groups: tuple[str, ...],
    quantity: Callable[[Scores, np.ndarray | None], Any],
    versions: tuple[Scores, Scores | None],
    counts: np.ndarray | None,
    *,
    options: Mapping[str, Any],
    level: float = 0.95,
    lowest: float = 0.0,
    highest: float = 1.0,
    share_of: int | None = None,
) -> Iterator[Measurement]:
    """Yield the quantity before, after and their difference; or as it is, where there is one version only.

    ``quantity(scores, counts)`` gives one value for each column of ``counts``, or one without them. Both versions are
    resampled together, so what they share cancels in the difference.
    """
    before, after = versions
    values = [np.atleast_1d(np.asarray(quantity(before, counts), dtype=np.float64))]
    names = ["as is"]
    if after is not None:
        values.append(np.atleast_1d(np.asarray(quantity(after, counts), dtype=np.float64)))
        values.append(values[1] - values[0])
        names = ["before", "after", "difference"]
    for version, found in zip(names, values, strict=True):
        limits = None
        if counts is not None:
            if version == "difference":
                limits = change_bounds(found, level=level)
            else:
                limits = bounds(found, level=level, lowest=lowest, highest=highest, share_of=share_of)
        yield Measurement(
            name=name,
            groups=groups,
            value=float(found[0]),
            interval=limits,
            options={"version": version, **options},
        )


def decide(difference: Measurement | None) -> str | None:
    """Say what a difference means where more is better: close it, leave it, not enough data; None: it stays the same.

    As in ``close.tasks``: not enough data means no interval, or one that holds 0 and is wider than 0.1.
    """
    if difference is None or difference.interval is None:
        return NOT_ENOUGH
    low, high = difference.interval
    if low > 0:
        return CLOSE
    if high < 0:
        return LEAVE
    return NOT_ENOUGH if high - low > 2 * MATTERS else None

"""What is judged, and what was learned from: a given closer, mean removal on the other half, or on the same rows.

as_is(e)              rows as they are
with_closer(e, c)     a closer that was fitted before
other_half(e)         two folds: fitted on one half of the items, judged on the other, and the other way round
in_sample(e)          fitted on the rows that are judged: too good, and recorded as such
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from crossgap.close.closer import Closer
from crossgap.close.cross_fitting import deal_folds, rows_with_a_direction
from crossgap.close.mean_removal import MeanRemoval
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows

__all__ = ["Fold", "as_is", "in_sample", "numbered", "other_half", "with_closer"]

_UNITS = ("item", "row")


@dataclass(frozen=True, kw_only=True, eq=False)
class Fold:
    """Rows to judge, the rows that may be learned from, and the closer; both with item numbers as ids.

    Parameters
    ----------
    judged
        The groups that are searched, with the numbers of their items.
    learned
        The groups of which something may be learned, a closer or a bank of queries; None where there are none.
    closer
        A fitted closer; None where rows stay as they are.
    """

    judged: Embeddings
    learned: Embeddings | None = None
    closer: Closer | None = None
    _kept: dict[tuple[bool, str], np.ndarray] = field(default_factory=dict, repr=False)

    def rows(self, name: str, *, closed: bool) -> np.ndarray:
        """Return the unit rows of a judged group, as they are or moved by the closer."""
        key = (closed and self.closer is not None, name)
        if key not in self._kept:
            self._kept[key] = self._moved(self.judged, name, closed)
        return self._kept[key]

    def items(self, name: str) -> np.ndarray:
        """Return the item numbers of the rows of a judged group."""
        return np.asarray(self.judged[name].items)

    def scales(self, queries: str) -> dict[str, tuple[float, float]] | None:
        """Return mean and deviation of the cosines with each group, where the closer standardises scores; else None."""
        return None if self.closer is None else self.closer.scales(queries)

    def bank(self, name: str, *, closed: bool) -> np.ndarray:
        """Return the rows of a group that may be learned from, as they are or moved by the closer.

        Raises
        ------
        DegenerateError
            If there are none.
        """
        if self.learned is None:
            raise DegenerateError(
                "a score correction needs a bank of queries that are not judged, but all rows are; leave rows out of "
                "the closer's source, or ask for in-sample figures."
            )
        return self._moved(self.learned, name, closed)

    def _moved(self, embeddings: Embeddings, name: str, closed: bool) -> np.ndarray:
        vectors = np.asarray(embeddings[name].vectors)
        if not closed or self.closer is None:
            return unit_rows(vectors, name=name)
        return self.closer.compared(vectors, name)


def numbered(embeddings: Embeddings, *, unit: str = "item") -> tuple[Embeddings, list[str]]:
    """Return rows in memory with the numbers of their items as ids, and a sentence for each group that lost rows.

    With ``unit="row"`` an id is still that of the item; see ``other_half`` for what is dealt out then.
    """
    if unit not in _UNITS:
        raise ValueError(f"unit must be 'item' or 'row', but it is {unit!r}; choose one.")
    return rows_with_a_direction(embeddings)


def as_is(embeddings: Embeddings) -> list[Fold]:
    """Judge all rows as they are."""
    return [Fold(judged=embeddings)]


def with_closer(embeddings: Embeddings, closer: Closer, *, halves: Iterable[Fold] = ()) -> list[Fold]:
    """Judge all rows with a closer that was fitted before; or the halves, where a bank of queries is needed.

    Raises
    ------
    ValueError
        If the closer knows another dimension or does not know a group.
    """
    for name in embeddings:
        closer.move(np.asarray(embeddings[name].vectors[:1]), name)
    folds = [replace(fold, closer=closer, _kept={}) for fold in halves]
    return folds or [Fold(judged=embeddings, closer=closer)]


def in_sample(embeddings: Embeddings, make: Callable[[], Closer] | None = MeanRemoval) -> list[Fold]:
    """Judge the rows that the closer is fitted on: too good to judge by."""
    closer = None if make is None else make().fit_embeddings(embeddings)
    return [Fold(judged=embeddings, learned=embeddings, closer=closer)]


def other_half(
    embeddings: Embeddings,
    make: Callable[[], Closer] | None = MeanRemoval,
    *,
    unit: str = "item",
    whole: Iterable[str] = (),
    seed: int = 0,
) -> list[Fold]:
    """Return two folds: each half of the items is judged with what was learned from the other half.

    Parameters
    ----------
    embeddings
        Groups with item numbers as ids (``numbered``).
    make
        Makes the closer to fit; None for none.
    unit
        ``"item"``: whole items on one side. ``"row"``: each row on its own, for items that are classes.
    whole
        Groups that stand on both sides, such as the prompts of classes.
    seed
        Of the deal.

    Raises
    ------
    DegenerateError
        If a group has fewer than two items (rows) on a side.
    """
    whole = set(whole)
    dealt = deal_folds(_units(embeddings, unit), 2, seed=seed) if len(whole) < len(embeddings) else {}
    everywhere = {name: np.zeros(len(embeddings[name]), dtype=np.int64) for name in whole}
    folds = []
    for number in range(2):
        inside = {name: np.flatnonzero(dealt[name] == number) for name in embeddings if name not in whole}
        outside = {name: np.flatnonzero(dealt[name] != number) for name in embeddings if name not in whole}
        for name, rows in everywhere.items():
            inside[name] = outside[name] = np.flatnonzero(rows == 0)
        short = [name for name in embeddings if min(len(inside[name]), len(outside[name])) < 2]
        if short:
            raise DegenerateError(
                f"{short[0]} must have at least two rows on each side of a split, but it has "
                f"{len(embeddings[short[0]])} in all; give more rows, or a closer that was fitted before (--closer)."
            )
        judged, learned = _taken(embeddings, inside), _taken(embeddings, outside)
        closer = None if make is None else make().fit_embeddings(learned)
        folds.append(Fold(judged=judged, learned=learned, closer=closer))
    return folds


def _units(embeddings: Embeddings, unit: str) -> Embeddings:
    """Give each row an id of its own where rows, not items, are dealt out."""
    if unit == "item":
        return embeddings
    first, parts = 0, {}
    for name, group in embeddings.items():
        parts[name] = replace(group, items=np.arange(first, first + len(group)))
        first += len(group)
    return Embeddings(parts)


def _taken(embeddings: Embeddings, rows: Mapping[str, np.ndarray]) -> Embeddings:
    return Embeddings({name: group.take(rows[name]) for name, group in embeddings.items()})

"""Items dealt into folds: a closer is fitted on the others and judged on this one, so that over-fitting shows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import materialise, unit_rows
from crossgap.measure.certainty import LEAST_ITEMS, draw_counts

__all__ = ["JudgedFold", "cross_fitted", "deal_folds", "fewest_items", "rows_with_a_direction"]


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedFold:
    """One fold: what a closer is fitted on, and the rows it is judged on.

    Parameters
    ----------
    number
        Of the fold, from 0.
    fit
        The rows of all other folds; item numbers as ids.
    judged
        The rows of this fold.
    rows
        The unit rows of this fold by group.
    items, counts
        Item number of each judged row, and how often it counts: (n, 1 + replicates), the first column all ones.
    """

    number: int
    fit: Embeddings
    judged: Embeddings
    rows: dict[str, np.ndarray]
    items: dict[str, np.ndarray]
    counts: dict[str, np.ndarray]


def cross_fitted(
    embeddings: Embeddings, *, folds: int = 2, replicates: int = 200, seed: int = 0
) -> Iterator[JudgedFold]:
    """Yield the folds, whole items in one fold, with bootstrap counts that all folds share.

    Raises
    ------
    ValueError
        If ``folds`` or ``replicates`` is out of range.
    DegenerateError
        If a group has fewer than 10 items in a fold.
    """
    if replicates < 0 or replicates == 1:
        raise ValueError(f"replicates must be 0 or at least 2, but it is {replicates}; 200 is a good number.")
    dealt = deal_folds(embeddings, folds, seed=seed)
    items = embeddings.row_items
    fewest = fewest_items(embeddings, folds, seed=seed)
    if fewest < LEAST_ITEMS:
        raise DegenerateError(
            f"judging needs at least {LEAST_ITEMS} items of each group in each of the {folds} folds, but one has "
            f"{fewest}; give more items."
        )
    counts = np.ones((1 + max(int(numbers.max()) for numbers in items.values()), 1 + replicates), dtype=np.uint8)
    draw_counts(counts[:, 1:], seed=seed)
    for number in range(folds):
        inside = {name: np.flatnonzero(fold == number) for name, fold in dealt.items()}
        outside = {name: np.flatnonzero(fold != number) for name, fold in dealt.items()}
        judged = _taken(embeddings, inside)
        yield JudgedFold(
            number=number,
            fit=_taken(embeddings, outside),
            judged=judged,
            rows={name: unit_rows(np.asarray(materialise(group.vectors)), name=name) for name, group in judged.items()},
            items={name: items[name][rows] for name, rows in inside.items()},
            counts={name: counts[items[name][rows]] for name, rows in inside.items()},
        )


def deal_folds(embeddings: Embeddings, folds: int, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the fold of each row by group, at random; items that occur in the same groups are dealt out evenly.

    Examples
    --------
    >>> e = Embeddings.from_arrays(image=np.eye(4), text=np.eye(4))
    >>> dealt = deal_folds(e, 2)
    >>> sorted(dealt["image"].tolist()), bool((dealt["image"] == dealt["text"]).all())
    ([0, 0, 1, 1], True)
    """
    items = embeddings.row_items
    least = min(len(np.unique(numbers)) for numbers in items.values())
    if not 2 <= folds <= least:
        raise ValueError(
            f"folds must lie between 2 and the {least} items of the smallest group, but it is {folds}; 2 is usual."
        )
    count = 1 + max(int(numbers.max()) for numbers in items.values())
    occurs = np.zeros(count, dtype=np.int64)
    for position, numbers in enumerate(items.values()):
        occurs[np.unique(numbers)] |= 1 << position
    order = np.random.default_rng([seed, 2]).permutation(count)  # [.., 2]: not the bootstrap's stream
    order = order[np.argsort(occurs[order], kind="stable")]
    fold = np.empty(count, dtype=np.int64)
    fold[order] = np.arange(count) % folds
    return {name: fold[numbers] for name, numbers in items.items()}


def fewest_items(embeddings: Embeddings, folds: int, *, seed: int = 0) -> int:
    """Return the fewest items that a group has in one fold."""
    items, dealt = embeddings.row_items, deal_folds(embeddings, folds, seed=seed)
    return min(len(np.unique(items[name][dealt[name] == number])) for name in items for number in range(folds))


def rows_with_a_direction(embeddings: Embeddings) -> tuple[Embeddings, list[str]]:
    """Leave rows of zeros out, which nothing can be said of; return the rest and a sentence for each such group."""
    kept, notes = {}, []
    for name, group in embeddings.items():
        vectors = np.asarray(materialise(group.vectors))
        rows = np.flatnonzero(vectors.any(axis=1))
        items = embeddings.row_items[name]
        if len(rows) < len(vectors):
            if not len(rows):
                raise DegenerateError(f"{name} has no row of a length above zero; embed it again.")
            notes.append(f"{name}: {len(vectors) - len(rows)} of {len(vectors)} rows are all zeros and were left out.")
            kept[name] = replace(replace(group, vectors=vectors).take(rows), items=items[rows])
        else:
            kept[name] = replace(group, vectors=vectors, items=items)
    return Embeddings(kept), notes


def _taken(embeddings: Embeddings, rows: dict[str, np.ndarray]) -> Embeddings:
    items = embeddings.row_items
    return Embeddings(
        {name: replace(group.take(rows[name]), items=items[name][rows[name]]) for name, group in embeddings.items()}
    )

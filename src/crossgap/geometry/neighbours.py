"""The k nearest rows of a gallery for each query, exactly, in blocks."""

from typing import NamedTuple

import numpy as np

from crossgap.geometry.rows import Array, Rows, namespace
from crossgap.geometry.similarity import similarity_blocks

__all__ = ["Neighbours", "nearest_rows"]


class Neighbours(NamedTuple):
    """Row numbers in the gallery (n, k), nearest first, and their cosines (n, k), as NumPy arrays."""

    rows: np.ndarray
    cosines: np.ndarray


def nearest_rows(
    queries: Rows, gallery: Rows, k: int, *, leave_out_self: bool = False, check: bool = True
) -> Neighbours:
    """Find the ``k`` gallery rows of highest cosine for each query; ties go to the lower row number.

    With ``leave_out_self`` row i of the gallery is no neighbour of query i (the two are the same rows).
    Cost: 2 n m d flops; a score enters the lists only where it beats the row's k-th best so far.
    """
    n, m = queries.shape[0], gallery.shape[0]
    best = np.full((n, k), -np.inf)
    found = np.full((n, k), m, dtype=np.int64)
    for rows, columns, block in similarity_blocks(queries, gallery, names=("queries", "gallery"), check=check):
        block = _as_numpy(block)
        if leave_out_self:
            same = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
            block[same - rows.start, same - columns.start] = -np.inf
        better = np.flatnonzero(block.max(axis=1) > best[rows, -1])
        if not len(better):
            continue
        candidates, numbers = _beating(block[better], best[rows][better, -1], columns.start)
        candidates = np.concatenate([best[rows][better], candidates], axis=1)
        numbers = np.concatenate([found[rows][better], numbers], axis=1)
        if candidates.shape[1] > 4 * k:
            kept = np.argpartition(-candidates, k, axis=1)[:, :k]
            last = np.take_along_axis(candidates, kept, 1).min(axis=1)
            tied = np.flatnonzero(np.count_nonzero(candidates >= last[:, None], axis=1) > k)
            kept[tied] = np.argsort(-candidates[tied], axis=1, kind="stable")[:, :k]  # equal ones stand by row number
            candidates, numbers = np.take_along_axis(candidates, kept, 1), np.take_along_axis(numbers, kept, 1)
        order = np.lexsort((numbers, -candidates), axis=1)[:, :k]
        best[rows.start + better] = np.take_along_axis(candidates, order, 1)
        found[rows.start + better] = np.take_along_axis(numbers, order, 1)
    return Neighbours(found, best)


def _beating(block: np.ndarray, last: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores of each row that beat its last one, in order, filled up with minus infinity; and their columns.

    All scores where half of them or more do: then nothing is gained.
    """
    beats = block > last[:, None]
    sizes = np.count_nonzero(beats, axis=1)
    width = int(sizes.max())
    if 2 * width >= block.shape[1]:
        return block, np.broadcast_to(np.arange(first, first + block.shape[1]), block.shape)
    row, column = np.nonzero(beats)
    place = np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    scores, numbers = np.full((len(block), width), -np.inf), np.full((len(block), width), np.iinfo(np.int64).max)
    scores[row, place], numbers[row, place] = block[row, column], first + column
    return scores, numbers


def _as_numpy(block: Array) -> np.ndarray:
    return block if isinstance(block, np.ndarray) else np.asarray(namespace(block).asarray(block.detach().cpu()))

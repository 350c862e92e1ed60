"""The k nearest rows of a gallery for each query, exactly, in blocks."""

from typing import NamedTuple

import numpy as np

from crossgap.geometry.rows import Rows, as_numpy
from crossgap.geometry.similarity import similarity_blocks

__all__ = ["NearestLists", "Neighbours", "nearest_rows", "nearest_rows_both", "shared_neighbours"]

_WAITING = 2  # lists are brought up to date once so many scores a place wait for it


class Neighbours(NamedTuple):
    """Row numbers in the gallery (n, k), nearest first, and their cosines (n, k), as NumPy arrays."""

    rows: np.ndarray
    cosines: np.ndarray


def nearest_rows(
    queries: Rows, gallery: Rows, k: int, *, leave_out_self: bool = False, check: bool = True
) -> Neighbours:
    """Find the ``k`` gallery rows of highest cosine for each query; ties go to the lower row number.

    With ``leave_out_self`` row i of the gallery is no neighbour of query i (the two are the same rows).
    Cost: 2 n m d flops, half of that where ``queries is gallery``, and two passes over the scores.
    """
    same = queries is gallery
    lists = NearestLists(queries.shape[0], k, none=gallery.shape[0])
    others = None if same else gallery
    for rows, columns, block in similarity_blocks(queries, others, names=("queries", "gallery"), check=check):
        scores = as_numpy(block)
        if leave_out_self:
            shared = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
            scores[shared - rows.start, shared - columns.start] = -np.inf
        if same and rows != columns:
            lists.offer_transposed(columns, rows, scores)
        lists.offer(rows, columns, scores)
    return Neighbours(*lists.settled())


def shared_neighbours(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Share of the row numbers in each list (n, k) that the other list of the row holds too, (n,)."""
    return (first[:, :, None] == second[:, None, :]).any(axis=2).mean(axis=1)


def nearest_rows_both(x: Rows, y: Rows, k: int, *, check: bool = True) -> tuple[Neighbours, Neighbours]:
    """Find the ``k`` nearest rows of ``y`` for each row of ``x``, and of ``x`` for each row of ``y``, at most all.

    As ``nearest_rows`` one way and the other, from one product: 2 n m d flops and four passes over the scores.
    """
    n, m = x.shape[0], y.shape[0]
    for_x, for_y = NearestLists(n, min(k, m), none=m), NearestLists(m, min(k, n), none=n)
    for rows, columns, block in similarity_blocks(x, y, names=("queries", "gallery"), check=check):
        scores = as_numpy(block)
        for_x.offer(rows, columns, scores)
        for_y.offer_transposed(columns, rows, scores)
    return Neighbours(*for_x.settled()), Neighbours(*for_y.settled())


class NearestLists:
    """For each of n rows the numbers and scores of the k highest scores offered so far; ties go to the lower number.

    A row's scores come in blocks of ascending numbers. Scores that beat the row's last place wait, and enter the lists
    many at a time: that a place has been taken by a better score meanwhile costs little.
    """

    def __init__(self, n: int, k: int, *, none: int):
        self.scores = np.full((n, k), -np.inf)
        self.numbers = np.full((n, k), none, dtype=np.int64)
        self._room = np.empty(0, dtype=bool)  # kept, since fresh memory costs more than the comparison written to it
        self._waiting: dict[tuple[int, int], list[tuple[np.ndarray, np.ndarray, np.ndarray]]] = {}

    def offer(self, rows: slice, numbers: slice, block: np.ndarray) -> None:
        """Offer a block with one row for each of ``rows`` and one column for each of ``numbers``."""
        beats = self._beating(rows, block, axis=1)
        row, column = np.divmod(np.flatnonzero(beats), block.shape[1])
        self._wait(rows, row, column + numbers.start, block[row, column])

    def offer_transposed(self, rows: slice, numbers: slice, block: np.ndarray) -> None:
        """Offer a block with one column for each of ``rows`` and one row for each of ``numbers``."""
        beats = self._beating(rows, block, axis=0)
        number, row = np.divmod(np.flatnonzero(beats), block.shape[1])
        self._wait(rows, row, number + numbers.start, block[number, row])

    def settled(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers (n, k), highest score first, and the scores (n, k); all that was offered is in them."""
        for start, stop in list(self._waiting):
            self._settle(slice(start, stop))
        return self.numbers, self.scores

    def _beating(self, rows: slice, block: np.ndarray, axis: int) -> np.ndarray:
        """Return which scores may enter the lists: all that do, and few others."""
        k = self.scores.shape[1]
        last = np.expand_dims(self.scores[rows, -1].astype(block.dtype), axis)
        if self._room.size < block.size:
            self._room = np.empty(block.size, dtype=bool)
        beats = np.greater(block, last, out=self._room[: block.size].reshape(block.shape))
        if np.count_nonzero(beats) > 4 * k * last.size and block.shape[axis] > k:
            reached = np.nextafter(_reached(block, k, axis), block.dtype.type(-np.inf))
            np.greater(block, np.maximum(last, reached), out=beats)
        return beats

    def _wait(self, rows: slice, row: np.ndarray, number: np.ndarray, score: np.ndarray) -> None:
        waiting = self._waiting.setdefault((rows.start, rows.stop), [])
        waiting.append((row, number, score))
        if sum(len(some) for some, _, _ in waiting) > _WAITING * self.scores[rows].size:
            self._settle(rows)

    def _settle(self, rows: slice) -> None:
        waiting = self._waiting.pop((rows.start, rows.stop))
        row, number, score = (np.concatenate(parts) for parts in zip(*waiting, strict=True))
        if not len(row):
            return
        k = self.scores.shape[1]
        order = np.argsort(row.astype(np.int32), kind="stable")  # by row, then by number, as they came
        row, number, score = row[order], number[order], score[order]
        sizes = np.bincount(row, minlength=rows.stop - rows.start)
        place = k + np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        scores = np.full((len(sizes), k + int(sizes.max())), -np.inf)
        numbers = np.full(scores.shape, np.iinfo(np.int64).max)
        scores[:, :k], numbers[:, :k] = self.scores[rows], self.numbers[rows]
        scores[row, place], numbers[row, place] = score, number
        best = _highest(scores, k)
        self.scores[rows] = np.take_along_axis(scores, best, 1)
        self.numbers[rows] = np.take_along_axis(numbers, best, 1)


def _reached(block: np.ndarray, k: int, axis: int) -> np.ndarray:
    """Return a score that k scores at least of each row (``axis`` 1) or column (0) reach, close to the k-th highest.

    The k-th highest of the maxima of disjoint groups: each of the k groups at and above it holds one such score.
    """
    groups = min(8 * k, block.shape[axis])
    size = block.shape[axis] // groups
    if axis:
        maxima = block[:, : groups * size].reshape(len(block), size, groups).max(axis=1)
    else:
        maxima = block[: groups * size].reshape(size, groups, -1).max(axis=0).T
    return np.expand_dims(np.partition(maxima, groups - k, axis=1)[:, groups - k], axis)


def _highest(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the places of the k highest scores of each row, highest first, equal ones in the order of their places."""
    order = np.argsort(-scores, axis=1)[:, : k + 1]
    found = np.take_along_axis(scores, order, 1)
    tied = np.flatnonzero((found[:, :-1] == found[:, 1:]).any(axis=1))  # that sort is the fast one, and not stable
    order[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, : k + 1]
    return order[:, :k]

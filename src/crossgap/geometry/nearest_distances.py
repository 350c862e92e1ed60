"""Euclidean distances to the nearest other rows, exactly, once rows that coincide are taken out."""

from typing import NamedTuple

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import wide
from crossgap.geometry.rows import Rows, as_numpy, check_finite, row_blocks, unit_rows

__all__ = ["NearestDistances", "distinct_points", "nearest_distances"]

_BLOCK_NUMBERS = 1 << 22  # 32 MiB of float64
_ROUNDING = 8.0  # units in the last place, of the longest row, up to which two rows coincide


class NearestDistances(NamedTuple):
    """The m distinct rows and the k nearest others of each, nearest first.

    ``kept`` (m,) numbers them in the rows given, and ``place`` (n,) says for each row given where in ``kept`` it, or
    the row that it repeats, stands. ``points`` (m, d) holds them in float64 about their mean; ``rows`` (m, k) are
    places in ``kept``, and ``distances`` (m, k) are Euclidean.
    """

    kept: np.ndarray
    place: np.ndarray
    points: np.ndarray
    rows: np.ndarray
    distances: np.ndarray


def distinct_points(x: Rows, *, unit: bool = True, check: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the rows that no earlier row equals exactly, with ``unit`` once they are brought to length 1.

    Returns their numbers (m,), the place among them of every row given (n,), and themselves (m, d) in float64, about
    their mean.
    """
    if check and not unit:
        check_finite(x)
    parts = []
    for rows, block in row_blocks(x):
        block = wide(block)
        block = unit_rows(block, check=check, first=rows.start) if unit else block
        parts.append(as_numpy(block, np.float64))
    points = np.concatenate(parts) + 0.0  # minus zero is zero
    first: dict[bytes, int] = {}
    place = np.fromiter((first.setdefault(point.tobytes(), len(first)) for point in points), np.int64, len(points))
    kept = np.unique(place, return_index=True)[1]
    points = points[kept]
    return kept, place, points - points.mean(axis=0)


def nearest_distances(x: Rows, k: int, *, unit: bool = True, check: bool = True) -> NearestDistances:
    """Find the ``k`` nearest other rows of every distinct row, and how far away they are.

    Of rows that coincide, up to the rounding of their type, the first stays. Neighbours are found by products in
    float64 about the mean row; the distances of those found are then taken from the differences, so that near copies
    keep their digits. Cost: 2 n^2 d flops for one search, and another one where rows coincide by rounding only.

    Raises
    ------
    DegenerateError
        If fewer than k + 1 distinct rows are left.
    """
    kept, place, points = distinct_points(x, unit=unit, check=check)
    precision = np.finfo(np.float64 if str(x.dtype).endswith("float64") else np.float32).eps
    while True:
        if len(kept) <= k:
            raise DegenerateError(
                f"x must have at least {k + 1} distinct rows for {k} neighbours each, but it has {len(kept)}; "
                f"give more rows or a smaller k."
            )
        rows, distances = _nearest(points, k)
        reach = 1.0 if unit else float(np.sqrt(np.vecdot(points, points).max()))
        numbers = np.arange(len(rows))
        same = np.where(distances <= _ROUNDING * precision * reach, rows, len(rows)).min(axis=1)
        stays = same >= numbers
        if stays.all():
            return NearestDistances(kept, place, points, rows, distances)
        copied = np.where(stays, numbers, same)
        while not stays[copied].all():
            copied = copied[copied]
        place = (np.cumsum(stays) - 1)[copied][place]
        kept, points = kept[stays], points[stays]


def _nearest(points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    n, d = points.shape
    squares = np.vecdot(points, points)
    rows, distances = np.empty((n, k), dtype=np.int64), np.empty((n, k))
    height = max(1, _BLOCK_NUMBERS // n)
    for start in range(0, n, height):
        block = np.arange(start, min(start + height, n))
        scores = points[block] @ points.T
        scores *= -2.0
        scores += squares
        scores[np.arange(len(block)), block] = np.inf
        found = np.argpartition(scores, k - 1, axis=1)[:, :k] if k < n - 1 else _all_others(block, n)
        found.sort(axis=1)
        step = max(1, _BLOCK_NUMBERS // (2 * k * d))
        for first in range(0, len(block), step):
            part = slice(first, first + step)
            difference = points[block[part]][:, None, :] - points[found[part]]
            lengths = np.sqrt(np.vecdot(difference, difference))
            order = np.argsort(lengths, axis=1, kind="stable")
            rows[block[part]] = np.take_along_axis(found[part], order, 1)
            distances[block[part]] = np.take_along_axis(lengths, order, 1)
    return rows, distances


def _all_others(block: np.ndarray, n: int) -> np.ndarray:
    others = np.broadcast_to(np.arange(n), (len(block), n))
    return others[others != block[:, None]].reshape(len(block), n - 1)

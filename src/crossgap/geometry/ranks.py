"""The rank of every right answer, by counting the scores above it: both directions from one product, no sorting.

A right answer's rank is the number of gallery rows that score higher; 0 is best. Scores that agree up to rounding are
ties: the *optimistic* rank counts none of them, the *pessimistic* one all.
"""

from typing import Any, NamedTuple

import numpy as np

from crossgap.geometry.means import wide
from crossgap.geometry.rows import Array, Rows, check_lengths, is_numpy, namespace, take_rows, unit_rows
from crossgap.geometry.similarity import similarity_blocks

__all__ = ["MatchRanks", "match_cosines", "match_ranks"]

_NUMBERS_AT_ONCE = 1 << 17  # 1 MiB in float64, which stays in the second-level cache


class MatchRanks(NamedTuple):
    """Ranks of all matches (row of x, row of y): that of y among all rows for x, and that of x among all for y.

    ``y_for_x[p]`` counts the rows of y that score above match p for its row of x; ``x_for_y`` the other way round.
    """

    x_rows: np.ndarray
    y_rows: np.ndarray
    y_for_x: np.ndarray
    x_for_y: np.ndarray


def match_cosines(x: Rows, y: Rows, matches: tuple[np.ndarray, np.ndarray], *, check: bool = True) -> Array:
    """Cosine of every match (row of x, row of y), (p,), taken in float64."""
    if check:
        check_lengths(x, "x")
        check_lengths(y, "y")
    parts = []
    size = max(1, _NUMBERS_AT_ONCE // x.shape[1]) if is_numpy(x) else 4096
    for first in range(0, len(matches[0]), size):
        a = unit_rows(take_rows(x, matches[0][first : first + size]), check=False)
        b = unit_rows(take_rows(y, matches[1][first : first + size]), check=False)
        xp = namespace(a)
        parts.append(xp.sum(wide(a) * wide(b), axis=-1))
    return namespace(x).concat(parts)


def match_ranks(
    x: Rows, y: Rows, matches: tuple[np.ndarray, np.ndarray], *, pessimistic: bool = False, check: bool = True
) -> MatchRanks:
    """Rank every match in both directions from one product of ``x`` and ``y``; ``matches`` in the order of x's rows.

    Cost: 2 n m d flops and two comparisons for each score. Memory: a few blocks, and n and m numbers for each of the
    matches that one row can have.
    """
    x_rows, y_rows = matches
    found = match_cosines(x, y, matches, check=check)
    cosines = found if is_numpy(x) else np.asarray(found.detach().cpu())
    slack = _rounding(x) * (8 * np.abs(cosines) + 1) * (-1 if pessimistic else 1)
    x_limits, x_slots = _limits_by_row(cosines + slack, x_rows, x.shape[0])
    y_limits, y_slots = _limits_by_row(cosines + slack, y_rows, y.shape[0])
    x_counts, y_counts = np.zeros(x_limits.shape, np.int64), np.zeros(y_limits.shape, np.int64)
    for rows, columns, block in similarity_blocks(x, y, check=False):
        for slot in range(x_limits.shape[1]):
            above = block > _limit(x_limits[rows, slot], block)[:, None]
            x_counts[rows, slot] += _count(above, axis=1)
        for slot in range(y_limits.shape[1]):
            above = block > _limit(y_limits[columns, slot], block)[None, :]
            y_counts[columns, slot] += _count(above, axis=0)
    itself = 1 if pessimistic else 0
    return MatchRanks(x_rows, y_rows, x_counts[x_rows, x_slots] - itself, y_counts[y_rows, y_slots] - itself)


def _rounding(x: Rows) -> float:
    """The spacing of numbers near 1 in the type that products are taken in."""
    return float(np.finfo(np.float64 if str(x.dtype).endswith("float64") else np.float32).eps)


def _limits_by_row(limits: np.ndarray, rows: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Lay one number for each match out as (n, most matches of a row), and say in which slot each match went."""
    order = np.argsort(rows, kind="stable")
    count = np.bincount(rows, minlength=n)
    slots = np.empty(len(rows), np.int64)
    slots[order] = np.arange(len(rows)) - np.repeat(np.cumsum(count) - count, count)
    table = np.full((n, max(1, int(count.max(initial=0)))), np.inf)
    table[rows, slots] = limits
    return table, slots


def _limit(limits: np.ndarray, block: Array) -> Any:
    if isinstance(block, np.ndarray):
        return limits.astype(block.dtype)
    return namespace(block).asarray(limits, dtype=block.dtype, device=block.device)


def _count(above: Array, axis: int) -> np.ndarray:
    """Count the true entries; NumPy does so slowly, so add them up as bytes, in lanes too short to overflow."""
    if not isinstance(above, np.ndarray):
        return np.asarray(namespace(above).sum(above, axis=axis).cpu())
    n, m = above.shape
    if axis == 1:
        if m % 8 or m > 8 * 255 or not above.flags.c_contiguous:
            return np.count_nonzero(above, axis=1)
        return np.add.reduce(above.view(np.uint64), axis=1).view(np.uint8).reshape(n, 8).sum(axis=1, dtype=np.int64)
    full = n - n % 128
    lanes = np.add.reduce(above[:full].view(np.uint8).reshape(-1, 128, m), axis=1, dtype=np.uint8)
    return lanes.sum(axis=0, dtype=np.int64) + np.count_nonzero(above[full:], axis=0)

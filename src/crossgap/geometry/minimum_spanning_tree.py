"""The minimum spanning tree of the distances between rows, exactly, without the matrix of all distances.

Borůvka's method joins every part of the forest to the rest by its shortest way out. The ways out come from lists of the
nearest rows of each row, made from products in float32. A list also says how far away everything is that is not in it,
so a way out longer than that is not trusted: the rows in question are searched again, among the rows of other parts,
and once more with products in float64 where float32 cannot tell. The distances that decide are taken from differences
of rows in float64.
"""

from collections.abc import Iterator

import numpy as np

from crossgap.geometry.neighbours import NearestLists
from crossgap.geometry.products import product_routine
from crossgap.geometry.rows import BLOCK_ROWS, Rows, as_numpy, check_finite, check_rows, unit_rows

__all__ = ["minimum_spanning_tree"]

_NEAREST = 10  # places of a list; fewer send more rows to a second search, more cost more to keep up to date
_DIFFERENCES = 256  # pairs of rows whose differences stay in the second-level cache
_NARROW, _WIDE = 1, 2  # how well a row has been searched since the parts last changed; 0 is not at all


def minimum_spanning_tree(x: Rows, *, unit: bool = True, check: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges (n - 1, 2) of a minimum spanning tree of the rows and their lengths (n - 1,), shortest first.

    With ``unit`` each row is brought to length 1 first, and lengths are chordal distances in [0, 2]; without, rows are
    taken as they are. The lower row number of an edge stands first; edges of equal length are in order of their rows.
    The lengths of all minimum spanning trees are the same; where distances tie, the same rows give the same tree.

    Cost: n^2 d flops, once more for rows in clusters that lie far apart (at most so often for each halving of their
    number). Memory: 20 d bytes and 200 more for each row, and blocks of 1024 rows.
    """
    n, _ = check_rows(x)
    rows = as_numpy(x, np.float64)
    if unit:
        rows = unit_rows(rows, check=check)
    elif check:
        check_finite(rows)
    first = _first_copies(rows)
    distinct, copies = np.flatnonzero(first == np.arange(n)), np.flatnonzero(first != np.arange(n))
    tree = distinct[_tree(rows if len(distinct) == n else rows[distinct])]
    tree = np.concatenate([tree, np.stack([first[copies], copies], axis=1)])
    lengths = np.sqrt(_squared_lengths(rows, tree))
    order = np.lexsort((tree[:, 1], tree[:, 0], lengths))
    return tree[order], lengths[order]


def _tree(rows: np.ndarray) -> np.ndarray:
    """Return the edges of the tree in any order; no row comes twice, or the lists would hold nothing but copies."""
    n = len(rows)
    tree = [np.empty((0, 2), dtype=np.int64)]
    if n == 1:
        return tree[0]
    cloud = _Cloud(rows)
    parts, searched = np.arange(n), np.full(n, _NARROW)
    while parts.any():  # the part of row 0 bears number 0, and at last is the only one
        edges, squares, owners = cloud.ways_out(parts)
        shortest = np.full(n, np.inf)
        shortest[owners] = squares
        largest = int(np.bincount(parts).argmax())  # need not be searched: all others join something
        unsure = np.flatnonzero((cloud.reach < shortest[parts]) & (parts != largest) & (searched < _WIDE))
        if len(unsure):
            unsure = unsure[np.argsort(cloud.reach[unsure], kind="stable")[:BLOCK_ROWS]]
            for done in (_NARROW, 0):
                cloud.search_again(unsure[searched[unsure] == done], parts, wide=done == _NARROW)
            searched[unsure] += 1
            continue
        certain = np.flatnonzero(owners != largest)
        certain = certain[np.lexsort((*edges[certain].T[::-1], squares[certain]))]
        added, parts = _joined(edges[certain], parts)
        tree.append(added)
        searched[:] = 0
    return np.concatenate(tree)


class _Cloud:
    """Rows with, for each, a list of near ones, and the squared distance within which it misses none.

    Scores are minus half of the squared distance, as products of rows with two more coordinates. Rows are centred and
    brought within length 1 for them, so that one bound holds for all errors.
    """

    def __init__(self, rows: np.ndarray):
        n, d = rows.shape
        self._rows, self._mean, self._size = rows, rows.mean(axis=0), 1.0
        self._size = max(float(np.sqrt(-2 * points[:, -1].min())) for _, points in self._points()) or 1.0
        self._narrow = np.empty((n, d + 2), dtype=np.float32)
        for block, points in self._points():
            self._narrow[block] = points
        self._product = product_routine(self._narrow, n * n * d)
        self._nearest = min(_NEAREST, n - 1)
        self._numbers = np.empty((n, self._nearest), dtype=np.int64)
        self._squares = np.empty((n, self._nearest))
        self._errors, self.reach = np.empty(n), np.empty(n)
        self._fill(slice(None), self._first_lists(), wide=False)

    def ways_out(self, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the shortest known edge out of each part: rows (p, 2), squared lengths (p,), and the parts (p,)."""
        there = np.append(parts, -1)[self._numbers]
        squares = np.where((there >= 0) & (there != parts[:, None]), self._squares, np.inf)
        at_most = np.full(len(parts), np.inf)
        np.minimum.at(at_most, parts, squares.min(axis=1) + self._errors)
        near = (squares - self._errors[:, None] <= at_most[parts, None]) & np.isfinite(squares)
        row, place = np.nonzero(near)
        ends = np.stack([row, self._numbers[row, place]], axis=1)
        exact = _squared_lengths(self._rows, ends)
        owners = parts[ends].T.ravel()  # an edge is a way out of the part at either end
        ends, exact = np.tile(np.sort(ends, axis=1), (2, 1)), np.tile(exact, 2)
        order = np.lexsort((ends[:, 1], ends[:, 0], exact, owners))
        first = order[np.flatnonzero(np.diff(owners[order], prepend=-1))]
        return ends[first], exact[first], owners[first]

    def search_again(self, asked: np.ndarray, parts: np.ndarray, *, wide: bool) -> None:
        """Make new lists for some rows, of rows in other parts alone."""
        if not len(asked):
            return
        lists = NearestLists(len(asked), self._nearest, none=len(self._rows))
        own = parts[asked, None]
        points = _opposite(self._points_of(asked) if wide else self._narrow[asked])
        for block, others in self._points() if wide else self._narrow_points():
            scores = points @ others.T if wide else self._product(points, others)
            np.putmask(scores, own == parts[block], -np.inf)
            lists.offer(slice(0, len(asked)), block, scores)
        self._fill(asked, lists, wide=wide)

    def _first_lists(self) -> NearestLists:
        lists = NearestLists(len(self._rows), self._nearest, none=len(self._rows))
        for columns, others in self._narrow_points():
            others = _opposite(others)
            for rows, points in self._narrow_points():
                if rows.start > columns.start:
                    break
                scores = self._product(points, others)
                if rows == columns:
                    np.fill_diagonal(scores, -np.inf)
                else:
                    lists.offer(rows, columns, scores)
                lists.offer_transposed(columns, rows, scores)
        return lists

    def _fill(self, rows: slice | np.ndarray, lists: NearestLists, *, wide: bool) -> None:
        """Take over lists; ``reach`` is where a row's list ends, infinite where it holds all there are."""
        numbers, scores = lists.settled()
        squares = -2 * self._size**2 * scores
        error = self._error(wide)
        self._numbers[rows], self._squares[rows], self._errors[rows] = numbers, squares, error
        self.reach[rows] = np.maximum(0.0, squares[:, -1] + (error if wide else -error))
        if self._nearest == len(self._rows) - 1:
            self.reach[rows] = np.inf

    def _error(self, wide: bool) -> float:
        """Bound of the error of a squared distance, four times and more what the roundings of a product add up to."""
        unit_roundoff = np.finfo(np.float64 if wide else np.float32).eps / 2
        return 2 * self._size**2 * (4 * np.sqrt(self._rows.shape[1]) + 8) * float(unit_roundoff)

    def _points_of(self, rows: slice | np.ndarray) -> np.ndarray:
        centred = (self._rows[rows] - self._mean) / self._size
        return np.column_stack([centred, np.ones(len(centred)), -np.vecdot(centred, centred) / 2])

    def _points(self) -> Iterator[tuple[slice, np.ndarray]]:
        for block in _blocks(len(self._rows)):
            yield block, self._points_of(block)

    def _narrow_points(self) -> Iterator[tuple[slice, np.ndarray]]:
        for block in _blocks(len(self._rows)):
            yield block, self._narrow[block]


def _blocks(n: int) -> Iterator[slice]:
    for first in range(0, n, BLOCK_ROWS):
        yield slice(first, min(first + BLOCK_ROWS, n))


def _opposite(points: np.ndarray) -> np.ndarray:
    """Return points with their last two coordinates, 1 and minus half of the square, in each other's place."""
    points = points.copy()
    points[:, [-2, -1]] = points[:, [-1, -2]]
    return points


def _joined(edges: np.ndarray, parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return those edges, taken in order, that close no ring, and the parts they leave, numbered by their lowest."""
    above = list(range(len(parts)))

    def top(part: int) -> int:
        while above[part] != part:
            above[part] = part = above[above[part]]
        return part

    kept = []
    for number, (a, b) in enumerate(parts[edges].tolist()):
        a, b = top(a), top(b)
        if a != b:
            above[max(a, b)] = min(a, b)
            kept.append(number)
    lowest = np.array(above)
    while (lowest[lowest] != lowest).any():
        lowest = lowest[lowest]
    return edges[kept], lowest[parts]


def _squared_lengths(rows: np.ndarray, edges: np.ndarray) -> np.ndarray:
    squares = np.empty(len(edges))
    for first in range(0, len(edges), _DIFFERENCES):
        some = edges[first : first + _DIFFERENCES]
        difference = rows[some[:, 0]] - rows[some[:, 1]]
        squares[first : first + _DIFFERENCES] = np.vecdot(difference, difference)
    return squares


def _first_copies(rows: np.ndarray) -> np.ndarray:
    """Return for each row the lowest row that equals it."""
    first = np.arange(len(rows))
    _, value, sizes = np.unique(rows[:, 0], return_inverse=True, return_counts=True)
    seen: dict[bytes, int] = {}
    for row in np.flatnonzero(sizes[value] > 1).tolist():
        first[row] = seen.setdefault(rows[row].tobytes(), row)
    return first

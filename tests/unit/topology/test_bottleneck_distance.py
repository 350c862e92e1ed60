"""The worst move: by hand, by trying all matchings, against gudhi, and the axioms of a distance."""

import itertools

import numpy as np
import pytest

from crossgap.topology import bottleneck_distance, persistence_diagrams

NONE = np.empty((0, 2))


def diagram(rng, bars):
    births = rng.uniform(size=bars)
    return np.stack([births, births + rng.exponential(size=bars) * 0.3], axis=1)


def by_trying_all(a, b):
    """The least over all matchings in which the diagonal takes any number of bars."""
    to_diagonal = [(death - birth) / 2 for birth, death in (*a, *b)]
    best = np.inf
    for kept in range(min(len(a), len(b)) + 1):
        for rows in itertools.combinations(range(len(a)), kept):
            for columns in itertools.permutations(range(len(b)), kept):
                moves = [max(abs(a[i] - b[j])) for i, j in zip(rows, columns, strict=True)]
                moves += [to_diagonal[i] for i in range(len(a)) if i not in rows]
                moves += [to_diagonal[len(a) + j] for j in range(len(b)) if j not in columns]
                best = min(best, max(moves, default=0.0))
    return best


def test_by_hand():
    a, b = np.array([[0.0, 4.0], [1.0, 1.2]]), np.array([[0.5, 4.0]])
    assert bottleneck_distance(a, b) == 0.5
    assert bottleneck_distance(a, NONE) == 2
    assert bottleneck_distance(NONE, NONE) == 0
    # far apart and short: both rather go to the diagonal than match
    assert bottleneck_distance(np.array([[0.0, 1.0]]), np.array([[5.0, 7.0]])) == 1


@pytest.mark.parametrize("sizes", [(3, 4), (5, 2), (4, 4), (1, 3)])
def test_against_all_matchings(sizes, rng):
    for _ in range(5):
        a, b = diagram(rng, sizes[0]), diagram(rng, sizes[1])
        assert bottleneck_distance(a, b) == pytest.approx(by_trying_all(a, b), abs=1e-14)


@pytest.mark.parametrize("sizes", [(60, 40), (1, 30), (200, 210)])
def test_against_gudhi(sizes, rng):
    gudhi = pytest.importorskip("gudhi")
    a, b = diagram(rng, sizes[0]), diagram(rng, sizes[1])
    assert bottleneck_distance(a, b) == pytest.approx(gudhi.bottleneck_distance(a, b), abs=1e-12)


def test_it_is_a_distance(rng):
    a, b, c = diagram(rng, 12), diagram(rng, 9), diagram(rng, 15)
    assert bottleneck_distance(a, a[::-1]) == 0
    assert bottleneck_distance(a, b) == bottleneck_distance(b, a) > 0
    assert bottleneck_distance(a, c) <= bottleneck_distance(a, b) + bottleneck_distance(b, c) + 1e-12


def test_it_is_stable(rng):
    rows = rng.normal(size=(60, 3))
    moved = rows + rng.uniform(-0.01, 0.01, size=rows.shape)
    farthest = np.linalg.norm(moved - rows, axis=1).max()
    (a,), (b,) = (persistence_diagrams(each, degree=0, unit=False).diagrams for each in (rows, moved))
    assert bottleneck_distance(a, b) <= 2 * farthest


def test_no_diagrams_are_refused():
    with pytest.raises(ValueError, match=r"a must have shape \(bars, 2\)"):
        bottleneck_distance(np.zeros((2, 3)), NONE)
    with pytest.raises(ValueError, match=r"b must hold bars that end.*b\[numpy.isfinite"):
        bottleneck_distance(NONE, np.array([[0.0, np.inf]]))

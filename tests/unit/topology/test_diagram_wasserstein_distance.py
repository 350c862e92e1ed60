"""All moves together: by hand, by trying all matchings, against gudhi, and the axioms of a distance."""

import itertools

import numpy as np
import pytest

from crossgap.topology import bottleneck_distance, diagram_wasserstein_distance, total_persistence

NONE = np.empty((0, 2))


def diagram(rng, bars):
    births = rng.uniform(size=bars)
    return np.stack([births, births + rng.exponential(size=bars) * 0.3], axis=1)


def by_trying_all(a, b, order):
    to_diagonal = [(death - birth) / 2 for birth, death in (*a, *b)]
    best = np.inf
    for kept in range(min(len(a), len(b)) + 1):
        for rows in itertools.combinations(range(len(a)), kept):
            for columns in itertools.permutations(range(len(b)), kept):
                moves = [max(abs(a[i] - b[j])) for i, j in zip(rows, columns, strict=True)]
                moves += [to_diagonal[i] for i in range(len(a)) if i not in rows]
                moves += [to_diagonal[len(a) + j] for j in range(len(b)) if j not in columns]
                best = min(best, sum(move**order for move in moves))
    return best ** (1 / order)


def test_by_hand():
    a, b = np.array([[0.0, 4.0], [1.0, 1.2]]), np.array([[0.5, 4.0]])
    assert diagram_wasserstein_distance(a, b) == pytest.approx(0.6)
    assert diagram_wasserstein_distance(a, b, order=2) == pytest.approx(0.26**0.5)
    assert diagram_wasserstein_distance(a, NONE) == pytest.approx(total_persistence(a) / 2)
    assert diagram_wasserstein_distance(NONE, NONE) == 0
    assert diagram_wasserstein_distance(np.array([[0.0, 1.0]]), np.array([[5.0, 7.0]])) == 1.5


@pytest.mark.parametrize("order", [1, 2, 3.5])
@pytest.mark.parametrize("sizes", [(3, 4), (5, 2), (4, 4), (1, 3)])
def test_against_all_matchings(sizes, order, rng):
    for _ in range(5):
        a, b = diagram(rng, sizes[0]), diagram(rng, sizes[1])
        found = diagram_wasserstein_distance(a, b, order=order)
        assert found == pytest.approx(by_trying_all(a, b, order), abs=1e-12)


@pytest.mark.parametrize("order", [1.0, 2.0])
def test_against_gudhi(order, rng):
    hera = pytest.importorskip("gudhi.hera")
    a, b = diagram(rng, 80), diagram(rng, 60)
    wanted = hera.wasserstein_distance(a, b, order=order, internal_p=np.inf, delta=1e-8)
    assert diagram_wasserstein_distance(a, b, order=order) == pytest.approx(wanted, rel=1e-7)


def test_it_is_a_distance_above_the_bottleneck(rng):
    a, b, c = diagram(rng, 12), diagram(rng, 9), diagram(rng, 15)
    distance = diagram_wasserstein_distance
    assert distance(a, a[::-1]) == 0
    assert distance(a, b) == pytest.approx(distance(b, a))
    assert distance(a, c) <= distance(a, b) + distance(b, c) + 1e-12
    assert distance(a, b) >= distance(a, b, order=2) >= bottleneck_distance(a, b)
    assert distance(a, b, order=200) == pytest.approx(bottleneck_distance(a, b), rel=0.02)


def test_messages():
    with pytest.raises(ValueError, match="order must be a finite number of at least 1, but it is 0"):
        diagram_wasserstein_distance(NONE, NONE, order=0)
    with pytest.raises(ValueError, match="a must have shape"):
        diagram_wasserstein_distance(np.zeros(2), NONE)
    with pytest.raises(ValueError, match="b must hold births and deaths in that order"):
        diagram_wasserstein_distance(NONE, np.array([[1.0, 0.0]]))

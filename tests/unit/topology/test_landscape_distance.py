"""Landscapes: in closed form, by a fine sum, and the axioms of a distance."""

import numpy as np
import pytest

from crossgap.topology import landscape_distance, persistence_landscape

NONE = np.empty((0, 2))


def diagram(rng, bars):
    births = rng.uniform(size=bars)
    return np.stack([births, births + rng.exponential(size=bars) * 0.3], axis=1)


def test_a_landscape_by_hand():
    bars = np.array([[0.0, 4.0], [1.0, 3.0]])
    assert persistence_landscape(bars, np.array([-1.0, 1.0, 2.0, 3.5])).tolist() == [[0, 1, 2, 0.5], [0, 0, 1, 0]]
    assert persistence_landscape(bars, np.array([2.0]), levels=1).tolist() == [[2]]
    assert persistence_landscape(bars, np.array([2.0]), levels=3).tolist() == [[2], [1], [0]]
    assert persistence_landscape(NONE, np.array([2.0])).shape == (0, 1)


def test_levels_by_a_double_loop(rng):
    bars, at = diagram(rng, 7), rng.uniform(0, 2, size=9)
    found = persistence_landscape(bars, at)
    for column, t in enumerate(at):
        tents = sorted((max(0.0, min(t - birth, death - t)) for birth, death in bars), reverse=True)
        np.testing.assert_allclose(found[:, column], tents, atol=1e-15)


def test_bars_against_none_in_closed_form(rng):
    bars = diagram(rng, 1)
    assert landscape_distance(bars, NONE) == pytest.approx(((bars[0, 1] - bars[0, 0]) ** 3 / 12) ** 0.5)
    many = diagram(rng, 30)  # the levels hold the same heights as the tents, in another order
    wanted = (((many[:, 1] - many[:, 0]) ** 3).sum() / 12) ** 0.5
    assert landscape_distance(many, NONE) == pytest.approx(wanted, rel=1e-5)
    assert landscape_distance(NONE, NONE) == 0


def test_nested_bars_are_exact_on_the_coarsest_grid():
    a, b = np.array([[0.0, 4.0]]), np.array([[1.0, 3.0]])
    # from 0 to 1 and 3 to 4 the gap rises from 0 to 1, in between it is 1
    assert landscape_distance(a, b, points=2) == pytest.approx((2 / 3 + 2) ** 0.5)


def test_against_a_fine_sum(rng):
    a, b = diagram(rng, 12), diagram(rng, 9)
    at = np.linspace(0, 3, 60_001)
    gap = persistence_landscape(a, at, levels=12) - persistence_landscape(b, at, levels=12)
    wanted = ((gap**2).sum() * (at[1] - at[0])) ** 0.5
    assert landscape_distance(a, b) == pytest.approx(wanted, rel=1e-4)
    assert landscape_distance(a, b, points=5) == pytest.approx(wanted, rel=0.05)
    assert landscape_distance(a, b, points=5) != landscape_distance(a, b)


def test_it_is_a_distance(rng):
    a, b, c = diagram(rng, 12), diagram(rng, 9), diagram(rng, 15)
    assert landscape_distance(a, a[::-1]) == 0
    assert landscape_distance(a, b) == pytest.approx(landscape_distance(b, a))
    assert landscape_distance(a, c) <= landscape_distance(a, b) + landscape_distance(b, c) + 1e-6


def test_messages():
    with pytest.raises(ValueError, match="points must be at least 2, but it is 1"):
        landscape_distance(NONE, NONE, points=1)
    with pytest.raises(ValueError, match="levels must be at least 1, but it is 0"):
        persistence_landscape(NONE, np.zeros(1), levels=0)
    with pytest.raises(ValueError, match="a must have shape"):
        landscape_distance(np.zeros(2), NONE)
    with pytest.raises(ValueError, match="b must hold bars that end"):
        landscape_distance(NONE, np.array([[0.0, np.inf]]))

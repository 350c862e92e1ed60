"""How many bars are alive."""

import numpy as np
import pytest

from crossgap.topology import betti_curve, persistence_diagrams, total_persistence

BARS = np.array([[0.0, 1.0], [0.0, 3.0], [2.0, 2.5]])


def test_counts_by_hand():
    at = np.array([3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 2.5])
    assert betti_curve(BARS, at).tolist() == [0, 0, 2, 2, 1, 2, 1]
    assert betti_curve(BARS, at, endless=1).tolist() == [1, 1, 3, 3, 2, 3, 2]
    assert betti_curve(np.empty((0, 2)), at).tolist() == [0] * 7


def test_counts_by_a_double_loop(rng):
    bars = np.sort(rng.uniform(size=(50, 2)), axis=1)
    at = rng.uniform(size=30)
    wanted = [sum(birth <= t < death for birth, death in bars) for t in at]
    assert betti_curve(bars, at).tolist() == wanted


def test_its_integral_is_the_total_persistence(rng):
    bars = np.sort(rng.uniform(size=(20, 2)), axis=1)
    at = np.linspace(0, 1, 100_001)
    assert betti_curve(bars, at).mean() == pytest.approx(total_persistence(bars), abs=1e-3)


def test_degree_0_counts_clusters():
    line = np.array([[0.0], [1.0], [5.0], [6.0]])
    (bars,) = persistence_diagrams(line, degree=0, unit=False).diagrams
    assert betti_curve(bars, np.array([0.5, 2.0, 5.0]), endless=1).tolist() == [4, 2, 1]


@pytest.mark.parametrize(
    ("thresholds", "endless", "message"),
    [
        (np.zeros((2, 2)), 0, r"one row of finite numbers, but their shape is \(2, 2\);"),
        (np.array([np.nan]), 0, r"their shape is \(1,\) and one is not finite"),
        (np.zeros(2), -1, "endless must not be negative, but it is -1"),
    ],
)
def test_messages(thresholds, endless, message):
    with pytest.raises(ValueError, match=message):
        betti_curve(BARS, thresholds, endless=endless)

"""The mean over directions: in closed form, by a double loop, and the axioms of a distance."""

import numpy as np
import pytest

from crossgap.topology import sliced_diagram_distance

NONE = np.empty((0, 2))


def diagram(rng, bars):
    births = rng.uniform(size=bars)
    return np.stack([births, births + rng.exponential(size=bars) * 0.3], axis=1)


@pytest.mark.parametrize("bar", [(0.0, 2.0), (3.0, 3.5)])
def test_one_bar_against_none(bar):
    # the bar lies (d - b) / sqrt 2 from its image; the mean of |cos| is 2 / pi
    wanted = (bar[1] - bar[0]) / 2**0.5 * 2 / np.pi
    assert sliced_diagram_distance(np.array([bar]), NONE, directions=5000) == pytest.approx(wanted, rel=1e-5)
    assert sliced_diagram_distance(NONE, NONE) == 0


def test_two_bars_near_each_other():
    a, b = np.array([[0.0, 10.0]]), np.array([[0.0, 10.5]])
    # at each angle the bars match unless their images are in between, which is rare for long bars
    found = sliced_diagram_distance(a, b, directions=5000)
    angles = np.linspace(-np.pi / 2, np.pi / 2, 5001)[:-1]
    wanted = 0.0
    for angle in angles:
        way = np.array([np.cos(angle), np.sin(angle)])
        left = sorted([float(a[0] @ way), float(np.array([5.25, 5.25]) @ way)])
        right = sorted([float(b[0] @ way), float(np.array([5.0, 5.0]) @ way)])
        wanted += sum(abs(p - q) for p, q in zip(left, right, strict=True)) / len(angles)
    assert found == pytest.approx(wanted, rel=1e-4)


def test_against_gudhi(rng):
    representations = pytest.importorskip("gudhi.representations")
    a, b = diagram(rng, 40), diagram(rng, 30)
    theirs = representations.SlicedWassersteinDistance(num_directions=4000).fit([a])(a, b)
    assert sliced_diagram_distance(a, b, directions=4000) == pytest.approx(theirs, rel=1e-3)
    assert sliced_diagram_distance(a, b) == pytest.approx(theirs, rel=1e-2)
    assert sliced_diagram_distance(a, b, directions=7) != sliced_diagram_distance(a, b)


def test_it_is_a_distance(rng):
    a, b, c = diagram(rng, 12), diagram(rng, 9), diagram(rng, 15)
    assert sliced_diagram_distance(a, a[::-1]) == pytest.approx(0, abs=1e-12)
    assert sliced_diagram_distance(a, b) == pytest.approx(sliced_diagram_distance(b, a))
    assert sliced_diagram_distance(a, c) <= sliced_diagram_distance(a, b) + sliced_diagram_distance(b, c) + 1e-12


def test_messages():
    with pytest.raises(ValueError, match="directions must be at least 1, but it is 0"):
        sliced_diagram_distance(NONE, NONE, directions=0)
    with pytest.raises(ValueError, match="a must have shape"):
        sliced_diagram_distance(np.zeros(2), NONE)
    with pytest.raises(ValueError, match="b must hold bars that end"):
        sliced_diagram_distance(NONE, np.array([[0.0, np.inf]]))

"""RTD: zero for one cloud, blind to isometry and scale, the published value, and its definition by plain ranks."""

import itertools
import sys

import numpy as np
import pytest

from crossgap.compare import (
    representation_cross_barcode,
    representation_topology_divergence,
    representation_topology_divergence_per_batch,
)
from crossgap.errors import DegenerateError, MissingExtraError
from crossgap.topology import persistence_diagrams_of_distances, total_persistence


def scaled(rows):
    distances = np.array([[np.linalg.norm(a - b) for a in rows] for b in rows])
    return distances / np.quantile(distances, 0.9)


def rank(matrix):
    """Rank over the field of two elements."""
    matrix, found = matrix.copy() % 2, 0
    for column in range(matrix.shape[1]):
        rows = np.nonzero(matrix[found:, column])[0]
        if len(rows) == 0:
            continue
        matrix[[found, found + rows[0]]] = matrix[[found + rows[0], found]]
        others = np.nonzero(matrix[:, column])[0]
        matrix[others[others != found]] ^= matrix[found]
        found += 1
        if found == len(matrix):
            break
    return found


def relative_betti_number(w, v, t, degree):
    """Dimension of the homology of Rips(min(w, v)) relative to Rips(w) at distance t, from its chains."""
    both = np.minimum(w, v)

    def only_in_both(size):
        simplices = itertools.combinations(range(len(w)), size)
        longest = [
            (corners, [max(m[i, j] for i, j in itertools.combinations(corners, 2)) for m in (both, w)])
            for corners in simplices
        ]
        return [corners for corners, (here, there) in longest if here <= t < there]

    def boundary(size):
        faces, cells = only_in_both(size - 1) if size > 2 else [], only_in_both(size)
        place = {face: number for number, face in enumerate(faces)}
        matrix = np.zeros((len(faces), len(cells)), np.int64)
        for column, corners in enumerate(cells):
            for face in itertools.combinations(corners, size - 1):
                if face in place:
                    matrix[place[face], column] = 1
        return matrix

    lower, upper = boundary(degree + 1), boundary(degree + 2)
    return lower.shape[1] - rank(lower) - rank(upper)


@pytest.mark.parametrize("degree", [1, 2])
def test_the_bars_are_those_of_the_pair_of_complexes(degree, rng):
    pytest.importorskip("gudhi")
    x, y = rng.normal(size=(11, 2)), rng.normal(size=(11, 3))
    bars = representation_cross_barcode(x, y, degree=degree)
    w, v = scaled(x), scaled(y)
    ends = np.unique(np.concatenate([w[np.triu_indices(11, 1)], v[np.triu_indices(11, 1)]]))
    alive = []
    for t in (ends[1:] + ends[:-1]) / 2:
        alive.append(int(((bars[:, 0] <= t) & (t < bars[:, 1])).sum()))
        assert alive[-1] == relative_betti_number(w, v, t, degree)
    assert max(alive) > 0


def test_a_block_of_zeros_gives_the_same_bars(rng):
    pytest.importorskip("gudhi")
    for x, y in ((rng.normal(size=(40, 3)), rng.normal(size=(40, 6))), (rng.uniform(size=(60, 2)), np.ones((60, 1)))):
        y = y + rng.normal(size=y.shape)
        w, v = scaled(x), scaled(y)
        w, v = np.maximum(w, w.T), np.maximum(v, v.T)
        short = np.block([[np.zeros_like(w), w], [w, np.minimum(w, v)]])
        wanted = persistence_diagrams_of_distances(short).diagrams[1]
        np.testing.assert_allclose(representation_cross_barcode(x, y), wanted, atol=1e-12)


def test_a_crowded_cloud_goes_another_way_to_the_same_bars(rng, monkeypatch):
    pytest.importorskip("gudhi")
    x, y = rng.normal(size=(50, 40)), rng.normal(size=(50, 2)) * np.array([1.0, 0.1])
    module = sys.modules["crossgap.compare.representation_topology_divergence"]
    ways, engine = [], module.rips_bars

    def seen(graph, degrees, *, collapse):
        ways.append(collapse)
        return engine(graph, degrees, collapse=collapse)

    monkeypatch.setattr(module, "rips_bars", seen)
    collapsed = representation_cross_barcode(x, y)
    monkeypatch.setattr(module, "_EARLY", 1.0)
    np.testing.assert_allclose(collapsed, representation_cross_barcode(x, y), atol=1e-12)
    assert ways == [True, False]
    assert len(collapsed) > 30


def test_it_is_the_mean_of_both_directions(rng):
    pytest.importorskip("gudhi")
    x, y = rng.normal(size=(30, 2)), rng.normal(size=(30, 4))
    there, back = (total_persistence(representation_cross_barcode(*pair)) for pair in ((x, y), (y, x)))
    assert there != back
    assert representation_topology_divergence(x, y) == pytest.approx((there + back) / 2)
    assert representation_topology_divergence(y, x) == pytest.approx((there + back) / 2)


def test_it_is_zero_exactly_for_one_cloud(rng):
    pytest.importorskip("gudhi")
    x = rng.normal(size=(50, 5))
    assert representation_topology_divergence(x, x) == 0
    assert representation_topology_divergence(x, 4 * x) == 0  # a power of two, so the rounding is the same
    assert representation_topology_divergence(x, x, rows=20, batches=3) == 0
    assert representation_cross_barcode(x, x, degree=2).shape == (0, 2)


def test_isometry_and_scale_do_not_show(rng):
    pytest.importorskip("gudhi")
    x, y = rng.normal(size=(50, 3)), rng.normal(size=(50, 4))
    value = representation_topology_divergence(x, y)
    rotation = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    moved = 0.1 * y @ rotation + rng.normal(size=4) * 3
    assert value > 1
    assert representation_topology_divergence(x, moved) == pytest.approx(value, abs=1e-9)
    assert representation_topology_divergence(7 * x - 2, y) == pytest.approx(value, abs=1e-9)
    assert representation_topology_divergence(y, moved) == pytest.approx(0, abs=1e-9)


def test_it_grows_with_the_noise(rng):
    pytest.importorskip("gudhi")
    x, noise = rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    values = [representation_topology_divergence(x, x + share * noise) for share in (0.05, 0.2, 0.8)]
    assert 0 < values[0] < values[1] < values[2]


def test_three_items_by_hand():
    pytest.importorskip("gudhi")
    x, y = np.array([[0.0], [1.0], [3.0]]), np.array([[0.0], [2.0], [3.0]])
    np.testing.assert_allclose(representation_cross_barcode(x, y), [[1 / 3, 2 / 3]])
    assert representation_topology_divergence(x, y) == pytest.approx(1 / 3)


def test_items_that_coincide_count_as_one():
    pytest.importorskip("gudhi")
    x, y = np.array([[0.0], [1.0], [1.0 + 1e-9], [3.0]]), np.array([[0.0], [1.0], [1.0], [3.0]])
    assert representation_cross_barcode(x, y).shape == (0, 2)


def test_batches_are_draws_of_items(rng):
    pytest.importorskip("gudhi")
    x, y = rng.normal(size=(60, 3)), rng.normal(size=(60, 2))
    found = representation_topology_divergence_per_batch(x, y, rows=25, batches=3, seed=4)
    generator = np.random.default_rng(4)
    for value in found:
        items = generator.choice(60, 25, replace=False)
        assert value == pytest.approx(representation_topology_divergence(x[items], y[items]))
    assert representation_topology_divergence(x, y, rows=25, batches=3, seed=4) == found.mean()


def test_every_option_matters(rng):
    pytest.importorskip("gudhi")
    x, y = rng.normal(size=(60, 3)), rng.normal(size=(60, 3))
    start = {"rows": 25, "batches": 2}
    changes = ({}, {"rows": 26}, {"batches": 3}, {"degree": 2}, {"unit": True}, {"seed": 1})
    values = [representation_topology_divergence(x, y, **(start | change)) for change in changes]
    assert len(set(values)) == len(values)


def test_progress_sees_every_batch(rng):
    pytest.importorskip("gudhi")
    seen = []

    def progress(steps, label):
        for step in steps:
            seen.append(label(step))
            yield step

    rows = rng.normal(size=(9, 3))
    representation_topology_divergence(rows, rows, rows=5, batches=2, progress=progress)
    assert seen == [f"representation topology divergence, batch {number}" for number in (1, 2)]


@pytest.mark.slow
def test_the_published_value_of_two_uniform_clouds():
    """The README of the authors' code gives 35.552 for its own ten batches of 500 of these clouds."""
    pytest.importorskip("gudhi")
    state = np.random.RandomState(7)
    x, y = state.rand(1000, 2), state.rand(1000, 2)
    found = representation_topology_divergence_per_batch(x, y)
    assert found.mean() == pytest.approx(35.552, abs=2 * found.std(ddof=1) / 10**0.5)


def test_a_batch_lies_near_the_published_value():
    pytest.importorskip("gudhi")
    state = np.random.RandomState(7)
    x, y = state.rand(1000, 2), state.rand(1000, 2)
    assert representation_topology_divergence(x, y, batches=1) == pytest.approx(35.552, abs=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": 1}, "rows must be at least 2, but it is 1"),
        ({"batches": 0}, "batches must be at least 1, but it is 0"),
        ({"degree": 0}, "degree must be 1 or 2, but it is 0; 1 is usual, and 0 has no bars"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        representation_topology_divergence(np.eye(3), np.eye(3), **options)


def test_messages(monkeypatch, rng):
    rows = rng.normal(size=(12, 3))
    with pytest.raises(ValueError, match="same items row by row, but they have 12 and 11 rows"):
        representation_topology_divergence(rows, rows[1:])
    with pytest.raises(ValueError, match="degree must be 1 or 2"):
        representation_cross_barcode(rows, rows, degree=3)
    with pytest.raises(DegenerateError, match="y must have at least 2 rows"):
        representation_topology_divergence(rows, rows[:1])
    with pytest.raises(DegenerateError, match="nine tenths of the pairs of rows of y coincide"):
        representation_topology_divergence(rows, np.ones((12, 2)))
    with pytest.raises(ValueError, match="x must be finite, but row 3"):
        representation_topology_divergence(np.where(np.arange(12)[:, None] == 3, np.nan, rows), rows)
    monkeypatch.setitem(sys.modules, "gudhi", None)
    monkeypatch.setitem(sys.modules, "gudhi.sklearn", None)
    with pytest.raises(MissingExtraError, match="need gudhi"):
        representation_topology_divergence(rows, rows)

"""Bars against ripser's, against a plain reduction of the boundary matrix, and of shapes that have few."""

import itertools
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from crossgap.errors import DegenerateError, MissingExtraError
from crossgap.topology import persistence_diagrams, persistence_diagrams_of_distances
from crossgap.topology.distance_matrix import distance_matrix
from crossgap.topology.row_sample import row_sample

FILE = Path(__file__).with_name("data") / "ripser_bars.json"
CLOUDS = json.loads(FILE.read_text(encoding="utf-8"))["clouds"]


def by_reduction(distances, degree):
    """Bars of the Rips complex by column reduction over the field of two elements."""
    n = len(distances)
    simplices = [(0.0, 1, (i,)) for i in range(n)]
    for size in range(2, degree + 3):
        for corners in itertools.combinations(range(n), size):
            longest = max(distances[i, j] for i, j in itertools.combinations(corners, 2))
            simplices.append((longest, size, corners))
    simplices.sort()
    place = {corners: number for number, (_, _, corners) in enumerate(simplices)}
    columns, bars = {}, []
    for death, size, corners in simplices:
        faces = itertools.combinations(corners, size - 1) if size > 1 else ()
        column = {place[face] for face in faces}
        while column and max(column) in columns:
            column ^= columns[max(column)]
        if column:
            columns[max(column)] = column
            birth, dimension = simplices[max(column)][:2]
            if dimension - 1 == degree and birth < death:
                bars.append((birth, death))
    return np.array(sorted(bars)).reshape(-1, 2)


@pytest.mark.parametrize("cloud", CLOUDS, ids=[cloud["name"] for cloud in CLOUDS])
def test_the_bars_are_those_of_ripser(cloud):
    pytest.importorskip("gudhi")
    rows, degree = np.array(cloud["rows"]), len(cloud["bars"]) - 1
    found = persistence_diagrams(rows, degree=degree, unit=cloud["unit"], most_rows=len(rows))
    assert found.n == found.sampled_from == len(rows)
    for bars, wanted in zip(found.diagrams, cloud["bars"], strict=True):
        wanted = np.array(wanted).reshape(-1, 2)
        assert bars.shape == wanted.shape
        np.testing.assert_allclose(bars, wanted[np.lexsort((wanted[:, 1], wanted[:, 0]))], atol=1e-5)


@pytest.mark.parametrize("degree", [0, 1, 2])
def test_the_bars_are_those_of_a_plain_reduction(degree, rng):
    pytest.importorskip("gudhi")
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    ring = np.stack([np.cos(angles) + 4, np.sin(angles), 0 * angles], axis=1)
    points = np.concatenate([np.eye(3), -np.eye(3), ring])
    points += rng.normal(size=points.shape) * 0.05
    distances = distance_matrix(points)
    found = persistence_diagrams_of_distances(distances, degree=degree).diagrams[degree]
    assert len(found) > 0
    np.testing.assert_allclose(found, by_reduction(distances, degree), atol=1e-12)
    np.testing.assert_allclose(
        persistence_diagrams(points, degree=degree, unit=False).diagrams[degree], found, atol=1e-12
    )


def test_distances_need_no_triangle_inequality(rng):
    pytest.importorskip("gudhi")
    distances = np.triu(rng.uniform(0.1, 1, size=(9, 9)), 1)
    distances += distances.T
    for degree in (0, 1):
        found = persistence_diagrams_of_distances(distances, degree=1).diagrams[degree]
        np.testing.assert_allclose(found, by_reduction(distances, degree), atol=1e-12)


def test_a_square_has_one_loop():
    pytest.importorskip("gudhi")
    square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    found = persistence_diagrams(square)
    np.testing.assert_allclose(found.diagrams[0], [[0, 2**0.5]] * 3)
    np.testing.assert_allclose(found.diagrams[1], [[2**0.5, 2]])


def test_an_octahedron_has_one_hollow():
    pytest.importorskip("gudhi")
    found = persistence_diagrams(np.concatenate([np.eye(3), -np.eye(3)]), degree=2)
    assert found.diagrams[1].shape == (0, 2)
    np.testing.assert_allclose(found.diagrams[2], [[2**0.5, 2]])


def test_points_on_a_line_have_their_gaps():
    line = np.array([[0.0], [7.0], [1.0], [3.0]])
    found = persistence_diagrams(line, degree=0, unit=False)
    assert found.diagrams[0].tolist() == [[0, 1], [0, 2], [0, 4]]
    assert (found.n, found.sampled_from, found.sampling, found.seed) == (4, 4, "all", None)
    with pytest.raises(ValueError, match="read-only"):
        found.diagrams[0][0, 0] = 1


def test_the_core_has_degree_0_and_says_what_the_rest_needs(monkeypatch, rng):
    rows = rng.normal(size=(6, 3))
    monkeypatch.setitem(sys.modules, "gudhi", None)
    monkeypatch.setitem(sys.modules, "gudhi.sklearn", None)
    assert persistence_diagrams(rows, degree=0).diagrams[0].shape == (5, 2)
    assert persistence_diagrams_of_distances(distance_matrix(rows), degree=0).diagrams[0].shape == (5, 2)
    with pytest.raises(MissingExtraError, match=r"degree 1 and 2 need gudhi.*pip install 'crossgap\[topology\]'"):
        persistence_diagrams(rows)


def test_equal_rows_give_no_bars_of_length_zero(rng):
    row = rng.normal(size=(1, 4))
    assert persistence_diagrams(np.repeat(row, 3, axis=0), degree=0).diagrams[0].shape == (0, 2)
    twice = persistence_diagrams(np.array([[1.0], [1.0], [4.0]]), degree=0, unit=False)
    assert twice.diagrams[0].tolist() == [[0, 3]]


def test_more_rows_are_sampled_and_the_record_says_so(rng):
    rows = rng.normal(size=(200, 3))
    found = persistence_diagrams(rows, degree=0, most_rows=50, seed=4)
    assert (found.n, found.sampled_from, found.sampling, found.seed) == (50, 200, "maxmin", 4)
    again = persistence_diagrams(rows, degree=0, most_rows=50, seed=4)
    assert found.diagrams[0].tobytes() == again.diagrams[0].tobytes()
    other = persistence_diagrams(rows, degree=0, most_rows=50, seed=5)
    assert found.diagrams[0].tobytes() != other.diagrams[0].tobytes()
    drawn = persistence_diagrams(rows, degree=0, most_rows=50, sampling="random")
    assert drawn.sampling == "random"
    assert drawn.diagrams[0].sum() < found.diagrams[0].sum()  # the maxmin sample is spread out
    usual = persistence_diagrams(rng.normal(size=(501, 2)), degree=0)
    assert (usual.n, usual.sampled_from) == (500, 501)
    assert persistence_diagrams(rows, degree=0, unit=False).diagrams[0].sum() > found.diagrams[0].sum()


def test_degree_2_takes_fewer_rows(rng):
    pytest.importorskip("gudhi")
    assert persistence_diagrams(rng.normal(size=(101, 2)), degree=2).n == 100


def test_maxmin_takes_the_farthest_row_each_time(rng):
    rows = rng.normal(size=(60, 3))
    taken = row_sample(rows, 20, sampling="maxmin", generator=np.random.default_rng(1))
    distances = distance_matrix(rows)
    for number in range(1, 20):
        nearest = distances[:, taken[:number]].min(axis=1)
        assert nearest[taken[number]] == pytest.approx(nearest.max())
    same = row_sample(np.zeros((5, 2)), 5, sampling="maxmin", generator=np.random.default_rng(1))
    assert sorted(same.tolist()) == [0, 1, 2, 3, 4]


def test_torch_rows_are_taken(rng):
    torch = pytest.importorskip("torch")
    rows = rng.normal(size=(8, 3))
    found = persistence_diagrams(torch.tensor(rows, requires_grad=True), degree=0)
    assert found.diagrams[0].tobytes() == persistence_diagrams(rows, degree=0).diagrams[0].tobytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"degree": 3}, "degree must be 0, 1 or 2, but it is 3"),
        ({"degree": -1}, "degree must be 0, 1 or 2, but it is -1"),
        ({"sampling": "grid"}, "sampling must be 'maxmin' or 'random', but it is 'grid'"),
        ({"most_rows": 1}, "most_rows must be at least 2, but it is 1"),
    ],
)
def test_options_out_of_range_are_refused(options, message, rng):
    with pytest.raises(ValueError, match=message):
        persistence_diagrams(rng.normal(size=(5, 2)), **options)


def test_bad_rows_are_refused():
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        persistence_diagrams(np.ones((1, 2)))
    with pytest.raises(ValueError, match="row 1 is all zeros"):
        persistence_diagrams(np.array([[1.0, 0.0], [0.0, 0.0]]), degree=0)
    with pytest.raises(ValueError, match="row 0 holds a NaN or an infinity"):
        persistence_diagrams(np.array([[np.inf, 0.0], [0.0, 0.0]]), degree=0, unit=False)


@pytest.mark.parametrize(
    ("distances", "message"),
    [
        (np.zeros((2, 3)), r"distances must have shape \(n, n\).*but its shape is \(2, 3\)"),
        (np.zeros((0, 0)), r"its shape is \(0, 0\)"),
        (np.array([[0, -1.0], [-1.0, 0]]), "finite and not negative"),
        (np.array([[0, np.nan], [np.nan, 0]]), "finite and not negative"),
        (np.array([[0, 1.0], [2.0, 0]]), "symmetric with zeros on the diagonal"),
        (np.array([[1.0, 1.0], [1.0, 0]]), "symmetric with zeros on the diagonal"),
    ],
)
def test_bad_distances_are_refused(distances, message):
    with pytest.raises(ValueError, match=message):
        persistence_diagrams_of_distances(distances, degree=0)
    with pytest.raises(ValueError, match="degree must be 0, 1 or 2"):
        persistence_diagrams_of_distances(distances, degree=5)

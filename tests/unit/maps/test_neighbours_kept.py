import numpy as np
import pytest

from crossgap.geometry.neighbours import Neighbours, nearest_rows
from crossgap.maps import linear_map, neighbours_kept


@pytest.fixture
def rows(rng):
    return rng.normal(size=(60, 8))


@pytest.fixture
def coordinates(rng, rows):
    return rows[:, :2] + 0.1 * rng.normal(size=(60, 2))


def by_loops(rows, coordinates, k, asked=None):
    """The definition, row by row in float64."""
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    asked = range(len(rows)) if asked is None else asked
    kept = 0
    for i in asked:
        others = [j for j in range(len(rows)) if j != i]
        there = sorted(others, key=lambda j: -float(unit[i] @ unit[j]))[:k]
        here = sorted(others, key=lambda j: float(np.linalg.norm(coordinates[i] - coordinates[j])))[:k]
        kept += len(set(there) & set(here))
    return kept / (k * len(asked))


@pytest.mark.parametrize("k", [1, 5, 59])
@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_equals_loops(rows, k, dimension):
    assert neighbours_kept(rows, rows[:, :dimension], k=k) == pytest.approx(by_loops(rows, rows[:, :dimension], k))


def test_all_rows_are_neighbours_at_the_largest_k(rows, coordinates):
    assert neighbours_kept(rows, coordinates, k=59) == 1


def test_a_map_at_random_reaches_chance(rng):
    rows, coordinates = rng.normal(size=(2000, 16)), rng.normal(size=(2000, 2))
    assert neighbours_kept(rows, coordinates) == pytest.approx(15 / 1999, rel=0.15)


def test_a_sample_asks_for_fewer_rows(rows, coordinates):
    asked = np.random.default_rng(3).choice(60, size=12, replace=False)
    found = neighbours_kept(rows, coordinates, k=4, most_rows=12, seed=3)
    assert found == pytest.approx(by_loops(rows, coordinates, 4, asked))
    assert len({neighbours_kept(rows, coordinates, k=4, most_rows=12, seed=seed) for seed in range(6)}) > 1
    assert neighbours_kept(rows, coordinates, k=4, most_rows=60) == neighbours_kept(rows, coordinates, k=4)


@pytest.mark.parametrize("most_rows", [None, 12])
def test_neighbours_that_are_known(rows, coordinates, most_rows):
    nearest = nearest_rows(rows, rows, 9, leave_out_self=True)
    known = neighbours_kept(rows, coordinates, k=6, nearest=nearest, most_rows=most_rows)
    assert known == neighbours_kept(rows, coordinates, k=6, most_rows=most_rows)


def test_rows_that_coincide():
    rows = np.repeat(np.eye(3), 4, axis=0)
    assert neighbours_kept(rows, rows[:, :2], k=3) == 1
    assert neighbours_kept(rows, np.zeros((12, 2)), k=11) == 1


def test_check_is_about_zero_rows(rows, coordinates):
    rows[7] = 0
    with pytest.raises(ValueError, match="row 7 is all zeros"):
        neighbours_kept(rows, coordinates)
    assert 0 <= neighbours_kept(rows, coordinates, check=False) <= 1


def test_golden_value_on_clip(coco):
    rows = np.concatenate([coco["image"], coco["text"]])
    coordinates = np.concatenate(linear_map(coco["image"], coco["text"]).coordinates)
    assert neighbours_kept(rows, coordinates) == pytest.approx(0.13147, abs=5e-4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "k must be from 1 to n - 1 = 59, but it is 0"),
        ({"k": 60}, "k must be from 1 to n - 1 = 59, but it is 60"),
        ({"most_rows": 0}, "most_rows must be at least 1, but it is 0"),
        ({"coordinates": np.zeros((59, 2))}, r"coordinates must have shape \(n, 1 to 3\) with n = 60"),
        ({"coordinates": np.zeros((60, 4))}, r"coordinates must have shape \(n, 1 to 3\) with n = 60"),
        ({"coordinates": np.full((60, 2), np.nan)}, "coordinates must be finite"),
        (
            {"nearest": Neighbours(np.zeros((60, 3), int), np.zeros((60, 3)))},
            "at least 15 neighbours of each of the 60",
        ),
        ({"nearest": Neighbours(np.zeros((9, 20), int), np.zeros((9, 20)))}, r"but its shape is \(9, 20\)"),
    ],
)
def test_refusals(rows, coordinates, options, message):
    with pytest.raises(ValueError, match=message):
        neighbours_kept(rows, **{"coordinates": coordinates, **options})

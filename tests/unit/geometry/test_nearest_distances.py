import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.geometry import nearest_distances as module
from crossgap.geometry.nearest_distances import distinct_points, nearest_distances


def _by_sorting(points, k):
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    rows = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return rows, np.take_along_axis(distances, rows, 1)


@pytest.mark.parametrize("k", [1, 5, 59])
@pytest.mark.parametrize("unit", [True, False])
def test_equals_a_sort(rng, k, unit, normalised, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK_NUMBERS", 700)  # several blocks
    x = rng.normal(size=(60, 4)) * 5 + 3
    found = nearest_distances(x, k, unit=unit)
    rows, distances = _by_sorting(normalised(x) if unit else x, k)
    assert np.array_equal(found.rows, rows)
    np.testing.assert_allclose(found.distances, distances, rtol=1e-12)
    assert found.kept.tolist() == found.place.tolist() == list(range(60))
    np.testing.assert_allclose(found.points.mean(axis=0), 0, atol=1e-12)


def test_near_copies_keep_their_digits(rng):
    x = rng.normal(size=(30, 6)) + 1000
    x[1] = x[0] + [3e-9, 0, 0, 4e-9, 0, 0]
    found = nearest_distances(x, 1, unit=False)
    assert found.rows[:2, 0].tolist() == [1, 0]
    assert found.distances[0, 0] == pytest.approx(np.linalg.norm(x[1] - x[0]), rel=1e-4)


def test_copies_are_taken_out(rng):
    x = rng.normal(size=(20, 3))
    again = np.concatenate([x, x[3:6], x[3:4], [[-0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]])
    kept, place, points = distinct_points(again)
    assert kept.tolist() == [*range(20), 24]
    assert place.tolist() == [*range(20), 3, 4, 5, 3, 20, 20]
    assert points.shape == (21, 3)
    found, plain = nearest_distances(again[:24], 2), nearest_distances(x, 2)
    np.testing.assert_allclose(found.distances, plain.distances)


def test_copies_up_to_rounding_are_taken_out(rng):
    x = rng.normal(size=(20, 3))
    factors = rng.uniform(0.1, 9, size=(40, 1))
    found = nearest_distances(np.concatenate([x, x]) * factors, 2)
    assert found.kept.tolist() == list(range(20))
    assert found.place.tolist() == [*range(20), *range(20)]
    rounded = (np.concatenate([x, x]) * factors).astype(np.float32)
    assert len(nearest_distances(rounded, 2).kept) == 20
    assert len(nearest_distances(rounded.astype(np.float64), 2).kept) == 40  # in this type they differ


def test_many_near_copies_of_one_row(rng):
    x = np.concatenate([rng.normal(size=(5, 3)), rng.uniform(1, 2, size=(30, 1)) * [[0.3, 0.2, 0.7]]])
    found = nearest_distances(x, 2)
    assert len(found.kept) == 6
    assert set(found.place[5:]) == {5}


def test_other_kinds_of_rows(rng, lazy):
    x = rng.normal(size=(30, 4))
    expected = nearest_distances(x, 3).distances
    for rows in (torch.tensor(x, requires_grad=True), lazy(x)):
        np.testing.assert_allclose(nearest_distances(rows, 3).distances, expected)
    half = nearest_distances(x.astype(np.float16), 3)
    np.testing.assert_allclose(half.distances, expected, rtol=0.1)


def test_messages(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(DegenerateError, match="at least 6 distinct rows for 5 neighbours each, but it has 5"):
        nearest_distances(x, 5)
    with pytest.raises(DegenerateError, match="but it has 2"):
        nearest_distances(np.repeat(x[:2], 4, axis=0), 2)
    x[3] = np.nan
    for unit in (True, False):
        with pytest.raises(ValueError, match="must be finite, but row 3"):
            nearest_distances(x, 2, unit=unit)
    x[3] = 0
    with pytest.raises(ValueError, match="row 3 is all zeros"):
        nearest_distances(x, 2)
    assert len(nearest_distances(x, 2, unit=False).kept) == 5

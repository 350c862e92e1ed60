import sys

import numpy as np
import pytest

from crossgap.errors import DegenerateError, MissingExtraError
from crossgap.geometry.neighbours import Neighbours, nearest_rows
from crossgap.maps import neighbours_kept, umap_coordinates
from crossgap.maps.umap_map import _graph, _on_sphere


@pytest.fixture
def rows(rng):
    """Four clusters of 30 rows on the sphere of 8 dimensions."""
    centres = rng.normal(size=(4, 8))
    return (np.repeat(centres, 30, axis=0) + 0.2 * rng.normal(size=(120, 8))).astype(np.float32)


def test_the_graph_is_exact_and_each_row_comes_first(rows):
    numbers, distances = _graph(nearest_rows(rows, rows, 9, leave_out_self=True), 5)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    apart = 1 - unit @ unit.T
    np.fill_diagonal(apart, -1)
    np.testing.assert_array_equal(numbers, np.argsort(apart, axis=1, kind="stable")[:, :5])
    np.testing.assert_array_equal(distances[:, 0], 0)
    np.testing.assert_allclose(distances[:, 1:], np.sort(apart, axis=1)[:, 1:5], atol=1e-6)
    assert (numbers.dtype, distances.dtype) == (np.int32, np.float32)


def test_distances_on_the_sphere_are_those_that_umap_sees(rng):
    """The first angle is that from the pole: read as a latitude the points would be others."""
    distances = pytest.importorskip("umap.distances")
    angles = rng.uniform(-7, 7, size=(30, 2))  # the package lets angles run over
    points = _on_sphere(angles)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)
    for a, b in rng.integers(30, size=(40, 2)):
        seen, _ = distances.haversine_grad.py_func(angles[a], angles[b])
        assert np.arccos(np.clip(points[a] @ points[b], -1, 1)) == pytest.approx(seen, abs=2e-3)


def test_a_plane(rows):
    """Near rows stay near, the same seed gives the same bytes, and the global generator is left alone."""
    pytest.importorskip("umap")
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    found = umap_coordinates(rows)
    assert (found.shape, found.dtype) == ((120, 2), np.float32)
    assert neighbours_kept(rows, found) > 0.6
    np.testing.assert_array_equal(found, umap_coordinates(rows))
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    nearest = nearest_rows(rows, rows, 40, leave_out_self=True)
    np.testing.assert_array_equal(found, umap_coordinates(rows, nearest=nearest))
    np.testing.assert_array_equal(found, umap_coordinates(4 * rows))  # lengths do not matter
    assert (found != umap_coordinates(rows, seed=1)).any()


@pytest.mark.slow
@pytest.mark.parametrize(
    "option", [{"neighbours": 5}, {"min_distance": 0.5}, {"dimension": 1}, {"dimension": 3}, {"metric": "euclidean"}]
)
def test_every_option_matters(rows, option):
    pytest.importorskip("umap")
    found, changed = umap_coordinates(rows), umap_coordinates(rows, **option)
    assert changed.shape == (120, option.get("dimension", 2))
    assert changed.shape != found.shape or (changed != found).any()


@pytest.mark.slow
def test_a_sphere(rows):
    pytest.importorskip("umap")
    found = umap_coordinates(rows, output_metric="haversine")
    assert found.shape == (120, 3)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(found, umap_coordinates(rows, output_metric="haversine"))
    assert neighbours_kept(rows, found) > 0.5


@pytest.mark.slow
def test_exact_neighbours_are_no_worse_than_the_packages_own_search(coco, monkeypatch):
    pytest.importorskip("umap")
    rows = np.concatenate([coco["image"], coco["text"]])
    exact = neighbours_kept(rows, umap_coordinates(rows))
    assert exact == pytest.approx(0.447, abs=0.03)
    monkeypatch.setattr("crossgap.maps.umap_map._EXACT_ROWS", 0)
    own = umap_coordinates(rows)
    np.testing.assert_array_equal(own, umap_coordinates(rows))
    assert exact > neighbours_kept(rows, own) - 0.02


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "hamming"}, "metric must be one of cosine, euclidean, but it is 'hamming'"),
        ({"output_metric": "cosine"}, "output_metric must be euclidean"),
        ({"dimension": 0}, "dimension must be at least 1, but it is 0"),
        ({"dimension": 3, "output_metric": "haversine"}, "dimension must be 2 on a sphere, which has two angles"),
        ({"min_distance": 1.5}, "min_distance must be from 0 to 1, but it is 1.5"),
        ({"min_distance": float("nan")}, "min_distance must be from 0 to 1"),
        ({"seed": -1}, "seed must be from 0 to 2"),
        ({"seed": 2**32}, "seed must be from 0 to 2"),
        ({"neighbours": 1}, "neighbours must be from 2 to n - 1 = 119, but it is 1"),
        ({"neighbours": 120}, "neighbours must be from 2 to n - 1 = 119, but it is 120"),
        ({"nearest": Neighbours(np.zeros((120, 3), int), np.zeros((120, 3)))}, "at least 14 neighbours of each of"),
    ],
)
def test_refusals(rows, options, message):
    with pytest.raises(ValueError, match=message):
        umap_coordinates(rows, **options)


def test_refusals_about_rows(rows):
    with pytest.raises(DegenerateError, match="needs at least four rows, but there are 3"):
        umap_coordinates(rows[:3])
    nearest = nearest_rows(rows, rows, 14, leave_out_self=True)
    with pytest.raises(ValueError, match="nearest must go with metric 'cosine', but the metric is 'euclidean'"):
        umap_coordinates(rows, nearest=nearest, metric="euclidean")
    rows[5] = 0
    with pytest.raises(ValueError, match="row 5 is all zeros"):
        umap_coordinates(rows)


def test_without_the_extra(rows, monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"needs umap-learn.*pip install 'crossgap\[umap\]'"):
        umap_coordinates(rows)

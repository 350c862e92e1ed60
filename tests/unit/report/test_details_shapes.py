"""Spectra, where the gap lies, maps, topology: each equal to the quantity of the library that it draws."""

import sys

import numpy as np
import pytest

from crossgap import Embeddings, Group, measure, topology
from crossgap.measure.spectrum_values import spectrum_values
from crossgap.report import collect
from crossgap.report.details import maps
from crossgap.report.details.principal_axes import PrincipalAxes
from crossgap.report.details.sampled_rows import sampled_rows
from crossgap.report.selection import Settings
from crossgap.report.topology import TOPOLOGY, Shape, topology_measurements

SETTINGS = Settings(replicates=0, level=0.95, seed=0, precision=0.9, most_rows=10_000)


def _pairs(n: int, d: int) -> Embeddings:
    rng = np.random.default_rng(n)
    z = rng.standard_normal((n, d)) * np.linspace(2, 0.5, d)
    return Embeddings.from_arrays(image=z + 1, text=z + 0.3 * rng.standard_normal((n, d)) - 0.5)


@pytest.fixture(scope="module", params=[(60, 12), (20, 30)], ids=["many rows", "few rows"])
def pairs(request) -> Embeddings:
    return _pairs(*request.param)


@pytest.fixture(scope="module")
def details(pairs) -> dict:
    return dict(collect(pairs, replicates=0, details=True).details)


def test_spectra_are_those_of_the_library(pairs, details):
    for entry in details["spectra"]:
        values = spectrum_values(pairs[entry["group"]].vectors)
        np.testing.assert_allclose(entry["variances"], values / values.sum(), atol=1e-6)
        curve = measure.explained_variance(pairs[entry["group"]].vectors)
        counts = entry["cumulative"]["counts"]
        np.testing.assert_allclose(entry["cumulative"]["shares"], curve[np.array(counts) - 1], atol=1e-5)
        assert counts[-1] == len(values)


def test_coordinates_of_the_gap_are_those_of_the_library(pairs, details):
    (entry,) = details["gap_location"]
    x, y = (pairs[name].vectors for name in ("image", "text"))
    gap = measure.gap_vector(x, y)
    np.testing.assert_allclose(entry["values"], gap[entry["coordinates"]], rtol=1e-5)
    assert (np.diff(np.abs(entry["values"])) <= 0).all()
    for count, share in zip(*entry["cumulative"].values(), strict=True):
        assert share == pytest.approx(float(measure.gap_coordinate_share(x, y, coordinates=count)), abs=1e-5)


@pytest.mark.parametrize("of", ["x", "y"])
def test_angles_of_the_gap_are_those_of_the_library(of, pairs, details):
    (entry,) = details["gap_location"]
    x, y = (pairs[name].vectors for name in ("image", "text"))
    angles = entry["angles"]["image" if of == "x" else "text"]
    for count, energy, random, degrees in zip(*angles.values(), strict=True):
        expected = float(measure.gap_span_energy(x, y, components=count, of=of))
        assert energy == pytest.approx(expected, abs=1e-5)
        assert random == pytest.approx(count / x.shape[1], rel=1e-5)
        assert degrees == pytest.approx(np.degrees(np.arccos(np.sqrt(min(1, expected)))), abs=0.1)


def test_no_gap_has_nowhere_to_lie():
    rows = np.concatenate([np.eye(4), -np.eye(4)])
    (entry,) = collect(Embeddings.from_arrays(a=rows, b=rows), replicates=0, details=True).details["gap_location"]
    assert entry == {"groups": ["a", "b"], "reason": "the means of a and b coincide, so that there is no gap to locate"}


def test_a_group_of_one_direction_has_no_spectrum():
    axes = PrincipalAxes(sampled_rows(Embeddings.from_arrays(a=np.ones((5, 3))), 10))
    with pytest.raises(ValueError, match="all rows of a have one and the same direction"):
        axes.values("a")


# maps


def test_centroids_lie_the_gap_apart(pairs, details):
    entry = details["maps"][0]
    distance = float(measure.centroid_distance(pairs["image"].vectors, pairs["text"].vectors))
    a, b = (np.array(entry["centroids"][name]) for name in ("image", "text"))
    np.testing.assert_allclose(a - b, [distance, 0], atol=2e-4)
    for name in ("image", "text"):
        at = np.array(entry["points"][name]["at"])
        np.testing.assert_allclose(at.mean(axis=0), entry["centroids"][name], atol=2e-4)
        assert at.shape == (len(pairs[name]), 2)
    assert entry["axes"][0]["name"] == "gap"


def test_lines_join_partners():
    e = Embeddings(
        {
            "image": Group(vectors=np.random.default_rng(0).normal(size=(4, 3)), items=["a", "b", "c", "d"]),
            "text": Group(vectors=np.random.default_rng(1).normal(size=(3, 3)), items=["c", "a", "a"]),
        }
    )
    (entry,) = maps.linear_maps(e, SETTINGS)
    assert sorted(map(tuple, entry["pairs"][0]["lines"])) == [(0, 1), (0, 2), (2, 0)]


def test_a_map_of_many_rows_shows_some_of_them():
    e = _pairs(900, 6)
    (entry,) = maps.linear_maps(e, SETTINGS)
    rows = entry["points"]["image"]["rows"]
    assert len(rows) == 400
    assert rows == entry["points"]["text"]["rows"], "partners are taken together"
    assert entry["sampled_from"] == {"image": 900, "text": 900}
    assert entry["pairs"][0]["lines"] == [[i, i] for i in range(400)]
    assert entry["settings"] == {"seed": 0, "fitted_on": {"image": 900, "text": 900}, "drawn": "whole items"}
    other = maps.linear_maps(e, Settings(replicates=0, level=0.95, seed=1, precision=0.9, most_rows=100))[0]
    assert other["points"]["image"]["rows"] != rows


def test_labels_are_short_words_of_the_rows():
    rows = np.random.default_rng(0).normal(size=(3, 4))
    e = Embeddings(
        {
            "image": Group(vectors=rows, label=["cat", None, "dog"], uri=["a.jpg", "b.jpg", "c.jpg"]),
            "text": Group(vectors=rows + 1, text=["x" * 200, "two\nlines", ""]),
            "audio": Group(vectors=rows - 1),
        }
    )
    labels = maps.linear_maps(e, SETTINGS)[-1]["labels"]
    assert labels == {"image": ["cat", "b.jpg", "dog"], "text": ["x" * 59 + "…", "two lines", None], "audio": None}
    assert maps.linear_maps(e.select(["audio"]), SETTINGS)[0]["labels"] is None


def test_a_map_without_a_second_axis_has_a_reason():
    (entry,) = maps.linear_maps(Embeddings.from_arrays(a=np.eye(2)[[0, 0]], b=np.eye(2)[[1, 1]]), SETTINGS)
    assert set(entry) == {"kind", "groups", "reason"}


def test_umap_without_its_extra_has_a_reason(monkeypatch):
    monkeypatch.setitem(sys.modules, "umap", None)
    entries = maps.umap_maps(_pairs(30, 5), SETTINGS)
    assert [entry["kind"] for entry in entries] == ["umap", "umap-sphere"]
    assert all("crossgap[umap]" in entry["reason"] for entry in entries)


def test_umap_of_three_rows_has_a_reason():
    entries = maps.umap_maps(Embeddings.from_arrays(a=np.eye(3)[:2], b=np.eye(3)[2:]), SETTINGS)
    assert all("at least four rows" in entry["reason"] for entry in entries)


@pytest.mark.slow
def test_umap_on_the_plane_and_on_the_sphere():
    pytest.importorskip("umap")
    plane, sphere = maps.umap_maps(_pairs(60, 6), SETTINGS)
    assert len(plane["points"]["image"]["at"][0]) == 2
    at = np.array(sphere["points"]["text"]["at"])
    np.testing.assert_allclose(np.linalg.norm(at, axis=1), 1, atol=1e-3)
    assert 0 < plane["neighbours_kept"]["share"] <= 1


# topology


def test_deaths_are_the_edges_of_a_spanning_tree(pairs, details):
    from scipy.sparse.csgraph import minimum_spanning_tree
    from scipy.spatial.distance import cdist

    (entry,) = details["topology"]
    units = {name: np.asarray(g.vectors) / np.linalg.norm(g.vectors, axis=1)[:, None] for name, g in pairs.items()}
    units["joint"] = np.concatenate(list(units.values()))
    for name, rows in units.items():
        tree = minimum_spanning_tree(cdist(rows, rows)).tocoo()
        np.testing.assert_allclose(entry["deaths"][name], np.sort(tree.data), rtol=1e-4)
    n = len(pairs["image"])
    between = (tree.row < n) != (tree.col < n)
    assert entry["longest_between"] == pytest.approx(tree.data[between].max(), rel=1e-5)
    assert entry["median_within"] == pytest.approx(np.median(tree.data[~between]), rel=1e-5)
    assert entry["n"] == 2 * n
    assert "loops" not in entry


def test_clusters_hold_all_rows(pairs, details):
    (entry,) = details["topology"]
    clusters = entry["clusters"]
    rows = {name: np.dot(clusters["sizes"], shares) for name, shares in clusters["shares"].items()}
    assert sum(rows.values()) == pytest.approx((1 - clusters["noise"]) * entry["n"], rel=1e-4)


def test_topology_is_measured_by_the_functions_of_its_names(pairs):
    x, y = (pairs[name].vectors for name in ("image", "text"))
    found = {one.name: one for one in topology_measurements(Shape(whole=pairs, settings=SETTINGS))}
    assert tuple(found) == TOPOLOGY
    for name in ("cross_edge_share", "friedman_rafsky_z_score", "longest_merge_ratio", "modality_silhouette"):
        assert found[name].value == pytest.approx(getattr(topology, name)(x, y)), name
    assert found["neighbour_purity"].value == topology.neighbour_purity(x, y, k=15)
    picture = topology.cluster_picture(pairs)
    assert found["cluster_purity"].value == picture.purity
    assert found["modality_entropy"].value == picture.modality_entropy
    assert found["pairs_in_one_cluster"].value == picture.pairs[0].value
    assert found["cross_edge_share"].options["by_chance"] == topology.cross_edge_share_by_chance(len(x), len(y))


def test_topology_takes_whole_items_of_large_groups():
    e = _pairs(1_100, 4)
    found = list(topology_measurements(Shape(whole=e, settings=SETTINGS)))
    assert {one.options["n"] for one in found} == {1_000}
    assert all(one.options["sampled_from"] == [1_100, 1_100] for one in found)


def test_topology_without_a_whole_item_has_a_reason():
    labels = np.repeat(["cat", "dog"], 1_100)
    rows = np.random.default_rng(0).normal(size=(2_200, 3))
    e = Embeddings({"image": Group(vectors=rows, items=labels), "text": Group(vectors=rows + 1, items=labels)})
    found = list(topology_measurements(Shape(whole=e, settings=SETTINGS)))
    assert tuple(one.name for one in found) == TOPOLOGY
    assert all("no whole item" in str(one.reason) for one in found)


def test_topology_without_pairs_has_all_but_one():
    found = topology_measurements(Shape(whole=_pairs(30, 4).without_pairs(), settings=SETTINGS))
    reasons = {one.name: one.reason for one in found if one.value is None}
    assert reasons == {"pairs_in_one_cluster": "needs pairs: image and text share no item id"}


def test_loops_come_with_everything_or_with_a_reason(monkeypatch):
    from crossgap.report.details.topology import topology as described

    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shape = Shape(whole=Embeddings.from_arrays(a=circle[::2].copy(), b=circle[1::2].copy()), settings=SETTINGS)
    for module in ("gudhi", "gudhi.sklearn"):  # the second may have been imported before
        monkeypatch.setitem(sys.modules, module, None)
    assert "crossgap[topology]" in described(shape, loops=True)["loops"]["reason"]
    monkeypatch.undo()
    pytest.importorskip("gudhi")
    (loop,) = described(shape, loops=True)["loops"]
    assert loop[0] == pytest.approx(2 * np.sin(np.pi / 40), rel=1e-3)
    assert loop[1] > 1.5

import numpy as np
import pytest
import torch
from scipy.cluster.hierarchy import linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from crossgap.geometry import minimum_spanning_tree as module
from crossgap.geometry.minimum_spanning_tree import minimum_spanning_tree


def _check_tree(x, edges, lengths, unit=True):
    """A tree, in order, whose lengths are those of its edges and of SciPy's single linkage."""
    rows = np.asarray(x, dtype=np.float64)
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True) if unit else rows
    n = len(rows)
    assert edges.shape == (n - 1, 2)
    assert edges.dtype == np.int64
    assert lengths.dtype == np.float64
    assert (edges[:, 0] < edges[:, 1]).all()
    assert connected_components(coo_array((np.ones(n - 1), tuple(edges.T)), shape=(n, n)))[0] == 1
    own = np.linalg.norm(rows[edges[:, 0]] - rows[edges[:, 1]], axis=1)
    scale = max(1.0, float(np.abs(rows).max()))
    assert np.abs(lengths - own).max() < 1e-12 * scale
    assert (np.lexsort((edges[:, 1], edges[:, 0], lengths)) == np.arange(n - 1)).all()
    assert np.abs(lengths - linkage(rows, "single")[:, 2]).max() < 1e-9 * scale


def _clusters(rng, n, clusters, width, d=24):
    return rng.normal(size=(clusters, d))[rng.integers(0, clusters, n)] + width * rng.normal(size=(n, d))


@pytest.mark.parametrize("n", [2, 3, 4, 10, 11, 12, 13, 200, 1024, 1025, 2500])
@pytest.mark.parametrize("unit", [True, False])
def test_lengths_are_those_of_single_linkage(rng, n, unit):
    x = rng.normal(size=(n, 16))
    _check_tree(x, *minimum_spanning_tree(x, unit=unit), unit=unit)


@pytest.mark.parametrize("clusters", [2, 40])
@pytest.mark.parametrize("width", [0.3, 1e-3, 1e-5, 1e-7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clusters_far_apart_whose_rows_float32_cannot_tell_apart(rng, clusters, width, dtype):
    x = _clusters(rng, 1100, clusters, width).astype(dtype)
    _check_tree(x, *minimum_spanning_tree(x))


def test_two_modalities_with_a_gap_join_by_one_edge(rng):
    x = rng.normal(size=(1500, 32))
    x[700:, 0] += 30.0
    edges, lengths = minimum_spanning_tree(x, unit=False)
    _check_tree(x, edges, lengths, unit=False)
    crossing = (edges[:, 0] < 700) != (edges[:, 1] < 700)
    assert crossing.sum() == 1
    assert crossing[-1]


@pytest.mark.parametrize("copies", [2, 30, 1200])
def test_copies_join_their_first_at_length_zero(rng, copies):
    x = np.tile(rng.normal(size=(1200 // copies, 8)), (copies, 1))
    x = x[rng.permutation(len(x))].astype(np.float32)
    edges, lengths = minimum_spanning_tree(x)
    _check_tree(x, edges, lengths)
    zeros = edges[lengths == 0]
    assert len(zeros) == 1200 - 1200 // copies
    assert all((x[a] == x[b]).all() and not (x[:a] == x[b]).all(axis=1).any() for a, b in zeros[::7])


@pytest.mark.parametrize(
    "x",
    [
        np.eye(60),
        np.stack(np.meshgrid(*[np.arange(11.0)] * 3), axis=-1).reshape(-1, 3) + 1e3,
        np.arange(400.0)[:, None] ** 2,
        np.concatenate([np.arange(200.0)[:, None], [[1e9]]]),
        np.logspace(-9, 3, 300)[:, None] * np.ones(5),
        np.zeros((3, 2)),
        np.full((2, 2), 1e30),
    ],
    ids=["all as far", "grid", "line", "outlier", "many scales", "zeros", "huge and equal"],
)
def test_ties_and_scales_of_rows_as_they_are(x):
    _check_tree(x, *minimum_spanning_tree(x, unit=False), unit=False)


def test_equal_lengths_stand_in_order_of_their_rows():
    edges, lengths = minimum_spanning_tree(np.array([[0.0], [1.0], [2.0], [3.0]]), unit=False)
    assert edges.tolist() == [[0, 1], [1, 2], [2, 3]]
    assert lengths.tolist() == [1.0, 1.0, 1.0]


def test_one_row_has_no_edges():
    edges, lengths = minimum_spanning_tree(np.ones((1, 3)))
    assert edges.shape == (0, 2)
    assert edges.dtype == np.int64
    assert lengths.shape == (0,)


def test_same_rows_give_the_same_tree_and_another_order_the_same_lengths(rng):
    x = _clusters(rng, 1300, 30, 0.2).astype(np.float32)
    (edges, lengths), again = minimum_spanning_tree(x), minimum_spanning_tree(x.copy())
    assert np.array_equal(edges, again[0])
    assert np.array_equal(lengths, again[1])
    order = rng.permutation(len(x))
    edges_there, lengths_there = minimum_spanning_tree(x[order])
    assert np.abs(lengths_there - lengths).max() < 1e-12
    assert {tuple(sorted(pair)) for pair in order[edges_there].tolist()} == {tuple(pair) for pair in edges.tolist()}


@pytest.mark.parametrize("kind", ["reader", "tensor", "float16"])
def test_readers_tensors_and_half_floats(rng, lazy, kind):
    x = rng.normal(size=(300, 6)).astype(np.float16)
    make = {"reader": lazy, "tensor": torch.tensor, "float16": np.asarray}[kind]
    edges, lengths = minimum_spanning_tree(make(x))
    assert np.array_equal(edges, minimum_spanning_tree(x.astype(np.float64))[0])
    assert np.abs(lengths - linkage(x / np.linalg.norm(x.astype(float), axis=1)[:, None], "single")[:, 2]).max() < 1e-6


def test_input_is_left_as_it_is(rng):
    x = rng.normal(size=(50, 4))
    before = x.copy()
    minimum_spanning_tree(x, unit=False)
    minimum_spanning_tree(x)
    assert np.array_equal(x, before)


@pytest.mark.parametrize("nearest", [1, 2, 40])
def test_length_of_the_lists_changes_nothing(rng, monkeypatch, nearest):
    x = _clusters(rng, 700, 20, 0.3)
    edges, lengths = minimum_spanning_tree(x)
    monkeypatch.setattr(module, "_NEAREST", nearest)
    edges_there, lengths_there = minimum_spanning_tree(x)
    assert np.array_equal(edges, edges_there)
    assert np.array_equal(lengths, lengths_there)


def test_bad_rows_are_named():
    x = np.ones((5, 2))
    x[3] = 0
    with pytest.raises(ValueError, match="x must have rows of a length above zero, but row 3"):
        minimum_spanning_tree(x)
    assert minimum_spanning_tree(x, unit=False)[1].tolist() == [0.0, 0.0, 0.0, np.sqrt(2)]
    assert minimum_spanning_tree(x, check=False)[1].shape == (4,)
    x[2, 1] = np.nan
    for unit in (True, False):
        with pytest.raises(ValueError, match="x must be finite, but row 2 holds a NaN"):
            minimum_spanning_tree(x, unit=unit)
    with pytest.raises(TypeError, match="floating-point"):
        minimum_spanning_tree(np.ones((5, 2), dtype=int))
    with pytest.raises(ValueError, match=r"\(n, d\)"):
        minimum_spanning_tree(np.ones(5))

"""What one cloud has and the other has not."""

import sys

import numpy as np
import pytest

from crossgap.errors import DegenerateError, MissingExtraError
from crossgap.topology import cross_barcode, persistence_diagrams


def ring(points, radius=1.0):
    angles = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_a_cloud_within_the_other_has_no_bars(rng):
    pytest.importorskip("gudhi")
    q = rng.normal(size=(40, 3))
    for degree in (0, 1):
        assert cross_barcode(q[:15], q, degree=degree).shape == (0, 2)
        assert cross_barcode(q, q, degree=degree).shape == (0, 2)


def test_a_loop_that_the_other_lacks_is_a_bar():
    pytest.importorskip("gudhi")
    p, q = ring(12), np.array([[1.0, 0.0], [0.9, 0.1]])
    (bar,) = cross_barcode(p, q, unit=False)
    side = 2 * np.sin(np.pi / 12)
    (own,) = persistence_diagrams(p, unit=False).diagrams[1]
    np.testing.assert_allclose(bar, [side, own[1]], atol=0.05)
    assert cross_barcode(q, p, unit=False).shape == (0, 2)


def test_a_bridge_over_an_open_space_is_a_bar():
    pytest.importorskip("gudhi")
    # q is two far points, p lies between: at distance 1 the ends meet, and q itself is one piece from the start
    p, q = np.array([[0.0, 0.0]]), np.array([[-1.0, 0.0], [1.5, 0.0]])
    assert cross_barcode(p, q, degree=0, unit=False).tolist() == [[0, 1]]
    # the loop through p, q and the filled-in q closes at 1.5, at once with its triangle
    assert cross_barcode(p, q, unit=False).shape == (0, 2)
    # two points of p, 0.5 apart, each 1 from a q of its own: joined at 1 both ways, filled at 2.06
    p, q = np.array([[0.0, 0.0], [0.0, 0.5]]), np.array([[-1.0, 0.0], [-1.0, 0.5]])
    (bar,) = cross_barcode(p, q, unit=False)
    np.testing.assert_allclose(bar, [1, 1.25**0.5])


def test_degree_0_in_closed_form(rng):
    p, q = rng.normal(size=(20, 3)), rng.normal(size=(30, 3)) + 6
    found = cross_barcode(p, q, degree=0, unit=False)
    tree = persistence_diagrams(p, degree=0, unit=False).diagrams[0]
    nearest = np.sqrt(((p[:, None] - q[None]) ** 2).sum(axis=2)).min()
    np.testing.assert_allclose(np.sort(found[:, 1]), np.sort(np.append(tree[:, 1], nearest)))


def test_it_is_the_rips_complex_with_one_block_of_zeros(rng):
    gudhi = pytest.importorskip("gudhi")
    p, q = rng.normal(size=(9, 3)), rng.normal(size=(7, 3))
    both = np.concatenate([p, q])
    distances = np.array([[np.linalg.norm(a - b) for a in both] for b in both])
    for i in range(9, 16):
        for j in range(9, 16):
            distances[i, j] = 0
    tree = gudhi.RipsComplex(distance_matrix=distances).create_simplex_tree(max_dimension=3)
    tree.persistence(homology_coeff_field=2)
    for degree in (1, 2):
        wanted = tree.persistence_intervals_in_dimension(degree)
        found = cross_barcode(p, q, degree=degree, unit=False)
        np.testing.assert_allclose(found, wanted[np.lexsort((wanted[:, 1], wanted[:, 0]))].reshape(-1, 2))


def test_unit_takes_directions(rng):
    p, q = rng.normal(size=(10, 3)), rng.normal(size=(12, 3))
    as_unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (p, q)]
    found = cross_barcode(p, q, degree=0)
    np.testing.assert_allclose(found, cross_barcode(*as_unit, degree=0, unit=False))
    assert found.shape != cross_barcode(p, q, degree=0, unit=False).shape or not np.allclose(
        found, cross_barcode(p, q, degree=0, unit=False)
    )


def test_messages(monkeypatch):
    rows = np.eye(3)
    with pytest.raises(ValueError, match="degree must be 0, 1 or 2, but it is 3"):
        cross_barcode(rows, rows, degree=3)
    with pytest.raises(ValueError, match="p and q must share one space"):
        cross_barcode(rows, np.eye(4), degree=0)
    with pytest.raises(ValueError, match="q must have rows of a length above zero, but row 0"):
        cross_barcode(rows, np.zeros((1, 3)), degree=0)
    with pytest.raises(DegenerateError, match="p must have at least one row"):
        cross_barcode(np.empty((0, 3)), rows)
    monkeypatch.setitem(sys.modules, "gudhi", None)
    monkeypatch.setitem(sys.modules, "gudhi.sklearn", None)
    with pytest.raises(MissingExtraError, match="need gudhi"):
        cross_barcode(rows, rows)

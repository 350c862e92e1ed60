import numpy as np
import pytest
import torch

from crossgap.geometry.neighbours import NearestLists, nearest_rows, shared_neighbours

N = 4096 + 1100


def _by_sorting(queries, gallery, k, without=None):
    """Stable sort of each row of scores, rounded so that ties are ties: the lower row number first."""
    rows = []
    for number, query in enumerate(queries):
        scores = np.round(gallery @ query, 10)
        if without is not None:
            scores[without[number]] = -np.inf
        rows.append(np.argsort(-scores, kind="stable")[:k])
    return np.array(rows)


@pytest.mark.parametrize("kind", ["array", "reader", "tensor"])
@pytest.mark.parametrize("k", [1, 5, 40])
def test_neighbours_on_several_panels_equal_a_sort(rng, normalised, lazy, kind, k):
    queries, gallery = rng.normal(size=(N, 3)), rng.normal(size=(2100, 3))
    make = {"array": np.asarray, "reader": lazy, "tensor": torch.tensor}[kind]
    found = nearest_rows(make(queries), make(gallery), k)
    some = np.arange(0, N, 50)
    assert np.array_equal(found.rows[some], _by_sorting(normalised(queries)[some], normalised(gallery), k))
    scores = (normalised(queries)[:, None] * normalised(gallery)[found.rows]).sum(axis=2)
    assert np.abs(found.cosines - scores).max() < 1e-14


def test_shared_neighbours_ignores_the_order_in_a_list():
    assert shared_neighbours(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [5, 3]])).tolist() == [1.0, 0.5]


def test_a_row_is_no_neighbour_of_itself(rng, normalised):
    x = rng.normal(size=(2100, 3))
    found = nearest_rows(x, x, 4, leave_out_self=True)
    some = np.arange(0, 2100, 30)
    assert np.array_equal(found.rows[some], _by_sorting(normalised(x)[some], normalised(x), 4, without=some))
    assert (nearest_rows(x, x, 1).rows[:, 0] == np.arange(2100)).all()


@pytest.mark.parametrize("k", [1, 3, 1000])
def test_ties_go_to_the_lower_row_number_across_blocks(k):
    gallery = np.zeros((3000, 2))
    gallery[:, 1] = 1.0
    gallery[[7, 900, 1500, 2999]] = [1.0, 0.0]
    found = nearest_rows(np.array([[1.0, 0.0]]), gallery, k)
    others = np.delete(np.arange(3000), [7, 900, 1500, 2999])
    assert found.rows[0].tolist() == [7, 900, 1500, 2999, *others][:k]


def test_ties_at_the_edge_of_the_list_go_to_the_lower_row_number():
    gallery = np.tile([[1.0, 0.0]], (3000, 1))
    found = nearest_rows(np.array([[1.0, 0.0]]), gallery, 3)
    assert found.rows[0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 7, 1100])
def test_rows_searched_among_themselves_find_what_a_copy_finds(rng, dtype, k):
    x = rng.choice([-0.25, 0.25], size=(1300, 16)).astype(dtype)  # products are exact, and most of them ties
    symmetric, both = (nearest_rows(x, other, k, leave_out_self=True) for other in (x, x.copy()))
    assert np.array_equal(symmetric.rows, both.rows)
    assert np.array_equal(symmetric.cosines, both.cosines)
    some = np.arange(0, 1300, 40)
    assert np.array_equal(both.rows[some], _by_sorting(x[some], x, k, without=some))


def test_lists_take_scores_block_by_block_in_either_orientation(rng):
    scores = np.round(rng.normal(size=(40, 900)), 1).astype(np.float32)
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :4]
    for transposed in (False, True):
        lists = NearestLists(40, 4, none=900)
        for rows in (slice(0, 25), slice(25, 40)):
            for first in range(0, 900, 100):
                numbers = slice(first, first + 100)
                if transposed:
                    lists.offer_transposed(rows, numbers, np.ascontiguousarray(scores[rows, numbers].T))
                else:
                    lists.offer(rows, numbers, scores[rows, numbers].copy())
        found, values = lists.settled()
        assert np.array_equal(found, expected)
        assert np.array_equal(values, np.take_along_axis(scores, expected, axis=1))


def test_places_that_nothing_fills_hold_no_row():
    lists = NearestLists(2, 3, none=9)
    lists.offer(slice(0, 2), slice(0, 3), np.array([[-np.inf, 0.5, -np.inf], [-np.inf] * 3]))
    found, values = lists.settled()
    assert found.tolist() == [[1, 9, 9], [9, 9, 9]]
    assert values.tolist() == [[0.5, -np.inf, -np.inf], [-np.inf] * 3]


def test_bad_rows_are_named():
    good, bad = np.ones((5, 2)), np.ones((5, 2))
    bad[3] = 0
    with pytest.raises(ValueError, match="queries must have rows of a length above zero, but row 3"):
        nearest_rows(bad, good, 1)
    with pytest.raises(ValueError, match="gallery must have rows of a length above zero, but row 3"):
        nearest_rows(good, bad, 1)
    assert nearest_rows(bad, good, 1, check=False).rows.shape == (5, 1)

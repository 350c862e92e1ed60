import numpy as np
import pytest
import torch

from crossgap.geometry.neighbours import nearest_rows, nearest_rows_both


@pytest.mark.parametrize("kind", ["array", "reader", "tensor"])
@pytest.mark.parametrize("k", [1, 7])
def test_both_ways_are_the_two_searches(rng, lazy, kind, k):
    make = {"array": np.asarray, "reader": lazy, "tensor": torch.tensor}[kind]
    x, y = make(rng.normal(size=(4096 + 300, 3))), make(rng.normal(size=(2100, 3)))
    for found, search in zip(nearest_rows_both(x, y, k), ((x, y), (y, x)), strict=True):
        alone = nearest_rows(*search, k)
        assert np.array_equal(found.rows, alone.rows)
        assert np.abs(found.cosines - alone.cosines).max() < 1e-15


def test_ties_go_to_the_lower_row():
    x, y = np.eye(2)[[0, 0, 1, 0]], np.eye(2)[[1, 0, 0]]
    for_x, for_y = nearest_rows_both(x, y, 2)
    assert for_x.rows.tolist() == [[1, 2], [1, 2], [0, 1], [1, 2]]
    assert for_y.rows.tolist() == [[2, 0], [0, 1], [0, 1]]


def test_a_small_group_gives_all_of_its_rows(rng):
    for_x, for_y = nearest_rows_both(rng.normal(size=(30, 4)), rng.normal(size=(3, 4)), 10)
    assert (for_x.rows.shape, for_y.rows.shape) == ((30, 3), (3, 10))
    assert np.array_equal(np.sort(for_x.rows, axis=1), np.tile(np.arange(3), (30, 1)))


def test_a_bad_row_is_refused(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="gallery must have rows of a length above zero, but row 2 is all zeros"):
        nearest_rows_both(x, x * (np.arange(5) != 2)[:, None], 2)

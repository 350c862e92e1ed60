import numpy as np
import pytest
import torch

from crossgap.geometry.similarity import similarity_blocks

N = 4096 + 1100


@pytest.mark.parametrize("kind", ["array", "reader", "tensor"])
def test_blocks_of_two_groups_cover_every_pair_once(rng, normalised, lazy, kind):
    x, y = rng.normal(size=(N, 3)), rng.normal(size=(2100, 3))
    make = {"array": np.asarray, "reader": lazy, "tensor": torch.tensor}[kind]
    found, times = np.zeros((N, 2100)), np.zeros((N, 2100), np.int8)
    for rows, columns, block in similarity_blocks(make(x), make(y)):
        found[rows, columns] = np.asarray(block)
        times[rows, columns] += 1
    assert (times == 1).all()
    assert np.abs(found - normalised(x) @ normalised(y).T).max() < 1e-14


@pytest.mark.parametrize("n", [1, 1024, 1025, N, 2 * 4096 + 5])
def test_blocks_of_one_group_hold_every_pair_once_above_the_diagonal(rng, normalised, n):
    x = rng.normal(size=(n, 2))
    times = np.zeros((n, n), np.int8)
    unit = normalised(x)
    for rows, columns, block in similarity_blocks(x):
        assert np.abs(block - unit[rows] @ unit[columns].T).max() < 1e-14
        times[rows, columns] += 1
        assert columns == rows or columns.start >= rows.stop
    assert (times[np.triu_indices(n)] == 1).all()


def test_a_block_may_be_overwritten(rng):
    x = rng.normal(size=(1100, 3))
    before = [block.copy() for _, _, block in similarity_blocks(x)]
    for expected, (_, _, block) in zip(before, similarity_blocks(x), strict=True):
        assert np.array_equal(block, expected)
        block[:] = 7


def test_bad_rows_are_named_by_group_and_number():
    good, bad = np.ones((1100, 2)), np.ones((1100, 2))
    bad[1050] = 0
    with pytest.raises(ValueError, match="queries must have rows of a length above zero, but row 1050"):
        list(similarity_blocks(bad, good, names=("queries", "gallery")))
    with pytest.raises(ValueError, match="gallery must have rows of a length above zero, but row 1050"):
        list(similarity_blocks(good, bad, names=("queries", "gallery")))
    assert all(np.isfinite(block).all() for _, _, block in similarity_blocks(bad, good, check=False))

import numpy as np
import pytest
import torch

from crossgap.geometry.matches import matched_rows
from crossgap.geometry.ranks import match_cosines, match_ranks

N = 4096 + 1100


def _by_loops(x, y, matches, pessimistic):
    """The definition, match by match in float64; scores equal to ten digits are ties."""
    forward, backward = [], []
    for i, j in zip(*matches, strict=True):
        scores, others = np.round(y @ x[i], 10), np.round(x @ y[j], 10)
        if pessimistic:
            forward.append((scores >= scores[j]).sum() - 1)
            backward.append((others >= others[i]).sum() - 1)
        else:
            forward.append((scores > scores[j]).sum())
            backward.append((others > others[i]).sum())
    return forward, backward


@pytest.mark.parametrize("pessimistic", [False, True])
@pytest.mark.parametrize("kind", ["array", "float32", "reader", "tensor"])
def test_ranks_on_several_panels_equal_the_definition(rng, normalised, lazy, kind, pessimistic):
    x = rng.integers(-3, 4, (N, 3)) + 0.5  # few distinct directions, so that ties abound
    y = x[rng.permutation(N)[:2100]] * rng.choice([1.0, -1.0], (2100, 1))
    matches = (np.sort(rng.choice(N, 60)), rng.choice(2100, 60))
    make = {"array": np.asarray, "float32": np.float32, "reader": lazy, "tensor": torch.tensor}[kind]
    found = match_ranks(make(x), make(y), matches, pessimistic=pessimistic)
    forward, backward = _by_loops(normalised(x), normalised(y), matches, pessimistic)
    assert found.y_for_x.tolist() == forward
    assert found.x_for_y.tolist() == backward
    assert np.array_equal(found.x_rows, matches[0])
    assert np.array_equal(found.y_rows, matches[1])


@pytest.mark.parametrize("shape", [(1024, 1024), (1100, 2048), (130, 1031), (7, 3), (2048, 130)])
def test_counting_holds_for_all_sizes_of_blocks(rng, normalised, shape):
    n, m = shape
    x, y = rng.normal(size=(n, 4)), rng.normal(size=(m, 4))
    rows = np.arange(min(n, m))
    found = match_ranks(x, y, (rows, rows))
    scores = normalised(x) @ normalised(y).T
    right = scores[rows, rows]
    assert np.array_equal(found.y_for_x, (scores[rows] > right[:, None]).sum(axis=1))
    assert np.array_equal(found.x_for_y, (scores[:, rows] > right).sum(axis=0))


def test_all_scores_above_the_right_one_do_not_overflow_a_byte():
    x = np.tile([[1.0, 0.0]], (5000, 1)).astype(np.float32)
    y = np.tile([[1.0, 0.0]], (3000, 1)).astype(np.float32)
    x[0], y[0] = [0.0, 1.0], [0.0, -1.0]
    found = match_ranks(x, y, (np.array([0, 1]), np.array([0, 0])))
    assert found.y_for_x.tolist() == [2999, 2999]
    assert found.x_for_y.tolist() == [4999, 0]


def test_several_matches_of_a_row_have_ranks_of_their_own(rng, normalised):
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(40, 3))
    matches = matched_rows(30, 40, np.arange(30) // 3, np.arange(40) // 4)
    found = match_ranks(x, y, matches)
    forward, backward = _by_loops(normalised(x), normalised(y), matches, False)
    assert (found.y_for_x.tolist(), found.x_for_y.tolist()) == (forward, backward)


def test_cosines_of_matches_are_taken_in_float64(rng, normalised, lazy):
    x, y = rng.normal(size=(N, 3)).astype(np.float32), rng.normal(size=(50, 3)).astype(np.float32)
    matches = (np.arange(N), rng.integers(0, 50, N))
    expected = (normalised(x) * normalised(y)[matches[1]]).sum(axis=1)
    for make in (np.asarray, lazy, torch.tensor):
        found = np.asarray(match_cosines(make(x), make(y), matches))
        assert found.dtype == np.float64
        assert np.abs(found - expected).max() < 2e-7


def test_a_bad_row_is_refused_and_without_check_it_is_not(rng):
    x = rng.normal(size=(10, 3))
    x[3] = 0
    rows = np.arange(10)
    with pytest.raises(ValueError, match="length above zero"):
        match_ranks(x, x, (rows, rows))
    assert len(match_ranks(x, x, (rows, rows), check=False).y_for_x) == 10

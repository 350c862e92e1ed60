import numpy as np
import pytest
import torch

from crossgap.compare.mutual_neighbours import clipped, mutual_neighbours, mutual_neighbours_per_row


def by_hand(x, y, k):
    shares = []
    for i in range(len(x)):
        lists = []
        for rows in (x, y):
            scores = [(-np.inf if j == i else rows[i] @ row) for j, row in enumerate(rows)]
            lists.append(set(np.argsort(scores)[-k:]))
        shares.append(len(lists[0] & lists[1]) / k)
    return np.array(shares)


def test_golden(coco):
    assert mutual_neighbours(coco["image"], coco["text"]) == pytest.approx(0.2494, abs=5e-5)


@pytest.mark.parametrize("k", [1, 7, 59])
def test_equals_a_double_loop(two_spaces, normalised, k):
    x, y = two_spaces
    shares = by_hand(normalised(x), normalised(y), k)
    np.testing.assert_allclose(mutual_neighbours_per_row(x, y, k=k), shares)
    assert mutual_neighbours(x, y, k=k) == pytest.approx(shares.mean())
    assert mutual_neighbours(x, x, k=k) == 1


def test_unrelated_spaces_share_by_chance(rng):
    x, y = rng.normal(size=(400, 16)), rng.normal(size=(400, 20))
    assert mutual_neighbours(x, y) == pytest.approx(10 / 399, abs=0.01)


def test_all_rows_but_one_are_shared(rng):
    x, y = rng.normal(size=(8, 3)), rng.normal(size=(8, 3))
    assert mutual_neighbours(x, y, k=7) == 1


def test_clipping_takes_out_a_huge_coordinate(rng, normalised):
    x = rng.normal(size=(80, 40))
    y = x.copy()
    y[:, 3] += 200 * rng.normal(size=80)
    assert mutual_neighbours(x, y) < 0.4
    assert mutual_neighbours(x, y, clip=0.95) > 0.5
    limit = np.mean([np.quantile(np.abs(row), 0.95) for row in y])
    np.testing.assert_allclose(clipped(y, 0.95, "y"), np.clip(y, -limit, limit))
    np.testing.assert_allclose(clipped(torch.tensor(y), 0.95, "y").numpy(), np.clip(y, -limit, limit))
    assert clipped(y, None, "y") is y


def test_clipping_on_real_pairs(coco):
    """No golden number is published; this stands so that a change is seen."""
    assert mutual_neighbours(coco["image"], coco["text"], clip=0.95) == pytest.approx(0.2870, abs=1e-9)


def test_weights_repeat_rows(two_spaces):
    weights = np.random.default_rng(1).integers(0, 4, (60, 3))
    shares = mutual_neighbours_per_row(*two_spaces, k=5)
    values = mutual_neighbours(*two_spaces, k=5, weights=weights)
    assert values == pytest.approx([np.repeat(shares, column).mean() for column in weights.T])


def test_messages(two_spaces):
    for k in (0, 60):
        with pytest.raises(ValueError, match="k must lie between 1 and the 59 rows that a row can find"):
            mutual_neighbours(*two_spaces, k=k)
    for clip in (0.0, 1.1):
        with pytest.raises(ValueError, match="clip must lie above 0 and be at most 1"):
            mutual_neighbours(*two_spaces, clip=clip)

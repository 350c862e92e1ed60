import numpy as np
import pytest

from crossgap.compare.cycle_neighbours import cycle_neighbours


def by_hand(x, y, k):
    def nearest(rows, i):
        scores = [(-np.inf if j == i else rows[i] @ row) for j, row in enumerate(rows)]
        return set(np.argsort(scores)[-k:].tolist())

    return np.array([any(i in nearest(x, j) for j in nearest(y, i)) for i in range(len(x))])


@pytest.mark.parametrize("k", [1, 4, 59])
def test_equals_a_double_loop(two_spaces, normalised, k):
    x, y = two_spaces
    back = by_hand(normalised(x), normalised(y), k)
    assert cycle_neighbours(x, y, k=k) == pytest.approx(back.mean())
    assert cycle_neighbours(y, x, k=k) == pytest.approx(by_hand(normalised(y), normalised(x), k).mean())


def test_on_real_pairs(coco):
    """No golden number is published; these stand so that a change is seen."""
    assert cycle_neighbours(coco["image"], coco["text"]) == pytest.approx(0.724)
    assert cycle_neighbours(coco["text"], coco["image"]) == pytest.approx(0.708)


def test_unrelated_spaces_lead_back_by_chance(rng):
    x, y = rng.normal(size=(400, 16)), rng.normal(size=(400, 20))
    assert cycle_neighbours(x, y) == pytest.approx(1 - (1 - 10 / 399) ** 10, abs=0.05)


def test_weights_repeat_rows(two_spaces, normalised):
    weights = np.random.default_rng(1).integers(0, 4, (60, 3))
    back = by_hand(*map(normalised, two_spaces), 3)
    values = cycle_neighbours(*two_spaces, k=3, weights=weights)
    assert values == pytest.approx([np.repeat(back, column).mean() for column in weights.T])


def test_clip_matters(rng):
    x = rng.normal(size=(80, 40))
    y = x.copy()
    y[:, 3] += 200 * rng.normal(size=80)
    assert cycle_neighbours(x, y, k=3, clip=0.95) > cycle_neighbours(x, y, k=3)


def test_messages(two_spaces):
    with pytest.raises(ValueError, match="k must lie between 1 and the 59 rows"):
        cycle_neighbours(*two_spaces, k=60)
    with pytest.raises(ValueError, match="clip must lie above 0"):
        cycle_neighbours(*two_spaces, clip=-1.0)

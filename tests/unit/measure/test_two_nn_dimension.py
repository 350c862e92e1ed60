import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.certainty import bootstrap_interval
from crossgap.measure.two_nn_dimension import two_nn_dimension


def by_hand(x, discard=0.1):
    """A double loop and NumPy's own least squares."""
    ratios = []
    for i, a in enumerate(x):
        distances = sorted(float(np.sqrt(((a - b) ** 2).sum())) for j, b in enumerate(x) if j != i)
        ratios.append(np.log(distances[1] / distances[0]))
    n = len(ratios)
    kept = sorted(ratios)[: min(n - 1, int(n * (1 - discard) + 1e-9))]
    heights = [-np.log(1 - (i + 1) / n) for i in range(len(kept))]
    return np.linalg.lstsq(np.array(kept)[:, None], np.array(heights), rcond=None)[0][0]


@pytest.mark.parametrize(("group", "golden"), [("image", 15.85), ("text", 12.47)])
def test_golden(coco, group, golden):
    assert two_nn_dimension(coco[group]) == pytest.approx(golden, abs=5e-3)


@pytest.mark.parametrize("discard", [0.0, 0.1, 0.35, 0.9])
def test_equals_a_double_loop(rng, normalised, discard):
    x = rng.normal(size=(60, 4)) + 1
    assert two_nn_dimension(x, discard=discard, unit=False) == pytest.approx(by_hand(x, discard))
    assert two_nn_dimension(x, discard=discard) == pytest.approx(by_hand(normalised(x), discard))


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_finds_the_dimension_of_a_plane_in_space(rng, dimension):
    x = rng.uniform(size=(2000, dimension)) @ rng.normal(size=(dimension, 20))
    assert two_nn_dimension(x, unit=False) == pytest.approx(dimension, rel=0.1)


def test_copies_change_nothing(rng):
    x = rng.normal(size=(50, 5))
    assert two_nn_dimension(np.concatenate([x, x[:20], 3 * x[:9]])) == pytest.approx(two_nn_dimension(x))


def test_weights(rng):
    x = np.concatenate([rng.normal(size=(80, 4)), np.ones((2, 4))])
    weights = rng.integers(0, 4, (82, 3))
    weights[80:] = [[1], [3]]  # of copies the first row's weight counts
    values = two_nn_dimension(x, weights=weights)
    rows = x / np.linalg.norm(x, axis=1, keepdims=True)
    distances = np.sort(np.linalg.norm(rows[:81, None] - rows[None, :81], axis=2), axis=1)
    ratios = np.log(distances[:, 2] / distances[:, 1])
    for value, counts in zip(values, weights[:81].T, strict=True):
        total, place, heights, squares = counts.sum(), 0, 0.0, 0.0
        for i in np.argsort(ratios):
            middle = (place + (counts[i] + 1) / 2) / total  # the mean place of equal ratios
            place += counts[i]
            if middle <= 0.9:
                heights -= counts[i] * np.log(1 - middle) * ratios[i]
                squares += counts[i] * ratios[i] ** 2
        assert value == pytest.approx(heights / squares)
    assert two_nn_dimension(x, weights=np.ones((82, 2))) == pytest.approx([two_nn_dimension(x)] * 2)


def test_the_interval_covers_as_often_as_it_says():
    inside = 0
    values = []
    for seed in range(40):
        x = np.random.default_rng(seed).normal(size=(200, 3))
        found = bootstrap_interval(two_nn_dimension, x, replicates=100, unit=False)
        values.append(found.value)
        inside += found.low <= 3.0 <= found.high
    assert inside >= 32
    assert np.mean(values) == pytest.approx(3.0, abs=0.25)


def test_numpy_torch_and_half_precision_agree(rng):
    x = rng.normal(size=(80, 5))
    expected = two_nn_dimension(x)
    assert expected.dtype == np.float64
    found = two_nn_dimension(torch.tensor(x))
    assert found.dtype == torch.float64
    assert float(found) == pytest.approx(float(expected))
    assert two_nn_dimension(torch.tensor(x), weights=np.ones((80, 3))).shape == (3,)
    assert two_nn_dimension(x.astype(np.float16)) == pytest.approx(expected, rel=0.02)
    assert two_nn_dimension(x.astype(np.float32), check=False) == pytest.approx(expected, rel=1e-4)


def test_messages(rng):
    x = rng.normal(size=(9, 3))
    for discard in (-0.1, 1.0):
        with pytest.raises(ValueError, match="discard must be at least 0 and below 1"):
            two_nn_dimension(x, discard=discard)
    with pytest.raises(DegenerateError, match="at least 3 rows"):
        two_nn_dimension(x[:2])
    with pytest.raises(DegenerateError, match="at least 3 distinct rows"):
        two_nn_dimension(np.repeat(x[:2], 3, axis=0))
    with pytest.raises(DegenerateError, match="equally far from every row that is fitted"):
        two_nn_dimension(np.eye(5))
    with pytest.raises(DegenerateError, match="equally far from every row that is fitted"):
        two_nn_dimension(x, discard=0.99)
    with pytest.raises(ValueError, match="weights must have shape"):
        two_nn_dimension(x, weights=np.ones((8, 1)))
    x[4] = 0
    with pytest.raises(ValueError, match="row 4 is all zeros"):
        two_nn_dimension(x)

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.correlation_dimension import correlation_dimension


def _pairs(x):
    return np.array(sorted(np.sqrt(((x[i] - x[j]) ** 2).sum()) for i in range(len(x)) for j in range(i)))


def by_hand(x, low=0.01, high=0.10, steps=10):
    distances = _pairs(x)
    places = sorted({int(np.ceil(q * len(distances) - 1e-9)) for q in np.geomspace(low, high, steps)})
    return np.polyfit(np.log(distances[[p - 1 for p in places]]), np.log(np.array(places) / len(distances)), 1)[0]


def test_equals_a_double_loop(rng, normalised, monkeypatch):
    monkeypatch.setitem(correlation_dimension.__globals__, "BLOCK_ROWS", 16)  # several blocks
    x = rng.normal(size=(70, 4)) + 1
    assert correlation_dimension(x) == pytest.approx(by_hand(normalised(x)))
    assert correlation_dimension(x, unit=False) == pytest.approx(by_hand(x))
    assert correlation_dimension(x, steps=2) == pytest.approx(by_hand(normalised(x), steps=2))
    assert correlation_dimension(x, shares=(0.05, 1.0)) == pytest.approx(by_hand(normalised(x), 0.05, 1.0))


def test_two_steps_are_the_slope_between_the_ends(rng, normalised):
    x = rng.normal(size=(201, 3))  # 20,100 pairs
    distances = _pairs(normalised(x))
    expected = np.log(10) / np.log(distances[2009] / distances[200])
    assert correlation_dimension(x, steps=2) == pytest.approx(expected)


def test_given_radii_count_pairs(rng):
    x = rng.normal(size=(60, 3))
    radii = (0.8, 1.0, 1.5)
    shares = [(_pairs(x) <= radius).mean() for radius in radii]
    expected = np.polyfit(np.log(radii), np.log(shares), 1)[0]
    assert correlation_dimension(x, radii=radii, unit=False) == pytest.approx(expected)


@pytest.mark.parametrize("dimension", [1, 2, 3])
def test_finds_the_dimension_of_a_plane_in_space(rng, dimension):
    x = rng.uniform(size=(1200, dimension)) @ np.linalg.qr(rng.normal(size=(20, dimension)))[0].T
    assert correlation_dimension(x, shares=(0.001, 0.01), unit=False) == pytest.approx(dimension, rel=0.1)


def test_on_real_pairs(coco):
    """No golden number is published; these stand so that a change is seen."""
    assert correlation_dimension(coco["image"]) == pytest.approx(7.889055, abs=1e-5)
    assert correlation_dimension(coco["text"]) == pytest.approx(8.945470, abs=1e-5)


def test_copies_change_nothing(rng):
    x = rng.normal(size=(50, 5))
    assert correlation_dimension(np.concatenate([x, x[:20]])) == pytest.approx(correlation_dimension(x))


def test_weights_repeat_rows_that_never_pair_with_their_copies(rng):
    x = rng.normal(size=(60, 3))
    weights = rng.integers(0, 4, (60, 3))
    radii = (0.9, 1.1, 1.6)
    values = correlation_dimension(x, radii=radii, unit=False, weights=weights)
    for value, counts in zip(values, weights.T, strict=True):
        i, j = np.tril_indices(60, -1)
        w = counts[i] * counts[j]
        distances = np.linalg.norm(x[i] - x[j], axis=1)
        shares = [(w * (distances <= radius)).sum() / w.sum() for radius in radii]
        assert value == pytest.approx(np.polyfit(np.log(radii), np.log(shares), 1)[0])
    again = np.concatenate([x, x[:1]])
    more = np.concatenate([weights, weights[:1] + 5])
    assert correlation_dimension(again, radii=radii, unit=False, weights=more) == pytest.approx(values)
    assert correlation_dimension(x, weights=np.ones((60, 2))) == pytest.approx([correlation_dimension(x)] * 2)


def test_numpy_torch_and_half_precision_agree(rng):
    x = rng.normal(size=(80, 5))
    expected = correlation_dimension(x)
    found = correlation_dimension(torch.tensor(x))
    assert found.dtype == torch.float64
    assert float(found) == pytest.approx(float(expected))
    assert correlation_dimension(torch.tensor(x), weights=np.ones((80, 3))).shape == (3,)
    assert correlation_dimension(x.astype(np.float16)) == pytest.approx(expected, rel=0.02)
    assert correlation_dimension(x, check=False) == pytest.approx(expected)


def test_messages(rng):
    x = rng.normal(size=(30, 3))
    for shares in ((0.0, 0.1), (0.1, 0.1), (0.1, 1.1)):
        with pytest.raises(ValueError, match="shares must be two numbers with 0 < low < high <= 1"):
            correlation_dimension(x, shares=shares)
    with pytest.raises(ValueError, match="steps must be at least 2"):
        correlation_dimension(x, steps=1)
    for radii in ((1.0,), (1.0, 0.5), (0.0, 1.0)):
        with pytest.raises(ValueError, match="radii must be two or more numbers above 0 in ascending order"):
            correlation_dimension(x, radii=radii)
    with pytest.raises(DegenerateError, match="no pair of rows is closer than 1e-09"):
        correlation_dimension(x, radii=(1e-9, 1e-8))
    with pytest.raises(DegenerateError, match="of its 4 rows 4 are distinct"):
        correlation_dimension(np.eye(4), shares=(0.2, 0.9))
    with pytest.raises(DegenerateError, match="of its 6 rows 1 are distinct"):
        correlation_dimension(np.ones((6, 3)))
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        correlation_dimension(x[:1])
    with pytest.raises(ValueError, match="weights must have shape"):
        correlation_dimension(x, weights=np.ones((8, 1)))
    x[4] = 0
    with pytest.raises(ValueError, match="row 4 is all zeros"):
        correlation_dimension(x)

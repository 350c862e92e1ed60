import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.levina_bickel_dimension import levina_bickel_dimension, levina_bickel_dimension_per_row


def by_hand(x, k):
    estimates = []
    for i, a in enumerate(x):
        distances = sorted(float(np.sqrt(((a - b) ** 2).sum())) for j, b in enumerate(x) if j != i)
        estimates.append((k - 1) / sum(np.log(distances[k - 1] / t) for t in distances[: k - 1]))
    return np.array(estimates)


@pytest.mark.parametrize("k", [2, 10, 49])
def test_equals_a_double_loop(rng, normalised, k):
    x = rng.normal(size=(50, 4)) + 1
    estimates = by_hand(normalised(x), k)
    np.testing.assert_allclose(levina_bickel_dimension_per_row(x, k=k), estimates)
    assert levina_bickel_dimension(x, k=k) == pytest.approx(1 / (1 / estimates).mean())
    assert levina_bickel_dimension(x, k=k, average="arithmetic") == pytest.approx(estimates.mean())
    assert levina_bickel_dimension(x, k=k, unit=False) == pytest.approx(1 / (1 / by_hand(x, k)).mean())


def test_on_real_pairs(coco, normalised):
    """No golden number is published; the plain loop on the 500 pairs gives these."""
    for group, ten, twenty in (("image", 13.903345, 13.450808), ("text", 12.923284, 12.891188)):
        assert levina_bickel_dimension(coco[group]) == pytest.approx(ten, abs=1e-5)
        assert levina_bickel_dimension(coco[group], k=20) == pytest.approx(twenty, abs=1e-5)


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_finds_the_dimension_of_a_plane_in_space(rng, dimension):
    x = rng.uniform(size=(2000, dimension)) @ rng.normal(size=(dimension, 20))
    assert levina_bickel_dimension(x, unit=False) == pytest.approx(dimension, rel=0.08)


def test_copies_count_once_and_share_their_estimate(rng):
    x = rng.normal(size=(40, 4))
    again = np.concatenate([x, x[5:8], 3 * x[7:9]])
    assert levina_bickel_dimension(again) == pytest.approx(levina_bickel_dimension(x))
    estimates = levina_bickel_dimension_per_row(again)
    np.testing.assert_array_equal(estimates[40:], estimates[[5, 6, 7, 7, 8]])


@pytest.mark.parametrize("average", ["harmonic", "arithmetic"])
def test_weights(rng, average):
    x = rng.normal(size=(60, 4))
    weights = rng.integers(0, 4, (60, 3))
    estimates = levina_bickel_dimension_per_row(x)
    values = levina_bickel_dimension(x, average=average, weights=weights)
    for value, counts in zip(values, weights.T, strict=True):
        mean = np.average(1 / estimates if average == "harmonic" else estimates, weights=counts)
        assert value == pytest.approx(1 / mean if average == "harmonic" else mean)
    again = np.concatenate([x, x[:1]])
    more = np.concatenate([weights, weights[:1] + 5])
    assert levina_bickel_dimension(again, average=average, weights=more) == pytest.approx(values)


def test_numpy_torch_and_half_precision_agree(rng):
    x = rng.normal(size=(80, 5))
    expected = levina_bickel_dimension(x)
    for function in (levina_bickel_dimension, levina_bickel_dimension_per_row):
        found = function(torch.tensor(x))
        assert found.dtype == torch.float64
        np.testing.assert_allclose(found.numpy(), function(x))
    assert levina_bickel_dimension(torch.tensor(x), weights=np.ones((80, 3))).shape == (3,)
    assert levina_bickel_dimension(x.astype(np.float16)) == pytest.approx(expected, rel=0.02)
    assert levina_bickel_dimension(x, check=False) == pytest.approx(expected)


def test_messages(rng):
    x = rng.normal(size=(12, 3))
    with pytest.raises(ValueError, match="k must be at least 2"):
        levina_bickel_dimension(x, k=1)
    with pytest.raises(ValueError, match="average must be 'harmonic' or 'arithmetic'"):
        levina_bickel_dimension(x, average="mean")
    with pytest.raises(DegenerateError, match="at least 13 distinct rows for 12 neighbours"):
        levina_bickel_dimension(x, k=12)
    with pytest.raises(DegenerateError, match="the 3 nearest rows are all equally far from every row"):
        levina_bickel_dimension(np.eye(4), k=3)
    corner = np.concatenate([np.eye(4), 5 + rng.normal(size=(6, 4))])
    assert levina_bickel_dimension(corner, k=3, unit=False) > 0
    for function, options in (
        (levina_bickel_dimension, {"average": "arithmetic"}),
        (levina_bickel_dimension_per_row, {}),
    ):
        with pytest.raises(DegenerateError, match=r"the 3 nearest rows of row \d are all equally far"):
            function(corner, k=3, unit=False, **options)
    with pytest.raises(ValueError, match="weights must have shape"):
        levina_bickel_dimension(x, weights=np.ones((8, 1)))
    x[4] = 0
    with pytest.raises(ValueError, match="row 4 is all zeros"):
        levina_bickel_dimension(x)

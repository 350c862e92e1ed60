import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.local_pca_dimension import local_pca_dimension, local_pca_dimension_per_row


def by_hand(x, k, quantile):
    counts = []
    for i, a in enumerate(x):
        distances = np.sqrt(((x - a) ** 2).sum(axis=1))
        distances[i] = np.inf
        values = np.linalg.eigvalsh(np.cov(x[np.argsort(distances)[:k]].T))[::-1]
        counts.append(1 + int((np.cumsum(values) <= quantile * values.sum()).sum()))
    return np.array(counts)


@pytest.mark.parametrize(("k", "quantile"), [(8, 0.95), (30, 0.8), (4, 0.5)])
def test_equals_a_plain_loop(rng, normalised, monkeypatch, k, quantile):
    monkeypatch.setitem(local_pca_dimension.__globals__, "_BLOCK_NUMBERS", 2000)  # several blocks
    x = rng.normal(size=(61, 7)) * np.arange(1, 8) + 1
    counts = by_hand(normalised(x), k, quantile)
    assert local_pca_dimension_per_row(x, k=k, quantile=quantile).tolist() == counts.tolist()
    assert local_pca_dimension(x, k=k, quantile=quantile) == np.median(counts)
    assert (
        local_pca_dimension_per_row(x, k=k, quantile=quantile, unit=False).tolist() == by_hand(x, k, quantile).tolist()
    )


@pytest.mark.parametrize("dimension", [1, 2, 4])
def test_finds_the_dimension_of_a_plane_in_space(rng, dimension):
    x = rng.uniform(size=(300, dimension)) @ np.linalg.qr(rng.normal(size=(20, dimension)))[0].T
    assert local_pca_dimension(x, quantile=0.99, unit=False) == dimension


def test_on_real_pairs(coco):
    """No golden number is published; these stand so that a change is seen."""
    assert local_pca_dimension(coco["image"]) == 37
    assert local_pca_dimension(coco["text"]) == 36


def test_copies_count_once_and_share_their_count(rng):
    x = rng.normal(size=(60, 6)) * np.arange(1, 7)
    again = np.concatenate([x, x[5:8]])
    counts = local_pca_dimension_per_row(again, k=10)
    assert counts[:60].tolist() == local_pca_dimension_per_row(x, k=10).tolist()
    assert counts[60:].tolist() == counts[5:8].tolist()


def test_weights_give_weighted_medians(rng):
    x = rng.normal(size=(60, 6)) * np.arange(1, 7)
    weights = rng.integers(0, 4, (60, 20))
    counts = local_pca_dimension_per_row(x, k=10)
    values = local_pca_dimension(x, k=10, weights=weights)
    assert values.tolist() == [np.median(np.repeat(counts, column)) for column in weights.T]
    half = np.zeros((60, 1))
    half[[np.argmin(counts), np.argmax(counts)]] = 1
    assert local_pca_dimension(x, k=10, weights=half)[0] == (counts.min() + counts.max()) / 2
    again, more = np.concatenate([x, x[:1]]), np.concatenate([weights, weights[:1] + 5])
    assert local_pca_dimension(again, k=10, weights=more).tolist() == values.tolist()


def test_numpy_torch_and_half_precision_agree(rng):
    x = rng.normal(size=(80, 5)) * np.arange(1, 6)
    for function in (local_pca_dimension, local_pca_dimension_per_row):
        found = function(torch.tensor(x), k=20)
        assert found.dtype == torch.float64
        np.testing.assert_array_equal(found.numpy(), function(x, k=20))
    assert local_pca_dimension(torch.tensor(x), k=20, weights=np.ones((80, 3))).shape == (3,)
    assert local_pca_dimension(x.astype(np.float32), k=20, check=False) == local_pca_dimension(x, k=20)


def test_messages(rng):
    x = rng.normal(size=(12, 3))
    with pytest.raises(ValueError, match="k must be at least 2"):
        local_pca_dimension(x, k=1)
    for quantile in (0.0, 1.0):
        with pytest.raises(ValueError, match="quantile must lie between 0 and 1"):
            local_pca_dimension(x, k=5, quantile=quantile)
    with pytest.raises(DegenerateError, match="at least 51 distinct rows for 50 neighbours each, but it has 12"):
        local_pca_dimension(x)
    with pytest.raises(ValueError, match="weights must have shape"):
        local_pca_dimension(x, k=5, weights=np.ones((8, 1)))
    x[4] = 0
    with pytest.raises(ValueError, match="row 4 is all zeros"):
        local_pca_dimension(x, k=5)

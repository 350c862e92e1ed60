"""The mean of a bank under softmax weights."""

import numpy as np
import pytest

from crossgap.close.softmax_mean import softmax_mean
from crossgap.geometry.rows import unit_rows


def by_loop(rows, keys, values, temperature, neighbours=None):
    means = []
    for row in rows:
        cosines = [float(sum(a * b for a, b in zip(row, key, strict=True))) for key in keys]
        order = sorted(range(len(keys)), key=lambda j: -cosines[j])[:neighbours]
        top = max(cosines)
        weights = [np.exp((cosines[j] - top) / temperature) for j in order]
        means.append(sum(w * values[j] for w, j in zip(weights, order, strict=True)) / sum(weights))
    return np.array(means)


@pytest.mark.parametrize("temperature", [0.001, 0.01, 0.3, np.inf])
@pytest.mark.parametrize("neighbours", [None, 1, 4, 30])
def test_a_plain_loop_agrees(rng, temperature, neighbours):
    rows, keys, values = (
        unit_rows(rng.normal(size=(12, 5))),
        unit_rows(rng.normal(size=(30, 5))),
        rng.normal(size=(30, 3)),
    )
    found = softmax_mean(rows, keys, values, temperature=temperature, neighbours=neighbours)
    np.testing.assert_allclose(found, by_loop(rows, keys, values, temperature, neighbours), atol=1e-9)


def test_blocks_of_rows_and_keys_do_not_show(rng):
    rows, keys, values = unit_rows(rng.normal(size=(4200, 4))), unit_rows(rng.normal(size=(2500, 4))), np.eye(2500, 6)
    for neighbours in (None, 3):
        whole = softmax_mean(rows, keys, values, temperature=0.05, neighbours=neighbours)
        some = softmax_mean(rows[4090:], keys, values, temperature=0.05, neighbours=neighbours)
        np.testing.assert_allclose(whole[4090:], some, atol=1e-12)
        scores = rows[4090:] @ keys.T / 0.05
        if neighbours is None:
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            np.testing.assert_allclose(some, (weights / weights.sum(axis=1, keepdims=True)) @ values, atol=1e-12)


def test_a_small_temperature_underflows_nowhere():
    rows, keys = np.array([[1.0, 0.0]], np.float32), np.array([[-1.0, 0.0], [-0.8, 0.6], [-0.8, -0.6]], np.float32)
    found = softmax_mean(rows, keys, np.eye(3, dtype=np.float32), temperature=0.001)
    np.testing.assert_allclose(found, [[0, 0.5, 0.5]], atol=1e-6)
    assert found.dtype == np.float32

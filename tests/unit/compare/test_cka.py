import itertools

import numpy as np
import pytest
import torch

from crossgap.compare.cka import cka
from crossgap.errors import DegenerateError
from crossgap.measure.certainty import bootstrap_interval


def biased(x, y):
    n = len(x)
    centre = np.eye(n) - 1 / n
    k, m = centre @ x @ x.T @ centre, centre @ y @ y.T @ centre
    return np.trace(k @ m) / np.sqrt(np.trace(k @ k) * np.trace(m @ m))


def hsic(k, m):
    """The mean over distinct (i, j, q, r) that the estimate of Song et al. is a short form of."""
    fours = itertools.permutations(range(len(k)), 4)
    return np.mean([k[i, j] * m[i, j] + k[i, j] * m[q, r] - 2 * k[i, j] * m[i, q] for i, j, q, r in fours])


def song(x, y):
    def estimate(k, m):
        n, one = len(k), np.ones(len(k))
        k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
        parts = (
            np.trace(k @ m) + one @ k @ one * (one @ m @ one) / ((n - 1) * (n - 2)) - 2 / (n - 2) * one @ k @ m @ one
        )
        return parts / (n * (n - 3))

    k, m = x @ x.T, y @ y.T
    return estimate(k, m) / np.sqrt(estimate(k, k) * estimate(m, m))


def test_golden(coco):
    assert cka(coco["image"], coco["text"], debiased=False) == pytest.approx(0.6362, abs=5e-5)


def test_debiased_on_real_pairs(coco, normalised):
    x, y = normalised(coco["image"]), normalised(coco["text"])
    assert cka(x, y) == pytest.approx(song(x, y), abs=1e-12)
    assert cka(x, y) == pytest.approx(0.604588, abs=1e-6)  # no golden number is published


@pytest.mark.parametrize("n", [4, 6, 60])  # fewer and more rows than dimensions
@pytest.mark.parametrize("unit", [True, False])
def test_equals_the_definitions(two_spaces, normalised, n, unit):
    x, y = (rows[:n] for rows in two_spaces)
    a, b = (normalised(x), normalised(y)) if unit else (x, y)
    assert cka(x, y, debiased=False, unit=unit) == pytest.approx(biased(a, b))
    assert cka(x, y, debiased=True, unit=unit) == pytest.approx(song(a, b))


def test_song_estimate_is_a_mean_over_distinct_rows(two_spaces, normalised):
    x, y = (normalised(rows[:9]) for rows in two_spaces)
    k, m = x @ x.T, y @ y.T
    assert cka(x, y) == pytest.approx(hsic(k, m) / np.sqrt(hsic(k, k) * hsic(m, m)))


def test_few_rows_are_debiased(rng):
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(50, 5))
    assert cka(x[:49], y[:49]) == cka(x[:49], y[:49], debiased=True)
    assert cka(x, y) == cka(x, y, debiased=False) != cka(x, y, debiased=True)


def test_debiased_is_zero_on_average_for_spaces_that_have_nothing_in_common():
    values = []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        values.append([cka(*rng.normal(size=(2, 60, 40)), debiased=debiased) for debiased in (True, False)])
    assert np.mean(values, axis=0) == pytest.approx([0, 40 / 100], abs=0.02)


def test_equal_spaces(rng):
    x = rng.normal(size=(20, 30))
    assert cka(x, x) == pytest.approx(1)
    assert cka(x, x, debiased=False) == pytest.approx(1)


def test_weights_repeat_rows_in_the_biased_value(two_spaces, monkeypatch):
    monkeypatch.setitem(cka.__globals__, "BLOCK_ROWS", 25)  # several blocks
    x, y = two_spaces
    weights = np.random.default_rng(1).integers(0, 4, (60, 3))
    values = cka(x, y, debiased=False, weights=weights)
    for value, counts in zip(values, weights.T, strict=True):
        repeated = [np.repeat(rows, counts, axis=0) for rows in (x, y)]
        assert value == pytest.approx(cka(*repeated, debiased=False))


def test_debiased_a_row_never_pairs_with_its_copies(two_spaces, normalised, monkeypatch):
    monkeypatch.setitem(cka.__globals__, "BLOCK_ROWS", 3)
    x, y = (normalised(rows[:8]) for rows in two_spaces)
    weights = np.random.default_rng(1).integers(0, 3, (8, 2))
    weights[:4] += 1
    k, m = x @ x.T, y @ y.T
    for value, w in zip(cka(x, y, weights=weights), weights.T, strict=True):
        estimates = np.zeros(3)
        for i, j, q, r in itertools.permutations(range(8), 4):
            for place, (a, b) in enumerate(((k, m), (k, k), (m, m))):
                terms = a[i, j] * b[i, j] + a[i, j] * b[q, r] - 2 * a[i, j] * b[i, q]
                estimates[place] += w[i] * w[j] * w[q] * w[r] * terms
        assert value == pytest.approx(estimates[0] / np.sqrt(estimates[1] * estimates[2]))


def test_a_replicate_without_spread_is_zero(two_spaces):
    x, y = two_spaces
    weights = np.zeros((60, 2))
    weights[:2, 0], weights[3, 1] = 1, 5
    assert cka(x, y, debiased=True, weights=weights).tolist() == [0, 0]
    assert cka(x, y, debiased=False, weights=weights)[1] == 0


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(4, 4))

    def draw(n, seed):
        x = np.random.default_rng(seed).normal(size=(n, 4))
        return x, x @ mix + np.random.default_rng(seed + 1000).normal(size=(n, 4))

    truth = float(cka(*draw(50_000, 77), unit=False))
    inside = 0
    for seed in range(40):
        found = bootstrap_interval(cka, *draw(150, seed), replicates=100, unit=False, debiased=True)
        inside += found.low <= truth <= found.high
    assert inside >= 32


@pytest.mark.parametrize("n", [5, 12])
@pytest.mark.parametrize("debiased", [True, False])
def test_gradients(rng, n, debiased):
    x, y = (torch.tensor(rng.normal(size=(n, d)), requires_grad=True) for d in (6, 5))
    assert torch.autograd.gradcheck(lambda a, b: cka(a, b, debiased=debiased, check=False), (x, y))


def test_messages(rng):
    x = rng.normal(size=(3, 4))
    with pytest.raises(DegenerateError, match="at least 4 rows for a debiased value, but they have 3"):
        cka(x, x)
    assert cka(x, x, debiased=False) == pytest.approx(1)
    x = rng.normal(size=(6, 4))
    same = np.ones((6, 4))
    for a, b, name in ((same, x, "x"), (x, same, "y")):
        with pytest.raises(DegenerateError, match=f"the rows of {name} must differ, but they do not"):
            cka(a, b, debiased=False)
    with pytest.raises(DegenerateError, match="the rows of x must differ in their cosines to each other"):
        cka(np.eye(6), rng.normal(size=(6, 6)))

import importlib

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.certainty import permutation_p
from crossgap.measure.mmd import median_squared_distance, mmd, mmd_p_value

module = importlib.import_module("crossgap.measure.mmd")  # the package exports the function under this name

# torch says so once, when a checked length is read from a tensor that has a gradient


def plain(x, y, h, a=None, b=None):
    x, y = unit_rows(x), unit_rows(y)
    a, b = np.ones(len(x)) if a is None else a, np.ones(len(y)) if b is None else b

    def mean(u, v, p, q, same):
        k = np.exp(-((u[:, None] - v[None]) ** 2).sum(-1) / h)
        w = np.outer(p, q) * (1 - np.eye(len(u)) if same else 1)
        return (k * w).sum() / w.sum()

    return mean(x, x, a, a, True) + mean(y, y, b, b, True) - 2 * mean(x, y, a, b, False)


def two(rng, n=40, m=30, d=5):
    return rng.normal(size=(n, d)) + 0.4, rng.normal(size=(m, d))


def test_golden_values(coco):
    x, y = coco["image"], coco["text"]
    assert float(median_squared_distance(x, y)) == pytest.approx(1.4176, abs=1e-4)
    assert float(mmd(x, y)) == pytest.approx(0.4174, abs=1e-4)
    assert mmd_p_value(x, y, permutations=99) == 0.01


def test_equals_a_double_loop_over_several_blocks(rng):
    x, y = two(rng, 1100, 1030, 3)
    assert float(mmd(x, y, bandwidth=1.3)) == pytest.approx(plain(x, y, 1.3), abs=1e-12)


def test_median_equals_a_double_loop(rng):
    x, y = two(rng)
    z = unit_rows(np.concatenate([x, y]))
    squares = ((z[:, None] - z[None]) ** 2).sum(-1)[np.triu_indices(len(z), 1)]
    assert float(median_squared_distance(x, y)) == pytest.approx(np.median(squares), abs=1e-12)
    assert float(median_squared_distance(x[:1], y[:1])) == pytest.approx(((z[0] - z[40]) ** 2).sum(), abs=1e-12)


def test_median_of_many_rows_comes_from_a_seeded_sample(rng, monkeypatch):
    x, y = two(rng, 300, 200)
    exact = float(median_squared_distance(x, y))
    monkeypatch.setattr(module, "_EXACT_ROWS", 100)
    sampled = [float(median_squared_distance(x, y, seed=seed)) for seed in (0, 0, 1)]
    assert sampled[0] == sampled[1] != sampled[2]
    assert sampled == pytest.approx([exact] * 3, abs=0.01)
    assert float(mmd(x, y, seed=0)) != float(mmd(x, y, seed=1))


def test_mixture_is_the_mean_over_five_scales(rng):
    x, y = two(rng)
    h = float(median_squared_distance(x, y))
    expected = np.mean([plain(x, y, h * scale) for scale in (0.25, 0.5, 1, 2, 4)])
    assert float(mmd(x, y, kernel="mixture")) == pytest.approx(expected, abs=1e-12)
    values = [float(mmd(x, y, kernel="mixture"))]
    signs, pooled = module._label_signs(40, 30, 50, False, 4), np.concatenate([x, y])
    values += [np.mean([plain(pooled[s > 0], pooled[s < 0], h * c) for c in (0.25, 0.5, 1, 2, 4)]) for s in signs.T[1:]]
    p = mmd_p_value(x, y - 0.2, kernel="mixture", permutations=50, seed=4)
    assert p == 1 / 51  # the groups lie far apart
    p = mmd_p_value(x, y, kernel="mixture", permutations=50, seed=4)
    assert p == (1 + np.sum(np.array(values[1:]) >= values[0])) / 51


def test_the_root_of_an_estimate_below_zero_is_zero(rng):
    x, y = two(rng)
    assert float(mmd(x, y, squared=False)) == pytest.approx(float(mmd(x, y)) ** 0.5)
    x = rng.normal(size=(40, 5))
    assert float(mmd(x, x)) < 0
    assert float(mmd(x, x, squared=False)) == 0


def test_weights_count_rows_but_never_pair_a_row_with_itself(rng):
    x, y = two(rng)
    a, b = rng.poisson(1, (40, 4)).astype(np.uint8), rng.poisson(1, (30, 4)).astype(np.uint8)
    expected = [plain(x, y, 1.5, a[:, k].astype(float), b[:, k].astype(float)) for k in range(4)]
    assert mmd(x, y, bandwidth=1.5, weights=(a, b)) == pytest.approx(expected, abs=1e-12)
    ones = mmd(x, y, weights=(np.ones((40, 2)), np.ones((30, 2))))
    assert ones == pytest.approx([float(mmd(x, y))] * 2)


def test_torch_agrees_and_has_a_gradient(rng):
    x, y = two(rng)
    a, b = torch.tensor(x, requires_grad=True), torch.tensor(y)
    value = mmd(a, b, kernel="mixture")
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(float(mmd(x, y, kernel="mixture")), abs=1e-9)
    value.backward()
    assert torch.isfinite(a.grad).all()
    assert a.grad.abs().max() > 0
    assert mmd_p_value(a, b, permutations=50) == mmd_p_value(x, y, permutations=50)
    half = mmd(x.astype(np.float16), y.astype(np.float16))
    assert float(half) == pytest.approx(float(mmd(x, y)), abs=2e-3)


@pytest.mark.parametrize("paired", [True, False])
def test_permuted_values_equal_relabelled_measurements(rng, paired):
    n, m = (12, 12) if paired else (12, 9)
    x, y = two(rng, n, m)
    signs = module._label_signs(n, m, 6, paired, 3)
    pooled = np.concatenate([x, y])
    expected = [plain(pooled[s > 0], pooled[s < 0], 1.5) for s in signs.T]
    assert module._permuted_mmd(x, y, (1 / 1.5,), signs) == pytest.approx(expected, abs=1e-12)
    if paired:
        assert (signs[:n] == -signs[n:]).all()


def test_permuted_values_over_several_blocks(rng):
    x, y = two(rng, 1100, 1040, 3)
    values = module._permuted_mmd(x, y, (1.0,), module._label_signs(1100, 1040, 1, False, 0))
    assert values[0] == pytest.approx(float(mmd(x, y, bandwidth=1.0)), abs=1e-12)


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_swapped_values_differ_from_permuted_ones_by_one_constant(rng, make):
    x, y = two(rng, 600, 600, 3)
    signs = module._label_signs(600, 600, 5, True, 0)
    apart = module._swapped_mmd(make(x), make(y), (1.0, 0.3), signs[:600])
    apart -= module._permuted_mmd(x, y, (1.0, 0.3), signs)
    assert np.ptp(apart) < 1e-12


def test_p_value_agrees_with_the_slow_test_and_is_even_without_a_difference(rng):
    x, y = rng.normal(size=(30, 4)) + 0.25, rng.normal(size=(30, 4))
    for paired in (True, False):
        fast = mmd_p_value(x, y, paired=paired, permutations=400, bandwidth=1.5, seed=2)
        signs, pooled = module._label_signs(30, 30, 400, paired, 2), np.concatenate([x, y])
        values = np.array([plain(pooled[s > 0], pooled[s < 0], 1.5) for s in signs.T])
        assert fast == (1 + np.sum(values[1:] >= values[0] - 1e-12)) / 401
        assert 1 / 401 < fast < 1
        slow = permutation_p(mmd, x, y, paired=paired, permutations=400, bandwidth=1.5)
        # two estimates from 400 draws each: four standard errors of their difference
        assert abs(fast - slow) <= 4 * (2 * fast * (1 - fast) / 400) ** 0.5
    low = 0
    for seed in range(200):
        x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
        low += mmd_p_value(x, y, permutations=39, bandwidth=1.5, seed=seed) <= 0.05
    assert 2 <= low <= 22  # binomial(200, 0.05): outside with probability 0.0008
    assert mmd_p_value(x, y, seed=0) != mmd_p_value(x, y, seed=1)
    assert mmd_p_value(x, y, paired=False) != mmd_p_value(x, y, paired=True)


def test_messages(rng):
    x, y = two(rng)
    with pytest.raises(ValueError, match="kernel must be 'gaussian' or 'mixture', but it is 'linear'"):
        mmd(x, y, kernel="linear")
    with pytest.raises(ValueError, match="bandwidth must be a finite number above 0, but it is 0"):
        mmd(x, y, bandwidth=0)
    with pytest.raises(DegenerateError, match="the median distance is 0"):
        mmd(np.ones((3, 2)), np.ones((3, 2)))
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        mmd(x[:1], y)
    with pytest.raises(ValueError, match="share one space"):
        mmd(x[:, :2], y)
    with pytest.raises(ValueError, match="row 3 is all zeros"):
        mmd(np.where(np.arange(40)[:, None] == 3, 0.0, x), y, bandwidth=1.0)
    with pytest.raises(ValueError, match="permutations must be at least 1"):
        mmd_p_value(x, y, permutations=0)
    with pytest.raises(ValueError, match="paired permutations need groups of one size, but they have 40 and 30"):
        mmd_p_value(x, y, paired=True)
    mmd(np.where(np.arange(40)[:, None] == 3, 0.0, x), y, bandwidth=1.0, check=False)

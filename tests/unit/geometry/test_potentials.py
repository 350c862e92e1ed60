import numpy as np
import pytest
import torch

from crossgap.geometry.potentials import log_mean_potential

N = 4096 + 1100


def _by_loops(x, y, t, left_out=(), weights=None):
    """The definition: a double loop over pairs in float64; without ``y`` the pairs i < j."""
    wx, wy = weights if weights is not None else (np.ones(len(x)), np.ones(len(y if y is not None else x)))
    total = mass = 0.0
    for i in range(len(x)):
        for j in range(len(y)) if y is not None else range(i + 1, len(x)):
            if (i, j) in left_out:
                continue
            weight = wx[i] * wy[j]
            total += weight * np.exp(-t * (((x[i] - (y if y is not None else x)[j]) ** 2).sum()))
            mass += weight
    return np.log(total / mass)


def _in_strips(x, y, t, keep=None):
    """The same for many rows, a row of pairs at a time."""
    total = pairs = 0
    for i in range(len(x)):
        others = x[i + 1 :] if y is None else y
        values = np.exp(-t * ((x[i] - others) ** 2).sum(axis=1))
        kept = np.ones(len(others), bool) if keep is None else keep[i]
        total, pairs = total + values[kept].sum(), pairs + kept.sum()
    return np.log(total / pairs)


@pytest.mark.parametrize("t", [0.5, 2.0, 15.0, 16.0, 400.0])
def test_small_sets_equal_a_double_loop(rng, normalised, t):
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(20, 3))
    ux, uy = normalised(x), normalised(y)
    assert log_mean_potential(x, t=t) == pytest.approx(_by_loops(ux, None, t), rel=1e-11)
    assert log_mean_potential(x, y, t=t) == pytest.approx(_by_loops(ux, uy, t), rel=1e-11)


@pytest.mark.parametrize("t", [2.0, 50.0])
@pytest.mark.parametrize("kind", ["array", "float32", "reader", "tensor"])
def test_several_panels_equal_the_definition(rng, normalised, lazy, t, kind):
    x, y = rng.normal(size=(N, 3)), rng.normal(size=(1100, 3))
    make = {"array": np.asarray, "float32": np.float32, "reader": lazy, "tensor": torch.tensor}[kind]
    within, between = _in_strips(normalised(x), None, t), _in_strips(normalised(x), normalised(y), t)
    error = 2e-5 if kind == "float32" else 1e-10
    assert float(log_mean_potential(make(x), t=t)) == pytest.approx(within, abs=error)
    assert float(log_mean_potential(make(x), make(y), t=t)) == pytest.approx(between, abs=error)


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_pairs_left_out_on_several_blocks(rng, normalised, make):
    x, y = rng.normal(size=(N, 2)), rng.normal(size=(1100, 2))
    left_out = np.unique(np.stack([rng.integers(0, N, 3000), rng.integers(0, 1100, 3000)]), axis=1)
    keep = np.ones((N, 1100), bool)
    keep[left_out[0], left_out[1]] = False
    expected = _in_strips(normalised(x), normalised(y), 2.0, keep)
    found = log_mean_potential(make(x), make(y), t=2.0, leave_out=(left_out[0], left_out[1]))
    assert float(found) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("t", [2.0, 40.0])
@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_weights_within_one_group(rng, normalised, make, t):
    x, counts = rng.normal(size=(25, 3)), rng.integers(0, 3, (25, 2))
    found = log_mean_potential(make(x), t=t, x_weights=counts)
    assert found.shape == (2,)
    for column in range(2):
        w = counts[:, column]
        assert float(found[column]) == pytest.approx(_by_loops(normalised(x), None, t, weights=(w, w)), rel=1e-11)


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_weights_of_two_groups_count_as_repeated_rows(rng, normalised, make):
    x, y = rng.normal(size=(1100, 3)), rng.normal(size=(40, 3))
    a, b = rng.integers(0, 3, (1100, 2)), rng.integers(0, 3, (40, 2))
    found = log_mean_potential(make(x), make(y), t=2.0, x_weights=a, y_weights=b)
    for column in range(2):
        repeated = np.repeat(x, a[:, column], axis=0), np.repeat(y, b[:, column], axis=0)
        assert float(found[column]) == pytest.approx(float(log_mean_potential(*map(make, repeated), t=2.0)), rel=1e-11)


def test_weights_with_pairs_left_out(rng, normalised):
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 3))
    a, b = rng.integers(1, 4, (12, 2)), rng.integers(1, 4, (12, 2))
    same = np.arange(12)
    found = log_mean_potential(x, y, t=2.0, leave_out=(same, same), x_weights=a, y_weights=b)
    left_out = {(i, i) for i in range(12)}
    for column in range(2):
        expected = _by_loops(normalised(x), normalised(y), 2.0, left_out, (a[:, column], b[:, column]))
        assert found[column] == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("t", [2.0, 1e4])
def test_equal_rows_have_potential_one_and_opposite_ones_do_not_underflow(t):
    same = np.ones((5, 3), np.float32)
    assert float(log_mean_potential(same, t=t)) == pytest.approx(0.0, abs=1e-6 * t)
    assert float(log_mean_potential(same, t=t)) <= 0
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]], np.float32)
    assert float(log_mean_potential(opposite, t=t)) == pytest.approx(-4 * t)


@pytest.mark.parametrize("t", [2.0, 30.0])
def test_gradients(rng, t):
    x, y = (torch.tensor(rng.normal(size=(n, 3)), requires_grad=True) for n in (6, 5))
    assert torch.autograd.gradcheck(lambda a: log_mean_potential(a, t=t, check=False), (x,))
    pairs = (np.array([0, 2]), np.array([1, 3]))
    assert torch.autograd.gradcheck(lambda a, b: log_mean_potential(a, b, t=t, leave_out=pairs, check=False), (x, y))
    weights = rng.integers(1, 3, (6, 2))
    assert torch.autograd.gradcheck(lambda a: log_mean_potential(a, t=t, x_weights=weights, check=False), (x,))


def test_the_input_stays_as_it_was(rng):
    x = rng.normal(size=(1100, 3))
    before = x.copy()
    log_mean_potential(x, t=2.0)
    assert np.array_equal(x, before)


def test_bad_rows_and_weights_are_refused(rng):
    x = rng.normal(size=(10, 3))
    for name in ("x_weights", "y_weights"):
        with pytest.raises(ValueError, match=rf"{name} must have shape \(n, b\) with n = 10"):
            log_mean_potential(x, x, t=2.0, **{name: np.ones(10)})
    x[4] = 0
    with pytest.raises(ValueError, match="x must have rows of a length above zero, but row 4"):
        log_mean_potential(x, t=2.0)
    assert np.isfinite(log_mean_potential(x, t=2.0, check=False))

import importlib

import numpy as np
import pytest
import torch

from crossgap.geometry.rows import unit_rows
from crossgap.measure.centroid_distance import centroid_distance
from crossgap.measure.sliced_wasserstein import max_sliced_wasserstein, sliced_wasserstein

module = importlib.import_module(
    "crossgap.measure.sliced_wasserstein"
)  # the package exports the function under this name

# torch says so once, when a checked length is read from a tensor that has a gradient


def line_distance(a, b):
    """Squared W2 of two samples on a line by a common refinement of both."""
    size = np.lcm(len(a), len(b))
    return np.mean((np.repeat(np.sort(a), size // len(a)) - np.repeat(np.sort(b), size // len(b))) ** 2)


def plain(x, y, projections, seed):
    u = module._random_directions(projections, x.shape[1], seed)
    x, y = unit_rows(x) @ u, unit_rows(y) @ u
    return np.sqrt(np.mean([line_distance(x[:, p], y[:, p]) for p in range(projections)]))


@pytest.mark.parametrize("m", [1100, 700])
def test_equals_a_plain_loop_for_equal_and_unequal_sizes(rng, m):
    x, y = rng.normal(size=(1100, 3)) + 0.5, rng.normal(size=(m, 3))
    assert float(sliced_wasserstein(x, y, projections=5, seed=1)) == pytest.approx(plain(x, y, 5, 1), abs=1e-12)


def test_portions_of_directions_do_not_change_the_value(rng, monkeypatch):
    x, y = rng.normal(size=(30, 3)) + 0.5, rng.normal(size=(20, 3))
    whole = float(sliced_wasserstein(x, y, projections=7))
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 100)
    assert float(sliced_wasserstein(x, y, projections=7)) == pytest.approx(whole, abs=1e-14)


def test_scale_on_real_pairs(coco):
    x, y = coco["image"], coco["text"]
    sliced = float(sliced_wasserstein(x, y)) * np.sqrt(512)
    assert float(centroid_distance(x, y)) * 0.95 < sliced < 1.1718
    assert float(max_sliced_wasserstein(x, y)) == pytest.approx(0.8517, abs=1e-3)


@pytest.mark.parametrize("m", [40, 25])
@pytest.mark.parametrize("quantity", [sliced_wasserstein, max_sliced_wasserstein])
def test_weights_equal_repeated_rows(rng, quantity, m):
    x, y = rng.normal(size=(40, 3)) + 0.5, rng.normal(size=(m, 3))
    a = rng.poisson(1, (40, 4)).astype(np.uint8)
    b = a if m == 40 else rng.poisson(1, (m, 4)).astype(np.uint8)
    weighted = quantity(x, y, projections=6, weights=(a, b))
    u = module._random_directions(6, 3, 0)
    if quantity is max_sliced_wasserstein:
        u = module._steepest_direction(x, y, u, True)[:, None]
    for k in range(4):
        left, right = np.repeat(unit_rows(x) @ u, a[:, k], axis=0), np.repeat(unit_rows(y) @ u, b[:, k], axis=0)
        expected = np.sqrt(np.mean([line_distance(left[:, p], right[:, p]) for p in range(u.shape[1])]))
        assert weighted[k] == pytest.approx(expected, abs=1e-12)
    squared = quantity(x, y, projections=6, weights=(a, b), squared=True)
    assert squared == pytest.approx(weighted**2)


@pytest.mark.parametrize("m", [300, 200])
def test_directions_beyond_the_exact_ones_follow_the_first(rng, monkeypatch, m):
    x, y = rng.normal(size=(300, 20)) + 1, rng.normal(size=(m, 20))
    a = rng.poisson(1, (300, 30))
    b = a if m == 300 else rng.poisson(1, (m, 30))
    weights, value = (a, b), float(sliced_wasserstein(x, y, projections=64))
    exact = sliced_wasserstein(x, y, projections=64, weights=weights)
    monkeypatch.setattr(module, "_EXACT_DIRECTIONS", 24)
    near = sliced_wasserstein(x, y, projections=64, weights=weights)
    assert 0 < np.sqrt(np.mean((near - exact) ** 2)) < 0.1 * exact.std()
    equal = (np.full((300, 2), 3), np.full((m, 2), 2 if m == 200 else 3))
    assert sliced_wasserstein(x, y, projections=64, weights=equal) == pytest.approx([value, value], abs=1e-12)
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 7 * (300 + m))  # portions of 7 directions
    assert sliced_wasserstein(x, y, projections=64, weights=weights) == pytest.approx(near, abs=1e-12)


@pytest.mark.parametrize("m", [40, 25])
def test_first_order_distances_are_lower_bounds_with_the_right_slope(rng, m):
    x, y = rng.normal(size=(40, 3)), rng.normal(size=(m, 3)) + 1
    a, b = rng.poisson(1, (40, 50)), rng.poisson(1, (m, 50))
    exact = module._weighted_line_distances(x, y, a, b).sum(axis=0)
    assert np.all(module._first_order_distances(x, y, a, b) <= exact + 1e-12)
    a, b = 1000 * np.ones_like(a) + 10 * (a - 1), 1000 * np.ones_like(b) + 10 * (b - 1)  # a hundredth of the way
    exact = module._weighted_line_distances(x, y, a, b).sum(axis=0)
    plain = module._line_distances(x, y).sum()
    first = module._first_order_distances(x, y, a, b)
    assert np.abs(first - exact).max() < 0.1 * np.abs(exact - plain).max()


def test_repeat_equals_numpy(rng):
    values = rng.normal(size=50)
    for counts in (rng.poisson(1, 50), np.zeros(50, int), np.ones(50, int), np.array([0] * 49 + [3])):
        assert np.array_equal(module._repeat(values, counts), np.repeat(values, counts))


def test_the_search_finds_the_direction_in_which_spreads_differ(rng):
    x, y = rng.normal(size=(400, 6)), rng.normal(size=(400, 6))
    y[:, 2] *= 5
    found = module._steepest_direction(x, y, module._random_directions(16, 6, 0), True)
    assert abs(found[2]) > 0.99
    value = float(max_sliced_wasserstein(x, y))
    every = unit_rows(x) @ np.eye(6), unit_rows(y) @ np.eye(6)
    assert value**2 >= max(line_distance(every[0][:, k], every[1][:, k]) for k in range(6)) - 1e-9
    assert value >= float(centroid_distance(x, y))
    x -= x.mean(axis=0)
    assert float(max_sliced_wasserstein(x, x)) == 0


def test_squared_and_seed_and_projections_matter(rng):
    x, y = rng.normal(size=(30, 4)) + 0.5, rng.normal(size=(30, 4))
    value = float(sliced_wasserstein(x, y))
    assert float(sliced_wasserstein(x, y, squared=True)) == pytest.approx(value**2)
    assert float(sliced_wasserstein(x, y, seed=1)) != value
    assert float(sliced_wasserstein(x, y, projections=10)) != value
    top = float(max_sliced_wasserstein(x, y))
    assert float(max_sliced_wasserstein(x, y, squared=True)) == pytest.approx(top**2)
    assert float(max_sliced_wasserstein(x, y, seed=1, projections=1)) == pytest.approx(top, rel=0.05)


@pytest.mark.parametrize("quantity", [sliced_wasserstein, max_sliced_wasserstein])
@pytest.mark.parametrize("m", [30, 20])
def test_torch_agrees_and_has_a_gradient(rng, quantity, m):
    x, y = rng.normal(size=(30, 4)) + 0.5, rng.normal(size=(m, 4))
    a = torch.tensor(x, requires_grad=True)
    value = quantity(a, torch.tensor(y), projections=8)
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(float(quantity(x, y, projections=8)), abs=1e-9)
    value.backward()
    assert a.grad.abs().max() > 0
    weights = (np.ones((30, 2), np.uint8), np.ones((m, 2), np.uint8))
    weighted = quantity(a, torch.tensor(y), projections=8, weights=weights)
    assert weighted.tolist() == pytest.approx([value.item()] * 2)
    half = quantity(x.astype(np.float16), y.astype(np.float16), projections=8)
    assert float(half) == pytest.approx(value.item(), abs=2e-3)


@pytest.mark.parametrize("quantity", [sliced_wasserstein, max_sliced_wasserstein])
def test_messages(rng, quantity):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="projections must be at least 1, but it is 0"):
        quantity(x, x, projections=0)
    with pytest.raises(ValueError, match="weights must be whole numbers"):
        quantity(x, x, weights=np.full((5, 2), 0.5))
    with pytest.raises(ValueError, match="share one space"):
        quantity(x, x[:, :2])
    x[1] = 0
    with pytest.raises(ValueError, match="row 1 is all zeros"):
        quantity(x, x)

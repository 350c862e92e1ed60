import importlib
import itertools

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.alignment import alignment
from crossgap.measure.wasserstein import matching_cost_ratio, optimal_partner_share, sinkhorn_distance, wasserstein

module = importlib.import_module("crossgap.measure.wasserstein")  # the package exports the function under this name

# torch says so once, when a checked length is read from a tensor that has a gradient


def squares(x, y):
    return ((unit_rows(x)[:, None] - unit_rows(y)[None]) ** 2).sum(-1)


def test_equals_the_best_of_all_assignments(rng):
    x, y = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    costs = squares(x, y)
    best = min(itertools.permutations(range(6)), key=lambda s: costs[range(6), s].sum())
    value = costs[range(6), best].mean()
    assert float(wasserstein(x, y)) == pytest.approx(value**0.5, abs=1e-12)
    assert float(wasserstein(x, y, squared=True)) == pytest.approx(value, abs=1e-12)
    assert float(optimal_partner_share(x, y)) == np.mean(np.array(best) == np.arange(6))
    assert float(matching_cost_ratio(x, y)) == pytest.approx(value / float(alignment(x, y)), abs=1e-12)


def test_values_on_real_pairs(coco):
    x, y = coco["image"], coco["text"]
    assert float(wasserstein(x, y)) == pytest.approx(1.17194, abs=1e-4)
    assert float(optimal_partner_share(x, y)) == pytest.approx(0.648, abs=1e-4)
    assert float(matching_cost_ratio(x, y)) == pytest.approx(0.99513, abs=1e-4)
    assert float(sinkhorn_distance(x[:100], y[:100])) < float(wasserstein(x[:100], y[:100]))


def test_prices_are_feasible_and_tight_at_partners(rng):
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 3))
    partner, a, b, _ = module._assign(x, y, True)
    f, g = module._prices(module._costs(a, b), partner)
    slack = squares(x, y) - f[:, None] - g[None]
    assert slack.min() > -1e-9
    assert slack[np.arange(30), partner] == pytest.approx(0, abs=1e-9)


def test_weights_are_a_lower_bound_that_follows_repeated_rows(rng):
    x, y = rng.normal(size=(300, 2)), rng.normal(size=(300, 2)) + 0.7
    w = rng.poisson(1, (300, 12)).astype(np.uint8)
    repeated = np.array([float(wasserstein(*(np.repeat(z, w[:, k], axis=0) for z in (x, y)))) for k in range(12)])
    weighted = wasserstein(x, y, weights=w)
    assert (weighted <= repeated + 1e-9).all()
    assert np.corrcoef(weighted, repeated)[0, 1] > 0.95
    assert wasserstein(x, y, weights=np.ones((300, 2))) == pytest.approx([float(wasserstein(x, y))] * 2)
    squared = wasserstein(x, y, weights=w, squared=True)
    assert squared == pytest.approx(weighted**2)
    assert matching_cost_ratio(x, y, weights=w) == pytest.approx(squared / alignment(x, y, weights=w))
    shares = optimal_partner_share(x, y, weights=w)
    hits = module._assign(x, y, True)[0] == np.arange(300)
    assert shares == pytest.approx(w[hits].sum(axis=0) / w.sum(axis=0))


def test_torch_agrees_and_has_a_gradient(rng):
    x, y = rng.normal(size=(30, 4)) + 0.5, rng.normal(size=(30, 4))
    for quantity in (wasserstein, matching_cost_ratio, sinkhorn_distance):
        a = torch.tensor(x, requires_grad=True)
        value = quantity(a, torch.tensor(y))
        assert value.dtype == torch.float64
        assert value.item() == pytest.approx(float(quantity(x, y)), abs=1e-9)
        value.backward()
        step = 1e-6 * np.sign(a.grad.numpy())
        slope = (float(quantity(x + step, y)) - float(quantity(x - step, y))) / 2
        assert slope == pytest.approx(1e-6 * a.grad.abs().sum().item(), rel=1e-3)
        weighted = quantity(a.detach(), torch.tensor(y), weights=np.ones((30, 2)))
        assert weighted.tolist() == pytest.approx([value.item()] * 2)
    assert float(optimal_partner_share(torch.tensor(x), torch.tensor(y))) == float(optimal_partner_share(x, y))
    assert float(wasserstein(x.astype(np.float16), y)) == pytest.approx(float(wasserstein(x, y)), abs=2e-3)


def test_sinkhorn_goes_from_the_exact_distance_to_the_centroids(rng):
    x, y = rng.normal(size=(40, 3)) + 1, rng.normal(size=(40, 3)) - 1
    exact = float(wasserstein(x, y))
    gap = np.linalg.norm(unit_rows(x).mean(0) - unit_rows(y).mean(0))
    assert float(sinkhorn_distance(x, y, regularisation=0.005)) == pytest.approx(exact, abs=0.01)
    assert float(sinkhorn_distance(x, y, regularisation=1000.0)) == pytest.approx(gap, abs=1e-3)
    assert float(sinkhorn_distance(x, x[::-1])) == pytest.approx(0, abs=1e-3)
    assert float(sinkhorn_distance(x, y, squared=True)) == pytest.approx(float(sinkhorn_distance(x, y)) ** 2)


def test_sinkhorn_equals_the_primal_value_for_unequal_sizes(rng):
    x, y, eps = rng.normal(size=(12, 3)), rng.normal(size=(7, 3)) + 1, 0.1

    def primal(a, b):
        cost = squares(a, b)
        u, v, kernel = np.ones(len(a)), np.ones(len(b)), np.exp(-cost / eps)
        for _ in range(5000):
            u = 1 / (kernel @ v) / len(a)
            v = 1 / (kernel.T @ u) / len(b)
        plan = u[:, None] * kernel * v
        return (plan * cost).sum() + eps * (plan * np.log(plan * len(a) * len(b))).sum()

    expected = primal(x, y) - primal(x, x) / 2 - primal(y, y) / 2
    assert float(sinkhorn_distance(x, y, regularisation=eps, squared=True)) == pytest.approx(expected, abs=1e-6)


def test_sinkhorn_weights_follow_repeated_rows_to_first_order(rng):
    x, y = rng.normal(size=(200, 3)) + 0.5, rng.normal(size=(200, 3))
    w = rng.poisson(1, (200, 6)).astype(np.uint8)
    repeated = np.array([float(sinkhorn_distance(*(np.repeat(z, w[:, k], axis=0) for z in (x, y)))) for k in range(6)])
    assert np.corrcoef(sinkhorn_distance(x, y, weights=w), repeated)[0, 1] > 0.9


def test_messages(rng, monkeypatch):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="pair row by row"):
        wasserstein(x, x[:4])
    big = np.ones((2001, 2))
    for quantity in (wasserstein, optimal_partner_share, matching_cost_ratio):
        with pytest.raises(ValueError, match="an exact assignment takes at most 2,000 rows, but x and y have 2,001"):
            quantity(big, big)
    with pytest.raises(DegenerateError, match="every pair of x and y coincides"):
        matching_cost_ratio(x, x)
    with pytest.raises(ValueError, match="regularisation must be a finite number above 0"):
        sinkhorn_distance(x, x, regularisation=0)
    with pytest.raises(ValueError, match="at most 5,000 rows each here, but they have 5,001 and 5"):
        sinkhorn_distance(np.ones((5001, 3)), x)
    with pytest.raises(ValueError, match="have not settled after 1 iterations at"):
        sinkhorn_distance(x, x + 1, iterations=1)
    one = np.array([[1.0, 0.0]])
    assert float(sinkhorn_distance(one, np.array([[0.0, 1.0]]))) == pytest.approx(2**0.5)
    x[1] = 0
    for quantity in (wasserstein, optimal_partner_share, matching_cost_ratio, sinkhorn_distance):
        with pytest.raises(ValueError, match="row 1 is all zeros"):
            quantity(x, x)

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.frechet_distance import frechet_covariance_part, frechet_distance, frechet_mean_part

# torch says so once, when a checked length is read from a tensor that has a gradient


def test_golden_values(coco):
    x, y = coco["image"], coco["text"]
    assert float(frechet_mean_part(x, y)) == pytest.approx(0.7248, abs=1e-4)
    assert float(frechet_covariance_part(x, y)) == pytest.approx(0.3804, abs=1e-4)


def test_equals_the_matrix_square_root(rng):
    x, y = rng.normal(size=(1100, 4)) * [1, 2, 3, 4], rng.normal(size=(300, 4)) + 0.5
    s, t = np.cov(unit_rows(x).T), np.cov(unit_rows(y).T)
    expected = np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert float(frechet_covariance_part(x, y)) == pytest.approx(expected, abs=1e-9)
    gap = unit_rows(x).mean(0) - unit_rows(y).mean(0)
    assert float(frechet_distance(x, y)) == pytest.approx(expected + gap @ gap, abs=1e-9)


def test_a_group_has_no_distance_from_itself_even_without_full_rank(rng):
    x = rng.normal(size=(5, 20))
    assert float(frechet_distance(x, x[::-1])) == pytest.approx(0, abs=1e-7)


def test_weights_follow_repeated_rows_to_first_order(rng):
    n = 4000
    x, y = rng.normal(size=(n, 3)) * [1, 2, 3], rng.normal(size=(n, 3)) + 0.7
    w = rng.poisson(1, (n, 8)).astype(np.uint8)
    repeated = [
        float(frechet_covariance_part(np.repeat(x, w[:, k], axis=0), np.repeat(y, w[:, k], axis=0))) for k in range(8)
    ]
    weighted = frechet_covariance_part(x, y, weights=w)
    assert np.abs(weighted - repeated).max() < np.std(repeated) / 4
    assert (weighted <= np.array(repeated) + 1e-12).all()  # the root is concave
    whole = frechet_distance(x, y, weights=(np.ones((n, 1)), np.ones((n, 1))))
    assert whole == pytest.approx([float(frechet_distance(x, y))], abs=1e-9)


def test_unit_weights_give_the_value_without_full_rank(rng):
    x, y = rng.normal(size=(6, 20)), rng.normal(size=(9, 20))
    value = frechet_covariance_part(x, y, weights=(np.ones((6, 2)), np.ones((9, 2))))
    assert value == pytest.approx([float(frechet_covariance_part(x, y))] * 2, abs=1e-9)


def test_torch_agrees_and_has_a_gradient(rng):
    x, y = rng.normal(size=(50, 4)), rng.normal(size=(60, 4)) + 0.5
    a = torch.tensor(x, requires_grad=True)
    value = frechet_distance(a, torch.tensor(y))
    assert value.item() == pytest.approx(float(frechet_distance(x, y)), abs=1e-9)
    value.backward()
    step = 1e-6 * np.sign(a.grad.numpy())
    slope = (float(frechet_distance(x + step, y)) - float(frechet_distance(x - step, y))) / 2
    assert slope == pytest.approx(1e-6 * a.grad.abs().sum().item(), rel=1e-4)
    weights = (np.ones((50, 2)), np.ones((60, 2)))
    assert frechet_distance(a.detach(), torch.tensor(y), weights=weights).tolist() == pytest.approx([value.item()] * 2)
    assert float(frechet_distance(x.astype(np.float32), y)) == pytest.approx(value.item(), abs=1e-5)


def test_messages(rng):
    x = rng.normal(size=(5, 3))
    for quantity in (frechet_distance, frechet_covariance_part, frechet_mean_part):
        with pytest.raises(DegenerateError, match="x must have at least 2 rows"):
            quantity(x[:1], x)
        with pytest.raises(ValueError, match="share one space"):
            quantity(x, x[:, :2])
        bad = x.copy()
        bad[4] = np.nan
        with pytest.raises(ValueError, match="row 4 holds a NaN"):
            quantity(bad, x)

import numpy as np
import pytest
import torch

from crossgap.geometry.means import covariance, mean_row, mean_unit_row, weighted_mean, weights_like, wide

N = 4096 + 1100


def test_means_equal_a_loop_over_rows(rng, normalised, lazy):
    x = rng.normal(size=(N, 3)) + 1
    expected, raw = np.zeros(3), np.zeros(3)
    for row, unit in zip(x, normalised(x), strict=True):
        expected, raw = expected + unit, raw + row
    for rows in (x, lazy(x), torch.tensor(x)):
        assert np.asarray(mean_unit_row(rows)) == pytest.approx(expected / N, abs=1e-14)
        assert np.asarray(mean_row(rows)) == pytest.approx(raw / N, abs=1e-14)
    for narrow, error in ((np.float32, 1e-7), (np.float16, 1e-4)):
        found = mean_unit_row(x.astype(narrow))
        assert found.dtype == np.float64
        assert found == pytest.approx(expected / N, abs=error)


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
@pytest.mark.parametrize("mean", [mean_row, mean_unit_row])
def test_weights_count_as_repeated_rows(rng, make, mean):
    x, counts = rng.normal(size=(1500, 3)), rng.integers(0, 4, (1500, 2))
    found = np.asarray(mean(make(x), weights=counts))
    assert found.shape == (2, 3)
    for column in range(2):
        repeated = np.repeat(x, counts[:, column], axis=0)
        assert found[column] == pytest.approx(np.asarray(mean(make(repeated))), abs=1e-14)


@pytest.mark.parametrize("n", [50, 2 * 8192 + 5])
def test_weighted_mean_of_values(rng, n):
    values, counts = rng.normal(size=n), rng.integers(0, 4, (n, 3))
    assert weighted_mean(values) == pytest.approx(sum(values) / n)
    expected = [np.repeat(values, counts[:, column]).mean() for column in range(3)]
    assert weighted_mean(values, counts) == pytest.approx(expected)
    assert weighted_mean(torch.tensor(values), counts).numpy() == pytest.approx(expected)


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("n", [300, 10_300])
def test_covariance_equals_numpy(rng, normalised, lazy, centre, n):
    x = rng.normal(size=(n, 4)) + [1, 0, 0, 0]
    unit = normalised(x)
    expected = np.cov(unit.T) if centre else unit.T @ unit / n
    for rows in (x, lazy(x), torch.tensor(x)):
        assert np.asarray(covariance(rows, centre=centre)) == pytest.approx(expected, abs=1e-13)
    assert covariance(x.astype(np.float32), centre=centre) == pytest.approx(expected, abs=1e-6)


def test_up_to_ten_thousand_rows_products_are_in_float64(rng, normalised):
    x = (rng.normal(size=(600, 3)) * [1, 1, 1e-5] + [1, 0, 0]).astype(np.float32)
    exact = np.cov(normalised(x).T)
    assert covariance(x)[2, 2] == pytest.approx(exact[2, 2], rel=1e-3)


def test_a_bad_row_is_named(rng):
    x = rng.normal(size=(1500, 3))
    x[1200] = 0
    for kernel in (mean_unit_row, covariance):
        with pytest.raises(ValueError, match="texts must have rows of a length above zero, but row 1200"):
            kernel(x, name="texts")
    assert np.isfinite(mean_unit_row(x, check=False)).all()
    assert np.isfinite(covariance(x, centre=False, check=False)).all()
    with pytest.raises(ValueError, match=r"weights must have shape \(n, b\)"):
        mean_row(x, weights=np.ones(1500))


def test_weights_and_width_follow_the_library():
    assert wide(torch.ones(2, dtype=torch.float32)).dtype == torch.float64
    weights = np.array([[1], [2]])
    assert weights_like(weights, np.ones(2, np.float32)).dtype == np.float32
    assert weights_like(weights, torch.ones(2)).dtype == torch.float32


def test_means_have_gradients(rng):
    x = torch.tensor(rng.normal(size=(5, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: mean_unit_row(a, check=False), (x,))
    assert torch.autograd.gradcheck(lambda a: covariance(a, check=False), (x,))

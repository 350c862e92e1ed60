import numpy as np
import pytest
import torch

from crossgap.geometry.spectra import covariance_eigenvalues


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("n", [200, 4096 + 1100])
def test_eigenvalues_equal_squared_singular_values(rng, normalised, lazy, centre, n):
    x = rng.normal(size=(n, 5)) * np.arange(1, 6) + 1
    rows = normalised(x)
    if centre:
        rows = rows - rows.mean(axis=0)
    expected = np.linalg.svd(rows, compute_uv=False) ** 2 / (n - 1 if centre else n)
    for make in (np.asarray, lazy, torch.tensor):
        assert np.asarray(covariance_eigenvalues(make(x), centre=centre)) == pytest.approx(expected, rel=1e-10)
    assert covariance_eigenvalues(x.astype(np.float32), centre=centre) == pytest.approx(expected, rel=1e-5)


def test_float32_above_ten_thousand_rows(rng, normalised):
    x = (rng.normal(size=(10_500, 6)) * np.geomspace(1, 1e-2, 6)).astype(np.float32)
    expected = np.linalg.eigvalsh(np.cov(normalised(x).T))[::-1]
    assert covariance_eigenvalues(x) == pytest.approx(expected, rel=1e-4)


def test_rounding_below_zero_is_cut_off(rng):
    x = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 12))
    values = covariance_eigenvalues(x)
    assert values.shape == (12,)
    assert (values >= 0).all()
    assert (np.diff(values) <= 0).all()
    assert values[2:] == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_weightings_weigh_the_variance_along_fixed_directions(rng, normalised, centre, make):
    x, counts = rng.normal(size=(1500, 4)) * [4, 3, 2, 1], rng.integers(0, 4, (1500, 3))
    unit = normalised(x)
    _, vectors = np.linalg.eigh(np.cov(unit.T) if centre else unit.T @ unit)
    found = np.asarray(covariance_eigenvalues(make(x), centre=centre, weights=counts))
    for column in range(3):
        repeated = np.repeat(unit @ vectors[:, ::-1], counts[:, column], axis=0)
        expected = repeated.var(axis=0, ddof=1) if centre else (repeated**2).mean(axis=0)
        assert found[column] == pytest.approx(expected, rel=1e-10)


def test_weights_of_one_give_the_plain_values(rng):
    x = rng.normal(size=(300, 4)) * [4, 3, 2, 1]
    assert covariance_eigenvalues(x, weights=np.ones((300, 1)))[0] == pytest.approx(covariance_eigenvalues(x))


def test_bad_rows_and_weights_are_refused(rng):
    x = rng.normal(size=(30, 3))
    with pytest.raises(ValueError, match=r"weights must have shape \(n, b\)"):
        covariance_eigenvalues(x, weights=np.ones(30))
    x[4] = np.nan
    with pytest.raises(ValueError, match="row 4 holds a NaN"):
        covariance_eigenvalues(x)


def test_gradients(rng):
    x = torch.tensor(rng.normal(size=(8, 3)), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: covariance_eigenvalues(a, check=False), (x,))

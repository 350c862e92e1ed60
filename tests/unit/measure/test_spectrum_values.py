"""Spectra of one group."""

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.spectrum_values import spectrum_values


class Reader:
    """Rows that can only be sliced."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self.rows[rows]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("shape", [(1300, 4), (5, 8), (6, 6), (7, 6)])
@pytest.mark.parametrize("centre", [True, False])
def test_equals_a_plain_decomposition(shape, centre, rng):
    x = rng.normal(size=shape) + 0.5
    rows = unit(x) - unit(x).mean(axis=0) * centre
    s = np.linalg.svd(rows, compute_uv=False)
    values = spectrum_values(x, centre=centre)
    assert values.shape == (min(shape),)
    assert values == pytest.approx(s**2 / (shape[0] - centre), abs=1e-12)
    assert spectrum_values(x, centre=centre, spectrum="singular") == pytest.approx(s, abs=1e-7)
    for other in (torch.from_numpy(x), Reader(x)):
        assert np.asarray(spectrum_values(other, centre=centre)) == pytest.approx(values, abs=1e-12)
    assert spectrum_values(x.astype(np.float32), centre=centre) == pytest.approx(values, abs=1e-6)
    assert spectrum_values(x, centre=centre, check=False) == pytest.approx(values)


@pytest.mark.parametrize("shape", [(40, 4), (5, 8)])
@pytest.mark.parametrize("spectrum", ["covariance", "singular"])
@pytest.mark.parametrize("centre", [True, False])
def test_weights_of_one_change_nothing(shape, spectrum, centre, rng):
    x = rng.normal(size=shape) + 0.5
    plain = spectrum_values(x, spectrum=spectrum, centre=centre)
    weighted = spectrum_values(x, spectrum=spectrum, centre=centre, weights=np.ones((shape[0], 2)))
    assert weighted.shape == (2, min(shape))
    assert weighted[1] == pytest.approx(plain, abs=1e-7)


def test_weights_are_exact_to_first_order(rng):
    x = unit(rng.normal(size=(60, 3)) * [1.0, 2.0, 4.0])
    change = rng.normal(size=60)
    errors = []
    for step in (1e-2, 1e-3):
        w = 1 + step * change
        mean = w @ x / w.sum()
        exact = np.linalg.eigvalsh((x - mean).T @ ((x - mean) * w[:, None]) / (w.sum() - 1))[::-1]
        errors.append(np.abs(spectrum_values(x, weights=w[:, None])[0] - exact).max())
    assert errors[1] < errors[0] / 50


def test_weighted_values_fall(rng):
    values = spectrum_values(rng.normal(size=(20, 15)), weights=rng.integers(0, 3, size=(20, 8)))
    assert np.all(np.diff(values, axis=1) <= 0)


@pytest.mark.parametrize("shape", [(9, 3), (4, 6)])
def test_gradients(shape, rng):
    x = torch.tensor(rng.normal(size=shape), requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: spectrum_values(a, check=False)[:3], (x,))


def test_messages(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="spectrum must be 'covariance' or 'singular', but it is 'both'"):
        spectrum_values(x, spectrum="both")
    with pytest.raises(DegenerateError, match="one and the same direction"):
        spectrum_values(np.outer(np.arange(1.0, 6.0), x[0]).astype(np.float32))
    for rows in np.random.default_rng(1).normal(size=(20, 1, 7)).astype(np.float32):  # whose mean is not quite theirs
        with pytest.raises(DegenerateError, match="one and the same direction"):
            spectrum_values(np.repeat(rows, 3000, axis=0))
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        spectrum_values(x[:1])
    assert spectrum_values(x[:1], centre=False) == pytest.approx([1.0])
    with pytest.raises(ValueError, match="row 3 holds a NaN"):
        spectrum_values(np.where(np.arange(5)[:, None] == 3, np.nan, x))
    with pytest.raises(ValueError, match="weights must have shape"):
        spectrum_values(x, weights=np.ones((4, 2)))

"""Noise: its size, its shape, and how far it turns a row."""

import numpy as np
import pytest
from scipy.special import ive
from scipy.stats import kstest

from crossgap.close.noise_draws import (
    ball_noise,
    expected_cosine,
    mises_fisher_concentration,
    mises_fisher_rows,
    sphere_noise,
    variance_for_cosine,
)
from crossgap.errors import DegenerateError


def test_the_values_of_the_specification():
    found = [round(expected_cosine(variance, 512), 2) for variance in (0.001, 0.004, 0.016, 0.04)]
    assert found == [0.81, 0.57, 0.33, 0.22]
    assert expected_cosine(0.016, 512, length=0.69) == pytest.approx(0.23, abs=0.005)  # erratum 19, after collapse


@pytest.mark.parametrize("length", [1.0, 0.7])
def test_both_ways_round(length):
    for cosine in (0.1, 0.5, 0.9, 1.0):
        variance = variance_for_cosine(cosine, 300, length=length)
        assert expected_cosine(variance, 300, length=length) == pytest.approx(cosine)


def test_the_expected_cosine_is_what_noise_does(rng):
    x = np.zeros(512)
    x[0] = 0.7
    noised = x + np.sqrt(0.004) * rng.standard_normal((4000, 512))
    cosines = noised @ x / np.linalg.norm(noised, axis=1) / 0.7
    assert cosines.mean() == pytest.approx(expected_cosine(0.004, 512, length=0.7), abs=0.003)


def test_directions_and_balls(rng):
    ball = ball_noise(20_000, 5, rng)
    np.testing.assert_allclose(ball.var(axis=0), 1, atol=0.04)
    radius = np.linalg.norm(ball, axis=1) / np.sqrt(7)
    assert radius.max() <= 1
    assert kstest(radius**5, "uniform").pvalue > 0.01
    np.testing.assert_allclose(np.linalg.norm(sphere_noise(100, 5, rng), axis=1), 1)
    assert np.abs(sphere_noise(20_000, 5, rng).mean(axis=0)).max() < 0.02


@pytest.mark.parametrize(("cosine", "d"), [(0.05, 3), (0.5, 2), (0.9, 16), (0.33, 64), (0.7, 512), (0.99, 100)])
def test_the_concentration_gives_the_mean_cosine(cosine, d):
    k = mises_fisher_concentration(cosine, d)
    assert ive(d / 2, k) / ive(d / 2 - 1, k) == pytest.approx(cosine, abs=1e-7)


def test_the_concentration_where_bessel_functions_underflow():
    assert 0 < mises_fisher_concentration(0.1, 4096) < mises_fisher_concentration(0.33, 4096) < 4096


@pytest.mark.parametrize(("cosine", "d"), [(0.3, 2), (0.6, 3), (0.33, 512), (0.97, 20)])
def test_rows_about_an_axis(rng, cosine, d):
    axis = np.zeros(d)
    axis[-1] = 1.0
    rows = mises_fisher_rows(np.tile(axis, (20_000, 1)), mises_fisher_concentration(cosine, d), rng)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
    assert (rows @ axis).mean() == pytest.approx(cosine, abs=0.015)
    assert np.abs(rows[:, :-1].mean(axis=0)).max() < 0.03


def test_in_three_dimensions_the_cosine_has_its_law(rng):
    k = mises_fisher_concentration(0.6, 3)
    rows = mises_fisher_rows(np.tile([1.0, 0.0, 0.0], (5000, 1)), k, rng)
    law = lambda w: (np.exp(k * (w - 1)) - np.exp(-2 * k)) / (1 - np.exp(-2 * k))  # noqa: E731
    assert kstest(rows[:, 0], law).pvalue > 0.01


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: expected_cosine(-1.0, 3), ValueError, "variance must be finite and at least 0, but it is -1.0"),
        (lambda: expected_cosine(0.1, 0), ValueError, "d and length must be above 0, but they are 0 and 1.0"),
        (lambda: variance_for_cosine(0.0, 3), ValueError, "the cosine must lie above 0 and up to 1, but it is 0.0"),
        (lambda: variance_for_cosine(0.5, 3, length=0.0), ValueError, "d and length must be above 0"),
        (lambda: mises_fisher_concentration(1.0, 3), ValueError, "mean cosine must lie between 0 and 1, but it is 1.0"),
        (lambda: mises_fisher_concentration(0.5, 1), DegenerateError, "at least two dimensions, but n_features=1"),
    ],
)
def test_what_has_no_value(call, error, message):
    with pytest.raises(error, match=message):
        call()

"""Rows on the arc between two rows, and its random coefficient."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.geodesic_mixup import geodesic_mixup, mixing_coefficient


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def turned(angle, dtype=torch.float64):
    """One pair of rows at an angle."""
    x = torch.tensor([[1.0, 0.0, 0.0]], dtype=dtype)
    return x, torch.tensor([[math.cos(angle), math.sin(angle), 0.0]], dtype=dtype)


@pytest.mark.parametrize("c", [0.0, 0.2, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("angle", [1e-6, 1e-3, 0.3, 1.5, 3.0])
def test_lies_at_its_share_of_the_angle(angle, c):
    x, y = turned(angle)
    (mixed,) = geodesic_mixup(x, y, c)
    wanted = torch.tensor([math.cos((1 - c) * angle), math.sin((1 - c) * angle), 0.0], dtype=torch.float64)
    torch.testing.assert_close(mixed, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("angle", [1e-5, 1e-3, 9.9e-3, 1.01e-2, 0.5, 2.0])
def test_float32_is_as_good_as_its_rounding(angle):
    x, y = turned(angle)
    x, y = x.float(), y.float()
    (mixed,) = geodesic_mixup(x, y, 0.3)
    exact = torch.tensor([math.cos(0.7 * angle), math.sin(0.7 * angle), 0.0])
    torch.testing.assert_close(mixed, exact, rtol=0, atol=2e-7)


@pytest.mark.parametrize("short", [1e-1, 1e-2, 1e-3])
def test_float32_loses_rounding_over_the_sine_near_opposite_rows(short):
    """Antipodal cones are where training may get caught, so nearly opposite pairs do occur."""
    generator = torch.Generator().manual_seed(0)
    x, other = (torch.randn(50, 16, generator=generator, dtype=torch.float64) for _ in range(2))
    x = torch.nn.functional.normalize(x, dim=1)
    across = torch.nn.functional.normalize(other - (other * x).sum(1, keepdim=True) * x, dim=1)
    y = (-math.cos(short) * x - math.sin(short) * across).float().requires_grad_()
    x = x.float().requires_grad_()
    mixed = geodesic_mixup(x, y, 0.5)
    exact = geodesic_mixup(x.double(), y.double(), 0.5)
    assert float((mixed - exact).norm(dim=1).max().detach()) < 3e-7 / short
    torch.testing.assert_close(mixed.norm(dim=1), torch.ones(50), rtol=0, atol=1e-6)
    mixed.sum().backward()
    assert float(x.grad.abs().max()) < 5 / short


@pytest.mark.parametrize("angle", [3e-4, 1e-3, 9e-3, 1.1e-2, 0.1])
@pytest.mark.parametrize("coordinate", [0, 1, 2])
def test_gradient_in_float32_holds_near_coincidence(angle, coordinate):
    gradients = []
    for dtype in (torch.float32, torch.float64):
        x, y = (rows.requires_grad_() for rows in turned(angle, dtype))
        unit_x, unit_y = (torch.nn.functional.normalize(rows, dim=1) for rows in (x, y))
        geodesic_mixup(unit_x, unit_y, 0.3)[0, coordinate].backward()
        gradients.append(torch.cat([x.grad, y.grad]).double())
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=5e-6)


def test_ends():
    x, y = map(torch.from_numpy, pairs())
    torch.testing.assert_close(geodesic_mixup(x, y, 1), x)
    torch.testing.assert_close(geodesic_mixup(x, y, 0), y)


def test_unit_rows_and_symmetry():
    x, y = map(torch.from_numpy, pairs())
    mixed = geodesic_mixup(x, y, 0.3)
    torch.testing.assert_close(mixed.norm(dim=1), torch.ones(5, dtype=torch.float64))
    torch.testing.assert_close(mixed, geodesic_mixup(y, x, 0.7))


def test_coincident_rows_stay():
    x = torch.from_numpy(pairs()[0]).requires_grad_()
    mixed = geodesic_mixup(x, x, 0.4)
    torch.testing.assert_close(mixed, x)
    mixed.sum().backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize(("c", "sign"), [(0.5, 1), (0.7, 1), (0.3, -1)])
def test_opposite_rows_go_to_the_nearer_end(c, sign):
    x, _ = map(torch.from_numpy, pairs())
    x.requires_grad_()
    mixed = geodesic_mixup(x, -x, c)
    torch.testing.assert_close(mixed, sign * x)
    mixed.sum().backward()
    assert torch.isfinite(x.grad).all()


def test_a_single_row_will_do():
    x, y = map(torch.from_numpy, pairs(n=1))
    assert geodesic_mixup(x, y, 0.5).shape == (1, 4)


@pytest.mark.parametrize("beta", [0.2, 0.5, 1.0, 2.0, 8.0])
def test_draws_have_the_moments_of_the_beta_distribution(beta):
    generator = torch.Generator().manual_seed(3)
    draws = np.array([mixing_coefficient(beta=beta, generator=generator) for _ in range(2000)])
    assert ((draws >= 0) & (draws <= 1)).all()
    variance = 1 / (4 * (2 * beta + 1))
    assert draws.mean() == pytest.approx(0.5, abs=4 * math.sqrt(variance / 2000))
    assert draws.var() == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5])
def test_draws_follow_the_beta_distribution(beta):
    from scipy.stats import beta as beta_distribution
    from scipy.stats import kstest

    generator = torch.Generator().manual_seed(5)
    draws = [mixing_coefficient(beta=beta, generator=generator) for _ in range(800)]
    assert kstest(draws, beta_distribution(beta, beta).cdf).pvalue > 0.01


def test_tiny_beta_gives_the_ends():
    generator = torch.Generator().manual_seed(0)
    draws = {mixing_coefficient(beta=1e-5, generator=generator) for _ in range(20)}
    assert all(min(draw, 1 - draw) < 1e-9 for draw in draws)
    assert {round(draw) for draw in draws} == {0, 1}


def test_draws_are_those_of_the_generator():
    def draw(seed):
        return mixing_coefficient(generator=torch.Generator().manual_seed(seed))

    assert draw(1) == draw(1) != draw(2)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"mixing": 1.5}, ValueError, "mixing must be a finite number of at least 0 and at most 1, but it is 1.5"),
        ({"mixing": math.nan}, ValueError, "mixing must be a finite number of at least 0 and at most 1, but it is nan"),
        ({"mixing": True}, TypeError, "mixing must be a number, but it is a bool"),
        ({"beta": 0, "generator": torch.Generator()}, ValueError, "beta must be a finite number above 0, but it is 0"),
        ({"beta": math.inf}, ValueError, "beta must be a finite number above 0, but it is inf"),
        ({}, ValueError, "mixing or generator must be given, but both are missing"),
        ({"generator": 3}, TypeError, "generator must be a torch.Generator, but it is a int"),
    ],
)
def test_errors(options, kind, message):
    with pytest.raises(kind, match=message):
        mixing_coefficient(**options)


def test_refuses_rows_of_other_lengths():
    x, y = map(torch.from_numpy, pairs())
    with pytest.raises(ValueError, match="y must have rows of length 1"):
        geodesic_mixup(x, 2 * y, 0.5)

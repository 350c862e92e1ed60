"""Spread of the singular values."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.singular_spread import singular_spread_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


@pytest.mark.parametrize(("n", "d"), [(5, 4), (4, 7), (6, 6)])
def test_is_half_the_squared_spreads(n, d):
    x, y = pairs(n=n, d=d)
    wanted = 0.0
    for rows in (x, y):
        gram = rows @ rows.T if n <= d else rows.T @ rows
        values = np.sqrt(np.linalg.eigvalsh(gram))
        wanted += (values[-1] - values[0]) ** 2 / 2
    assert singular_spread_loss(torch.from_numpy(x), torch.from_numpy(y)).item() == pytest.approx(wanted)


def test_identical_rows_give_the_batch_size():
    x = torch.eye(4)[:1].repeat(9, 1)
    assert singular_spread_loss(x, x).item() == pytest.approx(9)


def test_orthogonal_rows_give_zero():
    x = torch.eye(4)
    assert singular_spread_loss(x, x.flip(1)).item() == pytest.approx(0, abs=1e-12)


def test_a_step_downhill_lowers_it():
    x, y = map(torch.from_numpy, pairs(n=6))
    x.requires_grad_()
    before = singular_spread_loss(x, y)
    before.backward()
    after = singular_spread_loss(torch.nn.functional.normalize((x - 0.01 * x.grad).detach(), dim=1), y)
    assert after < before


def test_no_logarithm_of_the_scale_is_needed():
    x, y = map(torch.from_numpy, pairs())
    assert singular_spread_loss(x, y) == singular_spread_loss(x, y, math.e)

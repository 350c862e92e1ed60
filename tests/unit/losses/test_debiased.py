"""CLIP's loss without the expected share of false negatives."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.clip import clip_loss
from crossgap.losses.debiased import debiased_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def corrected(logits, prior, s):
    """The loss of one direction, and how many rows sit at the floor."""
    n, total, floored = len(logits), 0.0, 0
    for i in range(n):
        match = math.exp(logits[i][i])
        mean = sum(math.exp(logits[i][j]) for j in range(n) if j != i) / (n - 1)
        rest = (mean - prior * match) / (1 - prior)
        floored += rest < math.exp(-s)
        total -= math.log(match / (match + (n - 1) * max(rest, math.exp(-s))))
    return total / n, floored


@pytest.mark.parametrize(
    ("prior", "some", "all_rows"), [(0.01, False, False), (0.15, True, False), (0.9999, True, True)]
)
def test_is_the_corrected_cross_entropy(prior, some, all_rows):
    x, y = pairs(n=8)
    y = x + 0.8 * y
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    s = 3.0
    (forth, first), (back, second) = corrected(s * x @ y.T, prior, s), corrected(s * y @ x.T, prior, s)
    assert (first + second > 0) == some
    assert (first + second == 16) == all_rows
    value = debiased_loss(torch.from_numpy(x), torch.from_numpy(y), s, class_prior=prior)
    assert value.item() == pytest.approx((forth + back) / 2)


def test_no_prior_is_clip():
    x, y = map(torch.from_numpy, pairs())
    x.requires_grad_()
    value = debiased_loss(x, y, 6.0, class_prior=0)
    assert value.item() == pytest.approx(clip_loss(x, y, 6.0).item())
    (got,) = torch.autograd.grad(value, x)
    torch.testing.assert_close(got, *torch.autograd.grad(clip_loss(x, y, 6.0), x))


def test_default_prior():
    x, y = map(torch.from_numpy, pairs())
    assert debiased_loss(x, y, 1.0) == debiased_loss(x, y, 1.0, class_prior=0.1)
    assert debiased_loss(x, y, 1.0) != debiased_loss(x, y, 1.0, class_prior=0.2)


def test_at_the_floor_only_the_match_is_pulled():
    x = torch.eye(4, dtype=torch.float64)
    y = x.clone().requires_grad_()
    debiased_loss(x, y, 20.0).backward()
    off = ~torch.eye(4, dtype=torch.bool)
    assert (y.grad.diagonal() <= 0).all()
    assert (y.grad[off] == 0).all()


@pytest.mark.parametrize(
    ("prior", "kind", "message"),
    [
        (1.0, ValueError, "class_prior must be a finite number of at least 0 and below 1, but it is 1"),
        (-0.1, ValueError, "class_prior must be a finite number of at least 0 and below 1, but it is -0.1"),
        (None, TypeError, "class_prior must be a number, but it is a NoneType"),
    ],
)
def test_errors(prior, kind, message):
    x, y = map(torch.from_numpy, pairs())
    with pytest.raises(kind, match=message):
        debiased_loss(x, y, 6.0, class_prior=prior)

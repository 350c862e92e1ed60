"""CLIP's loss of the rows that are already right."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.clip import clip_loss
from crossgap.losses.correct_only import correct_only_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def over_correct(logits):
    kept = []
    for i, row in enumerate(logits):
        if max(row) == row[i]:
            kept.append(math.log(sum(math.exp(v) for v in row)) - row[i])
    return sum(kept) / max(len(kept), 1), len(kept)


def test_averages_rows_that_are_right():
    x, y = pairs(n=8)
    y = x + 1.2 * y
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    (forth, first), (back, second) = over_correct(6 * x @ y.T), over_correct(6 * y @ x.T)
    assert 0 < first < 8
    assert 0 < second < 8
    value = correct_only_loss(torch.from_numpy(x), torch.from_numpy(y), 6.0)
    assert value.item() == pytest.approx((forth + back) / 2)


def test_is_clip_when_all_are_right():
    x, _ = map(torch.from_numpy, pairs())
    assert correct_only_loss(x, x, 6.0).item() == pytest.approx(clip_loss(x, x, 6.0).item())


def test_nothing_to_learn_when_all_are_wrong():
    x = torch.eye(4).requires_grad_()
    value = correct_only_loss(x, torch.eye(4).roll(1, 0), 6.0)
    value.backward()
    assert value.item() == 0
    assert (x.grad == 0).all()


def test_ties_count_as_right():
    x = torch.ones(4, 1)
    assert correct_only_loss(x, x, 6.0).item() == pytest.approx(math.log(4))


def test_no_gradient_from_rows_that_are_wrong():
    x = torch.eye(3, dtype=torch.float64)
    y = torch.tensor([[1.0, 0, 0], [0.6, 0, 0.8], [0, 0, 1.0]], dtype=torch.float64)
    x.requires_grad_()
    forth = correct_only_loss(x, y, 6.0)
    (gradient,) = torch.autograd.grad(forth, x)
    only = clip_loss(x, y, 6.0)
    (full,) = torch.autograd.grad(only, x)
    assert not torch.allclose(gradient, full)

"""CLIP's loss with negatives weighted by difficulty."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.clip import clip_loss
from crossgap.losses.hard_negatives import hard_negative_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def weights_of(logits, i, hardness):
    powers = {j: math.exp(hardness * logits[i][j]) for j in range(len(logits)) if j != i}
    return {j: len(powers) * power / sum(powers.values()) for j, power in powers.items()}


def reweighted(logits, hardness):
    total = 0.0
    for i in range(len(logits)):
        weights = weights_of(logits, i, hardness)
        match = math.exp(logits[i][i])
        total -= math.log(match / (match + sum(w * math.exp(logits[i][j]) for j, w in weights.items())))
    return total / len(logits)


@pytest.mark.parametrize("hardness", [0.0, 0.25, 1.0, 3.0])
def test_is_the_weighted_cross_entropy(hardness):
    x, y = pairs()
    wanted = (reweighted(6 * x @ y.T, hardness) + reweighted(6 * y @ x.T, hardness)) / 2
    value = hard_negative_loss(torch.from_numpy(x), torch.from_numpy(y), 6.0, hardness=hardness)
    assert value.item() == pytest.approx(wanted)


def test_no_hardness_is_clip():
    x, y = map(torch.from_numpy, pairs())
    assert hard_negative_loss(x, y, 6.0, hardness=0).item() == pytest.approx(clip_loss(x, y, 6.0).item())


def test_grows_with_hardness():
    x, y = map(torch.from_numpy, pairs(n=8))
    values = [hard_negative_loss(x, y, 6.0, hardness=h).item() for h in (0, 0.25, 0.5, 1.0)]
    assert values == sorted(values)
    assert values[0] < values[-1]
    assert hard_negative_loss(x, y, 6.0).item() == values[2]


def test_weights_are_constants_for_the_gradient():
    x, y = pairs()
    frozen = [[weights_of(6 * a @ b.T, i, 0.5) for i in range(5)] for a, b in ((x, y), (y, x))]
    x, y = (torch.from_numpy(rows).requires_grad_() for rows in (x, y))
    scale = torch.tensor(6.0, dtype=torch.float64, requires_grad=True)
    by_hand = torch.zeros((), dtype=torch.float64)
    for logits, weights in zip((scale * x @ y.T, scale * y @ x.T), frozen, strict=True):
        for i in range(5):
            rivals = sum(w * logits[i, j].exp() for j, w in weights[i].items())
            by_hand = by_hand + torch.log(1 + rivals * torch.exp(-logits[i, i])) / 10
    wanted = torch.autograd.grad(by_hand, [x, y, scale])
    for got, expected in zip(torch.autograd.grad(hard_negative_loss(x, y, scale), [x, y, scale]), wanted, strict=True):
        torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    ("hardness", "kind", "message"),
    [
        (-0.5, ValueError, "hardness must be a finite number of at least 0"),
        ("1", TypeError, "hardness must be a number"),
    ],
)
def test_errors(hardness, kind, message):
    x, y = map(torch.from_numpy, pairs())
    with pytest.raises(kind, match=message):
        hard_negative_loss(x, y, 6.0, hardness=hardness)

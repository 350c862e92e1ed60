"""CLIP's loss with a margin."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.clip import clip_loss
from crossgap.losses.margin import margin_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def cross_entropy(logits):
    """Mean over rows of minus the log of the softmax at the diagonal, by loops."""
    n = len(logits)
    return sum(math.log(sum(math.exp(v) for v in logits[i])) - logits[i][i] for i in range(n)) / n


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.7, 2.0])
def test_takes_the_margin_from_the_match(margin):
    x, y = pairs()
    cosines = x @ y.T - margin * np.eye(5)
    wanted = (cross_entropy(6 * cosines) + cross_entropy(6 * cosines.T)) / 2
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    value = margin_loss(x, y, 6.0, margin=margin).item()
    assert value == pytest.approx(wanted)
    clip = clip_loss(x, y, 6.0).item()
    assert clip - 1e-12 <= value <= clip + 6 * margin + 1e-12


def test_default_margin():
    x, y = map(torch.from_numpy, pairs())
    assert margin_loss(x, y, 6.0) == margin_loss(x, y, 6.0, margin=0.1)


@pytest.mark.parametrize(
    ("margin", "kind", "message"),
    [
        (-0.1, ValueError, "margin must be a finite number of at least 0 and at most 2, but it is -0.1"),
        (3, ValueError, "margin must be a finite number of at least 0 and at most 2, but it is 3"),
        ("0", TypeError, "margin must be a number, but it is a str"),
    ],
)
def test_errors(margin, kind, message):
    x, y = map(torch.from_numpy, pairs())
    with pytest.raises(kind, match=message):
        margin_loss(x, y, 6.0, margin=margin)

"""CLIP's loss with less weight on what is right."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.clip import clip_loss
from crossgap.losses.focal import focal_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def focal(logits, focus):
    total = 0.0
    for i, row in enumerate(logits):
        p = math.exp(row[i]) / sum(math.exp(v) for v in row)
        total -= (1 - p) ** focus * math.log(p)
    return total / len(logits)


@pytest.mark.parametrize("focus", [0.0, 0.5, 1.0, 2.0])
def test_weights_rows_by_their_miss(focus):
    x, y = pairs()
    wanted = (focal(6 * x @ y.T, focus) + focal(6 * y @ x.T, focus)) / 2
    value = focal_loss(torch.from_numpy(x), torch.from_numpy(y), 6.0, focus=focus)
    assert value.item() == pytest.approx(wanted)


def test_no_focus_is_clip_and_focus_lowers_it():
    x, y = map(torch.from_numpy, pairs())
    assert focal_loss(x, y, 6.0, focus=0).item() == pytest.approx(clip_loss(x, y, 6.0).item())
    assert focal_loss(x, y, 6.0) == focal_loss(x, y, 6.0, focus=2)
    assert focal_loss(x, y, 6.0) < focal_loss(x, y, 6.0, focus=1) < clip_loss(x, y, 6.0)


@pytest.mark.parametrize("focus", [0.1, 0.5, 2.0])
def test_gradient_is_finite_at_certainty(focus):
    x = torch.eye(3).requires_grad_()
    focal_loss(x, torch.eye(3), 100.0, focus=focus).backward()
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize(
    ("focus", "kind", "message"),
    [(-1, ValueError, "focus must be a finite number of at least 0"), (None, TypeError, "focus must be a number")],
)
def test_errors(focus, kind, message):
    x, y = map(torch.from_numpy, pairs())
    with pytest.raises(kind, match=message):
        focal_loss(x, y, 6.0, focus=focus)

"""CLIP's loss with further texts."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.clip import clip_loss
from crossgap.losses.extra_negatives import extra_negatives_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def cross_entropy(logits):
    """Mean over rows of minus the log of the softmax at the diagonal, by loops."""
    n = len(logits)
    return sum(math.log(sum(math.exp(v) for v in logits[i])) - logits[i][i] for i in range(n)) / n


@pytest.mark.parametrize("h", [1, 3, 9])
def test_extra_columns_for_images_only(h):
    x, y = pairs()
    (extra,) = pairs(n=h, seed=1, count=1)
    columns = np.vstack([y, extra])
    wanted = (cross_entropy(6 * x @ columns.T) + cross_entropy(6 * y @ x.T)) / 2
    x, y, extra = map(torch.from_numpy, (x, y, extra))
    assert extra_negatives_loss(x, y, 6.0, extra_y=extra).item() == pytest.approx(wanted)
    assert extra_negatives_loss(x, y, 6.0, extra_y=extra) > clip_loss(x, y, 6.0)


def test_gradient_reaches_the_extra_texts():
    x, y = map(torch.from_numpy, pairs())
    extra = torch.from_numpy(pairs(n=2, seed=1)[0]).requires_grad_()
    extra_negatives_loss(x, y, 6.0, extra_y=extra).backward()
    assert extra.grad.abs().min() > 0


@pytest.mark.parametrize(
    ("extra", "kind", "message"),
    [
        (torch.ones(2, 3), ValueError, r"extra_y must have shape \(h, 4\), h at least 1, but its shape is \(2, 3\)"),
        (torch.ones(0, 4), ValueError, r"extra_y must have shape \(h, 4\), h at least 1"),
        (torch.ones(4), ValueError, r"extra_y must have shape \(h, 4\)"),
        (torch.ones(2, 4), ValueError, "extra_y must have rows of length 1"),
        (None, TypeError, "extra_y must be a torch tensor of floating-point numbers, but it is a NoneType"),
    ],
)
def test_errors(extra, kind, message):
    x, y = map(torch.from_numpy, pairs())
    with pytest.raises(kind, match=message):
        extra_negatives_loss(x, y, 6.0, extra_y=extra)

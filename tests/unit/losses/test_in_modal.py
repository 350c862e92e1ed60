"""Contrast with second views within each modality."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.in_modal import in_modal_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def golden_rows(coco, n):
    chosen = coco["image"][:n], coco["text"][:n]
    return [torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)) for rows in chosen]


def cross_entropy(logits):
    """Mean over rows of minus the log of the softmax at the diagonal, by loops."""
    n = len(logits)
    return sum(math.log(sum(math.exp(v) for v in logits[i])) - logits[i][i] for i in range(n)) / n


def test_is_the_cross_entropy_of_views():
    x, y, a, b = pairs(count=4)
    wanted = (cross_entropy(7 * x @ a.T) + cross_entropy(7 * y @ b.T)) / 2
    x, y, a, b = map(torch.from_numpy, (x, y, a, b))
    assert in_modal_loss(x, y, 7.0, x_views=a, y_views=b).item() == pytest.approx(wanted)


def test_rows_as_their_own_views_teach_nothing(coco):
    """The spec's golden values of images and of texts, which the loss averages."""
    x, y = golden_rows(coco, 64)
    assert in_modal_loss(x, y, 100.0, x_views=x, y_views=y).item() == pytest.approx((1.9e-7 + 1.1e-5) / 2, rel=0.05)
    for own, golden in ((x, 1.9e-7), (y, 1.1e-5)):
        value = in_modal_loss(own, own, 100.0, x_views=own, y_views=own).item()
        assert value == pytest.approx(golden, rel=0.05)


@pytest.mark.parametrize(
    ("views", "kind", "message"),
    [
        (np.eye(5), TypeError, "x_views must be a torch tensor of floating-point numbers, but it is a ndarray"),
        (
            torch.eye(5).long(),
            TypeError,
            "x_views must be a torch tensor .* it is a torch.int64",
        ),
        (torch.eye(4), ValueError, r"x_views must have shape \(5, 4\), as the batch, but its shape is \(4, 4\)"),
        (2 * torch.ones(5, 4), ValueError, "x_views must have rows of length 1"),
    ],
)
def test_errors(views, kind, message):
    x, y = map(torch.from_numpy, pairs())
    with pytest.raises(kind, match=message):
        in_modal_loss(x, y, 7.0, x_views=views, y_views=y)

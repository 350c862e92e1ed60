"""CyCLIP's loss and its two terms."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.clip import clip_loss
from crossgap.losses.cyclip import cross_modal_consistency_loss, cyclip_loss, in_modal_consistency_loss
from crossgap.losses.in_modal import in_modal_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def golden_rows(coco, n):
    chosen = coco["image"][:n], coco["text"][:n]
    return [torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)) for rows in chosen]


@pytest.mark.parametrize(
    ("n", "total", "within", "across"),
    [(64, 0.8635239, 0.7115915, 0.1142790), (500, 3.7351185, 6.8066610, 0.9302688)],
)
def test_golden(coco, n, total, within, across):
    x, y = golden_rows(coco, n)
    assert cyclip_loss(x, y, 100.0).item() == pytest.approx(total, rel=1e-6)
    assert in_modal_consistency_loss(x, y).item() == pytest.approx(within, rel=1e-6)
    assert cross_modal_consistency_loss(x, y).item() == pytest.approx(across, rel=1e-6)
    assert cyclip_loss(x.float(), y.float(), 100.0).item() == pytest.approx(total, rel=1e-5)


def test_terms_are_double_sums():
    x, y = pairs()
    within = sum((x[i] @ x[j] - y[i] @ y[j]) ** 2 for i in range(5) for j in range(5)) / 5
    across = sum((x[i] @ y[j] - x[j] @ y[i]) ** 2 for i in range(5) for j in range(5)) / 5
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    assert in_modal_consistency_loss(x, y).item() == pytest.approx(within)
    assert cross_modal_consistency_loss(x, y).item() == pytest.approx(across)
    wanted = clip_loss(x, y, 8.0).item() + 0.5 * within + 2.0 * across
    assert cyclip_loss(x, y, 8.0, in_modal_weight=0.5, cross_modal_weight=2.0).item() == pytest.approx(wanted)


def test_same_as_scaled_logits_over_the_squared_scale():
    x, y = map(torch.from_numpy, pairs())
    s = 30.0
    logits = s * (x @ y.T)
    by_logits = (logits - logits.T).square().mean() / s**2 * 5
    assert cross_modal_consistency_loss(x, y).item() == pytest.approx(by_logits.item())


def test_the_gap_is_not_felt():
    x, _ = map(torch.from_numpy, pairs())
    assert in_modal_consistency_loss(x, -x).item() == 0
    assert cross_modal_consistency_loss(x, -x).item() == pytest.approx(0, abs=1e-30)


def test_views_halve_the_contrast():
    x, y, a, b = map(torch.from_numpy, pairs(count=4))
    with_views = cyclip_loss(x, y, 8.0, in_modal_weight=0, cross_modal_weight=0, x_views=a, y_views=b).item()
    wanted = (clip_loss(x, y, 8.0) + in_modal_loss(x, y, 8.0, x_views=a, y_views=b)).item() / 2
    assert with_views == pytest.approx(wanted)


def test_scale_gets_its_gradient_from_the_contrast_alone():
    x, y = map(torch.from_numpy, pairs())
    gradients = []
    for loss in (cyclip_loss, clip_loss):
        scale = torch.tensor(8.0, dtype=torch.float64, requires_grad=True)
        loss(x, y, scale).backward()
        gradients.append(scale.grad.item())
    assert gradients[0] == pytest.approx(gradients[1])


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"in_modal_weight": -1}, ValueError, "in_modal_weight must be a finite number of at least 0, but it is -1"),
        (
            {"cross_modal_weight": math.inf},
            ValueError,
            "cross_modal_weight must be a finite number of at least 0, but it is inf",
        ),
        ({"cross_modal_weight": "1"}, TypeError, "cross_modal_weight must be a number, but it is a str"),
        ({"x_views": torch.eye(5, 4)}, ValueError, "x_views and y_views must be given together"),
    ],
)
def test_errors(options, kind, message):
    x, y = map(torch.from_numpy, pairs())
    with pytest.raises(kind, match=message):
        cyclip_loss(x, y, 8.0, **options)

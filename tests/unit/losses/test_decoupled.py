"""The decoupled contrastive loss."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.decoupled import decoupled_loss
from crossgap.losses.infoloob import infoloob_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def golden_rows(coco, n):
    chosen = coco["image"][:n], coco["text"][:n]
    return [torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)) for rows in chosen]


def test_leaves_the_match_out():
    x, y = pairs()
    wanted = 0.0
    for logits in (6 * x @ y.T, 6 * y @ x.T):
        for i in range(5):
            rivals = sum(math.exp(logits[i][j]) for j in range(5) if j != i)
            wanted -= math.log(math.exp(logits[i][i]) / rivals) / 5
    assert decoupled_loss(torch.from_numpy(x), torch.from_numpy(y), 6.0).item() == pytest.approx(wanted)


def test_is_infoloob_times_the_scale(coco):
    x, y = golden_rows(coco, 64)
    value = decoupled_loss(x, y, 30.0).item()
    assert value == pytest.approx(30 * infoloob_loss(x, y, 30.0).item())
    assert value == pytest.approx(30 * 0.0377709, rel=2e-6)


def test_gradient_on_the_match_never_fades():
    for lead in (0.1, 1.0):
        cosines = torch.full((3, 3), 1 - lead).fill_diagonal_(1.0)
        x = torch.linalg.cholesky(cosines + 1e-6 * torch.eye(3))
        x = torch.nn.functional.normalize(x, dim=1)
        y = x.clone().requires_grad_()
        decoupled_loss(x, y, 50.0).backward()
        pull = (y.grad * x).sum(dim=1)  # 2 s (1 - weighted cosine of rivals) / B, downhill
        assert pull == pytest.approx(torch.full((3,), -2 * 50 * lead / 3).numpy(), rel=1e-3)


def test_equal_cosines():
    x = torch.ones(7, 1)
    assert decoupled_loss(x, x, 9.0).item() == pytest.approx(2 * math.log(6))

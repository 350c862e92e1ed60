"""NT-Xent over the points of both modalities."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.clip import clip_loss
from crossgap.losses.nt_xent import nt_xent_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def golden_rows(coco, n):
    chosen = coco["image"][:n], coco["text"][:n]
    return [torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)) for rows in chosen]


@pytest.mark.parametrize(("n", "value"), [(64, 7.9806021), (500, 10.1615428)])
def test_golden(coco, n, value):
    x, y = golden_rows(coco, n)
    assert nt_xent_loss(x, y, 1 / 0.07).item() == pytest.approx(value, rel=1e-8)
    assert nt_xent_loss(x.float(), y.float(), 1 / 0.07).item() == pytest.approx(value, rel=1e-5)


def test_is_the_loss_of_the_pooled_points():
    x, y = pairs()
    points = np.vstack([x, y])
    wanted = 0.0
    for i in range(10):
        match = (i + 5) % 10
        total = sum(math.exp(6 * points[i] @ points[j]) for j in range(10) if j != i)
        wanted -= math.log(math.exp(6 * points[i] @ points[match]) / total) / 10
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    assert nt_xent_loss(x, y, 6.0).item() == pytest.approx(wanted)
    assert nt_xent_loss(x, y, 6.0) > clip_loss(x, y, 6.0)


def test_does_not_tell_the_modalities_apart():
    x, y = map(torch.from_numpy, pairs())
    swapped = torch.arange(5) % 2 == 0
    a, b = torch.where(swapped[:, None], y, x), torch.where(swapped[:, None], x, y)
    assert nt_xent_loss(a, b, 6.0).item() == pytest.approx(nt_xent_loss(x, y, 6.0).item())


def test_equal_cosines():
    x = torch.ones(4, 1)
    assert nt_xent_loss(x, x, 9.0).item() == pytest.approx(math.log(7))


def test_feels_the_gap():
    x = torch.ones(4, 1)
    assert nt_xent_loss(x, -x, 9.0).item() == pytest.approx(18 + math.log(3), rel=1e-6)

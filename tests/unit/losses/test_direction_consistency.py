"""Agreement of the ways between items."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.direction_consistency import direction_consistency_loss
from crossgap.measure.alignment import alignment
from crossgap.measure.centroid_distance import centroid_distance


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def test_is_the_mean_over_pairs():
    x, y = pairs()
    terms = [
        sum(((x[i, k] - x[j, k]) - (y[i, k] - y[j, k])) ** 2 for k in range(4)) for i in range(5) for j in range(i)
    ]
    value = direction_consistency_loss(torch.from_numpy(x), torch.from_numpy(y)).item()
    assert value == pytest.approx(sum(terms) / len(terms))


def test_relation_to_the_mean_over_all_entries():
    x, y = map(torch.from_numpy, pairs())
    over_all = ((x[:, None] - x[None]) - (y[:, None] - y[None])).square().mean()
    assert over_all.item() == pytest.approx(direction_consistency_loss(x, y).item() * (1 - 1 / 5) / 4)


def test_is_alignment_less_the_gap():
    x, y = pairs()
    rest = alignment(x, y) - centroid_distance(x, y) ** 2
    value = direction_consistency_loss(torch.from_numpy(x), torch.from_numpy(y)).item()
    assert value == pytest.approx(2 * 5 / 4 * rest)


def test_a_constant_offset_is_free():
    heights = torch.tensor([[0.6], [-0.6]], dtype=torch.float64)
    rows = 0.8 * torch.from_numpy(pairs(d=3)[0])
    x, y = (torch.cat([rows, height.expand(5, 1)], dim=1) for height in heights)
    assert direction_consistency_loss(x, y).item() == pytest.approx(0, abs=1e-30)


def test_bound():
    x = torch.tensor([[1.0], [-1.0]])
    assert direction_consistency_loss(x, -x).item() == 16.0 == 8 * 2 / (2 - 1)
    assert direction_consistency_loss(x, -x, math.pi).item() == 16.0

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from crossgap.errors import DegenerateError
from crossgap.losses.alignment_uniformity import (
    alignment_loss,
    cross_uniformity_loss,
    joint_uniformity_loss,
    uniformity_loss,
)
from crossgap.measure import joint_uniformity

LOSSES = [alignment_loss, uniformity_loss, cross_uniformity_loss, joint_uniformity_loss]
UNIFORMITIES = LOSSES[1:]


def unit(rng, n=12, d=5):
    return normalize(torch.from_numpy(rng.normal(size=(n, d))), dim=1)


def potential(a, b, t):
    return math.exp(-t * float(((a - b) ** 2).sum()))


def mean_potential_within(x, t):
    return np.mean([potential(x[i], x[j], t) for i in range(len(x)) for j in range(i + 1, len(x))])


def by_loops(loss, x, y, t=2.0):
    """The definitions: double loops in float64."""
    n = len(x)
    if loss is alignment_loss:
        return np.mean([((x[i] - y[i]) ** 2).sum() for i in range(n)])
    if loss is uniformity_loss:
        return sum(math.log(mean_potential_within(rows, t)) for rows in (x, y)) / 2
    if loss is cross_uniformity_loss:
        return math.log(np.mean([potential(x[i], y[j], t) for i in range(n) for j in range(n) if i != j]))
    pooled = np.concatenate([x, y])
    pairs = [(a, b) for a in range(2 * n) for b in range(a + 1, 2 * n) if b != a + n]
    return math.log(np.mean([potential(pooled[a], pooled[b], t) for a, b in pairs]))


@pytest.mark.parametrize("loss", LOSSES)
def test_equals_loops(rng, loss):
    x, y = unit(rng), unit(rng)
    assert float(loss(x, y)) == pytest.approx(by_loops(loss, x.numpy(), y.numpy()), rel=1e-10)
    assert float(loss(x, y, 100.0)) == float(loss(x, y))  # the scale is not used


@pytest.mark.parametrize("t", [0.5, 30.0])
@pytest.mark.parametrize("loss", UNIFORMITIES)
def test_sharpness(rng, loss, t):
    x, y = unit(rng), unit(rng)
    assert float(loss(x, y, t=t)) == pytest.approx(by_loops(loss, x.numpy(), y.numpy(), t), rel=1e-10)


@pytest.mark.parametrize("power", [1.0, 3.0])
def test_power(rng, power):
    x, y = unit(rng), unit(rng)
    expected = float((torch.linalg.vector_norm(x - y, dim=1) ** power).mean())
    assert float(alignment_loss(x, y, power=power)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_golden_values_on_clip(coco, dtype):
    x, y = (normalize(torch.from_numpy(coco[name]), dim=1).to(dtype) for name in ("image", "text"))
    golden = {
        alignment_loss: 1.38016,
        uniformity_loss: (-1.79453 - 1.84091) / 2,
        cross_uniformity_loss: -3.33427,
    }
    for loss, value in golden.items():
        assert loss(x, y).dtype == dtype
        assert float(loss(x, y)) == pytest.approx(value, rel=1e-5)


def test_joint_uniformity_is_the_metric_without_the_matched_pairs(rng):
    x, y = unit(rng), unit(rng)
    matched = sum(potential(a, b, 2.0) for a, b in zip(x.numpy(), y.numpy(), strict=True))
    everything = math.exp(float(joint_uniformity(x, y))) * (24 * 23 / 2)
    expected = math.log((everything - matched) / (24 * 23 / 2 - 12))
    assert float(joint_uniformity_loss(x, y)) == pytest.approx(expected, rel=1e-12)


def test_the_antipodal_state_is_rewarded_by_cross_uniformity_only(rng):
    x = unit(rng, n=1).expand(8, -1)
    assert float(uniformity_loss(x, -x)) == pytest.approx(0.0, abs=1e-12)
    assert float(alignment_loss(x, -x)) == pytest.approx(4.0)
    assert float(cross_uniformity_loss(x, -x)) == pytest.approx(-8.0)
    assert float(joint_uniformity_loss(x, -x)) == pytest.approx(math.log((1 + math.exp(-8)) / 2))
    assert float(joint_uniformity_loss(x, -x, t=1000.0)) == pytest.approx(-math.log(2))  # nothing underflows


def test_an_even_aligned_batch_is_better_than_the_antipodal_state_for_joint_uniformity(rng):
    spread = unit(rng, n=256, d=64)
    assert float(joint_uniformity_loss(spread, spread)) == pytest.approx(-4 + 8 / 64, abs=0.02)


@pytest.mark.parametrize("loss", LOSSES)
def test_ignores_a_joint_rotation_the_order_of_pairs_and_a_swap(rng, loss):
    x, y = unit(rng), unit(rng)
    value = float(loss(x, y))
    rotation = torch.linalg.qr(torch.from_numpy(rng.normal(size=(5, 5))))[0]
    order = torch.from_numpy(rng.permutation(12))
    assert float(loss(x @ rotation, y @ rotation)) == pytest.approx(value, rel=1e-12)
    assert float(loss(x[order], y[order])) == pytest.approx(value, rel=1e-12)
    assert float(loss(y, x)) == pytest.approx(value, rel=1e-12)
    apart = float(loss(x @ rotation, y))
    assert (apart == pytest.approx(value, rel=1e-12)) is (loss is uniformity_loss)
    mispaired = float(loss(x[order], y))
    assert (mispaired == pytest.approx(value, rel=1e-12)) is (loss is uniformity_loss)


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("parts", [2, 3, 12])
def test_the_mean_over_parts_is_the_whole_in_value_and_gradient(rng, parts, power):
    x, y = unit(rng).requires_grad_(), unit(rng).requires_grad_()
    slices = [slice(first, first + 12 // parts) for first in range(0, 12, 12 // parts)]
    whole = alignment_loss(x, y, power=power)
    pieces = sum(alignment_loss(x, y, power=power, rows=rows) for rows in slices) / parts
    assert float(pieces.detach()) == pytest.approx(float(whole.detach()), rel=1e-12)
    for a, b in zip(torch.autograd.grad(pieces, (x, y)), torch.autograd.grad(whole, (x, y)), strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_has_no_part_along_a_row(rng, loss):
    x, y = unit(rng).requires_grad_(), unit(rng).requires_grad_()
    loss(x, y).backward()
    for rows in (x, y):
        assert rows.grad is not None
        assert float((rows.grad * rows).sum(dim=1).abs().max().detach()) < 1e-15
        assert float(rows.grad.abs().max()) > 1e-3


@pytest.mark.parametrize("loss", LOSSES)
def test_messages(rng, loss):
    x, y = unit(rng), unit(rng)
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        loss(x[:1], y[:1])
    with pytest.raises(ValueError, match="x must have rows of length 1"):
        loss(2 * x, y)
    assert float(loss(2 * x, y, check=False)) == pytest.approx(float(loss(x, y)), rel=1e-12)  # lengths do not count
    with pytest.raises(ValueError, match="logit_scale must be a finite number above 0"):
        loss(x, y, 0.0)
    if loss is alignment_loss:
        with pytest.raises(ValueError, match="power must be a finite number above 0, but it is 0"):
            loss(x, y, power=0)
        with pytest.raises(TypeError, match="power must be a number, but it is a str"):
            loss(x, y, power="2")
        with pytest.raises(ValueError, match="rows must be a part of the 12 rows"):
            loss(x, y, rows=slice(3, 13))
    else:
        with pytest.raises(ValueError, match="t must be a finite number above 0, but it is 0"):
            loss(x, y, t=0)
        with pytest.raises(TypeError, match="t must be a number, but it is a str"):
            loss(x, y, t="2")

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from crossgap.errors import DegenerateError
from crossgap.losses.clip import clip_loss
from crossgap.losses.infoloob import infoloob_loss


def unit(rng, n=12, d=5):
    return normalize(torch.from_numpy(rng.normal(size=(n, d))), dim=1)


def by_loops(x, y, scale, rows=None):
    """The definition, times the temperature: a double loop in float64, shifted so that no exponential overflows."""
    rows = range(len(x)) if rows is None else rows
    total = 0.0
    for anchors, others in ((x, y), (y, x)):
        for i in rows:
            negatives = [scale * float(np.dot(anchors[i], others[j])) for j in range(len(x)) if j != i]
            log_sum = max(negatives) + math.log(sum(math.exp(logit - max(negatives)) for logit in negatives))
            total += (log_sum - scale * float(np.dot(anchors[i], others[i]))) / scale / len(rows)
    return total


@pytest.mark.parametrize("scale", [0.5, 30.0, 100.0, 5000.0])
def test_equals_a_double_loop(rng, scale):
    x, y = unit(rng), unit(rng)
    assert float(infoloob_loss(x, y, scale)) == pytest.approx(by_loops(x.numpy(), y.numpy(), scale), rel=1e-10)
    in_nats = infoloob_loss(x, y, scale, times_temperature=False)
    assert float(in_nats) == pytest.approx(scale * by_loops(x.numpy(), y.numpy(), scale), rel=1e-10)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("n", "golden"), [(64, 0.0377709), (500, 0.1892110)])
def test_golden_values_on_clip(coco, n, golden, dtype):
    x, y = (normalize(torch.from_numpy(coco[name][:n]), dim=1).to(dtype) for name in ("image", "text"))
    loss = infoloob_loss(x, y, 30.0)
    assert loss.dtype == dtype
    assert float(loss) == pytest.approx(golden, rel=1e-5)


@pytest.mark.parametrize("scale", [0.1, 30.0])
@pytest.mark.parametrize("n", [2, 3, 40])
def test_closed_forms(rng, n, scale):
    x, y = unit(rng, n=1).expand(n, -1), unit(rng, n=1).expand(n, -1)
    equal = 2 * math.log(n - 1) / scale
    assert float(infoloob_loss(x, y, scale)) == pytest.approx(equal, abs=1e-12)
    axes = torch.eye(n, dtype=torch.float64)
    assert float(infoloob_loss(axes, axes, scale)) == pytest.approx(equal - 2, rel=1e-12)


@pytest.mark.parametrize("scale", [0.5, 30.0, 5000.0])
def test_bounds_are_reached(scale):
    # at scale 5000 the negatives lie at -5000: a diagonal filled with -1000, as in the authors' code, would count
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    assert float(infoloob_loss(x, x, scale)) == pytest.approx(-4.0)
    assert float(infoloob_loss(x, -x, scale)) == pytest.approx(4.0)


@pytest.mark.parametrize("temperature", [0.01, 1 / 30, 1.0])
def test_derivative_in_the_temperature_is_the_entropy_over_negatives(rng, temperature):
    x, y = unit(rng), unit(rng)
    tau = torch.tensor(temperature, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(infoloob_loss(x, y, 1 / tau), tau)
    entropies = 0.0
    for cosines in ((x @ y.T).numpy(), (y @ x.T).numpy()):
        for i in range(12):
            negatives = np.delete(cosines[i], i) / temperature
            p = np.exp(negatives - negatives.max())
            p /= p.sum()
            entropies -= float((p * np.log(p)).sum()) / 12
    assert float(slope) == pytest.approx(entropies, rel=1e-9)
    assert float(slope) > 0


def test_in_nats_it_has_no_lower_bound_as_the_temperature_falls():
    axes = torch.eye(4, dtype=torch.float64)
    values = [float(infoloob_loss(axes, axes, scale, times_temperature=False)) for scale in (10.0, 100.0, 1000.0)]
    assert values == pytest.approx([2 * math.log(3) - 2 * scale for scale in (10.0, 100.0, 1000.0)])


def test_the_gradient_on_a_won_match_does_not_fade():
    axes = torch.eye(6, dtype=torch.float64)
    pull = {}
    for loss in (infoloob_loss, clip_loss):
        x = axes.clone().requires_grad_()
        loss(x, axes, 100.0).backward()
        assert x.grad is not None
        pull[loss.__name__] = float(x.grad.diagonal().abs().max())
    assert pull["infoloob_loss"] == pytest.approx(2 / 6)
    assert pull["clip_loss"] < 1e-12


def test_ignores_a_joint_rotation_the_order_of_pairs_and_a_swap_and_sees_other_changes(rng):
    x, y = unit(rng), unit(rng)
    value = float(infoloob_loss(x, y, 10.0))
    rotation = torch.linalg.qr(torch.from_numpy(rng.normal(size=(5, 5))))[0]
    order = torch.from_numpy(rng.permutation(12))
    assert float(infoloob_loss(x @ rotation, y @ rotation, 10.0)) == pytest.approx(value, rel=1e-12)
    assert float(infoloob_loss(x[order], y[order], 10.0)) == pytest.approx(value, rel=1e-12)
    assert float(infoloob_loss(y, x, 10.0)) == pytest.approx(value, rel=1e-12)
    assert float(infoloob_loss(x @ rotation, y, 10.0)) != pytest.approx(value, rel=1e-3)
    assert float(infoloob_loss(x[order], y, 10.0)) != pytest.approx(value, rel=1e-3)
    assert float(infoloob_loss(x, y, 11.0)) != pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("parts", [2, 3, 12])
@pytest.mark.parametrize("times_temperature", [True, False])
def test_the_mean_over_parts_is_the_whole_in_value_and_gradient(rng, parts, times_temperature):
    inputs = (unit(rng).requires_grad_(), unit(rng).requires_grad_(), torch.tensor(7.0).double().requires_grad_())
    slices = [slice(first, first + 12 // parts) for first in range(0, 12, 12 // parts)]
    whole = infoloob_loss(*inputs, times_temperature=times_temperature)
    pieces = sum(infoloob_loss(*inputs, times_temperature=times_temperature, rows=rows) for rows in slices) / parts
    assert float(pieces.detach()) == pytest.approx(float(whole.detach()), rel=1e-12)
    for a, b in zip(torch.autograd.grad(pieces, inputs), torch.autograd.grad(whole, inputs), strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-14)


def test_rows_are_the_terms_of_these_rows(rng):
    x, y = unit(rng), unit(rng)
    expected = by_loops(x.numpy(), y.numpy(), 7.0, rows=range(3, 5))
    assert float(infoloob_loss(x, y, 7.0, rows=slice(3, 5))) == pytest.approx(expected, rel=1e-10)


def test_messages(rng):
    x, y = unit(rng), unit(rng)
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        infoloob_loss(x[:1], y[:1], 1.0)
    with pytest.raises(ValueError, match="y must have rows of length 1"):
        infoloob_loss(x, 2 * y, 1.0)
    assert torch.isfinite(infoloob_loss(x, 2 * y, 1.0, check=False))
    with pytest.raises(ValueError, match="logit_scale must be a finite number above 0"):
        infoloob_loss(x, y, -1.0)
    with pytest.raises(ValueError, match="rows must be a part of the 12 rows"):
        infoloob_loss(x, y, 1.0, rows=slice(3, 3))

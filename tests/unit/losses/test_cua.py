import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from crossgap.errors import DegenerateError
from crossgap.losses.cua import cua_loss, cuaxu_loss

LOSSES = [cua_loss, cuaxu_loss]
PARTS = ("clip_weight", "uniformity_weight", "alignment_weight", "cross_uniformity_weight")


def unit(rng, n=12, d=5):
    return normalize(torch.from_numpy(rng.normal(size=(n, d))), dim=1)


def parts_by_loops(x, y, scale, t=2.0, power=2.0):
    """The four terms by their definitions: double loops in float64."""
    n = len(x)

    def potential(a, b):
        return math.exp(-t * float(((a - b) ** 2).sum()))

    clip = 0.0
    for anchors, others in ((x, y), (y, x)):
        for i in range(n):
            logits = [scale * float(np.dot(anchors[i], others[j])) for j in range(n)]
            clip += (math.log(sum(math.exp(logit) for logit in logits)) - logits[i]) / n / 2
    within = [np.mean([potential(a[i], a[j]) for i in range(n) for j in range(i)]) for a in (x, y)]
    across = np.mean([potential(x[i], y[j]) for i in range(n) for j in range(n) if i != j])
    distances = [math.sqrt(float(((x[i] - y[i]) ** 2).sum())) for i in range(n)]
    return clip, (math.log(within[0]) + math.log(within[1])) / 2, np.mean(np.power(distances, power)), math.log(across)


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (0.3, 2.0, 0.7, 1.5), (0, 1, 1, 1), (1, 0, 0, 0), (0, 0, 0, 2)])
@pytest.mark.parametrize(("t", "power"), [(2.0, 2.0), (0.5, 1.0)])
def test_equals_the_weighted_sum_of_loops(rng, weights, t, power):
    x, y = unit(rng), unit(rng)
    parts = parts_by_loops(x.numpy(), y.numpy(), 20.0, t, power)
    named = dict(zip(PARTS, weights, strict=True))
    expected = sum(weight * part for weight, part in zip(weights, parts, strict=True))
    assert float(cuaxu_loss(x, y, 20.0, **named, t=t, power=power)) == pytest.approx(expected, rel=1e-10)
    del named["cross_uniformity_weight"]
    if any(named.values()):
        expected -= weights[3] * parts[3]
        assert float(cua_loss(x, y, 20.0, **named, t=t, power=power)) == pytest.approx(expected, rel=1e-10)


def test_defaults_are_weights_of_1_squared_distances_and_sharpness_2(rng):
    x, y = unit(rng), unit(rng)
    parts = parts_by_loops(x.numpy(), y.numpy(), 20.0)
    assert float(cua_loss(x, y, 20.0)) == pytest.approx(sum(parts[:3]), rel=1e-10)
    assert float(cuaxu_loss(x, y, 20.0)) == pytest.approx(sum(parts), rel=1e-10)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("loss", "n", "golden"),
    [
        (cua_loss, 64, 0.2098803),
        (cua_loss, 500, 1.3633255),
        (cuaxu_loss, 64, -3.1291983),
        (cuaxu_loss, 500, -1.9709468),
    ],
)
def test_golden_values_on_clip(coco, loss, n, golden, dtype):
    x, y = (normalize(torch.from_numpy(coco[name][:n]), dim=1).to(dtype) for name in ("image", "text"))
    value = loss(x, y, 100.0)
    assert value.dtype == dtype
    assert float(value) == pytest.approx(golden, rel=1e-5)


@pytest.mark.parametrize("n", [2, 64])
def test_the_antipodal_state_against_the_even_aligned_one(rng, n):
    x = unit(rng, n=1).expand(n, -1)
    assert float(cuaxu_loss(x, -x, 100.0)) == pytest.approx(math.log(n) - 4, rel=1e-9)
    assert float(cua_loss(x, -x, 100.0)) == pytest.approx(math.log(n) + 4, rel=1e-9)
    spread = unit(rng, n=64, d=128)
    assert float(cuaxu_loss(spread, spread, 100.0)) == pytest.approx(2 * (-4 + 8 / 128), abs=0.1)
    assert float(cua_loss(spread, spread, 100.0)) == pytest.approx(-4 + 8 / 128, abs=0.05)


def test_the_antipodal_state_is_stationary_and_the_offset_is_felt_elsewhere(rng):
    x = unit(rng, n=1).expand(8, -1).clone().requires_grad_()
    y = (-x).detach().requires_grad_()
    for loss in LOSSES:
        gradients = torch.autograd.grad(loss(x, y, 100.0), (x, y))
        for rows, gradient in zip((x, y), gradients, strict=True):
            tangent = gradient - (gradient * rows).sum(dim=1, keepdim=True) * rows
            assert float(tangent.abs().max().detach()) < 1e-12
    # two cones apart, every match in the lead: alignment pulls each text towards its image, the contrast does not
    heights = torch.full((4, 1), 0.8, dtype=torch.float64)
    axes = 0.6 * torch.eye(4, dtype=torch.float64)
    x, y = torch.cat([axes, heights], dim=1), torch.cat([axes, -heights], dim=1).requires_grad_()
    pull = [
        float(
            torch.autograd.grad(cua_loss(x, y, 100.0, alignment_weight=weight, uniformity_weight=0), y)[0][:, 4].max()
        )
        for weight in (0, 1)
    ]
    assert abs(pull[0]) < 1e-12
    assert pull[1] < -0.1


@pytest.mark.parametrize("loss", LOSSES)
def test_ignores_a_joint_rotation_the_order_of_pairs_and_a_swap_and_sees_other_changes(rng, loss):
    x, y = unit(rng), unit(rng)
    value = float(loss(x, y, 10.0))
    rotation = torch.linalg.qr(torch.from_numpy(rng.normal(size=(5, 5))))[0]
    order = torch.from_numpy(rng.permutation(12))
    assert float(loss(x @ rotation, y @ rotation, 10.0)) == pytest.approx(value, rel=1e-11)
    assert float(loss(x[order], y[order], 10.0)) == pytest.approx(value, rel=1e-11)
    assert float(loss(y, x, 10.0)) == pytest.approx(value, rel=1e-11)
    assert float(loss(x @ rotation, y, 10.0)) != pytest.approx(value, rel=1e-3)
    assert float(loss(x[order], y, 10.0)) != pytest.approx(value, rel=1e-3)
    assert float(loss(x, y, 11.0)) != pytest.approx(value, rel=1e-3)


@pytest.mark.parametrize("loss", LOSSES)
def test_messages(rng, loss):
    x, y = unit(rng), unit(rng)
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        loss(x[:1], y[:1], 1.0)
    with pytest.raises(ValueError, match="x must have rows of length 1"):
        loss(2 * x, y, 1.0)
    assert torch.isfinite(loss(2 * x, y, 1.0, check=False))
    with pytest.raises(ValueError, match="logit_scale must be a finite number above 0"):
        loss(x, y, 0.0)
    with pytest.raises(ValueError, match="t must be a finite number above 0, but it is -1"):
        loss(x, y, 1.0, t=-1)
    with pytest.raises(ValueError, match="power must be a finite number above 0, but it is 0"):
        loss(x, y, 1.0, power=0)
    names = PARTS if loss is cuaxu_loss else PARTS[:3]
    for name in names:
        with pytest.raises(ValueError, match=f"{name} must be a finite number of at least 0, but it is -1"):
            loss(x, y, 1.0, **{name: -1})
    with pytest.raises(ValueError, match=f"one of {', '.join(names)} must be above 0"):
        loss(x, y, 1.0, **dict.fromkeys(names, 0))

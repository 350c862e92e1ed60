"""What all variants of the contrastive loss share: gradients, limits, types, parts of a batch, invariances, checks."""

import math
from functools import partial

import pytest
import torch
from torch.nn.functional import normalize

from crossgap.errors import DegenerateError
from crossgap.losses.alignclip import alignclip_loss
from crossgap.losses.clip_refine import clip_refine_loss, distillation_loss, random_reference_loss
from crossgap.losses.correct_only import correct_only_loss
from crossgap.losses.cyclip import cross_modal_consistency_loss, cyclip_loss, in_modal_consistency_loss
from crossgap.losses.debiased import debiased_loss
from crossgap.losses.decoupled import decoupled_loss
from crossgap.losses.direction_consistency import direction_consistency_loss
from crossgap.losses.extra_negatives import extra_negatives_loss
from crossgap.losses.focal import focal_loss
from crossgap.losses.hard_negatives import hard_negative_loss
from crossgap.losses.in_modal import in_modal_loss
from crossgap.losses.m2mix import m2mix_loss
from crossgap.losses.m3mix import both_mix_loss, image_mix_loss, m3mix_loss, text_mix_loss
from crossgap.losses.margin import margin_loss
from crossgap.losses.nt_xent import nt_xent_loss
from crossgap.losses.similarity_structure import similarity_structure_loss
from crossgap.losses.singular_spread import singular_spread_loss

TEACHERS = {"teacher_x": True, "teacher_y": True}
VIEWS = {"x_views": True, "y_views": True}
LOSSES = {
    "alignclip": (alignclip_loss, {"captions": True}),
    "both_mix": (partial(both_mix_loss, mixing=0.3), {}),
    "clip_refine": (clip_refine_loss, {**TEACHERS, "reference": True}),
    "correct_only": (correct_only_loss, {}),
    "cross_modal_consistency": (cross_modal_consistency_loss, {}),
    "cyclip": (cyclip_loss, {}),
    "cyclip_views": (cyclip_loss, VIEWS),
    "debiased": (debiased_loss, {}),
    "debiased_strongly": (partial(debiased_loss, class_prior=0.6), {}),
    "decoupled": (decoupled_loss, {}),
    "direction_consistency": (direction_consistency_loss, {}),
    "distillation": (partial(distillation_loss, temperature=0.5), TEACHERS),
    "extra_negatives": (extra_negatives_loss, {"extra_y": True}),
    "focal": (partial(focal_loss, focus=0.5), {}),
    "hard_negative": (hard_negative_loss, {}),
    "image_mix": (partial(image_mix_loss, mixing=0.3), {}),
    "in_modal": (in_modal_loss, VIEWS),
    "in_modal_consistency": (in_modal_consistency_loss, {}),
    "m2mix": (partial(m2mix_loss, mixing=0.3), {}),
    "m3mix": (partial(m3mix_loss, mixing=0.3), {}),
    "margin": (margin_loss, {}),
    "nt_xent": (nt_xent_loss, {}),
    "random_reference": (random_reference_loss, {"reference": True}),
    "similarity_cosine": (partial(similarity_structure_loss, centred=False), {}),
    "similarity_structure": (similarity_structure_loss, {}),
    "singular_spread": (singular_spread_loss, {}),
    "text_mix": (partial(text_mix_loss, mixing=0.3), {}),
}
RAW = {"clip_refine", "distillation", "random_reference"}
NO_SCALE = {
    *RAW,
    "cross_modal_consistency",
    "direction_consistency",
    "in_modal_consistency",
    "similarity_cosine",
    "similarity_structure",
    "singular_spread",
}
WHOLE_BATCH = {
    "correct_only",
    "direction_consistency",
    "similarity_cosine",
    "similarity_structure",
    "singular_spread",
}
ORDERED = {"both_mix", "image_mix", "m3mix", "text_mix"}  # mix with the reversed batch
CONSTANT_WEIGHTS = {"hard_negative"}  # their gradient is not that of the value: see test_hard_negatives.py

everything = pytest.mark.parametrize("name", sorted(LOSSES))
scaled = pytest.mark.parametrize("name", sorted(set(LOSSES) - NO_SCALE))
in_parts = pytest.mark.parametrize("name", sorted(set(LOSSES) - WHOLE_BATCH))


def make(name, n=6, d=5, dtype=torch.float64, seed=0):
    """A loss ready to call on (x, y, scale), a random batch, and the extra rows it needs."""
    loss, extras = LOSSES[name]
    generator = torch.Generator().manual_seed(seed)
    draw = lambda: normalize(torch.randn(n, d, generator=generator, dtype=torch.float64), dim=1).to(dtype)  # noqa: E731
    x, y = draw(), draw()
    return loss, x, y, {key: draw() for key in extras}


@pytest.mark.parametrize("name", sorted(set(LOSSES) - CONSTANT_WEIGHTS))
def test_gradient_is_that_of_the_value(name):
    loss, x, y, extras = make(name)
    theta = torch.tensor(math.log(5.0), dtype=torch.float64)
    leaves = [rows.clone().requires_grad_() for rows in (x, y)]
    scale = theta.clone().requires_grad_(name not in NO_SCALE)

    def value(x, y, theta):
        return loss(normalize(x, dim=1), normalize(y, dim=1), theta.exp(), **extras)

    assert torch.autograd.gradcheck(value, (*leaves, scale))


@everything
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_finite_everywhere(name, dtype, scale):
    for n in (2, 5):
        loss, x, y, extras = make(name, n=n, dtype=dtype)
        one = x[:1].expand(n, -1)
        signs = torch.tensor([1.0, -1.0]).repeat(n)[:n, None].to(dtype)
        batches = {
            "random": (x, y),
            "equal modalities": (x, x),
            "opposite modalities": (x, -x),
            "identical rows": (one, one),
            "antipodal points": (one, -one),
            "antipodal rows in each": (one * signs, one * signs),
            "antipodal rows, crossed": (one * signs, -one * signs),
            "one modality at a point": (one, y),
        }
        for what, (a, b) in batches.items():
            a, b = a.clone().requires_grad_(), b.clone().requires_grad_()
            s = torch.tensor(scale, requires_grad=True)
            value = loss(a, b, s, **extras)
            assert torch.isfinite(value), (what, n)
            if value.requires_grad:
                value.backward()
            for leaf in (a, b, s):
                assert leaf.grad is None or torch.isfinite(leaf.grad).all(), (what, n)


@everything
def test_type_of_the_result(name):
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        loss, x, y, extras = make(name, dtype=dtype)
        assert loss(x, y, 10.0, **extras).dtype == torch.float32
    loss, x, y, extras = make(name)
    assert loss(x, y, 10.0, **extras).dtype == torch.float64
    assert loss(x, y, 10.0, **extras).shape == ()


@everything
def test_autocast_changes_nothing(name):
    loss, x, y, extras = make(name, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(x, y, 30.0, **extras)
    assert inside.dtype == torch.float32
    assert inside == loss(x, y, 30.0, **extras)


@everything
def test_half_precision_is_close(name):
    loss, x, y, extras = make(name, n=8, dtype=torch.float32)
    exact = loss(x.bfloat16().double(), y.bfloat16().double(), 10.0, check=False, **extras)
    assert loss(x.bfloat16(), y.bfloat16(), 10.0, **extras).item() == pytest.approx(exact.item(), rel=1e-4, abs=1e-5)


@in_parts
def test_mean_over_parts_is_the_whole(name):
    loss, x, y, extras = make(name)
    leaves = [rows.clone().requires_grad_() for rows in (x, y)]
    scale = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    whole = loss(*leaves, scale, **extras)
    parts = [loss(*leaves, scale, rows=slice(2 * k, 2 * k + 2), **extras) for k in range(3)]
    assert len({round(part.item(), 9) for part in parts}) == 3
    mean = sum(parts) / 3
    assert mean.item() == pytest.approx(whole.item(), rel=1e-12)
    wanted = torch.autograd.grad(whole, [*leaves, scale], allow_unused=True)
    for got, expected in zip(torch.autograd.grad(mean, [*leaves, scale], allow_unused=True), wanted, strict=True):
        if expected is not None:
            torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


@everything
def test_ignores_a_common_rotation(name):
    loss, x, y, extras = make(name)
    turn = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).Q
    turned = {key: rows @ turn for key, rows in extras.items()}
    assert loss(x @ turn, y @ turn, 9.0, **turned).item() == pytest.approx(loss(x, y, 9.0, **extras).item(), rel=1e-10)


@everything
def test_ignores_the_order_of_pairs(name):
    loss, x, y, extras = make(name)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    moved = loss(x[order], y[order], 9.0, **{key: rows[order] for key, rows in extras.items()}).item()
    if name in ORDERED:
        assert abs(moved - loss(x, y, 9.0, **extras).item()) > 1e-6
    else:
        assert moved == pytest.approx(loss(x, y, 9.0, **extras).item(), rel=1e-10)


@everything
def test_pairing_matters(name):
    loss, x, y, extras = make(name)
    if name == "singular_spread":
        assert loss(x, y, 9.0).item() == pytest.approx(loss(x, y.roll(1, 0), 9.0).item())
    else:
        assert abs(loss(x, y.roll(1, 0), 9.0, **extras).item() - loss(x, y, 9.0, **extras).item()) > 1e-4


@everything
def test_scale_matters_where_it_is_used(name):
    loss, x, y, extras = make(name)
    change = abs(loss(x, y, 9.0, **extras).item() - loss(x, y, 3.0, **extras).item())
    assert (change == 0) == (name in NO_SCALE)


@everything
def test_refuses_one_pair(name):
    loss, x, y, extras = make(name, n=1)
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        loss(x, y, 9.0, **extras)


@everything
def test_refuses_what_is_no_batch(name):
    loss, x, y, extras = make(name)
    with pytest.raises(TypeError, match="must be a torch tensor"):
        loss(x.numpy(), y, 9.0, **extras)
    with pytest.raises(ValueError, match="must pair row by row"):
        loss(x, y[:4], 9.0, **extras)


@everything
def test_refuses_rows_of_other_lengths_unless_raw(name):
    loss, x, y, extras = make(name)
    if name in RAW:
        assert torch.isfinite(loss(3 * x, y, 9.0, **extras))
    else:
        with pytest.raises(ValueError, match="x must have rows of length 1"):
            loss(3 * x, y, 9.0, **extras)
        assert torch.isfinite(loss(3 * x, y, 9.0, check=False, **extras))


@scaled
def test_refuses_a_scale_of_zero(name):
    loss, x, y, extras = make(name)
    with pytest.raises(ValueError, match="logit_scale must be a finite number above 0"):
        loss(x, y, 0.0, **extras)


@in_parts
def test_refuses_rows_beyond_the_batch(name):
    loss, x, y, extras = make(name)
    with pytest.raises(ValueError, match="rows must be a part of the 6 rows"):
        loss(x, y, 9.0, rows=slice(4, 9), **extras)

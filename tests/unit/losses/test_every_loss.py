"""What holds of every loss: gradients, limits, types, parts of a batch, invariances, checks."""

import inspect
import math
from functools import partial

import pytest
import torch
from torch.nn.functional import normalize

import crossgap.losses
from crossgap.errors import DegenerateError
from crossgap.losses import (
    LogitScale,
    alignclip_loss,
    alignment_loss,
    both_mix_loss,
    clip_loss,
    clip_refine_loss,
    cloob_loss,
    correct_only_loss,
    cross_modal_consistency_loss,
    cross_uniformity_loss,
    cua_loss,
    cuaxu_loss,
    cyclip_loss,
    debiased_loss,
    decoupled_loss,
    direction_consistency_loss,
    distillation_loss,
    extra_negatives_loss,
    focal_loss,
    hard_negative_loss,
    image_mix_loss,
    in_modal_consistency_loss,
    in_modal_loss,
    infoloob_loss,
    joint_uniformity_loss,
    m2mix_loss,
    m3mix_loss,
    margin_loss,
    nt_xent_loss,
    random_reference_loss,
    siglip_loss,
    similarity_structure_loss,
    singular_spread_loss,
    text_mix_loss,
    uniformity_loss,
)

TEACHERS = {"teacher_x": True, "teacher_y": True}
VIEWS = {"x_views": True, "y_views": True}
WEIGHTS = {"clip_weight": 0.3, "uniformity_weight": 0.5, "alignment_weight": 0.7}
LOSSES = {
    "alignclip": (alignclip_loss, {"captions": True}),
    "alignment": (alignment_loss, {}),
    "alignment_distance": (partial(alignment_loss, power=1.0), {}),
    "both_mix": (partial(both_mix_loss, mixing=0.3), {}),
    "clip": (clip_loss, {}),
    "clip_refine": (clip_refine_loss, {**TEACHERS, "reference": True}),
    "cloob": (cloob_loss, {}),
    "cloob_infonce": (partial(cloob_loss, leave_one_out=False, hopfield_scale=3.0), {}),
    "correct_only": (correct_only_loss, {}),
    "cross_modal_consistency": (cross_modal_consistency_loss, {}),
    "cross_uniformity": (cross_uniformity_loss, {}),
    "cua": (cua_loss, {}),
    "cuaxu": (cuaxu_loss, {}),
    "cuaxu_weights": (partial(cuaxu_loss, **WEIGHTS, cross_uniformity_weight=0.2, t=1.0, power=1.5), {}),
    "cuaxu_without_contrast": (partial(cuaxu_loss, clip_weight=0.0), {}),
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
    "infoloob": (infoloob_loss, {}),
    "joint_uniformity": (joint_uniformity_loss, {}),
    "m2mix": (partial(m2mix_loss, mixing=0.3), {}),
    "m3mix": (partial(m3mix_loss, mixing=0.3), {}),
    "margin": (margin_loss, {}),
    "nt_xent": (nt_xent_loss, {}),
    "random_reference": (random_reference_loss, {"reference": True}),
    "siglip": (siglip_loss, {}),
    "siglip_positive_bias": (partial(siglip_loss, logit_bias=500.0), {}),
    "similarity_cosine": (partial(similarity_structure_loss, centred=False), {}),
    "similarity_structure": (similarity_structure_loss, {}),
    "singular_spread": (singular_spread_loss, {}),
    "text_mix": (partial(text_mix_loss, mixing=0.3), {}),
    "uniformity": (uniformity_loss, {}),
    "uniformity_sharp": (partial(uniformity_loss, t=20.0), {}),
}
FUSED = {
    "clip",
    "cloob",
    "cloob_infonce",
    "cross_uniformity",
    "cua",
    "cuaxu",
    "cuaxu_weights",
    "cuaxu_without_contrast",
    "decoupled",
    "infoloob",
    "joint_uniformity",
    "siglip",
    "siglip_positive_bias",
    "uniformity",
    "uniformity_sharp",
}
LOSSES |= {f"{name}, fused": (partial(LOSSES[name][0], fused=True), {}) for name in FUSED}


def and_fused(*names):
    return {form for name in names for form in (name, f"{name}, fused") if form in LOSSES}


RAW = {"clip_refine", "distillation", "random_reference"}
UNIFORMITIES = and_fused("cross_uniformity", "joint_uniformity", "uniformity", "uniformity_sharp")
NO_SCALE = {
    *RAW,
    *UNIFORMITIES,
    *and_fused("alignment", "alignment_distance", "cuaxu_without_contrast"),
    "cross_modal_consistency",
    "direction_consistency",
    "in_modal_consistency",
    "similarity_cosine",
    "similarity_structure",
    "singular_spread",
}
WHOLE_BATCH = {
    *UNIFORMITIES,
    *and_fused("cua", "cuaxu", "cuaxu_weights", "cuaxu_without_contrast"),
    "correct_only",
    "direction_consistency",
    "similarity_cosine",
    "similarity_structure",
    "singular_spread",
}
ORDERED = {"both_mix", "image_mix", "m3mix", "text_mix"}  # mix with the reversed batch
UNPAIRED = {"singular_spread", *and_fused("uniformity", "uniformity_sharp")}
CONSTANT_WEIGHTS = {"hard_negative"}  # their gradient is not that of the value: see test_hard_negatives.py

everything = pytest.mark.parametrize("name", sorted(LOSSES))
plain = pytest.mark.parametrize("name", sorted(name for name in LOSSES if "fused" not in name))
in_parts = pytest.mark.parametrize("name", sorted(set(LOSSES) - WHOLE_BATCH))


def make(name, n=6, d=5, dtype=torch.float64, seed=0):
    """A loss ready to call on (x, y, scale), a random batch, and the extra rows it needs."""
    loss, extras = LOSSES[name]
    generator = torch.Generator().manual_seed(seed)
    draw = lambda: normalize(torch.randn(n, d, generator=generator, dtype=torch.float64), dim=1).to(dtype)  # noqa: E731
    x, y = draw(), draw()
    return loss, x, y, {key: draw() for key in extras}


def test_every_public_loss_is_here():
    public = {name for name in crossgap.losses.__all__ if name.endswith("_loss")}
    losses = {getattr(loss, "func", loss) for loss, _ in LOSSES.values()}
    assert {loss.__name__ for loss in losses} == public
    fusible = {loss.__name__ for loss in losses if "fused" in inspect.signature(loss).parameters}
    assert {LOSSES[name][0].func.__name__ for name in LOSSES if "fused" in name} == fusible


@pytest.mark.parametrize("name", sorted(set(LOSSES) - CONSTANT_WEIGHTS))
def test_gradient_is_that_of_the_value(name):
    loss, x, y, extras = make(name, n=5, d=3)
    leaves = [rows.clone().requires_grad_() for rows in (x, y)]
    theta = torch.tensor(math.log(5.0), dtype=torch.float64).requires_grad_(name not in NO_SCALE)

    def value(x, y, theta):
        return loss(normalize(x, dim=1), normalize(y, dim=1), theta.exp(), **extras)

    assert torch.autograd.gradcheck(value, (*leaves, theta))
    for gradient in torch.autograd.grad(value(*leaves, theta), [*leaves, *([theta] if theta.requires_grad else [])]):
        assert gradient.abs().max() > 1e-6


def extreme_batches(n, dtype):
    """Batches of unit rows at the edge: equal, opposite, at one point or two, or one row against all others."""
    _, x, y, _ = make("clip", n=n, dtype=dtype)
    one = x[:1].expand(n, -1)
    signs = torch.tensor([1.0, -1.0]).repeat(n)[:n, None].to(dtype)
    first = torch.cat([one[:1], -one[1:]])
    return {
        "random": (x, y),
        "equal modalities": (x, x),
        "opposite modalities": (x, -x),
        "identical rows": (one, one),
        "antipodal points": (one, -one),
        "antipodal rows in each": (one * signs, one * signs),
        "antipodal rows, crossed": (one * signs, -one * signs),
        "one modality at a point": (one, y),
        "all but one opposite": (first, one),
    }


@everything
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_finite_everywhere(name, dtype):
    for n in (2, 5):
        loss, *_, extras = make(name, n=n, dtype=dtype)
        for what, (x, y) in extreme_batches(n, dtype).items():
            for scale in (0.01, 100.0):
                leaves = x.clone().requires_grad_(), y.clone().requires_grad_(), torch.tensor(scale, requires_grad=True)
                value = loss(*leaves, **extras)
                assert torch.isfinite(value), (what, n, scale)
                if value.requires_grad:
                    value.backward()
                for leaf in leaves:
                    assert leaf.grad is None or torch.isfinite(leaf.grad).all(), (what, n, scale)


@pytest.mark.parametrize("name", sorted(FUSED))
def test_fused_equals_plain_at_the_edge(name):
    for n in (2, 5):
        loss, *_ = make(name, n=n)
        for what, (x, y) in extreme_batches(n, torch.float32).items():
            for scale in (0.01, 100.0):
                fused = loss(x, y, scale, fused=True).item()
                exact = loss(x.double(), y.double(), scale, fused=False).item()
                assert fused == pytest.approx(exact, rel=1e-5, abs=1e-4), (what, n, scale)


@everything
def test_type_of_the_result(name):
    for dtype in (torch.bfloat16, torch.float16, torch.float32, torch.float64):
        loss, x, y, extras = make(name, dtype=dtype)
        value = loss(x, y, 10.0, **extras)
        assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
        assert value.shape == ()


@everything
def test_half_precision_and_autocast_change_nothing_but_the_rows(name):
    loss, x, y, extras = make(name, n=8, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = loss(x, y, 30.0, **extras)
    assert inside == loss(x, y, 30.0, **extras)
    with torch.autocast("cpu", dtype=torch.float16):
        assert loss(x=x, y=y, logit_scale=30.0, **extras) == inside
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


@plain
def test_what_it_sees_and_what_it_does_not(name):
    """Neither a rotation of all rows nor the order of pairs; the pairing; and the scale, where it is used."""
    loss, x, y, extras = make(name)
    value = loss(x, y, 9.0, **extras).item()
    turn = torch.linalg.qr(torch.randn(5, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)).Q
    turned = {key: rows @ turn for key, rows in extras.items()}
    assert loss(x @ turn, y @ turn, 9.0, **turned).item() == pytest.approx(value, rel=1e-10)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    moved = loss(x[order], y[order], 9.0, **{key: rows[order] for key, rows in extras.items()}).item()
    if name in ORDERED:
        assert abs(moved - value) > 1e-6
    else:
        assert moved == pytest.approx(value, rel=1e-10)
    mispaired = abs(loss(x, y.roll(1, 0), 9.0, **extras).item() - value)
    if name in UNPAIRED:
        assert mispaired < 1e-12
    else:
        assert mispaired > 1e-4
    assert (loss(x, y, 3.0, **extras).item() == value) == (name in NO_SCALE)


@everything
def test_memory_layout_does_not_matter(name):
    """Rows that are every other row of an array, transposed, or one row expanded."""
    loss, x, y, extras = make(name)
    apart = torch.stack([x, torch.zeros_like(x)], dim=1).flatten(0, 1)[::2]
    turned = y.T.contiguous().T
    assert not apart.is_contiguous()
    assert not turned.is_contiguous()
    assert loss(apart, turned, 9.0, **extras).item() == pytest.approx(loss(x, y, 9.0, **extras).item(), rel=1e-12)
    expanded = x[:1].expand(6, -1).requires_grad_()
    found = loss(expanded, y, 9.0, **extras).item()
    assert found == pytest.approx(loss(expanded.clone(), y, 9.0, **extras).item(), rel=1e-12)


@everything
def test_one_side_may_be_frozen(name):
    loss, x, y, extras = make(name)
    leaves = [x.clone().requires_grad_(), y.clone().requires_grad_()]
    wanted = torch.autograd.grad(loss(*leaves, 9.0, **extras), leaves)
    for side in (0, 1):
        mixed = [rows if number == side else rows.detach() for number, rows in enumerate(leaves)]
        (found,) = torch.autograd.grad(loss(*mixed, 9.0, **extras), leaves[side])
        torch.testing.assert_close(found, wanted[side], rtol=1e-12, atol=1e-14)
    with torch.no_grad():
        assert not loss(*leaves, 9.0, **extras).requires_grad


@plain
def test_bad_input_is_told(name):
    loss, x, y, extras = make(name)
    with pytest.raises(TypeError, match="must be a torch tensor"):
        loss(x.numpy(), y, 9.0, **extras)
    with pytest.raises(ValueError, match="must pair row by row"):
        loss(x, y[:4], 9.0, **extras)
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        loss(x[:1], y[:1], 9.0, **{key: rows[:1] for key, rows in extras.items()})
    if name in RAW:
        assert torch.isfinite(loss(3 * x, y, 9.0, **extras))
    else:
        for long in ((3 * x, y), (x, 3 * y)):
            with pytest.raises(ValueError, match="must have rows of length 1"):
                loss(*long, 9.0, **extras)
            assert torch.isfinite(loss(*long, 9.0, check=False, **extras))
        with pytest.raises(ValueError, match="logit_scale must be a finite number above 0"):
            loss(x, y, 0.0, **extras)
    if name not in WHOLE_BATCH:
        with pytest.raises(ValueError, match="rows must be a part of the 6 rows"):
            loss(x, y, 9.0, rows=slice(4, 9), **extras)


@pytest.mark.parametrize("name", ["clip", "cuaxu", "cloob", "siglip", "decoupled", "uniformity", "infoloob"])
def test_second_derivatives_of_the_plain_form(name):
    loss, x, y, _ = make(name, n=3, d=2)
    leaves = [rows.clone().requires_grad_() for rows in (x, y)]
    assert torch.autograd.gradgradcheck(lambda *rows: loss(*rows, 4.0, fused=False, check=False), leaves)
    (gradient,) = torch.autograd.grad(loss(*leaves, 4.0, fused=True), leaves[0], create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad|is not implemented"):
        gradient.sum().backward()


@pytest.mark.parametrize("name", sorted(FUSED))
def test_a_graph_that_is_kept_gives_the_same_gradient_again(name):
    loss, x, y, _ = make(name)
    x.requires_grad_()
    value = loss(x, y, 4.0, fused=True)
    first, again = (torch.autograd.grad(value, x, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the compiler, about code that is not ours
@pytest.mark.parametrize(("name", "n"), [("clip", 8), ("clip", 520), ("cuaxu", 520), ("siglip", 520)])
def test_a_compiled_step_is_the_step(name, n):
    loss, *batch, _ = make(name, n=n, dtype=torch.float32)
    weight, scale = torch.eye(5, requires_grad=True), LogitScale(10.0)

    def step(x, y):
        return loss(normalize(x @ weight, dim=1), y, scale(), check=False)

    wanted = torch.autograd.grad(step(*batch), [weight, scale.log], allow_unused=True)
    torch._dynamo.reset()
    found = torch.autograd.grad(torch.compile(step, backend="eager")(*batch), [weight, scale.log], allow_unused=True)
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b)

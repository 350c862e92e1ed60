"""Every loss that has a fused form: equal to its plain form in value and gradient, and to the golden values."""

from functools import partial

import pytest
import torch

from crossgap.losses.alignment_uniformity import cross_uniformity_loss, joint_uniformity_loss, uniformity_loss
from crossgap.losses.clip import clip_loss
from crossgap.losses.cloob import cloob_loss
from crossgap.losses.cua import cua_loss, cuaxu_loss
from crossgap.losses.hopfield import hopfield_retrieval
from crossgap.losses.infoloob import infoloob_loss
from crossgap.losses.siglip import siglip_loss

WEIGHTS = {"clip_weight": 0.3, "uniformity_weight": 0.5, "alignment_weight": 0.7}
LOSSES = {
    "clip": clip_loss,
    "clip, one direction": partial(clip_loss, x_to_y_weight=0.0, y_to_x_weight=2.0),
    "uniformity": uniformity_loss,
    "cross_uniformity": partial(cross_uniformity_loss, t=3.0),
    "joint_uniformity": joint_uniformity_loss,
    "cua": cua_loss,
    "cua, weights": partial(cua_loss, **WEIGHTS, t=1.0, power=1.5),
    "cuaxu": cuaxu_loss,
    "cuaxu, weights": partial(cuaxu_loss, **WEIGHTS, cross_uniformity_weight=0.2),
    "cuaxu without contrast": partial(cuaxu_loss, clip_weight=0.0),
    "infoloob": infoloob_loss,
    "infoloob in nats": partial(infoloob_loss, times_temperature=False),
    "cloob": cloob_loss,
    "cloob, InfoNCE": partial(cloob_loss, leave_one_out=False, hopfield_scale=3.0),
    "cloob, no retrieval": partial(cloob_loss, hopfield_scale=None),
    "siglip": partial(siglip_loss, logit_bias=-5.0),
}
WITH_ROWS = [name for name in LOSSES if name.split(",")[0].split()[0] in ("clip", "infoloob", "cloob", "siglip")]
SCALED = [name for name in LOSSES if "uniformity" not in name and "without" not in name]


def unit(n, d, seed, dtype=torch.float64):
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.5
    return torch.nn.functional.normalize(rows, dim=1).to(dtype)


def gradients(loss, x, y, scale, **options):
    """Value and gradients, those of rows without their part along the row, which a loss of unit rows leaves open."""
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    scale = torch.tensor(scale, dtype=torch.float64 if x.dtype == torch.float64 else torch.float32, requires_grad=True)
    value = loss(x, y, scale, **options)
    found = torch.autograd.grad(value, (x, y, scale), allow_unused=True)
    tangent = []
    for rows, gradient in zip((x, y), found[:2], strict=True):
        rows = rows.detach()
        tangent.append(gradient - (gradient * rows).sum(1, keepdim=True) * rows)
    return value.detach(), *tangent, found[2]


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("scale", [1.0, 14.0, 100.0])
@pytest.mark.parametrize("n", [2, 3, 33])
def test_fused_equals_plain(name, scale, n):
    x, y = unit(n, 6, 0), unit(n, 6, 1)
    found, expected = (gradients(LOSSES[name], x, y, scale, fused=fused) for fused in (True, False))
    for a, b in zip(found, expected, strict=True):
        nothing = torch.zeros(())  # where the scale has no part in a loss
        a, b = (nothing.double() if part is None else part for part in (a, b))
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", LOSSES)
def test_fused_by_itself_from_512_rows_on(name):
    """By itself a loss takes the fused form from 512 rows on, where it keeps no matrix of all pairs."""
    for n, most in ((511, 511 * 511), (512, 512 * 8)):
        kept: list[int] = []

        def note(tensor, kept=kept):
            kept.append(tensor.numel())
            return tensor

        x, y = unit(n, 8, 0).requires_grad_(), unit(n, 8, 1).requires_grad_()
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            LOSSES[name](x, y, 10.0)
        assert max(kept) == most


@pytest.mark.parametrize("name", WITH_ROWS)
def test_rows_of_a_part_add_up_to_the_whole(name):
    x, y = unit(12, 5, 0), unit(12, 5, 1)
    parts = [gradients(LOSSES[name], x, y, 9.0, fused=True, rows=slice(first, first + 4)) for first in range(0, 12, 4)]
    plain = [gradients(LOSSES[name], x, y, 9.0, fused=False, rows=slice(first, first + 4)) for first in range(0, 12, 4)]
    whole = gradients(LOSSES[name], x, y, 9.0, fused=True)
    for number, expected in enumerate(whole):
        mean = sum(part[number] for part in parts) / 3
        torch.testing.assert_close(mean, expected, rtol=1e-9, atol=1e-12)
    for a, b in zip(parts[1], plain[1], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize(("scale", "most"), [(14.0, 5e-7), (100.0, 3e-6)])
def test_gradient_error_against_float64(scale, most):
    """CUAXU of 2,000 pairs, some found and some not."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(2000, 128, generator=generator, dtype=torch.float64)
    noise = torch.randn(2000, 128, generator=generator, dtype=torch.float64)
    x, y = (torch.nn.functional.normalize(rows, dim=1).float() for rows in (base, base + 3 * noise))
    found = gradients(cuaxu_loss, x, y, scale, fused=True)
    exact = gradients(cuaxu_loss, x.double(), y.double(), scale, fused=False)
    for a, b in zip(found, exact, strict=True):
        assert float((a.double() - b).norm() / b.norm()) < most


@pytest.mark.parametrize(
    ("loss", "scale", "expected"),
    [
        (clip_loss, 100.0, 1.8008860),
        (clip_loss, 1 / 0.07, 4.3401651),
        (cua_loss, 100.0, 1.3633255),
        (cuaxu_loss, 100.0, -1.9709468),
        (infoloob_loss, 30.0, 0.1892110),
        (partial(cloob_loss, hopfield_scale=8.0), 30.0, 0.3901805),
        (partial(cloob_loss, hopfield_scale=15.0), 30.0, 0.3282172),
        (partial(siglip_loss, logit_bias=-10.0), 10.0, 7.0314102),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_golden_values(coco, loss, scale, expected, dtype):
    x, y = (torch.nn.functional.normalize(torch.from_numpy(coco[name]), dim=1).to(dtype) for name in ("image", "text"))
    assert float(loss(x, y, scale, fused=True)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scale", [0.1, 8.0, 200.0])
def test_retrieval(scale):
    queries, store = unit(7, 4, 0), unit(9, 4, 1)

    def gradients(fused):
        given = [rows.clone().requires_grad_() for rows in (queries, store)]
        rows = hopfield_retrieval(*given, scale=scale, fused=fused)
        weights = torch.randn(rows.shape, generator=torch.Generator().manual_seed(2), dtype=rows.dtype)
        return rows, *torch.autograd.grad((rows * weights).sum(), given)

    for a, b in zip(gradients(True), gradients(False), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-11)


def test_a_sharpness_beyond_float32_takes_the_plain_form():
    x, y = unit(600, 4, 0), unit(600, 4, 1)
    assert torch.isfinite(uniformity_loss(x, y, t=25.0))
    with pytest.raises(ValueError, match="use fused=False"):
        uniformity_loss(x, y, t=25.0, fused=True)


def test_several_positives_have_the_plain_form_only():
    x, y = unit(6, 4, 0), unit(6, 4, 1)
    items = torch.tensor([0, 0, 1, 2, 3, 4])
    with pytest.raises(ValueError, match="items have no fused form"):
        clip_loss(x, y, 10.0, items=items, fused=True)

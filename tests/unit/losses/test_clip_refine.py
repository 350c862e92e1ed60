"""CLIP-Refine's loss on raw rows."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.clip import clip_loss
from crossgap.losses.clip_refine import clip_refine_loss, distillation_loss, random_reference_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def raw(seed=0, count=5):
    return np.random.default_rng(seed).standard_normal((count, 5, 4))


def softmax(row):
    powers = [math.exp(v) for v in row]
    return [power / sum(powers) for power in powers]


def divergence(model, teacher, temperature, share):
    total = 0.0
    for i in range(len(model)):
        q = softmax(model[i] / temperature)
        p = [(1 - share) * v + share * (i == j) for j, v in enumerate(softmax(teacher[i] / temperature))]
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    return total / len(model)


@pytest.mark.parametrize(("temperature", "share"), [(1.0, 0.5), (2.0, 0.25), (0.5, 0.0)])
def test_distillation_is_a_sum_of_divergences(temperature, share):
    x, y, u, v, _ = raw()
    wanted = divergence(x @ y.T, u @ v.T, temperature, share) + divergence(y @ x.T, v @ u.T, temperature, share)
    x, y, u, v = map(torch.from_numpy, (x, y, u, v))
    options = {"teacher_x": u, "teacher_y": v, "temperature": temperature, "label_weight": share}
    assert distillation_loss(x, y, **options).item() == pytest.approx(temperature**2 * wanted / 2)


def test_all_of_the_label_is_clip_on_raw_rows():
    x, y, u, v, _ = map(torch.from_numpy, raw())
    value = distillation_loss(x, y, teacher_x=u, teacher_y=v, label_weight=1.0)
    assert value.item() == pytest.approx(clip_loss(x, y, 1.0, check=False).item())


def test_reference_is_a_mean_of_squares():
    x, y, z = raw(count=3)
    wanted = sum((x[i, k] - z[i, k]) ** 2 + (y[i, k] - z[i, k]) ** 2 for i in range(5) for k in range(4)) / 20
    x, y, z = map(torch.from_numpy, (x, y, z))
    assert random_reference_loss(x, y, reference=z).item() == pytest.approx(wanted)


def test_both_modalities_share_their_random_row():
    x = torch.zeros(400, 50)
    generator = torch.Generator().manual_seed(0)
    first = random_reference_loss(x, x, generator=generator).item()
    z = torch.randn(400, 50, generator=torch.Generator().manual_seed(0))
    assert first == random_reference_loss(x, x, reference=z).item()
    assert first == pytest.approx(2.0, abs=0.05)  # twice the variance of a normal number
    assert random_reference_loss(z, z, generator=torch.Generator().manual_seed(0)).item() == 0
    assert random_reference_loss(x, x, generator=generator).item() != first  # fresh at each step


def test_a_given_reference_goes_before_the_generator():
    x, y, z = map(torch.from_numpy, raw(count=3))
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert random_reference_loss(x, y, reference=z, generator=generator) == random_reference_loss(x, y, reference=z)
    assert torch.equal(before, generator.get_state())


def test_parts_of_a_batch_see_the_same_draw():
    x, y, *_ = map(torch.from_numpy, raw())
    parts = [
        random_reference_loss(x, y, generator=torch.Generator().manual_seed(1), rows=slice(k, k + 1)) for k in range(5)
    ]
    whole = random_reference_loss(x, y, generator=torch.Generator().manual_seed(1))
    assert (sum(parts) / 5).item() == pytest.approx(whole.item())


def test_weighted_sum():
    x, y, u, v, z = map(torch.from_numpy, raw())
    teachers = {"teacher_x": u, "teacher_y": v}
    pull, keep = random_reference_loss(x, y, reference=z), distillation_loss(x, y, **teachers)
    assert clip_refine_loss(x, y, **teachers, reference=z).item() == pytest.approx((pull + keep).item())
    weighted = clip_refine_loss(
        x,
        y,
        100.0,
        **teachers,
        reference=z,
        reference_weight=0.5,
        distillation_weight=3.0,
        temperature=2.0,
        label_weight=0.1,
    )
    keep = distillation_loss(x, y, **teachers, temperature=2.0, label_weight=0.1)
    assert weighted.item() == pytest.approx((0.5 * pull + 3 * keep).item())


def test_no_gradient_into_the_teacher():
    x, y, u, v, z = map(torch.from_numpy, raw())
    x.requires_grad_()
    u.requires_grad_()
    clip_refine_loss(x, y, teacher_x=u, teacher_y=v, reference=z).backward()
    assert u.grad is None
    assert x.grad is not None


def test_lengths_matter():
    x, y, u, v = map(torch.from_numpy, raw(count=4))
    short = distillation_loss(x / 10, y / 10, teacher_x=u, teacher_y=v)
    assert abs(short.item() - distillation_loss(x, y, teacher_x=u, teacher_y=v).item()) > 0.01


TEACHERS = {"teacher_x": torch.ones(5, 4), "teacher_y": torch.ones(5, 4)}


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        (TEACHERS, ValueError, "reference or generator must be given, but both are missing"),
        ({**TEACHERS, "generator": 1}, TypeError, "generator must be a torch.Generator, but it is a int"),
        ({**TEACHERS, "reference": torch.ones(3, 4)}, ValueError, r"reference must have shape \(5, 4\)"),
        ({**TEACHERS, "teacher_x": torch.ones(5, 3)}, ValueError, r"teacher_x must have shape \(5, 4\)"),
        ({**TEACHERS, "teacher_y": [1.0]}, TypeError, "teacher_y must be a torch tensor .* it is a list"),
        ({**TEACHERS, "teacher_y": torch.full((5, 4), math.nan)}, ValueError, "teacher_y must hold finite numbers"),
        ({**TEACHERS, "temperature": 0.0}, ValueError, "temperature must be a finite number above 0, but it is 0"),
        (
            {**TEACHERS, "label_weight": 1.5},
            ValueError,
            "label_weight must be a finite number of at least 0 and at most 1",
        ),
        ({**TEACHERS, "reference_weight": -1.0}, ValueError, "reference_weight must be a finite number"),
        (
            {**TEACHERS, "reference_weight": 0, "distillation_weight": 0},
            ValueError,
            "one of reference_weight, distillation_weight must be above 0",
        ),
    ],
)
def test_errors(options, kind, message):
    x, y = map(torch.from_numpy, raw(count=2))
    if "reference" not in message and "generator" not in message:
        options = {**options, "reference": torch.ones(5, 4)}
    with pytest.raises(kind, match=message):
        clip_refine_loss(x, y, **options)


def test_refuses_rows_that_are_not_finite():
    x, y = map(torch.from_numpy, raw(count=2))
    x[2, 1] = math.inf
    with pytest.raises(ValueError, match="x must hold finite numbers"):
        random_reference_loss(x, y, reference=y)
    assert random_reference_loss(x, y, reference=y, check=False).item() == math.inf

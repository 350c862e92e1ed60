"""The module of the logit scale and its schedules."""

import math

import pytest
import torch

from crossgap.losses.temperature import (
    LogitScale,
    constant_scale,
    cosine_scale,
    fixed_then_learned_scale,
    linear_scale,
)


def test_starts_at_clips_value():
    assert LogitScale().log.item() == pytest.approx(2.65926, abs=1e-5)
    assert LogitScale()().item() == pytest.approx(1 / 0.07, rel=1e-6)


def test_gradient_is_that_of_the_exponential():
    scale = LogitScale(initial=20.0)
    (3 * scale()).backward()
    assert scale.log.grad is not None
    assert scale.log.grad.item() == pytest.approx(60.0, rel=1e-6)


def test_not_learned_takes_no_gradient():
    scale = LogitScale(learnable=False)
    assert not scale().requires_grad
    scale.set_(None)
    assert not scale.log.requires_grad


def test_clamp_restores_both_ends():
    scale = LogitScale(initial=50.0, lowest=2.0, highest=60.0)
    with torch.no_grad():
        scale.log.fill_(9.0)
    scale.clamp_()
    assert scale.log.item() == pytest.approx(math.log(60.0), rel=1e-6)
    with torch.no_grad():
        scale.log.fill_(-3.0)
    scale.clamp_()
    assert scale.log.item() == pytest.approx(math.log(2.0), rel=1e-6)


def test_clamp_without_highest_leaves_large_scales():
    scale = LogitScale(initial=50.0, highest=math.inf)
    with torch.no_grad():
        scale.log.fill_(9.0)
    scale.clamp_()
    assert scale.log.item() == 9.0


def test_default_range_is_that_of_clip():
    scale = LogitScale()
    for value, expected in ((9.0, math.log(100.0)), (-1.0, 0.0), (3.0, 3.0)):
        with torch.no_grad():
            scale.log.fill_(value)
        scale.clamp_()
        assert scale.log.item() == pytest.approx(expected, rel=1e-6)


def test_log_has_no_dimension_so_that_it_is_not_decayed():
    scale = LogitScale()
    assert [parameter.ndim for parameter in scale.parameters()] == [0]
    assert list(scale.state_dict()) == ["log"]


def test_fixed_then_learned_leaves_no_momentum():
    scale = LogitScale(initial=10.0)
    schedule = fixed_then_learned_scale(20.0, steps=3)
    optimiser = torch.optim.AdamW(scale.parameters(), lr=0.1, weight_decay=0.0)
    seen = []
    for step in range(4):
        scale.set_(schedule(step))
        seen.append(scale().item())
        optimiser.zero_grad()
        loss = -scale() * (1 if step == 3 else -1)  # the fixed steps would pull the other way
        if loss.requires_grad:
            loss.backward()
        optimiser.step()
    assert seen == pytest.approx([20.0] * 4, rel=1e-6)
    assert scale.log.item() == pytest.approx(math.log(20.0) + 0.1, abs=1e-5)  # Adam's first step has length lr


def test_setting_a_number_drops_the_gradient_at_hand():
    scale = LogitScale()
    scale().backward()
    scale.set_(5.0)
    assert scale.log.grad is None
    assert not scale.log.requires_grad
    scale.set_(None)
    assert scale.log.requires_grad
    assert scale().item() == pytest.approx(5.0, rel=1e-6)


def test_set_accepts_the_ends_of_the_range():
    scale = LogitScale()
    schedule = linear_scale(100.0, 1.0, steps=7)
    for step in range(9):
        scale.set_(schedule(step))
    assert scale.log.item() == 0.0


@pytest.mark.parametrize("make", [linear_scale, cosine_scale])
def test_schedules_between_ends_are_monotone_and_symmetric(make):
    schedule = make(4.0, 64.0, steps=8)
    logs = [math.log(schedule(step)) for step in range(10)]
    assert logs[:8] == sorted(logs[:8])
    assert logs[8] == logs[9] == pytest.approx(math.log(64.0))
    middle = (math.log(4.0) + math.log(64.0)) / 2
    for step in range(9):
        assert logs[step] + logs[8 - step] == pytest.approx(2 * middle)


def test_schedules_by_hand():
    assert constant_scale(3)(10**6) == 3.0
    assert linear_scale(1.0, math.e, steps=4)(1) == pytest.approx(math.exp(0.25))
    assert cosine_scale(1.0, math.e, steps=3)(1) == pytest.approx(math.exp(0.25))  # (1 - cos 60 degrees) / 2
    assert fixed_then_learned_scale(3, steps=1)(0) == 3.0


def test_shows_its_scale():
    assert repr(LogitScale(initial=30.0, learnable=False)) == "LogitScale(scale=30, learnable=False, highest=100)"


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (lambda: LogitScale(initial="14"), TypeError, "initial must be a number, but it is a str"),
        (lambda: LogitScale(initial=True), TypeError, "initial must be a number, but it is a bool"),
        (lambda: LogitScale(initial=-1.0), ValueError, "initial must be a number above 0, but it is -1"),
        (lambda: LogitScale(initial=math.nan), ValueError, "initial must be a number above 0, but it is nan"),
        (lambda: LogitScale(initial=math.inf), ValueError, "initial must be a number above 0, but it is inf"),
        (lambda: LogitScale(initial=200.0), ValueError, "initial must be from 1 to 100, but it is 200"),
        (lambda: LogitScale(initial=0.5), ValueError, "initial must be from 1 to 100, but it is 0.5"),
        (lambda: LogitScale(lowest=0.0), ValueError, "lowest must be a number above 0"),
        (lambda: LogitScale(highest=-2.0), ValueError, "highest must be a number above 0"),
        (lambda: LogitScale(lowest=30.0, highest=20.0), ValueError, "lowest must not be above highest"),
        (lambda: LogitScale().set_(0.1), ValueError, "scale must be from 1 to 100, but it is 0.1"),
        (lambda: constant_scale(0.0), ValueError, "scale must be a number above 0"),
        (lambda: linear_scale(0.0, 1.0, steps=1), ValueError, "first must be a number above 0"),
        (lambda: cosine_scale(1.0, -1.0, steps=1), ValueError, "last must be a number above 0"),
        (lambda: linear_scale(1.0, 2.0, steps=0), ValueError, "steps must be a whole number of at least 1"),
        (lambda: fixed_then_learned_scale(1.0, steps=1.5), ValueError, "steps must be a whole number of at least 1"),
    ],
)
def test_errors(make, kind, message):
    with pytest.raises(kind, match=message):
        make()

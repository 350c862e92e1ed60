import math

import pytest
import torch
from torch import nn

from crossgap.train.optimisers import (
    adamw,
    constant_schedule,
    cosine_restarts_schedule,
    cosine_schedule,
    exponential_schedule,
    linear_schedule,
)


def _model() -> nn.Module:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Embedding(5, 4))
    model.register_parameter("scale", nn.Parameter(torch.tensor(2.0)))
    return model


def _decayed(model: nn.Module, **options) -> set[str]:
    """Names of the parameters that a step of no gradient pulls to 0."""
    optimiser = adamw(model, learning_rate=0.5, weight_decay=0.1, **options)
    before = {name: values.detach().clone() for name, values in model.named_parameters()}
    for values in model.parameters():
        values.grad = torch.zeros_like(values)
    optimiser.step()
    after = dict(model.named_parameters())
    for name in before:
        moved = after[name].detach()
        assert torch.equal(moved, before[name]) or torch.allclose(moved, before[name] * (1 - 0.5 * 0.1))
    return {name for name, values in before.items() if not torch.equal(after[name].detach(), values)}


def test_only_matrices_decay():
    assert _decayed(_model()) == {"0.weight", "2.weight"}


def test_all_decay_when_told():
    model = _model()
    nn.init.constant_(model[0].bias, 1.0)
    nn.init.constant_(model[1].bias, 1.0)
    assert _decayed(model, decay_all=True) == {"0.weight", "0.bias", "1.weight", "1.bias", "2.weight", "scale"}


def test_frozen_parameters_are_left_out():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    model[0].requires_grad_(False)
    groups = adamw(model, learning_rate=1e-3, weight_decay=0.1).param_groups
    assert [len(group["params"]) for group in groups] == [1, 1]
    assert groups[0]["params"][0] is model[1].weight


def test_adamw_by_hand():
    """Three steps of one matrix in Python's numbers."""
    model = nn.Linear(1, 1, bias=False).double()
    lr, decay, beta1, beta2, eps = 0.1, 0.3, 0.8, 0.95, 1e-3
    optimiser = adamw(model, learning_rate=lr, weight_decay=decay, betas=(beta1, beta2), eps=eps)
    w, m, v = model.weight.item(), 0.0, 0.0
    for k, gradient in enumerate((0.5, -2.0, 0.25), start=1):
        model.weight.grad = torch.tensor([[gradient]], dtype=torch.float64)
        optimiser.step()
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        w -= lr * decay * w
        w -= lr * (m / (1 - beta1**k)) / (math.sqrt(v / (1 - beta2**k)) + eps)
        assert model.weight.item() == pytest.approx(w, rel=1e-12)


def test_the_papers_are_the_defaults():
    (group,) = adamw(nn.Linear(2, 2, bias=False), learning_rate=1e-3, weight_decay=0.1).param_groups
    assert (group["betas"], group["eps"]) == ((0.9, 0.99), 1e-8)


def test_nothing_to_train():
    model = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter that requires a gradient, so there is nothing to train"):
        adamw(model, learning_rate=1e-3, weight_decay=0.1)


def test_cosine_is_the_formula():
    schedule = cosine_schedule(7, 40)
    for step in range(40):
        n, length = step - 7, 40 - 7
        wanted = (step + 1) / 7 if step < 7 else 0.5 * (1 + math.cos(math.pi * n / length))
        assert schedule(step) == pytest.approx(wanted, abs=1e-15)
    assert schedule(7) == 1.0
    assert schedule(40) == schedule(1000) == 0.0


def test_linear_is_the_formula():
    schedule = linear_schedule(5, 45)
    for step in range(45):
        wanted = (step + 1) / 5 if step < 5 else (45 - step) / 40
        assert schedule(step) == pytest.approx(wanted, abs=1e-15)
    assert schedule(5) == 1.0
    assert schedule(45) == schedule(1000) == 0.0


def test_restarts_repeat_the_cosine():
    restarts, one = cosine_restarts_schedule(5, 65, cycles=3), cosine_schedule(0, 20)
    assert [restarts(step) for step in range(5)] == [0.2, 0.4, 0.6, 0.8, 1.0]
    for step in range(60):
        assert restarts(5 + step) == pytest.approx(one(step % 20), abs=1e-15)
    assert restarts(65) == 0.0


def test_exponential_stairs():
    schedule = exponential_schedule(0.9, every=50, warmup_steps=10)
    assert schedule(4) == 0.5
    for step in (10, 59, 60, 109, 110, 1_000):
        assert schedule(step) == pytest.approx(0.9 ** ((step - 10) // 50))
    assert schedule(59) == 1.0
    assert schedule(60) == 0.9


def test_constant():
    assert [constant_schedule()(step) for step in (0, 10)] == [1.0, 1.0]
    assert [constant_schedule(3)(step) for step in range(4)] == [1 / 3, 2 / 3, 1.0, 1.0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: cosine_schedule(5, 5), "total_steps must be above warmup_steps, but they are 5 and 5"),
        (lambda: cosine_schedule(-1, 5), "warmup_steps must be a whole number of at least 0, but it is -1"),
        (lambda: cosine_schedule(1, 2.5), "total_steps must be a whole number of at least 0, but it is 2.5"),
        (lambda: cosine_restarts_schedule(0, 5, cycles=0), "cycles must be a whole number of at least 1, but it is 0"),
        (lambda: linear_schedule(5, 5), "total_steps must be above warmup_steps, but they are 5 and 5"),
        (lambda: linear_schedule(1.5, 5), "warmup_steps must be a whole number of at least 0, but it is 1.5"),
        (lambda: exponential_schedule(1.5, every=2), "factor must be above 0 and at most 1, but it is 1.5"),
        (lambda: exponential_schedule(0.0, every=2), "factor must be above 0 and at most 1, but it is 0.0"),
        (lambda: exponential_schedule(0.5, every=0), "every must be a whole number of at least 1, but it is 0"),
        (lambda: constant_schedule(True), "warmup_steps must be a whole number of at least 0, but it is True"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()

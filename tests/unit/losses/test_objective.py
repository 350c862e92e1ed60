"""One process; tests/distributed/ has several."""

import functools
import inspect
import math

import pytest
import torch
from torch.nn.functional import normalize

from crossgap.losses.alignment_uniformity import alignment_loss, uniformity_loss
from crossgap.losses.clip import clip_loss
from crossgap.losses.objective import ContrastiveLoss
from crossgap.losses.siglip import siglip_loss


@pytest.fixture
def pair(rng):
    x, y = (normalize(torch.from_numpy(rng.normal(size=(6, 4))), dim=-1) for _ in range(2))
    return x.requires_grad_(), y.requires_grad_()


def test_it_is_the_weighted_sum(pair):
    objective = ContrastiveLoss({clip_loss: 1.0, uniformity_loss: 0.5, alignment_loss: 2})
    expected = clip_loss(*pair, 10.0) + 0.5 * uniformity_loss(*pair) + 2 * alignment_loss(*pair)
    assert objective(*pair, 10.0).item() == pytest.approx(expected.item(), rel=1e-14)
    terms = objective(*pair, 10.0, output_dict=True)
    assert list(terms) == ["clip_loss", "uniformity_loss", "alignment_loss"]
    assert terms["uniformity_loss"].item() == pytest.approx(0.5 * uniformity_loss(*pair).item())
    gradients = [torch.autograd.grad(value, pair) for value in (sum(terms.values()), expected)]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


def test_its_arguments_stand_in_the_order_of_open_clip():
    names = list(inspect.signature(ContrastiveLoss({clip_loss: 1.0}).forward).parameters)
    assert names[:5] == ["image_features", "text_features", "logit_scale", "logit_bias", "output_dict"]


def test_it_takes_what_an_open_clip_model_gives(pair):
    bias = torch.tensor(-3.0, dtype=torch.float64, requires_grad=True)
    scale = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    out = {"image_features": pair[0], "text_features": pair[1], "logit_scale": scale, "logit_bias": bias}
    losses = ContrastiveLoss({siglip_loss: 1.0, clip_loss: 1.0})(**out, output_dict=True)
    sum(losses.values()).backward()
    expected = siglip_loss(*pair, scale, logit_bias=bias) + clip_loss(*pair, scale)
    assert sum(losses.values()).item() == pytest.approx(expected.item())
    assert bias.grad.item() == pytest.approx(torch.autograd.grad(expected, bias)[0].item())
    assert scale.grad is not None


def test_data_of_the_batch_goes_to_the_terms_that_take_it(pair):
    items = torch.tensor([0, 0, 1, 2, 3, 3])
    objective = ContrastiveLoss({clip_loss: 1.0, alignment_loss: 1.0})
    expected = clip_loss(*pair, 10.0, items=items) + alignment_loss(*pair)
    assert objective(*pair, 10.0, items=items).item() == pytest.approx(expected.item())
    assert objective(*pair, 10.0).item() != pytest.approx(expected.item())
    assert objective.takes("items")
    assert not objective.takes("epoch")


def test_options_are_bound_by_partial_and_names_stay_apart(pair):
    sharp, blunt = functools.partial(uniformity_loss, t=5.0), functools.partial(uniformity_loss, t=1.0)
    terms = ContrastiveLoss({uniformity_loss: 1.0, sharp: 1.0, blunt: 1.0})(*pair, 1.0, output_dict=True)
    expected = {"uniformity_loss": 2.0, "uniformity_loss_2": 5.0, "uniformity_loss_3": 1.0}
    assert {name: value.item() for name, value in terms.items()} == {
        name: pytest.approx(uniformity_loss(*pair, t=t).item()) for name, t in expected.items()
    }


def test_weights_may_change_and_a_term_of_weight_zero_is_not_computed(pair):
    def never(x, y, logit_scale):
        raise RuntimeError

    objective = ContrastiveLoss({clip_loss: 1.0, never: 0.0})
    before = objective(*pair, 10.0).item()
    objective.weights["clip_loss"] = 3.0
    assert objective(*pair, 10.0).item() == pytest.approx(3 * before)
    assert objective(*pair, 10.0, output_dict=True)["never"].item() == 0
    objective.weights["never"] = 1.0
    with pytest.raises(RuntimeError):
        objective(*pair, 10.0)
    objective.weights["clip"] = 1.0
    with pytest.raises(ValueError, match="weights hold 'clip', but the terms are clip_loss, never; use one of these"):
        objective(*pair, 10.0)


@pytest.mark.parametrize("gather", ["local", "all", "detached", "none"])
def test_one_process_gathers_nothing(pair, gather):
    objective = ContrastiveLoss({clip_loss: 1.0}, gather=gather)
    assert objective(*pair, 10.0).item() == pytest.approx(clip_loss(*pair, 10.0).item(), rel=1e-15)
    assert repr(objective) == f"ContrastiveLoss(1 clip_loss, gather='{gather}')"


def test_check_is_passed_on(pair):
    long = 2 * pair[0].detach()
    with pytest.raises(ValueError, match="rows of length 1"):
        ContrastiveLoss({clip_loss: 1.0})(long, pair[1], 10.0)
    assert math.isfinite(ContrastiveLoss({clip_loss: 1.0}, check=False)(long, pair[1], 10.0).item())
    assert math.isfinite(ContrastiveLoss({clip_loss: 1.0})(long, pair[1], 10.0, check=False).item())
    with pytest.raises(ValueError, match="rows of length 1"):
        ContrastiveLoss({clip_loss: 1.0}, check=False)(long, pair[1], 10.0, check=True)


@pytest.mark.parametrize(
    ("terms", "error", "message"),
    [
        ([clip_loss], TypeError, "terms must be a mapping from loss functions to weights, but it is a list"),
        ({}, ValueError, "terms is empty"),
        ({"clip_loss": 1.0}, TypeError, "a key of terms must be a loss function, but one is a str"),
        ({clip_loss: "1"}, TypeError, "the weight of clip_loss must be a number, but it is a str"),
        ({clip_loss: True}, TypeError, "must be a number, but it is a bool"),
        ({clip_loss: math.inf}, ValueError, "the weight of clip_loss is inf"),
    ],
)
def test_messages(terms, error, message):
    with pytest.raises(error, match=message):
        ContrastiveLoss(terms)


def test_message_of_an_unknown_way_of_gathering():
    with pytest.raises(ValueError, match="gather is 'some', but it is one of local, all, detached, none"):
        ContrastiveLoss({clip_loss: 1.0}, gather="some")


@pytest.mark.parametrize("name", ["item", "rows", "x"])
def test_message_of_a_keyword_that_no_term_has(pair, name):
    with pytest.raises(TypeError, match=f"{name} must be a parameter of a term, but clip_loss has none"):
        ContrastiveLoss({clip_loss: 1.0})(*pair, 10.0, **{name: torch.arange(6)})


# terms that share one fused pass


@pytest.mark.parametrize("extra", [{}, {"items": torch.arange(520)}, {"t": 3.0}, {"fused": False}])
@pytest.mark.parametrize("rows", [None, slice(0, 260)])
def test_terms_of_one_pass_equal_the_losses_themselves(monkeypatch, extra, rows):
    from crossgap.losses import clip_loss, cross_uniformity_loss, objective, uniformity_loss

    weights = {clip_loss: 0.5, uniformity_loss: 2.0, cross_uniformity_loss: 0.25}
    passes = []
    real = objective.fused_terms
    monkeypatch.setattr(objective, "fused_terms", lambda *a, **k: passes.append(k["clip"]) or real(*a, **k))
    generator = torch.Generator().manual_seed(0)
    x, y = (
        torch.nn.functional.normalize(torch.randn(520, 6, generator=generator, dtype=torch.float64), dim=1)
        for _ in range(2)
    )
    terms = ContrastiveLoss(weights)._terms(x, y, 20.0, rows, {**extra, "check": True})
    assert passes == ([] if {"t", "fused"} & extra.keys() else [not (extra or rows)])
    assert list(terms) == [loss.__name__ for loss in weights]
    for loss, weight in weights.items():
        given = {**extra, "rows": rows}
        options = {name: value for name, value in given.items() if name in inspect.signature(loss).parameters}
        torch.testing.assert_close(terms[loss.__name__], weight * loss(x, y, 20.0, **options))


def test_no_pass_is_shared_by_one_term_or_by_a_small_batch(monkeypatch):
    from crossgap.losses import clip_loss, objective, uniformity_loss

    monkeypatch.setattr(objective, "fused_terms", lambda *_, **__: pytest.fail("shared"))
    rows = torch.eye(600)
    ContrastiveLoss({clip_loss: 1.0, uniformity_loss: 0.0})(rows, rows, 5.0)
    ContrastiveLoss({clip_loss: 1.0, uniformity_loss: 1.0})(rows[:8], rows[:8], 5.0)


def test_bound_options_are_shown():
    from functools import partial

    from crossgap.losses import clip_loss, uniformity_loss

    objective = ContrastiveLoss({clip_loss: 1.0, partial(uniformity_loss, t=1.5): 0.5})
    assert "1 clip_loss + 0.5 uniformity_loss(t=1.5), gather='local'" in repr(objective)

"""One process; tests/distributed/ has several."""

import functools

import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from crossgap.losses.alignment_uniformity import uniformity_loss
from crossgap.losses.clip import clip_loss
from crossgap.losses.objective import ContrastiveLoss
from crossgap.losses.siglip import siglip_loss
from crossgap.losses.temperature import LogitScale
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.gradient_cache import cached_backward

OBJECTIVE = ContrastiveLoss({clip_loss: 1.0, uniformity_loss: 0.5})


def towers(*, dropout=0.0, dtype=torch.float64, bias=None):
    generator = torch.Generator().manual_seed(0)
    sides = (nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, 5)) for _ in range(2))
    model = DualEncoder(*sides, LogitScale(10.0), logit_bias=bias).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim:
                parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(11, 6, generator=generator, dtype=torch.float64) for _ in range(2))


def gradients(model):
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def expect_equal(model, expected, tolerance=1e-12):
    for name, gradient in gradients(model).items():
        torch.testing.assert_close(gradient, expected[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("chunk", [1, 4, 11, 50])
def test_it_is_the_gradient_of_the_whole_batch(inputs, chunk):
    plain, cached = towers(), towers()
    expected = OBJECTIVE(*plain(*inputs))
    expected.backward()
    loss, terms = cached_backward(cached, OBJECTIVE, *inputs, chunk=chunk)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    assert not loss.requires_grad
    assert list(terms) == ["clip_loss", "uniformity_loss"]
    assert sum(terms.values()).item() == pytest.approx(loss.item())
    assert cached.logit_scale.log.grad.abs() > 1e-4
    expect_equal(cached, gradients(plain))
    cached_backward(cached, OBJECTIVE, *inputs, chunk=chunk)  # adds, as backward does
    expect_equal(cached, {name: 2 * gradient for name, gradient in gradients(plain).items()})


def test_a_plain_loss_serves_too(inputs):
    model = towers()
    loss, terms = cached_backward(model, clip_loss, *inputs, chunk=3)
    assert terms == {"clip_loss": loss}
    assert loss.item() == pytest.approx(clip_loss(*towers()(*inputs)).item())


def test_a_logit_bias_that_the_model_gives_gets_its_gradient(inputs):
    plain, cached = towers(bias=-3.0), towers(bias=-3.0)
    objective = ContrastiveLoss({siglip_loss: 1.0, clip_loss: 1.0})
    objective(*plain(*inputs)).backward()
    cached_backward(cached, objective, *inputs, chunk=4)
    assert cached.logit_bias.grad is not None
    expect_equal(cached, gradients(plain))


def test_keywords_of_the_objective_are_passed_on_and_learned_ones_get_their_gradient(inputs):
    plain, cached = towers(), towers()
    objective = ContrastiveLoss({siglip_loss: 1.0, clip_loss: 1.0})
    items = torch.arange(11) // 2
    biases = [nn.Parameter(torch.tensor(-3.0, dtype=torch.float64)) for _ in range(2)]
    objective(*plain(*inputs), logit_bias=biases[0], items=items).backward()
    cached_backward(cached, objective, *inputs, chunk=4, batch={"logit_bias": biases[1], "items": items})
    torch.testing.assert_close(biases[1].grad, biases[0].grad, rtol=1e-12, atol=1e-12)
    expect_equal(cached, gradients(plain))


class Tracked:
    """Counts the bytes of the tensors that graphs hold, and their highest sum."""

    now = highest = 0

    def __init__(self, tensor):
        self.tensor, self.size = tensor, tensor.nbytes
        Tracked.now += self.size
        Tracked.highest = max(Tracked.highest, Tracked.now)

    def __del__(self):
        Tracked.now -= self.size


def most_bytes_held(work):
    Tracked.now = Tracked.highest = 0
    with torch.autograd.graph.saved_tensors_hooks(Tracked, lambda held: held.tensor):
        work()
    return Tracked.highest


def test_it_holds_the_graph_of_one_chunk(inputs):
    x, y = (rows.repeat(40, 1) for rows in inputs)
    model = towers()
    seen = []
    model.x_tower.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    plain = most_bytes_held(lambda: clip_loss(*model(x, y)).backward())
    embedding = most_bytes_held(lambda: sum(rows.sum() for rows in model(x, y)).backward())
    # the loss alone holds B x B; take it away by one that holds rows only
    cached = most_bytes_held(lambda: cached_backward(model, lambda x, y, s: s * (x * y).sum(), x, y, chunk=44))
    assert plain > embedding
    assert cached < 0.3 * embedding
    assert max(seen[2:]) == 44
    assert len(seen[2:]) == 20  # two passes over ten chunks


def test_dropout_is_the_same_in_both_passes(inputs):
    plain, cached = towers(dropout=0.5), towers(dropout=0.5)
    start = torch.get_rng_state()
    parts = [plain(*(rows[first : first + 4] for rows in inputs)) for first in (0, 4, 8)]
    x, y = (torch.cat([part[side] for part in parts]) for side in (0, 1))
    expected = OBJECTIVE(x, y, parts[0][2])
    expected.backward()
    end = torch.get_rng_state()
    torch.set_rng_state(start)
    loss, _ = cached_backward(cached, OBJECTIVE, *inputs, chunk=4)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    assert torch.equal(torch.get_rng_state(), end)
    expect_equal(cached, gradients(plain))
    cached.zero_grad()
    again, _ = cached_backward(cached, OBJECTIVE, *inputs, chunk=4)
    assert again.item() != pytest.approx(loss.item(), rel=1e-6)  # the next step draws anew


class FromMappings(nn.Module):
    """Takes a mapping on one side and a pair of tensors on the other, as text and image processors give."""

    def __init__(self):
        super().__init__()
        self.inner = towers()

    def forward(self, x, y):
        return self.inner(x["pixels"] + x["more"], y[0] + y[1])


def test_inputs_may_be_mappings_and_lists_of_tensors(inputs):
    x, y = inputs
    plain, cached = towers(), FromMappings()
    clip_loss(*plain(3 * x, 3 * y)).backward()
    cached_backward(cached, clip_loss, {"pixels": x, "more": 2 * x}, (y, 2 * y), chunk=4)
    expect_equal(cached.inner, gradients(plain))


def test_a_frozen_tower_and_a_fixed_scale_get_no_gradient(inputs):
    plain, cached = towers(), towers()
    for model in (plain, cached):
        model.x_tower.requires_grad_(False)
        model.logit_scale.requires_grad_(False)
    clip_loss(*plain(*inputs)).backward()
    cached_backward(cached, clip_loss, *inputs, chunk=4)
    assert cached.x_tower[0].weight.grad is None
    assert cached.logit_scale.log.grad is None
    for ours, theirs in zip(cached.y_tower.parameters(), plain.y_tower.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-12)


def test_a_loss_that_ignores_one_side_trains_the_other(inputs):
    model = towers()
    cached_backward(model, lambda x, y, scale: normalize(x, dim=-1)[:, 0].sum(), *inputs, chunk=4)
    assert model.x_tower[0].weight.grad is not None
    assert model.y_tower[0].weight.grad is None
    assert model.logit_scale.log.grad is None


@pytest.mark.parametrize("outside", [False, True], ids=["inside", "around"])
def test_mixed_precision_keeps_the_graph_of_the_weights(inputs, outside):
    x, y = (rows.float() for rows in inputs)
    plain, cached = towers(dtype=torch.float32), towers(dtype=torch.float32)
    half = functools.partial(torch.autocast, "cpu", torch.bfloat16)
    with half():
        rows = plain(x, y)
    clip_loss(*rows).backward()
    if outside:
        with half():
            cached_backward(cached, clip_loss, x, y, chunk=4)
    else:
        cached_backward(cached, clip_loss, x, y, chunk=4, precision=half)
    for name, gradient in gradients(cached).items():  # bfloat16 rounds sums over four and over eleven rows differently
        exact = gradients(plain)[name]
        assert torch.linalg.vector_norm(gradient - exact) < 0.02 * torch.linalg.vector_norm(exact), name
    full = towers(dtype=torch.float32)
    cached_backward(full, clip_loss, x, y, chunk=4)
    assert not torch.equal(full.x_tower[0].weight.grad, cached.x_tower[0].weight.grad)


def test_messages(inputs):
    x, y = inputs
    model = towers()
    with pytest.raises(ValueError, match="chunk is 0"):
        cached_backward(model, clip_loss, x, y, chunk=0)
    with pytest.raises(ValueError, match="x_inputs has 11 rows and y_inputs 10"):
        cached_backward(model, clip_loss, x, y[:10], chunk=4)
    with pytest.raises(ValueError, match="x_inputs has 0 rows"):
        cached_backward(model, clip_loss, x[:0], y[:0], chunk=4)
    with pytest.raises(ValueError, match=r"the tensors of y_inputs have \[10, 11\] rows"):
        cached_backward(model, clip_loss, x, [y, y[:10]], chunk=4)
    with pytest.raises(TypeError, match=r"x_inputs must be a tensor .* holds a str"):
        cached_backward(model, clip_loss, {"pixels": x, "name": "a"}, y, chunk=4)
    pooled = nn.Module()
    pooled.forward = lambda x, y: (x.mean(dim=0, keepdim=True), y, 1.0)
    with pytest.raises(ValueError, match="gave 1 and 4 rows for 4 pairs"):
        cached_backward(pooled, clip_loss, x, y, chunk=4)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_dropout_on_a_gpu_is_the_same_in_both_passes(inputs):
    inputs = [rows.cuda() for rows in inputs]
    plain, cached = towers(dropout=0.5).cuda(), towers(dropout=0.5).cuda()
    start = torch.cuda.get_rng_state()
    parts = [plain(*(rows[first : first + 4] for rows in inputs)) for first in (0, 4, 8)]
    OBJECTIVE(*(torch.cat([part[side] for part in parts]) for side in (0, 1)), parts[0][2]).backward()
    end = torch.cuda.get_rng_state()
    torch.cuda.set_rng_state(start)
    cached_backward(cached, OBJECTIVE, *inputs, chunk=4)
    assert torch.equal(torch.cuda.get_rng_state(), end)
    expect_equal(cached, gradients(plain), tolerance=1e-10)

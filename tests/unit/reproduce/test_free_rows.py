"""Free rows: the gradient against autograd, the kept plane against a descent in all coordinates, and the lemma."""

import math

import numpy as np
import pytest
import torch

from crossgap.errors import FormatError
from crossgap.losses.clip import clip_loss
from crossgap.reproduce.free_rows import LEARNING_RATE, LOG_SCALE, VERSIONS, FreeRows, clip_gradients, starting_rows

SIZES = (3, 5, 8)


def descent(version, *, n=30, dtype=torch.float64, seed=0):
    return FreeRows(*starting_rows(n, SIZES, seed=seed), idle=SIZES[2], version=version, dtype=dtype)


def idle_gap(free):
    x, y = free.seen()
    return float(torch.linalg.vector_norm((x.mean(dim=0) - y.mean(dim=0))[-SIZES[2] :]))


def test_the_start_varies_where_it_should():
    x, y = starting_rows(400, SIZES, seed=3)
    assert x.dtype == y.dtype == torch.float64
    np.testing.assert_allclose(x.var(dim=0)[:3], 1.0, atol=0.3)
    np.testing.assert_allclose(y.var(dim=0)[3:8], 1.0, atol=0.3)
    assert torch.equal(x[:, 3:], x[:1, 3:].expand(400, -1))
    assert torch.equal(y[:, [0, 1, 2, *range(8, 16)]], y[:1, [0, 1, 2, *range(8, 16)]].expand(400, -1))
    assert torch.equal(starting_rows(4, SIZES, seed=3)[0][0, 3:], x[0, 3:])
    assert not torch.equal(starting_rows(400, SIZES, seed=4)[0], x)


def test_the_gradient_is_that_of_the_loss():
    x, y = (rows.requires_grad_() for rows in starting_rows(20, SIZES, seed=1))
    log_scale = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    clip_loss(x, y, log_scale.exp(), check=False).backward()
    for_x, for_y = clip_gradients(x.detach(), y.detach(), math.exp(0.3))
    torch.testing.assert_close(for_x, x.grad)
    torch.testing.assert_close(for_y, y.grad)
    torch.testing.assert_close((for_x * x.detach()).sum(), log_scale.grad)


def test_the_gradient_of_the_own_anchor():
    x, y = (rows.requires_grad_() for rows in starting_rows(20, SIZES, seed=1))
    for_x, for_y = clip_gradients(x.detach(), y.detach(), 0.7, own_anchor=True)
    forth = clip_loss(x, y, 0.7, x_to_y_weight=1.0, y_to_x_weight=0.0, check=False)
    back = clip_loss(x, y, 0.7, x_to_y_weight=0.0, y_to_x_weight=1.0, check=False)
    torch.testing.assert_close(for_x, torch.autograd.grad(forth, x)[0])
    torch.testing.assert_close(for_y, torch.autograd.grad(back, y)[0])


@pytest.mark.parametrize("version", ["cosine", "dot product", "learned scale"])
def test_a_descent_in_all_coordinates_gives_the_same(version):
    free = descent(version)
    x, y = (rows.requires_grad_() for rows in starting_rows(30, SIZES, seed=0))
    log_scale = torch.tensor(LOG_SCALE, dtype=torch.float64, requires_grad=True)

    def seen():
        if version == "dot product":
            return x / 4, y / 4
        return torch.nn.functional.normalize(x, dim=1), torch.nn.functional.normalize(y, dim=1)

    for _ in range(25):
        loss = clip_loss(*seen(), log_scale.exp(), check=False)
        gradients = torch.autograd.grad(loss, (x, y, log_scale))
        with torch.no_grad():
            x -= LEARNING_RATE * gradients[0]
            y -= LEARNING_RATE * gradients[1]
            if version == "learned scale":
                log_scale -= LEARNING_RATE * gradients[2]
                log_scale.clamp_(0.0, math.log(100.0))
    free.advance(25)
    for mine, theirs in zip(free.seen(), seen(), strict=True):
        np.testing.assert_allclose(mine, theirs.detach(), atol=1e-9)
    assert free.loss() == pytest.approx(float(clip_loss(*seen(), log_scale.exp(), check=False).detach()), abs=1e-9)
    assert free.log_scale == pytest.approx(float(log_scale.detach()))
    assert (free.log_scale == LOG_SCALE) == (version != "learned scale")


def test_the_lemma_is_exact_for_the_own_anchor_alone():
    kept, whole, cosine = (descent(version) for version in ("own anchor", "dot product", "cosine"))
    changes = []
    for free in (kept, whole, cosine):
        before = idle_gap(free)
        free.advance(400)
        changes.append(abs(idle_gap(free) / before - 1))
    assert changes[0] < 1e-12
    assert 1e-5 < changes[1] < 0.1  # the other direction of the loss spreads single rows, and then moves their mean
    assert 1e-5 < changes[2] < 0.1
    x, y = kept.seen()
    assert float(x[:, -8:].var(dim=0).max()) < 1e-20
    assert float(y[:, -8:].var(dim=0).max()) < 1e-20


def test_gradients_in_float32_lose_no_drift():
    changes = []
    for dtype in (torch.float32, torch.float64):
        free = descent("dot product", n=200, dtype=dtype)
        before = idle_gap(free)
        free.advance(50)
        changes.append(idle_gap(free) / before - 1)
    assert changes[0] == pytest.approx(changes[1], rel=1e-3)
    assert 0 < abs(changes[1]) < 1e-3


@pytest.mark.parametrize("version", VERSIONS)
def test_the_loss_falls(version):
    free = descent(version, dtype=torch.float32)
    before = free.loss()
    free.advance(100)
    assert free.loss() < before
    assert free.step == 100


def test_a_restored_descent_ends_alike():
    whole, first, second = (descent("learned scale", dtype=torch.float32) for _ in range(3))
    whole.advance(30)
    first.advance(12)
    tensors, record = first.state()
    second.restore({name: rows.clone() for name, rows in tensors.items()}, record)
    second.advance(18)
    assert second.step == 30
    assert second.log_scale == whole.log_scale
    for mine, theirs in zip(second.seen(), whole.seen(), strict=True):
        assert torch.equal(mine, theirs)


def test_refusals():
    with pytest.raises(ValueError, match="version must be one of cosine, dot product, own anchor, learned scale"):
        descent("sine")
    tensors, record = descent("cosine", n=29).state()
    with pytest.raises(FormatError, match="the state must hold rows x"):
        descent("cosine").restore(tensors, record)

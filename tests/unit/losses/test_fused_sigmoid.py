"""The fused sum of SigLIP against one pair at a time."""

import math

import pytest
import torch

from crossgap.losses.fused_sigmoid import sigmoid_pair_sum


def unit(n, d, seed, dtype=torch.float64):
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=1).to(dtype)


def plain(x, y, scale, bias, first=0):
    signs = 2.0 * (torch.arange(first, first + len(x))[:, None] == torch.arange(len(y))) - 1
    return -torch.nn.functional.logsigmoid(signs * (scale * (x @ y.T) + bias)).sum()


def test_a_double_loop():
    x, y = unit(4, 3, 0), unit(4, 3, 1)
    total = 0.0
    for i in range(4):
        for j in range(4):
            z = 1 if i == j else -1
            total += math.log1p(math.exp(-z * (10 * float(x[i] @ y[j]) - 5)))
    assert float(sigmoid_pair_sum(x, y, torch.tensor(10.0), torch.tensor(-5.0))) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize(("n", "first", "size"), [(7, 0, 3), (4, 2, 3), (7, 0, 512)])
def test_gradcheck_in_all_four(monkeypatch, n, first, size):
    monkeypatch.setattr("crossgap.losses.fused_sigmoid.block_size", lambda x: size)
    given = [unit(n, 3, 0), unit(7, 3, 1), torch.tensor(4.0).double(), torch.tensor(-2.0).double()]
    given = [tensor.requires_grad_() for tensor in given]

    def fused(*tensors):
        return sigmoid_pair_sum(*tensors, first=first)

    assert torch.autograd.gradcheck(fused, given)
    torch.testing.assert_close(fused(*given), plain(*given, first=first), rtol=1e-12, atol=0)


@pytest.mark.parametrize("scale", [1.0, 100.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_finite_for_extreme_rows(scale, dtype):
    same = torch.ones(600, 4, dtype=dtype) / 2
    for x, y in ((same, same), (same, -same), (same[:2], -same[:2])):
        x = x.clone().requires_grad_()
        value = sigmoid_pair_sum(x, y, torch.tensor(scale), torch.tensor(-10.0))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(x.grad).all()


def test_float32_keeps_its_digits():
    x, y = unit(900, 32, 0, torch.float32).requires_grad_(), unit(900, 32, 1, torch.float32)
    exact = x.detach().double().requires_grad_()
    sigmoid_pair_sum(x, y, torch.tensor(14.0), torch.tensor(-10.0)).backward()
    plain(exact, y.double(), 14.0, -10.0).backward()
    assert float((x.grad - exact.grad).norm() / exact.grad.norm()) < 5e-7


def test_without_gradients_only_the_value_is_computed():
    x, y = unit(5, 3, 0), unit(5, 3, 1)
    value = sigmoid_pair_sum(x, y, torch.tensor(3.0), torch.tensor(-1.0))
    assert not value.requires_grad
    assert float(value) == pytest.approx(float(plain(x, y, 3.0, -1.0)))

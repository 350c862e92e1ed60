"""The Triton kernels against plain torch: compiled where there is a CUDA device, else run by Triton's interpreter."""

import importlib.util
import os
import sys

import pytest
import torch

from crossgap.losses import block_terms
from crossgap.losses.block_terms import SoftmaxSide
from crossgap.losses.blocks import block_matched

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

if importlib.util.find_spec("triton") is None:
    pytest.skip("Triton is not installed (1 GB; it comes with torch for CUDA)", allow_module_level=True)
if DEVICE == "cpu":
    if "triton" in sys.modules and os.environ.get("TRITON_INTERPRET") != "1":
        pytest.skip("Triton was imported before its interpreter was asked for", allow_module_level=True)
    os.environ["TRITON_INTERPRET"] = "1"

from crossgap.losses import triton_blocks as kernels  # noqa: E402

pytestmark = pytest.mark.cuda

SHAPES = [(5, 7), (64, 128), (70, 130), (1, 3), (3, 1)]


def a_block(n, m, dtype=torch.float32, seed=0):
    return (2 * torch.rand(n, m, generator=torch.Generator().manual_seed(seed)) - 1).to(DEVICE, dtype)


def _side(k, generator):
    """Log-sums of k rows and their weights."""
    return 20 * torch.rand(k, generator=generator).double() + 10, torch.rand(k, generator=generator)


def spare(block):
    return torch.empty(block.numel() + 3, dtype=block.dtype, device=DEVICE)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("first", [None, 0, 2])
@pytest.mark.parametrize("scale", [3.0, 100.0])
def test_sums_of_a_block(shape, first, scale):
    n, m = shape
    matched = None if first is None else block_matched(slice(0, n), slice(0, m), first)
    options = {"rows": True, "columns": True, "cross_factor": 4.0}
    given = (matched, torch.tensor(scale, device=DEVICE), None)
    block = a_block(n, m)
    expected = block_terms.block_logs(block.double(), *given, **options, spare=spare(block.double()))
    found = kernels.block_logs(block.clone(), *given, **options, spare=spare(block))
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-6, atol=2e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("first", [None, 0, 2])
@pytest.mark.parametrize(("rows", "columns", "cross"), [(1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0)])
def test_pushes_of_a_block(shape, first, rows, columns, cross):
    n, m = shape
    matched = None if first is None else block_matched(slice(0, n), slice(0, m), first)
    generator = torch.Generator().manual_seed(1)
    scale = torch.tensor(20.0, device=DEVICE)
    sides = [
        SoftmaxSide(*(part.to(DEVICE) for part in _side(k, generator)), axis)
        for wanted, k, axis in ((rows, n, 1), (columns, m, 0))
        if wanted
    ]
    options = {
        "sides": sides,
        "cross": (4.0, torch.tensor(0.3, device=DEVICE)) if cross else None,
        "needs_scale": bool(sides),
    }
    block = a_block(n, m)
    wide = block.double()
    expected = block_terms.block_push(wide.clone(), matched, scale, None, **options, spare=spare(wide))
    found = kernels.block_push(block.clone(), matched, scale, None, **options, spare=spare(block))
    assert (found[0] is None) == (expected[0] is None)
    if expected[0] is not None:
        torch.testing.assert_close(found[0].double(), expected[0].double(), rtol=2e-5, atol=1e-6)
    if sides:
        torch.testing.assert_close(found[1], expected[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("diagonal", [True, False])
def test_potentials_within_one_side(shape, diagonal):
    n = shape[0]
    block = a_block(n, n if diagonal else shape[1])
    expected = block_terms.within_push(block.double(), 4.0, diagonal=diagonal, spare=spare(block))
    found = kernels.within_push(block.clone(), 4.0, diagonal=diagonal, spare=spare(block))
    torch.testing.assert_close(found[0].double(), expected[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-5, atol=1e-6)


def test_a_block_of_one_matched_pair_adds_nothing():
    block, scale, matched = a_block(1, 1), torch.tensor(2.0, device=DEVICE), (0, 0, 1)
    assert (
        kernels.block_logs(block, matched, scale, None, rows=True, columns=True, cross_factor=None, spare=block) is None
    )
    side = [SoftmaxSide(torch.zeros(1, device=DEVICE).double(), torch.ones(1, device=DEVICE), 1)]
    found = kernels.block_push(block, matched, scale, None, sides=side, cross=None, needs_scale=True, spare=block)
    assert found == (None, None)


def test_whole_losses_run_on_the_kernels(monkeypatch):
    """Bfloat16 rows through the fused sums, kernels in place of torch's operations."""
    from crossgap.losses import fused_log_sums

    generator = torch.Generator().manual_seed(0)
    x, y = (
        torch.nn.functional.normalize(torch.randn(90, 16, generator=generator), dim=1).to(DEVICE, torch.bfloat16)
        for _ in range(2)
    )

    def gradients(x, y):
        x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
        scale = torch.tensor(20.0, device=DEVICE, requires_grad=True)
        sums = fused_log_sums.pair_log_sums(x, y, scale, cross=True, within=True)
        (sums.rows.mean() + sums.columns.mean() + sums.cross + sums.within_x + sums.within_y).backward()
        return x.grad.double(), y.grad.double(), scale.grad.double()

    monkeypatch.setattr(fused_log_sums, "block_size", lambda x: 70)
    expected = gradients(x.double(), y.double())
    monkeypatch.setattr(fused_log_sums, "_terms_of", lambda x: kernels)
    for a, b in zip(gradients(x, y), expected, strict=True):
        assert float((a - b).norm() / b.norm()) < 2e-2


@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device here")
def test_a_whole_batch_on_cuda():
    from crossgap.losses.fused_log_sums import pair_log_sums

    generator = torch.Generator().manual_seed(0)
    rows = [torch.nn.functional.normalize(torch.randn(5000, 512, generator=generator), dim=1) for _ in range(2)]
    found = pair_log_sums(*(part.cuda() for part in rows), torch.tensor(50.0).cuda(), cross=True, within=True)
    expected = pair_log_sums(*(part.double() for part in rows), torch.tensor(50.0).double(), cross=True, within=True)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=1e-5, atol=1e-4)

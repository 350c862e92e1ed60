# pyright: reportMissingImports=false, reportIndexIssue=false, reportCallIssue=false
# Triton comes with torch for CUDA only, and its kernels are called by grid.
"""The arithmetic of a block of cosines on CUDA: the functions of ``block_terms``, each as one Triton kernel.

A block is read once and, where gradients are wanted, written once, in bfloat16 where the rows are in bfloat16. Sums of
a tile of 64 x 128 run in float32 with the largest exponent of each row and each column taken out; tiles are added up in
float64.
"""

import math
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from crossgap.losses.block_terms import BlockLogs, Matched, SoftmaxSide

__all__ = ["block_logs", "block_push", "spare_block", "within_push"]

_TILE_ROWS, _TILE_COLUMNS = 64, 128
_NOWHERE = -(2**30)  # an offset at which no column is matched


def spare_block(x: Tensor, size: int) -> Tensor:
    """Return memory for what a block pushes, in the type of the rows that it will be multiplied with."""
    return x.new_empty(size * size)


def block_logs(
    block: Tensor,
    matched: Matched,
    scale: Tensor,
    bound: Tensor | None,
    *,
    rows: bool,
    columns: bool,
    cross_factor: float | None,
    spare: Tensor,
) -> BlockLogs | None:
    """As ``block_terms.block_logs``; ``bound`` and ``spare`` are not needed."""
    n, m = block.shape
    if matched is not None and n == m == 1:
        return None
    grid = (triton.cdiv(n, _TILE_ROWS), triton.cdiv(m, _TILE_COLUMNS))
    row_parts = block.new_empty((2, grid[1], n if rows else 1), dtype=torch.float32)
    column_parts = block.new_empty((2, grid[0], m if columns else 1), dtype=torch.float32)
    cross_parts = block.new_zeros(grid, dtype=torch.float32)
    _logs_kernel[grid](
        block,
        row_parts[0],
        row_parts[1],
        column_parts[0],
        column_parts[1],
        cross_parts,
        scale.float(),
        n,
        m,
        _offset(matched),
        0.0 if cross_factor is None else cross_factor,
        ROWS=rows,
        COLUMNS=columns,
        CROSS=cross_factor is not None,
        BM=_TILE_ROWS,
        BN=_TILE_COLUMNS,
    )
    return BlockLogs(
        _added(row_parts) if rows else None,
        _added(column_parts) if columns else None,
        cross_parts.sum(dtype=torch.float64) if cross_factor is not None else None,
    )


def block_push(
    block: Tensor,
    matched: Matched,
    scale: Tensor,
    bound: Tensor | None,
    *,
    sides: list[SoftmaxSide],
    cross: tuple[float, Tensor] | None,
    needs_scale: bool,
    spare: Tensor,
) -> tuple[Tensor | None, Tensor | None]:
    """As ``block_terms.block_push``; ``bound`` is not needed."""
    n, m = block.shape
    if (matched is not None and n == m == 1) or (not sides and cross is None):
        return None, None
    grid = (triton.cdiv(n, _TILE_ROWS), triton.cdiv(m, _TILE_COLUMNS))
    of_scale = block.new_zeros(grid, dtype=torch.float32)
    by_axis = {side.axis: _rounded(side, scale) for side in sides}
    nothing = scale.new_zeros(1, dtype=torch.float32)
    row_logs, row_weights = by_axis.get(1, (nothing, nothing))
    column_logs, column_weights = by_axis.get(0, (nothing, nothing))
    factor, weight = (0.0, nothing) if cross is None else (cross[0], cross[1].float())
    push = spare[: block.numel()].view(block.shape)
    _push_kernel[grid](
        block,
        push,
        of_scale,
        row_logs,
        row_weights,
        column_logs,
        column_weights,
        weight,
        scale.float(),
        n,
        m,
        _offset(matched),
        factor,
        ROWS=1 in by_axis,
        COLUMNS=0 in by_axis,
        CROSS=cross is not None,
        BM=_TILE_ROWS,
        BN=_TILE_COLUMNS,
    )
    return push, of_scale.sum(dtype=torch.float64) if needs_scale and sides else None


def within_push(block: Tensor, factor: float, *, diagonal: bool, spare: Tensor) -> tuple[Tensor, Tensor]:
    """As ``block_terms.within_push``."""
    n, m = block.shape
    grid = (triton.cdiv(n, _TILE_ROWS), triton.cdiv(m, _TILE_COLUMNS))
    sums = block.new_zeros(grid, dtype=torch.float32)
    push = spare[: block.numel()].view(block.shape)
    _within_kernel[grid](block, push, sums, n, m, 0 if diagonal else _NOWHERE, factor, BM=_TILE_ROWS, BN=_TILE_COLUMNS)
    return push, sums.sum(dtype=torch.float64)


def _offset(matched: Matched) -> int:
    """Return by how much the column of a matched pair exceeds its row."""
    return _NOWHERE if matched is None else matched[1] - matched[0]


def _added(parts: Tensor) -> Tensor:
    """Return log of sum_tiles e^{highest} sum, in float64."""
    highest, sums = parts.double()
    return torch.logsumexp(highest + torch.log(sums), dim=0)


def _rounded(side: SoftmaxSide, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Return log-sums in float32 and weights that make up for what rounding took, times the scale."""
    logs = side.logs.float()
    return logs, (scale * side.weights * torch.exp(logs.double() - side.logs)).float()


@triton.jit
def _logs_kernel(
    block,
    row_high,
    row_sum,
    column_high,
    column_sum,
    cross_sum,
    scale,
    n,
    m,
    offset,
    factor,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    CROSS: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
) -> Any:
    down, right = tl.program_id(0), tl.program_id(1)
    i, j = down * BM + tl.arange(0, BM), right * BN + tl.arange(0, BN)
    counts = (i[:, None] < n) & (j[None, :] < m) & (i[:, None] + offset != j[None, :])
    cosines = tl.load(block + i[:, None].to(tl.int64) * m + j[None, :], mask=counts, other=0.0).to(tl.float32)
    if CROSS:
        potential = tl.where(counts, tl.exp(cosines * factor), 0.0)
        tl.store(cross_sum + down * tl.num_programs(1) + right, tl.sum(tl.sum(potential, 1), 0))
    logits = tl.where(counts, cosines * tl.load(scale), -math.inf)
    if ROWS:
        high = tl.max(logits, 1)
        shift = tl.where(high == -math.inf, 0.0, high)
        tl.store(row_high + right * n + i, shift, mask=i < n)
        tl.store(row_sum + right * n + i, tl.sum(tl.exp(logits - shift[:, None]), 1), mask=i < n)
    if COLUMNS:
        high = tl.max(logits, 0)
        shift = tl.where(high == -math.inf, 0.0, high)
        tl.store(column_high + down * m + j, shift, mask=j < m)
        tl.store(column_sum + down * m + j, tl.sum(tl.exp(logits - shift[None, :]), 0), mask=j < m)


@triton.jit
def _push_kernel(
    block,
    push,
    of_scale,
    row_logs,
    row_weights,
    column_logs,
    column_weights,
    cross_weight,
    scale,
    n,
    m,
    offset,
    factor,
    ROWS: tl.constexpr,
    COLUMNS: tl.constexpr,
    CROSS: tl.constexpr,
    BM: tl.constexpr,
    BN: tl.constexpr,
) -> Any:
    down, right = tl.program_id(0), tl.program_id(1)
    i, j = down * BM + tl.arange(0, BM), right * BN + tl.arange(0, BN)
    inside = (i[:, None] < n) & (j[None, :] < m)
    counts = inside & (i[:, None] + offset != j[None, :])
    place = i[:, None].to(tl.int64) * m + j[None, :]
    cosines = tl.load(block + place, mask=inside, other=0.0).to(tl.float32)
    logits = cosines * tl.load(scale)
    pushed = tl.zeros((BM, BN), dtype=tl.float32)
    if ROWS:
        logs = tl.load(row_logs + i, mask=i < n, other=0.0)
        weights = tl.load(row_weights + i, mask=i < n, other=0.0)
        pushed += tl.where(counts, tl.exp(logits - logs[:, None]), 0.0) * weights[:, None]
    if COLUMNS:
        logs = tl.load(column_logs + j, mask=j < m, other=0.0)
        weights = tl.load(column_weights + j, mask=j < m, other=0.0)
        pushed += tl.where(counts, tl.exp(logits - logs[None, :]), 0.0) * weights[None, :]
    if ROWS or COLUMNS:
        tl.store(of_scale + down * tl.num_programs(1) + right, tl.sum(tl.sum(pushed * cosines, 1), 0))
    if CROSS:
        pushed += tl.where(counts, tl.exp(cosines * factor), 0.0) * tl.load(cross_weight)
    tl.store(push + place, pushed.to(push.dtype.element_ty), mask=inside)


@triton.jit
def _within_kernel(block, push, sums, n, m, offset, factor, BM: tl.constexpr, BN: tl.constexpr) -> Any:
    down, right = tl.program_id(0), tl.program_id(1)
    i, j = down * BM + tl.arange(0, BM), right * BN + tl.arange(0, BN)
    inside = (i[:, None] < n) & (j[None, :] < m)
    place = i[:, None].to(tl.int64) * m + j[None, :]
    cosines = tl.load(block + place, mask=inside, other=0.0).to(tl.float32)
    potential = tl.where(inside & (i[:, None] + offset != j[None, :]), tl.exp(cosines * factor), 0.0)
    tl.store(push + place, potential.to(push.dtype.element_ty), mask=inside)
    tl.store(sums + down * tl.num_programs(1) + right, tl.sum(tl.sum(potential, 1), 0))

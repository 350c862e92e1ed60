"""One pass over all pairs of a batch, in blocks: the sums that CLIP, InfoLOOB and the uniformities need.

The B x B matrix of cosines is never held. Forward, each block of cosines S between rows of x and of y gives

    R_i = log sum_j e^{s S_ij},   C_j = log sum_i e^{s S_ij},   log sum_{i,j} e^{2t (S_ij - 1)},

each without the matched pairs, and each block on or above the diagonal of x x^T and of y y^T gives one more sum and,
since its gradient needs no other normaliser than that sum, its gradient as well. Backward, the blocks between x and y
are multiplied again, and what their cosines push goes to two arrays of the size of x and y. With a product of B x B x d
as unit this costs 4 for the sums between x and y, all three at the price of one, and 1.5 for each of x and y.

The cosines of matched pairs come out by themselves. A caller adds them to the sums by ``logaddexp`` or ``softplus``,
which keep their digits where a pair is told apart already and the plain form subtracts two numbers near 1.
"""

import importlib.util
import math
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor

from crossgap.losses import block_terms
from crossgap.losses.block_terms import SoftmaxSide
from crossgap.losses.blocks import (
    LOG_RANGE,
    add_product,
    block_matched,
    block_parts,
    block_product,
    block_size,
    wide_type,
)

__all__ = ["LogSums", "pair_log_sums"]


class LogSums(NamedTuple):
    """Cosines of matched pairs, and logarithms of sums over all others, in float64; None for what was not asked for."""

    matched: Tensor  # (b,), the cosine of row i of x and row first + i of y
    rows: Tensor | None  # (b,), over the columns of y, of e^{scale S}
    columns: Tensor | None  # (B,), over the rows of x
    cross: Tensor | None  # scalar, over all unmatched pairs between x and y, of e^{2t (S - 1)}
    within_x: Tensor | None  # scalar, over i < j within x, of e^{2t (S - 1)}
    within_y: Tensor | None


class _Asked(NamedTuple):
    rows: bool
    columns: bool
    cross: bool
    within: bool
    first: int
    t: float


def pair_log_sums(
    x: Tensor,
    y: Tensor,
    scale: Tensor,
    *,
    first: int = 0,
    rows: bool = True,
    columns: bool = True,
    cross: bool = False,
    within: bool = False,
    t: float = 2.0,
) -> LogSums:
    """Return sums over unmatched pairs of unit rows x (b, d) and y (B, d), row i of x matched with row first + i of y.

    ``rows``, ``columns``, ``cross`` and ``within`` choose what is computed. Differentiable once in x, y and scale. Rows
    in bfloat16 are multiplied in bfloat16 and summed in float32.
    """
    asked = _Asked(rows, columns, cross, within, first, t)
    found = dict(zip(_names(asked), _PairLogSums.apply(x, y, scale, asked), strict=True))
    return LogSums(found["matched"], **{name: found.get(name) for name in LogSums._fields[1:]})


def _names(asked: _Asked) -> list[str]:
    names = ["matched", *(name for name in ("rows", "columns", "cross") if getattr(asked, name))]
    return names + (["within_x", "within_y"] if asked.within else [])


class _PairLogSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, scale: Tensor, asked: _Asked) -> tuple[Tensor, ...]:
        x, y = x.contiguous(), y.contiguous()
        found = {"matched": _matched_cosines(x, y, asked.first)}
        if asked.rows or asked.columns or asked.cross:
            found["rows"], found["columns"], found["cross"] = _between(x, y, scale, asked)
        gathered: list[Tensor | None] = [None, None]
        if asked.within:
            found["within_x"], gathered[0] = _within(x, asked.t, gradient=ctx.needs_input_grad[0])
            found["within_y"], gathered[1] = _within(y, asked.t, gradient=ctx.needs_input_grad[1])
        out = tuple(found[name] for name in _names(asked))
        ctx.save_for_backward(x, y, scale, *out, *gathered)
        ctx.asked = asked
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *upstream: Tensor
    ) -> tuple[Tensor | None, ...]:
        asked: _Asked = ctx.asked
        x, y, scale, *out = ctx.saved_tensors
        *logs, gathered_x, gathered_y = out
        given = dict(zip(_names(asked), zip(logs, upstream, strict=True), strict=True))
        needs_x, needs_y, needs_scale, _ = ctx.needs_input_grad
        grad_x = torch.zeros_like(x, dtype=wide_type(x)) if needs_x else None
        grad_y = torch.zeros_like(y, dtype=wide_type(y)) if needs_y else None
        grad_scale = None
        if asked.rows or asked.columns or asked.cross:
            grad_scale = _between_gradient(x, y, scale, asked, given, (grad_x, grad_y), needs_scale=needs_scale)
        weights = given["matched"][1].unsqueeze(1)
        own = slice(asked.first, asked.first + len(x))
        if grad_x is not None:
            grad_x.addcmul_(weights.to(grad_x.dtype), y[own].to(grad_x.dtype))
        if grad_y is not None:
            grad_y[own].addcmul_(weights.to(grad_y.dtype), x.to(grad_y.dtype))
        for name, gradient, gathered in (("within_x", grad_x, gathered_x), ("within_y", grad_y, gathered_y)):
            if name in given and gradient is not None:
                gradient.addcmul_(gathered, _potential_weight(*given[name], asked.t).to(gradient.dtype))
        return (
            None if grad_x is None else grad_x.to(x.dtype),
            None if grad_y is None else grad_y.to(y.dtype),
            grad_scale if needs_scale else None,
            None,
        )


# forward


def _matched_cosines(x: Tensor, y: Tensor, first: int) -> Tensor:
    """Return x_i . y_{first + i}, in parts, so that no array of the size of x is made."""
    parts = block_parts(len(x), block_size(x))
    cosines = [
        torch.linalg.vecdot(x[part].to(wide_type(x)), y[first + part.start : first + part.stop].to(wide_type(y)))
        for part in parts
    ]
    return torch.cat(cosines).double()


def _between(x: Tensor, y: Tensor, scale: Tensor, asked: _Asked) -> tuple[Tensor, Tensor, Tensor]:
    size, terms = block_size(x), _terms_of(x)
    multiply, spare = block_product(x, y, size), terms.spare_block(x, size)
    row_logs = x.new_full((len(x),), -math.inf, dtype=torch.float64)
    column_logs = y.new_full((len(y),), -math.inf, dtype=torch.float64)
    cross = x.new_zeros((), dtype=torch.float64)
    bound = _shared_shift(x, y, scale)
    for rows in block_parts(len(x), size):
        for cols in block_parts(len(y), size):
            added = terms.block_logs(
                multiply(x[rows], y[cols]),
                block_matched(rows, cols, asked.first),
                scale,
                bound,
                rows=asked.rows,
                columns=asked.columns,
                cross_factor=2 * asked.t if asked.cross else None,
                spare=spare,
            )
            if added is None:
                continue
            for logs, more in ((row_logs[rows], added.rows), (column_logs[cols], added.columns)):
                if more is not None:
                    torch.logaddexp(logs, more, out=logs)
            if added.cross is not None:
                cross += added.cross
    return row_logs, column_logs, torch.log(cross) - 2 * asked.t


def _within(x: Tensor, t: float, *, gradient: bool) -> tuple[Tensor, Tensor | None]:
    """Return the log of the sum of potentials over i < j, and sum_j e^{2t S_ij} x_j for each i."""
    size, terms = block_size(x), _terms_of(x)
    multiply, spare = block_product(x, x, size), terms.spare_block(x, size)
    total = x.new_zeros((), dtype=torch.float64)
    gathered = torch.zeros_like(x, dtype=wide_type(x)) if gradient else None
    parts = block_parts(len(x), size)
    for number, rows in enumerate(parts):
        for cols in parts[number:]:
            push, part = terms.within_push(multiply(x[rows], x[cols]), 2 * t, diagonal=rows == cols, spare=spare)
            total += 0.5 * part if rows == cols else part
            if gathered is not None:
                add_product(gathered[rows], push, x[cols])
                if rows != cols:
                    add_product(gathered[cols], push.T, x[rows])
    return torch.log(total) - 2 * t, gathered


# backward


def _between_gradient(
    x: Tensor,
    y: Tensor,
    scale: Tensor,
    asked: _Asked,
    given: dict[str, tuple[Tensor, Tensor]],
    gradients: tuple[Tensor | None, Tensor | None],
    *,
    needs_scale: bool,
) -> Tensor:
    """Add to the gradients of x and y what the cosines between them push; return the gradient of the scale."""
    size, terms = block_size(x), _terms_of(x)
    multiply, spare = block_product(x, y, size), terms.spare_block(x, size)
    cross = None
    if asked.cross:
        cross = (2 * asked.t, _potential_weight(*given["cross"], asked.t).to(wide_type(x)))
    bound = _shared_shift(x, y, scale)
    grad_x, grad_y = gradients
    total = scale.new_zeros((), dtype=torch.float64)
    for rows in block_parts(len(x), size):
        for cols in block_parts(len(y), size):
            sides = [
                SoftmaxSide(given[name][0][part], given[name][1][part], axis)
                for name, part, axis in (("rows", rows, 1), ("columns", cols, 0))
                if name in given
            ]
            push, of_scale = terms.block_push(
                multiply(x[rows], y[cols]),
                block_matched(rows, cols, asked.first),
                scale,
                bound,
                sides=sides,
                cross=cross,
                needs_scale=needs_scale,
                spare=spare,
            )
            if of_scale is not None:
                total += of_scale
            if push is not None and grad_x is not None:
                add_product(grad_x[rows], push, y[cols])
            if push is not None and grad_y is not None:
                add_product(grad_y[cols], push.T, x[rows])
    return (total / scale).to(scale.dtype)


def _potential_weight(log_sum: Tensor, weight: Tensor, t: float) -> Tensor:
    """Return by what e^{2t S} is to be multiplied to give the gradient of weight * log_sum in S."""
    return 2 * t * weight * torch.exp(-2 * t - log_sum)


def _shared_shift(x: Tensor, y: Tensor, scale: Tensor) -> Tensor | None:
    """Return a bound of all cosines, where all lie so near to it that one shift serves every block."""
    longest = [torch.linalg.vector_norm(rows, dim=1, dtype=wide_type(rows)).amax() for rows in (x, y)]
    bound = longest[0] * longest[1]
    return bound if float(2 * bound * scale) < LOG_RANGE else None


def _terms_of(x: Tensor) -> ModuleType:
    """Return the module that does the arithmetic of a block: one kernel each on CUDA where Triton is installed."""
    if x.device.type == "cuda" and importlib.util.find_spec("triton") is not None:
        from crossgap.losses import triton_blocks

        return triton_blocks
    return block_terms

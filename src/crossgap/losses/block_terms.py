"""What one block of cosines adds to the sums of a batch, and what its cosines push: the arithmetic of the fused losses.

Three functions, on any device, of plain torch operations in place. ``triton_blocks`` has the same three as one kernel
each, for CUDA. A block S lies between some rows and some columns; where ``matched`` is given, those of its pairs count
nothing.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from crossgap.losses.blocks import LOG_RANGE, block_buffer, matched_part

__all__ = ["BlockLogs", "SoftmaxSide", "block_logs", "block_push", "spare_block", "within_push"]

Matched = tuple[int, int, int] | None


class BlockLogs(NamedTuple):
    """Logarithms of the sums of e^{scale S} over a block, by row and by column, and the sum of e^{2t S}; float64."""

    rows: Tensor | None
    columns: Tensor | None
    cross: Tensor | None


class SoftmaxSide(NamedTuple):
    """One direction of the softmax in a block: log-sums of its whole rows (axis 1) or columns (axis 0), and weights."""

    logs: Tensor
    weights: Tensor
    axis: int


def spare_block(x: Tensor, size: int) -> Tensor:
    """Return memory in which blocks of x of up to ``size`` rows and columns can be worked on."""
    return block_buffer(x, size)


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
    """Return what a block adds to the sums; None where it holds nothing but a matched pair. Overwrites it.

    ``cross_factor`` is 2t, or None where that sum is not wanted. ``bound`` is a cosine that all lie near enough below
    for one shift of the exponent; without it the block's own range decides between one shift and one for each row and
    each column.
    """
    if not _fill_matched(block, matched):
        return None
    cross = None
    if cross_factor is not None:
        potential = torch.mul(block, cross_factor, out=_part(spare, block)).exp_()
        cross = _without(potential, matched).sum(1).sum(dtype=torch.float64)
    if not (rows or columns):
        return BlockLogs(None, None, cross)
    shift = bound if bound is not None else _block_shift(block, scale)
    if shift is not None:  # one exponential serves rows and columns
        terms = _without(block.sub_(shift).mul_(scale).exp_(), matched)
        offset = (shift * scale).double()
        return BlockLogs(
            offset + torch.log(terms.sum(1).double()) if rows else None,
            offset + torch.log(terms.sum(0).double()) if columns else None,
            cross,
        )
    if matched is not None:  # the largest cosine of a row or a column is to be one of its own rivals
        matched_part(block, matched).fill_(torch.finfo(block.dtype).min)
    logs: dict[int, Tensor] = {}
    for wanted, axis in ((rows, 1), (columns, 0)):
        if wanted:
            highest = block.amax(axis, keepdim=True)
            terms = torch.sub(block, highest, out=_part(spare, block)).mul_(scale).exp_()
            sums = _without(terms, matched).sum(axis).double()
            logs[axis] = (highest.squeeze(axis) * scale).double() + torch.log(sums)
    return BlockLogs(logs.get(1), logs.get(0), cross)


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
    """Return the gradient with respect to the cosines of a block, and s times their part in that of the scale.

    Formula::

        s (w_i e^{s S_ij - R_i} + v_j e^{s S_ij - C_j}) + c e^{2t S_ij},     ``sides`` (R, w, 1) and (C, v, 0)

    with ``cross`` (2t, c). Overwrites the block. Nothing where it holds no more than a matched pair.
    """
    if not _fill_matched(block, matched):
        return None, None
    push, of_scale = None, None
    if sides:
        push = _softmax_push(block, scale, sides, bound, _part(spare, block))
        if needs_scale:
            of_scale = torch.linalg.vecdot(_without(push, matched), block).sum(dtype=torch.float64)
    if cross is not None:
        factor, weight = cross
        potential = block.mul_(factor).exp_()
        push = potential.mul_(weight) if push is None else push.addcmul_(potential, weight)
    return (None if push is None else _without(push, matched)), of_scale


def within_push(block: Tensor, factor: float, *, diagonal: bool, spare: Tensor) -> tuple[Tensor, Tensor]:
    """Return e^{factor S} of a block and their sum; a block on the ``diagonal`` has 0 there. Overwrites the block."""
    potential = block.mul_(factor).exp_()
    if diagonal:
        potential.fill_diagonal_(0.0)
    return potential, potential.sum(1).sum(dtype=torch.float64)


def _softmax_push(block: Tensor, scale: Tensor, sides: list[SoftmaxSide], bound: Tensor | None, out: Tensor) -> Tensor:
    shift = bound if bound is not None else _block_shift(block, scale)
    if shift is not None:
        offset = (shift * scale).double()
        factors = [
            (scale * side.weights * torch.exp(offset - side.logs)).to(block.dtype).unsqueeze(side.axis)
            for side in sides
        ]
        terms = torch.sub(block, shift, out=out).mul_(scale).exp_()
        return terms.mul_(factors[0] if len(factors) == 1 else factors[0] + factors[1])
    out.zero_()
    for side in sides:
        rounded = (side.logs / scale).to(block.dtype)
        left = torch.exp(rounded.double() * scale - side.logs)  # what rounding took from the exponent
        terms = torch.sub(block, rounded.unsqueeze(side.axis)).mul_(scale).exp_()
        out.addcmul_(terms, (scale * side.weights * left).to(block.dtype).unsqueeze(side.axis))
    return out


def _block_shift(block: Tensor, scale: Tensor) -> Any:
    """Return the largest cosine of a block, where all others lie so near to it that it can be the shift of all."""
    low, high = torch.aminmax(block)
    return high if float((high - low) * scale) < LOG_RANGE else None


def _part(buffer: Tensor, block: Tensor) -> Tensor:
    return buffer[: block.numel()].view(block.shape)


def _without(block: Tensor, matched: Matched) -> Tensor:
    """Return the block with zeros at its matched pairs."""
    if matched is not None:
        matched_part(block, matched).zero_()
    return block


def _fill_matched(block: Tensor, matched: Matched) -> bool:
    """Put some other of its cosines at the matched pairs, so that they set no shift; return whether there is one."""
    if matched is None:
        return True
    row, column, _ = matched
    if block.shape[1] > 1:
        other = block[row, column + 1 if column + 1 < block.shape[1] else column - 1]
    elif block.shape[0] > 1:
        other = block[row + 1 if row + 1 < block.shape[0] else row - 1, column]
    else:
        return False
    matched_part(block, matched).copy_(other.clone())
    return True

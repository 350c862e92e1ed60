"""SigLIP's sum over all pairs of a batch in blocks, with its gradient gathered in the same pass.

Each pair has a term of its own and no normaliser, so one product gives the cosines of a block and two more its
gradient: three B x B x d products in all, and the B x B matrix is never held.
"""

from typing import Any

import torch
from torch import Tensor

from crossgap.losses.blocks import (
    add_product,
    block_buffer,
    block_matched,
    block_parts,
    block_product,
    block_size,
    matched_part,
    wide_type,
)

__all__ = ["sigmoid_pair_sum"]


def sigmoid_pair_sum(x: Tensor, y: Tensor, scale: Tensor, bias: Tensor, *, first: int = 0) -> Tensor:
    """Return sum_ij log(1 + e^{-z_ij (scale S_ij + bias)}), z = 1 where row i of x matches row first + i of y, else -1.

    Differentiable once in all four tensors; the gradient is computed together with the value.
    """
    return _SigmoidPairSum.apply(x, y, scale, bias, first)


class _SigmoidPairSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, scale: Tensor, bias: Tensor, first: int) -> Tensor:
        x, y = x.contiguous(), y.contiguous()
        needs_x, needs_y, needs_scale, needs_bias, _ = ctx.needs_input_grad
        size = block_size(x)
        multiply, spare = block_product(x, y, size), block_buffer(x, size)
        total, grad_scale, grad_bias = (x.new_zeros((), dtype=torch.float64) for _ in range(3))
        grad_x = torch.zeros_like(x, dtype=wide_type(x)) if needs_x else None
        grad_y = torch.zeros_like(y, dtype=wide_type(y)) if needs_y else None
        for rows in block_parts(len(x), size):
            for cols in block_parts(len(y), size):
                block = multiply(x[rows], y[cols])
                logits = torch.mul(block, scale, out=spare[: block.numel()].view(block.shape)).add_(bias)
                matched = block_matched(rows, cols, first)
                if matched is not None:  # log(1 + e^-z) there
                    matched_part(logits, matched).neg_()
                total += torch.nn.functional.softplus(logits).sum(1).sum(dtype=torch.float64)
                if not any(ctx.needs_input_grad):
                    continue
                push = logits.sigmoid_()
                if matched is not None:
                    matched_part(push, matched).neg_()
                if needs_scale:
                    grad_scale += torch.linalg.vecdot(push, block).sum(dtype=torch.float64)
                if needs_bias:
                    grad_bias += push.sum(1).sum(dtype=torch.float64)
                if grad_x is not None:
                    add_product(grad_x[rows], push, y[cols])
                if grad_y is not None:
                    add_product(grad_y[cols], push.T, x[rows])
        ctx.save_for_backward(
            None if grad_x is None else grad_x.mul_(scale).to(x.dtype),
            None if grad_y is None else grad_y.mul_(scale).to(y.dtype),
            grad_scale.to(scale.dtype) if needs_scale else None,
            grad_bias.to(bias.dtype) if needs_bias else None,
        )
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, upstream: Tensor
    ) -> tuple[Tensor | None, ...]:
        gradients = (None if saved is None else saved * upstream.to(saved.dtype) for saved in ctx.saved_tensors)
        return (*gradients, None)

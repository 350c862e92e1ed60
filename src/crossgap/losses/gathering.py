"""B12: the rows of all processes of a distributed run, with or without their gradient."""

import math
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["gather_rows", "own_rows", "process_count"]


def gather_rows(rows: Tensor, *, gradient: bool = True, group: Any = None, check: bool = True) -> Tensor:
    """Rows of all processes of a group, in the order of their ranks, the same on every process.

    Formula::

        forward:   rows (b, ...) of each of W processes  ->  [rows of rank 0; ...; rows of rank W - 1]   (W b, ...)
        backward:  G_r (W b, ...) on rank r              ->  rows of this process in G_0 + ... + G_{W-1}

    How to read it: with the gradient, back-propagation gives each process the derivative of the *sum* of the losses of
    all processes by its own rows. After the mean over processes that data-parallel training takes, this is the
    gradient of the mean of their losses. Without the gradient, foreign rows are constants and the own rows keep their
    place and their graph: every process misses what the losses of the others say of its rows.

    Parameters
    ----------
    rows
        Rows of this process (b, ...), of any type; the same shape on every process.
    gradient
        Let the gradient flow back to the process that a row came from.
    group
        Process group of ``torch.distributed``; the default group without it.
    check
        Compare the shapes of all processes first. This is one small collective, on a GPU with one wait. Without it,
        unequal shapes may hang the run.

    Returns
    -------
    (W b, ...) in the type and on the device of ``rows``; ``rows`` itself where there is one process only.

    Raises
    ------
    TypeError
        If ``rows`` is not a torch tensor.
    ValueError
        If ``rows`` is a scalar, if processes have different shapes (each of them says so), or if this process is not
        in the group.

    Notes
    -----
    Cost: one all-gather forward and one all-reduce backward of W b d numbers. Gradients are added up in float32 at
    least. Second derivatives are not offered. All processes have to gather the same tensors in the same order.

    References
    ----------
    Ilharco et al., OpenCLIP, https://github.com/mlfoundations/open_clip: its option ``--gather-with-grad``.

    Examples
    --------
    Without a distributed run there is one process.

    >>> import torch
    >>> gather_rows(torch.tensor([[1.0, 0.0]]))
    tensor([[1., 0.]])
    """
    if not isinstance(rows, Tensor):
        raise TypeError(f"rows must be a torch tensor, but it is a {type(rows).__name__}; convert it: torch.as_tensor.")
    if rows.ndim == 0:
        raise ValueError("rows must have at least one dimension, but it is a scalar; give rows.reshape(1).")
    if process_count(group) == 1:
        return rows
    if check:
        _check_equal_shapes(rows, group)
    if gradient and rows.requires_grad:
        return _GatherWithGradient.apply(rows, group)  # pyright: ignore[reportReturnType]
    gathered = _gather(rows.detach(), group)
    if not rows.requires_grad:
        return gathered
    own = own_rows(len(rows), group=group)
    return torch.cat([gathered[: own.start], rows, gathered[own.stop :]])


def own_rows(n: int, *, group: Any = None) -> slice:
    """Return the place of the ``n`` rows of this process among the gathered ones.

    Examples
    --------
    >>> own_rows(4)
    slice(0, 4, None)
    """
    rank = dist.get_rank(group) if process_count(group) > 1 else 0
    return slice(rank * n, (rank + 1) * n)


def process_count(group: Any = None) -> int:
    """Return the number of processes of a group; 1 where no distributed run was started.

    Examples
    --------
    >>> process_count()
    1
    """
    if not (dist.is_available() and dist.is_initialized()):
        return 1
    count = dist.get_world_size(group)
    if count < 1:
        raise ValueError(
            f"group must hold this process, but process {dist.get_rank()} is not in it; give the group that it is in."
        )
    return count


class _GatherWithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, group: Any) -> Tensor:
        ctx.group = group
        ctx.own = own_rows(len(rows), group=group)
        return _gather(rows, group)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        total = gradient.to(torch.promote_types(gradient.dtype, torch.float32), copy=True).contiguous()
        dist.all_reduce(total, group=ctx.group)
        return total[ctx.own].to(gradient.dtype), None


def _gather(rows: Tensor, group: Any) -> Tensor:
    gathered = rows.new_empty((process_count(group) * len(rows), *rows.shape[1:]))
    all_gather = getattr(dist, "all_gather_single", None) or dist.all_gather_into_tensor  # renamed in torch 2.13
    all_gather(gathered, rows.contiguous(), group=group)
    return gathered


def _check_equal_shapes(rows: Tensor, group: Any) -> None:
    """Raise on every process if some process has another number of rows, or rows of another size."""
    shape = torch.tensor([len(rows), math.prod(rows.shape[1:])], device=rows.device)
    shapes = [tuple(pair) for pair in _gather(shape.reshape(1, 2), group).tolist()]
    for rank, other in enumerate(shapes):
        if other != shapes[0]:
            raise ValueError(
                f"every process must have equally many rows of equal size, but process {rank} has {other[0]} rows of "
                f"{other[1]} numbers and process 0 has {shapes[0][0]} of {shapes[0][1]}; even out the batches, for "
                f"example with drop_last=True in the data loader."
            )

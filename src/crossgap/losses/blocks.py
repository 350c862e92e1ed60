"""Blocks of the matrix of cosines of a batch: their size, their products, and where matched pairs lie in them.

The fused losses go through B x B cosines in these blocks. On a CPU a block stays in cache; on a GPU it is as large as
matrix products need to run at full speed. Rows in bfloat16 are multiplied as they are, and summed in float32.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from crossgap.geometry.products import settled_product_routine

__all__ = [
    "LOG_RANGE",
    "add_product",
    "block_buffer",
    "block_matched",
    "block_parts",
    "block_product",
    "block_size",
    "matched_part",
    "rows_to_multiply",
    "takes_fused",
    "wide_type",
]

LOG_RANGE = 80.0  # of exponents, for which e^range and e^-range are normal numbers of float32
_CPU_BLOCK, _GPU_BLOCK = 1024, 4096
_WORTH_FUSING = 512  # rows below which the plain form is as fast and its B x B matrix is small


def takes_fused(fused: bool | None, x: Tensor, *, t: float | None = None) -> bool:
    """Return whether a loss takes its fused form: as asked, and by itself from 512 rows on.

    The potentials of a sharpness ``t`` above 20 are no normal numbers of float32, and only the plain form has them.
    """
    fits = t is None or 4 * t <= LOG_RANGE  # e^{-4t} is the least potential of unit rows
    if fused and not fits:
        raise ValueError(f"the fused form takes a sharpness t up to {LOG_RANGE / 4:g}, but it is {t}; use fused=False.")
    return (len(x) >= _WORTH_FUSING and fits) if fused is None else fused


def rows_to_multiply(pair: tuple[Tensor, Tensor], given: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the rows as the fused form multiplies them: on CUDA rows given in bfloat16 as they are, else ``pair``."""
    if pair[0].device.type == "cuda" and given[0].dtype == given[1].dtype == torch.bfloat16:
        return given
    return pair


def block_size(x: Tensor) -> int:
    """Return the number of rows and columns of a block."""
    return _CPU_BLOCK if x.device.type == "cpu" else _GPU_BLOCK


def block_parts(n: int, size: int) -> list[slice]:
    """Return the slices that n rows fall into."""
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def wide_type(x: Tensor) -> torch.dtype:
    """Return the type in which sums over rows like ``x`` run: float32, or float64 for float64."""
    return torch.promote_types(x.dtype, torch.float32)


def block_buffer(x: Tensor, size: int) -> Tensor:
    """Return memory for one block, so that no block is allocated anew."""
    return x.new_empty(size * size, dtype=wide_type(x))


def block_product(x: Tensor, y: Tensor, size: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Return a routine (a, b) -> a b^T for parts of x and y, whose result may be overwritten by its next call."""
    routine = settled_product_routine(x)
    if routine is not None:
        return routine
    buffer = block_buffer(x, size)

    def multiply(a: Tensor, b: Tensor) -> Tensor:
        if a.dtype != buffer.dtype:
            return _wide_product(a, b.T)
        return torch.mm(a, b.T, out=buffer[: len(a) * len(b)].view(len(a), len(b)))

    return multiply


def add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add a b to ``total``; ``a`` is brought to the type of ``b`` where that is bfloat16."""
    routine = settled_product_routine(total) if a.is_contiguous() else None  # for a transposed one it is no faster
    if routine is not None and b.dtype == total.dtype:
        total.add_(routine(a, b.T))
    elif total.dtype == b.dtype:
        total.addmm_(a, b)
    else:
        total.add_(_wide_product(a.to(b.dtype), b))


def _wide_product(a: Tensor, b: Tensor) -> Tensor:
    """Multiply matrices in bfloat16 and sum in float32."""
    if a.device.type == "cuda" and hasattr(torch.ops.aten.mm, "dtype"):  # torch 2.8 and newer
        return torch.mm(a, b, out_dtype=torch.float32)
    return a.float() @ b.float()


def block_matched(rows: slice, cols: slice, first: int) -> tuple[int, int, int] | None:
    """Return where in a block row i meets column first + i, as (row, column, how many); None where nowhere."""
    start = max(rows.start + first, cols.start)
    stop = min(rows.stop + first, cols.stop)
    return (start - first - rows.start, start - cols.start, stop - start) if start < stop else None


def matched_part(block: Tensor, matched: tuple[int, int, int]) -> Tensor:
    """Return a view of the matched pairs of a block."""
    row, column, length = matched
    return block[row : row + length, column : column + length].diagonal()

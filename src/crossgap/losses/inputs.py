"""What every loss does with its inputs: one check of a batch, full precision, and the rows that count."""

import functools
import math
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeVar

import torch
from torch import Tensor

from crossgap.geometry.rows import check_pair, is_numpy

__all__ = ["check_batch", "check_logit_scale", "check_scalar", "check_unit_length", "full_precision", "row_range"]

_TOLERANCE = {torch.float64: 1e-4, torch.float32: 1e-4, torch.float16: 2e-3, torch.bfloat16: 1e-2}

Loss = TypeVar("Loss", bound=Callable[..., Any])


def full_precision(loss: Loss) -> Loss:
    """Run a loss outside of autocast, so that its products, exponentials and sums stay in float32 at least."""

    @functools.wraps(loss)
    def run(*args: Any, **kwargs: Any) -> Any:
        rows = next(
            (given for given in (*args, *kwargs.values()) if isinstance(given, Tensor) and given.ndim == 2), None
        )
        if rows is None:
            return loss(*args, **kwargs)
        with torch.autocast(rows.device.type, enabled=False):
            return loss(*args, **kwargs)

    return run  # pyright: ignore[reportReturnType]


def check_batch(
    x: Any, y: Any, logit_scale: Any = None, *, least: int = 2, check: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows and logit scale of a batch in float32 or float64, or say in one sentence what is wrong with them.

    Shapes and a number given as scale are always checked; ``check`` also reads the data: rows of length 1 (to 1e-4 in
    float32, 2e-3 in float16, 1e-2 in bfloat16) and the value of a scale that is a tensor. Without ``logit_scale`` the
    third value is 1.
    """
    for name, rows in (("x", x), ("y", y)):
        if not isinstance(rows, Tensor):
            kind = "NumPy array" if hasattr(rows, "shape") and is_numpy(rows) else type(rows).__name__
            raise TypeError(f"{name} must be a torch tensor, but it is a {kind}; convert it: torch.as_tensor({name}).")
    check_pair(x, y, least=least)
    if x.device != y.device:
        raise ValueError(f"x and y must be on one device, but they are on {x.device} and {y.device}; move one.")
    if check:
        check_unit_length(x, "x")
        check_unit_length(y, "y")
    dtype = torch.promote_types(torch.promote_types(x.dtype, y.dtype), torch.float32)
    x, y = x.to(dtype), y.to(dtype)
    return x, y, check_logit_scale(1.0 if logit_scale is None else logit_scale, x, check=check)


def check_unit_length(x: Tensor, name: str) -> None:
    """Raise unless every row has length 1, to the precision of its type."""
    lengths = torch.linalg.vector_norm(x.detach().to(torch.promote_types(x.dtype, torch.float32)), dim=-1)
    off = torch.nan_to_num((lengths - 1).abs(), nan=math.inf)
    worst = int(off.argmax()) if off.numel() else 0
    if off.numel() and float(off[worst]) > _TOLERANCE.get(x.dtype, 1e-4):
        raise ValueError(
            f"{name} must have rows of length 1 (tolerance {_TOLERANCE.get(x.dtype, 1e-4):g} for {x.dtype}), but row "
            f"{worst} has length {float(lengths[worst]):.4g}; normalise first: "
            f"torch.nn.functional.normalize({name}, dim=-1)."
        )


def check_logit_scale(logit_scale: Any, like: Tensor, *, check: bool = True) -> Tensor:
    """Return the logit scale 1/temperature as a scalar tensor like ``like``; a tensor keeps its gradient."""
    hint = "call it" if isinstance(logit_scale, torch.nn.Module) else "give 1 / temperature, for example 100"
    scale = check_scalar(logit_scale, "logit_scale", like, hint=hint)
    value = float(scale.detach()) if check or not isinstance(logit_scale, Tensor) else 1.0
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(
            f"logit_scale must be a finite number above 0, but it is {value:g}; it is 1 / temperature, for example "
            f"100 (of a learned logarithm, give its exponential)."
        )
    return scale


def check_scalar(value: Any, name: str, like: Tensor, *, hint: str) -> Tensor:
    """Return a number, or a tensor of one with its gradient, as a scalar like ``like``; ``hint`` ends the messages."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ValueError(f"{name} must be one number, but its shape is {tuple(value.shape)}; {hint}.")
        return value.reshape(()).to(device=like.device, dtype=like.dtype)
    if isinstance(value, Real) and not isinstance(value, bool):
        return torch.tensor(float(value), device=like.device, dtype=like.dtype)
    raise TypeError(f"{name} must be a number or a tensor of one, but it is a {type(value).__name__}; {hint}.")


def row_range(rows: slice | None, n: int) -> slice:
    """Return ``rows`` with its ends filled in: the rows of the batch whose own terms a process adds up."""
    if rows is None:
        return slice(0, n)
    if not isinstance(rows, slice):
        raise TypeError(f"rows must be a slice, but it is a {type(rows).__name__}; give slice(first, last).")
    first, last, step = rows.indices(n)
    outside = (rows.stop is not None and rows.stop > n) or (rows.start is not None and rows.start < -n)
    if step != 1 or first >= last or outside:
        raise ValueError(
            f"rows must be a part of the {n} rows of the batch, but it is {rows}; give slice(first, last)."
        )
    return slice(first, last)

"""Checks of what some losses take beside the batch: more rows, and numbers that set them."""

import math
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from crossgap.losses.inputs import check_unit_length

__all__ = ["check_extra_rows", "check_number", "check_weights"]


def check_extra_rows(
    rows: Any, name: str, like: Tensor, *, matched: bool = True, unit: bool = True, check: bool = True
) -> Tensor:
    """Return further rows in the type and on the device of those of the batch, or say what is wrong with them.

    With ``matched`` there is one for each row of the batch; otherwise any number of at least 1, of the same dimension.
    With ``unit`` and ``check`` their length is 1, with ``check`` alone they are finite.
    """
    if not isinstance(rows, Tensor) or not rows.is_floating_point():
        kind = f"{rows.dtype} tensor" if isinstance(rows, Tensor) else type(rows).__name__
        raise TypeError(f"{name} must be a torch tensor of floating-point numbers, but it is a {kind}; convert it.")
    if rows.ndim != 2 or rows.shape[1] != like.shape[1] or (matched and rows.shape != like.shape) or not len(rows):
        wanted = f"{tuple(like.shape)}, as the batch" if matched else f"(h, {like.shape[1]}), h at least 1"
        raise ValueError(f"{name} must have shape {wanted}, but its shape is {tuple(rows.shape)}; give one row a pair.")
    if check and unit:
        check_unit_length(rows, name)
    if check and not unit and not bool(torch.isfinite(rows).all()):
        raise ValueError(f"{name} must hold finite numbers, but some are infinite or NaN; lower the learning rate.")
    return rows.to(like)


def check_number(value: Any, name: str, low: float, high: float = math.inf, *, open_ends: str = "") -> float:
    """Return a number of [low, high] as a float, or say in one sentence why it is none.

    ``open_ends`` names the ends that do not belong to the range: "low", "high", "low high". Infinity never does.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, but it is a {type(value).__name__}; give for example {low + 0.5:g}.")
    number = float(value)
    above = number > low if "low" in open_ends else number >= low
    below = number < high if "high" in open_ends or math.isinf(high) else number <= high
    if not (above and below):
        least = "above" if "low" in open_ends else "of at least"
        most = "" if math.isinf(high) else f" and {'below' if 'high' in open_ends else 'at most'} {high:g}"
        raise ValueError(f"{name} must be a finite number {least} {low:g}{most}, but it is {number:g}; give another.")
    return number


def check_weights(**weights: float) -> None:
    """Raise unless all are finite numbers of at least 0, one of them above."""
    for name, weight in weights.items():
        check_number(weight, name, 0)
    if not any(weights.values()):
        raise ValueError(f"one of {', '.join(weights)} must be above 0, but all are 0; nothing would be left to learn.")

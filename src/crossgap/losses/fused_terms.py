"""Terms of a loss from one fused pass: CLIP's cross-entropy, the leave-one-out ratio, and the uniformities.

Each is the quantity of the plain loss of its name; only the way to it differs (``fused_log_sums``).
"""

import math
from typing import cast

import torch
from torch import Tensor

from crossgap.losses.blocks import rows_to_multiply
from crossgap.losses.fused_log_sums import pair_log_sums

__all__ = ["fused_leave_one_out", "fused_row_logs", "fused_terms"]

Pair = tuple[Tensor, Tensor]


def fused_terms(
    pair: Pair,
    scale: Tensor,
    *,
    given: Pair,
    clip: bool = False,
    alignment: bool = False,
    uniformity: bool = False,
    cross_uniformity: bool = False,
    t: float = 2.0,
) -> dict[str, Tensor]:
    """Return CLIP's loss, the alignment and the uniformities of a batch.

    Keys: ``clip``, ``alignment``, ``uniformity_x``, ``uniformity_y``, ``cross_uniformity``, of what was asked for; each
    value can be differentiated by itself. ``pair`` holds the checked rows, ``given`` those that the caller gave, which
    on CUDA may be in bfloat16 and then are multiplied as they are.
    """
    n = len(pair[0])
    sums = pair_log_sums(
        *rows_to_multiply(pair, given),
        scale,
        rows=clip,
        columns=clip,
        cross=cross_uniformity,
        within=uniformity,
        t=t,
    )
    terms: dict[str, Tensor] = {}
    if sums.rows is not None and sums.columns is not None:
        matched = scale.double() * sums.matched
        forth, back = (torch.nn.functional.softplus(logs - matched).mean() for logs in (sums.rows, sums.columns))
        terms["clip"] = (forth + back) / 2
    if alignment:
        terms["alignment"] = 2 - 2 * sums.matched.mean()
    for name, log_sum in (("uniformity_x", sums.within_x), ("uniformity_y", sums.within_y)):
        if log_sum is not None:
            terms[name] = log_sum - math.log(n * (n - 1) / 2)
    if sums.cross is not None:
        terms["cross_uniformity"] = sums.cross - math.log(n * (n - 1))
    return {name: term.to(pair[0].dtype) for name, term in terms.items()}


def fused_row_logs(pair: Pair, scale: Tensor, rows: slice, *, given: Pair) -> tuple[Tensor, Tensor, Tensor]:
    """Return what ``rows`` of each side lose: log-sums over the other rows of x to y and of y to x, and own logits."""
    a, b = rows_to_multiply(pair, given)
    if rows.stop - rows.start == len(a):
        sums = pair_log_sums(a, b, scale)
        forth, back = sums.rows, sums.columns
    else:
        sums = pair_log_sums(a[rows], b, scale, first=rows.start, columns=False)
        forth, back = sums.rows, pair_log_sums(b[rows], a, scale, first=rows.start, columns=False).rows
    return cast(Tensor, forth), cast(Tensor, back), scale.double() * sums.matched


def fused_leave_one_out(pair: Pair, scale: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """Return, for ``rows`` of x against all of y, the log-sums over the other rows and their own logits."""
    x, y = pair
    sums = pair_log_sums(x[rows], y, scale, first=rows.start, columns=False)
    return cast(Tensor, sums.rows), scale.double() * sums.matched

"""B6: the sigmoid loss of SigLIP, which judges every pair of the batch alone."""

import math
from typing import Any

import torch
from torch import Tensor

from crossgap.losses.blocks import rows_to_multiply, takes_fused
from crossgap.losses.clip import positive_mask
from crossgap.losses.fused_sigmoid import sigmoid_pair_sum
from crossgap.losses.inputs import check_batch, check_scalar, full_precision, row_range

__all__ = ["siglip_loss"]


@full_precision
def siglip_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    logit_bias: float | Tensor = -10.0,
    *,
    rows: slice | None = None,
    fused: bool | None = None,
    check: bool = True,
) -> Tensor:
    """Binary cross-entropy of every pair of the batch: a match or not.

    Formula::

        L = -(1/B) sum_ij log sigmoid( z_ij (s x_i.y_j + b) ),     z_ij = 1 on the diagonal, -1 elsewhere

        s = logit scale, b = logit bias

    How to read it: at least 0, in nats a row; near B ln 2 at b = 0 and a small s, so values of different batch sizes do
    not compare. Unlike ``clip_loss`` it sees the cosines themselves, not only their differences: with b fixed, an
    offset between the modalities changes it, but a learned b takes up what the offset costs. Failure mode: at a bias
    near 0 the B - 1 negatives of a row drown its match, and the first steps only push all rows apart; begin at -10.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        Scale s: a number, or a tensor of one with its gradient. The source begins at 10.
    logit_bias
        Bias b: a number, or a tensor of one with its gradient. The source begins at -10.
    rows
        Sum only over these rows of ``x``, each against all rows of ``y``, and divide by their number. The mean over
        equal parts is the full loss.
    fused
        Work in blocks without a B x B matrix: True, False, or None for batches of 512 and more. Equal in value and
        gradient; True has no second derivatives.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in the rows, the scale and the bias.

    Raises
    ------
    ValueError
        If the shapes differ, a row is not of length 1, the scale is not above 0, the bias is not finite or not one
        number, or ``rows`` are no part of the batch.
    TypeError
        If a row is not a torch tensor in floating point, or the bias is neither a number nor a tensor.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 2 B^2 d flops forward. A double sum over B^2 pairs divided by B, not by B^2. Ignores a rotation of both
    modalities, the order of pairs, and which modality comes first. With ``rows`` a process adds up its own images
    against the texts of all processes: texts of another process bring negatives only, the sum is divided by the local
    number of rows, and averaging gradients over the processes gives that of the full loss. Here all texts are there at
    once; the source passes them around in a ring, which saves memory and changes no value.

    References
    ----------
    Zhai et al., *Sigmoid Loss for Language Image Pre-Training*, ICCV 2023, arXiv 2303.15343, section 3.2 and algorithm
    1.

    Examples
    --------
    At scale ln 3 and bias 0 a match has probability 3/4, and each other pair 1/2.

    >>> import math, torch
    >>> round(float(siglip_loss(torch.eye(2), torch.eye(2), math.log(3), 0.0)), 4)  # -ln(3/4) - ln(1/2)
    0.9808
    """
    given = (x, y)
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    bias = _checked_bias(logit_bias, x, check)
    part = row_range(rows, x.shape[0])
    if takes_fused(fused, x):
        a, b = rows_to_multiply((x, y), given)
        total = sigmoid_pair_sum(a[part], b, scale, bias, first=part.start)
        return (total / (part.stop - part.start)).to(x.dtype)
    logits = scale * (x[part] @ y.T) + bias
    signed = torch.where(positive_mask(logits, part), logits, -logits)
    return -torch.nn.functional.logsigmoid(signed).sum() / logits.shape[0]


def _checked_bias(bias: Any, like: Tensor, check: bool) -> Tensor:
    result = check_scalar(bias, "logit_bias", like, hint="begin at -10")
    if (check or not isinstance(bias, Tensor)) and not math.isfinite(float(result.detach())):
        raise ValueError(f"logit_bias must be finite, but it is {float(result.detach())}; begin at -10.")
    return result

"""B10: CLIP's loss with heavier weights on the negatives that score high."""

import math

import torch
from torch import Tensor

from crossgap.losses.clip import pair_logits, positive_mask, row_cross_entropy
from crossgap.losses.extra_rows import check_number
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["hard_negative_loss"]


@full_precision
def hard_negative_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    hardness: float = 0.5,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Softmax cross-entropy whose negatives are weighted by their own difficulty.

    Formula::

        L = (R(s X Y^T) + R(s Y X^T)) / 2,     R(L) = -mean_i ln ( e^{L_ii} / (e^{L_ii} + sum_{j != i} w_ij e^{L_ij}) )

        w_ij = (B - 1) e^{h L_ij} / sum_{k != i} e^{h L_ik}        (mean over negatives 1, no gradient)

    How to read it: at least ``clip_loss``, which it is at hardness h = 0; ln B when all cosines are equal. Hard
    negatives push harder, easy ones less. It hardly feels a constant offset between the modalities. Failure mode:
    false negatives (another caption of the image) are the hardest of all, and are pushed away most.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    hardness
        h, at least 0. The literature uses 0.25 to 1.
    rows
        Average only the terms of these rows: each against the whole batch. The mean over equal parts is the full loss.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x``, ``y`` and ``logit_scale``.

    Raises
    ------
    ValueError
        If the shapes differ, a row is not of length 1, the scale is not above 0, ``hardness`` is negative, or ``rows``
        are no part of the batch.
    TypeError
        If rows are not torch tensors in floating point, or ``hardness`` is no number.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: as ``clip_loss``, with one more matrix of B x B. Weights are constants for the gradient; they are computed as
    logarithms, so that any scale is safe.

    References
    ----------
    Robinson et al., *Contrastive Learning with Hard Negative Samples*, ICLR 2021, arXiv 2010.04592; Radenovic et al.,
    *Filtering, Distillation, and Hard Negatives for Vision-Language Pre-Training*, CVPR 2023, arXiv 2301.02280.

    Examples
    --------
    One negative has weight 1 whatever the hardness, so two pairs give CLIP's loss.

    >>> import math, torch
    >>> round(float(hard_negative_loss(torch.eye(2), torch.eye(2), math.log(3))), 4)  # -ln(3/4)
    0.2877
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    hardness = check_number(hardness, "hardness", 0)
    part = row_range(rows, x.shape[0])
    forth, back = pair_logits(x, y, scale, part)
    return (_reweighted(forth, part, hardness) + _reweighted(back, part, hardness)) / 2


def _reweighted(logits: Tensor, rows: slice, hardness: float) -> Tensor:
    positive = positive_mask(logits, rows)
    powers = hardness * logits.detach()
    total = torch.logsumexp(powers.masked_fill(positive, -math.inf), dim=1, keepdim=True)
    log_weights = powers - total + math.log(logits.shape[1] - 1)
    return row_cross_entropy(logits + log_weights.masked_fill(positive, 0.0), rows)

"""B10: CLIP's loss with less weight on rows that are already right."""

import math

import torch
from torch import Tensor

from crossgap.losses.clip import pair_logits, positive_mask
from crossgap.losses.extra_rows import check_number
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["focal_loss"]


@full_precision
def focal_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    focus: float = 2.0,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Cross-entropy of each row times a power of the probability that it misses.

    Formula::

        L = (F(s X Y^T) + F(s Y X^T)) / 2,     F = -mean_i (1 - p_i)^f ln p_i,     p_i = softmax_j(L_ij) at j = i

    How to read it: at least 0, at most ``clip_loss``, which it is at focus f = 0. Rows far from right count fully, rows
    at p = 0.9 one hundredth (f = 2). It hardly feels a constant offset between the modalities. Failure mode: gradients
    fade sooner than those of CLIP's loss; repeated captions, never right, take over.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    focus
        f, at least 0. The source uses 2.
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
        If the shapes differ, a row is not of length 1, the scale is not above 0, ``focus`` is negative, or ``rows`` are
        no part of the batch.
    TypeError
        If rows are not torch tensors in floating point, or ``focus`` is no number.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: as ``clip_loss``. 1 - p is computed from the negatives, not from p, so that powers below 1 have a finite
    gradient at p = 1.

    References
    ----------
    Lin et al., *Focal Loss for Dense Object Detection*, ICCV 2017, arXiv 1708.02002, eq. 4.

    Examples
    --------
    Two orthogonal pairs at scale ln 3: p = 3/4.

    >>> import math, torch
    >>> round(float(focal_loss(torch.eye(2), torch.eye(2), math.log(3), focus=1)), 4)  # -ln(3/4) / 4
    0.0719
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    focus = check_number(focus, "focus", 0)
    part = row_range(rows, x.shape[0])
    forth, back = pair_logits(x, y, scale, part)
    return (_focal(forth, part, focus) + _focal(back, part, focus)) / 2


def _focal(logits: Tensor, rows: slice, focus: float) -> Tensor:
    negatives = logits.masked_fill(positive_mask(logits, rows), -math.inf)
    log_odds = torch.diagonal(logits, offset=rows.start) - torch.logsumexp(negatives, dim=1)
    log_right, log_wrong = torch.nn.functional.logsigmoid(log_odds), torch.nn.functional.logsigmoid(-log_odds)
    return -(torch.exp(focus * log_wrong) * log_right).mean()

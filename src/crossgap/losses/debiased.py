"""B10: CLIP's loss corrected for negatives that belong to the item of the row."""

import math

import torch
from torch import Tensor

from crossgap.losses.clip import pair_logits, positive_mask
from crossgap.losses.extra_rows import check_number
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["debiased_loss"]


@full_precision
def debiased_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    class_prior: float = 0.1,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Softmax cross-entropy with the expected share of false negatives taken out of the denominator.

    Formula::

        L = (F(s X Y^T) + F(s Y X^T)) / 2,     F(L) = -mean_i ln ( e^{L_ii} / (e^{L_ii} + (B - 1) g_i) )

        g_i = max( (mean_{j != i} e^{L_ij} - p e^{L_ii}) / (1 - p),  e^{-s} )

    How to read it: at least 0, and below ``clip_loss`` where a match leads the mean of its rivals; it is that loss at
    class prior p = 0. Once p e^{L_ii} exceeds the mean of the rivals, g_i sits at its floor e^{-s}, the value of a
    cosine of -1, and the row only pulls its match. With s = 100 that is soon; then it hardly spreads. It does not feel
    a constant offset between the modalities. Failure mode: a prior too high stops all repulsion.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    class_prior
        p, the chance that a random row belongs to the item of row i, from 0 to below 1.
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
        If the shapes differ, a row is not of length 1, the scale is not above 0, ``class_prior`` is not in [0, 1), or
        ``rows`` are no part of the batch.
    TypeError
        If rows are not torch tensors in floating point, or ``class_prior`` is no number.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: as ``clip_loss``. The difference is taken between logarithms, so that no exponential overflows. At the floor
    the gradient of g_i is 0, but that of the floor in s remains.

    References
    ----------
    Chuang et al., *Debiased Contrastive Learning*, NeurIPS 2020, arXiv 2007.00224.

    Examples
    --------
    Two orthogonal pairs at scale ln 3, prior 1/6: g = (1 - 3/6) / (5/6) = 3/5, probability 3 / 3.6.

    >>> import math, torch
    >>> round(float(debiased_loss(torch.eye(2), torch.eye(2), math.log(3), class_prior=1 / 6)), 4)  # ln(1.2)
    0.1823
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    class_prior = check_number(class_prior, "class_prior", 0, 1, open_ends="high")
    part = row_range(rows, x.shape[0])
    forth, back = pair_logits(x, y, scale, part)
    return (_debiased(forth, part, scale, class_prior) + _debiased(back, part, scale, class_prior)) / 2


def _debiased(logits: Tensor, rows: slice, scale: Tensor, class_prior: float) -> Tensor:
    count = logits.shape[1] - 1
    positive = torch.diagonal(logits, offset=rows.start)
    negatives = logits.masked_fill(positive_mask(logits, rows), -math.inf)
    log_mean = torch.logsumexp(negatives, dim=1) - math.log(count)
    log_rest = log_mean
    if class_prior > 0:
        lead = positive + math.log(class_prior) - log_mean  # log of the share to take out
        some_left = lead < 0
        rest = log_mean + torch.log(-torch.expm1(lead.where(some_left, -torch.ones_like(lead))))
        log_rest = rest.where(some_left, -torch.inf) - math.log1p(-class_prior)
    log_negatives = math.log(count) + torch.maximum(log_rest, -scale)
    return -torch.nn.functional.logsigmoid(positive - log_negatives).mean()

"""B11: NT-Xent over all 2 B points of a batch: each row against both modalities, itself left out."""

import math

import torch
from torch import Tensor

from crossgap.losses.clip import pair_logits, positive_mask, row_cross_entropy
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["nt_xent_loss"]


@full_precision
def nt_xent_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Softmax cross-entropy of the match among all other rows of both modalities.

    Formula::

        L = (N(X, Y) + N(Y, X)) / 2

        N(A, C) = mean_i ( log( sum_j e^{s a_i.c_j} + sum_{j != i} e^{s a_i.a_j} ) - s a_i.c_i )

    How to read it: above ``clip_loss``; ln(2 B - 1) when all cosines are equal. Unlike that loss **it feels the gap**:
    with the modalities apart, every row of the own one is a harder negative than the match (8.0 at B = 64 and
    temperature 0.07 on CLIP's COCO rows, where CLIP's loss is 2.3). Failure mode: it pays for closing the gap and for
    spreading with the same coin, so at a low temperature one hard neighbour of the own modality hides the rest.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
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
        If the shapes differ, a row is not of length 1, the scale is not above 0, or ``rows`` are no part of the batch.
    TypeError
        If rows are not torch tensors in floating point.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 6 B^2 d flops forward. The row itself must be left out: its cosine is 1 and would stand for nearly the whole
    sum (the experimental version of Fahim et al. kept it). It is also the dual loss of Liang et al., whose probe of
    same-modality negatives was written that way.

    References
    ----------
    Chen et al., *A Simple Framework for Contrastive Learning of Visual Representations*, ICML 2020, arXiv 2002.05709,
    eq. 1; Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053, the dual probe of their code.

    Examples
    --------
    Two orthogonal pairs at scale ln 3: the match has weight 3, the two other rows 1 each.

    >>> import math, torch
    >>> round(float(nt_xent_loss(torch.eye(2), torch.eye(2), math.log(3))), 4)  # -ln(3/5)
    0.5108
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    part = row_range(rows, x.shape[0])
    forth, back = pair_logits(x, y, scale, part)
    oneself = positive_mask(forth, part)
    loss = x.new_zeros(())
    for across, own in ((forth, x), (back, y)):
        within = (scale * (own[part] @ own.T)).masked_fill(oneself, -math.inf)
        loss = loss + row_cross_entropy(torch.cat([across, within], dim=1), part)
    return loss / 2

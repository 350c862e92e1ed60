"""B7: m2-mix, whose negatives lie on the arcs between matched images and texts."""

import torch
from torch import Tensor

from crossgap.losses.clip import positive_mask, row_cross_entropy
from crossgap.losses.geodesic_mixup import geodesic_mixup, mixing_coefficient
from crossgap.losses.inputs import check_batch, check_logit_scale, full_precision, row_range

__all__ = ["m2mix_loss"]


@full_precision
def m2mix_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    mixing: float | None = None,
    beta: float = 0.5,
    generator: torch.Generator | None = None,
    mix_scale: float | Tensor | None = None,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Contrast of each match with negatives mixed from other pairs: the mix term alone, without CLIP's loss.

    Formula::

        L = CE(s A) + CE(s C),     A_ii = C_ii = x_i.y_i,     A_ij = x_i.m_j,  C_ij = y_i.m_j  (j != i)

        m_j: geodesic_mixup of x_j and y_j at one mixing coefficient c ~ Beta(beta, beta) for the batch

    How to read it: at least 0, in nats; 2 ln B when all cosines are equal (a sum of two, not their mean). Unlike
    CLIP's loss it feels the gap: with the modalities apart, m_j lies nearer to x_i than y_i does, and the loss is large
    (12.7 on CLIP's COCO rows at B = 64 and temperature 0.07). Failure mode: all on its own it may be lowered by pulling
    matches together faster than it spreads items; the source uses it with a weight of 0.001 to 0.05 beside CLIP's loss.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    mixing
        Coefficient c from 0 (negatives are texts) to 1 (images). None draws one; it goes before ``generator``.
    beta
        Parameter of the distribution of c, above 0. The source uses 0.5.
    generator
        Source of c. Processes that share a batch need generators in the same state.
    mix_scale
        Scale s of this term, where it is not ``logit_scale``: the source has 1/0.07 here and 1/0.01 in CLIP's loss.
    rows
        Average only the terms of these rows: each against the whole batch. The mean over equal parts is the full loss.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x``, ``y`` and the scale.

    Raises
    ------
    ValueError
        If the shapes differ, a row is not of length 1, a scale is not above 0, ``mixing`` is outside 0 to 1, neither
        ``mixing`` nor ``generator`` is given, or ``rows`` are no part of the batch.
    TypeError
        If rows are not torch tensors in floating point, or ``generator`` is no torch.Generator.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 4 B^2 d flops forward. The gradient flows through the mixed rows too. The authors' total is L_CLIP + w L, and
    their schedule multiplies w by 1/(epoch + 1); write ``ContrastiveLoss({clip_loss: 1.0, m2mix_loss: w})``.

    References
    ----------
    Oh et al., *Geodesic Multi-Modal Mixup for Robust Fine-Tuning*, NeurIPS 2023, arXiv 2203.03897, section 4.

    Examples
    --------
    Equal modalities: mixed rows are the rows themselves, and the loss is twice that of CLIP.

    >>> import math, torch
    >>> round(float(m2mix_loss(torch.eye(2), torch.eye(2), math.log(3), mixing=0.5)), 4)  # -2 ln(3/4)
    0.5754
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    if mix_scale is not None:
        scale = check_logit_scale(mix_scale, x, check=check)
    part = row_range(rows, x.shape[0])
    mixed = geodesic_mixup(x, y, mixing_coefficient(mixing, beta=beta, generator=generator), check=False)
    matched = (x[part] * y[part]).sum(dim=1, keepdim=True)
    images, texts = x[part] @ mixed.T, y[part] @ mixed.T
    positive = positive_mask(images, part)
    loss = row_cross_entropy(scale * torch.where(positive, matched, images), part)
    return loss + row_cross_entropy(scale * torch.where(positive, matched, texts), part)

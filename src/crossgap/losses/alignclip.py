"""B8: AlignCLIP, which pushes rows of one modality apart unless their captions mean the same."""

import math
from typing import Any

import torch
from torch import Tensor

from crossgap.losses.clip import clip_loss, positive_mask, row_cross_entropy
from crossgap.losses.extra_rows import check_number
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["alignclip_loss"]


@full_precision
def alignclip_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    caption_similarity: Tensor | None = None,
    captions: Tensor | None = None,
    clip_weight: float = 1.0,
    separation_weight: float = 0.5,
    separate_images: bool = True,
    separate_texts: bool = True,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """CLIP's loss, unhalved, and in-modality separation weighted by the difference of captions.

    Formula::

        L = a (CE(s S) + CE(s S^T)) + b (CE(T) + CE(I)),     S = X Y^T

        T_ij = s D_ij y_i.y_j,  I_ij = s D_ij x_i.x_j  (i != j),     T_ii = I_ii = s S_ii

        D_ij = 1 - cosine of captions i and j under a sentence encoder

    How to read it: at least 0, in nats; 2 (a + b) ln B when all logits are equal. The separation terms fall when the
    matched cosine exceeds the cosines within a modality, so they feel the gap, unlike CLIP's loss. A pair of equal
    captions has D = 0: it stays in the sum with logit 0, it is not left out. Failure mode: where negative cosines
    within a modality are cheap (small d), separation spreads rows without bringing matches together.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    caption_similarity
        Cosines (B, B) of the captions under a sentence encoder. The source uses all-mpnet-base-v2.
    captions
        Rows (B, e) of the sentence encoder, from which the cosines are made: this or ``caption_similarity``.
    clip_weight, separation_weight
        Weights a and b, at least 0. The source uses 1 and 0.5.
    separate_images, separate_texts
        Which of the terms CE(I) and CE(T) to take; at least one.
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
        If shapes differ, a row is not of length 1, the scale is not above 0, a weight is negative, both or none of
        ``captions`` and ``caption_similarity`` are given, these are not finite or no cosines, no term is chosen, or
        ``rows`` are no part of the batch.
    TypeError
        If rows are not torch tensors in floating point, or a weight is no number.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 6 B^2 d flops forward. No gradient flows into the captions. The CLIP part is the sum of both directions, as in
    the authors' code, thus twice ``clip_loss``; their code separates texts only unless told otherwise, the paper both.
    The source trains one transformer and one projection for both modalities, which this function does not see. In a
    run of several processes give ``captions``, which gather like rows. From 512 rows on the CLIP part takes its fused
    form, which has no second derivatives.

    References
    ----------
    Eslami and de Melo, *Mitigate the Gap: Improving Cross-Modal Alignment in CLIP*, ICLR 2025, arXiv 2406.17639.

    Examples
    --------
    Orthogonal pairs: all four terms have logits ln 3 on the diagonal and 0 beside it.

    >>> import math, torch
    >>> round(float(alignclip_loss(torch.eye(2), torch.eye(2), math.log(3), captions=torch.eye(2))), 4)  # -3 ln(3/4)
    0.863
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    check_number(clip_weight, "clip_weight", 0)
    check_number(separation_weight, "separation_weight", 0)
    if not (separate_images or separate_texts):
        raise ValueError("separate_images and separate_texts are both off, but one is needed; or use clip_loss alone.")
    part = row_range(rows, x.shape[0])
    difference = _caption_difference(caption_similarity, captions, x, part, check)
    matched = scale * (x[part] * y[part]).sum(dim=1, keepdim=True)
    loss = 2 * clip_weight * clip_loss(x, y, scale, rows=rows, check=False)
    for wanted, own in ((separate_images, x), (separate_texts, y)):
        if wanted:
            logits = scale * (own[part] @ own.T) * difference
            logits = torch.where(positive_mask(logits, part), matched, logits)
            loss = loss + separation_weight * row_cross_entropy(logits, part)
    return loss


def _caption_difference(similarity: Any, captions: Any, x: Tensor, rows: slice, check: bool) -> Tensor:
    if (similarity is None) == (captions is None):
        given = "neither is" if captions is None else "both are"
        raise ValueError(f"one of caption_similarity and captions must be given, but {given}; give one.")
    name, value = ("captions", captions) if similarity is None else ("caption_similarity", similarity)
    n = x.shape[0]
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = f"{value.dtype} tensor" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must be a torch tensor of floating-point numbers, but it is a {kind}; convert it.")
    if value.ndim != 2 or value.shape[0] != n or (similarity is not None and value.shape[1] != n):
        wanted = f"({n}, e)" if similarity is None else f"({n}, {n})"
        raise ValueError(f"{name} must have shape {wanted}, but its shape is {tuple(value.shape)}; one row a pair.")
    value = value.detach().to(x)
    largest = float(value.abs().amax()) if check else 0.0
    if not largest < math.inf:
        raise ValueError(f"{name} must hold finite numbers, but some are infinite or NaN; embed the captions again.")
    if similarity is not None and largest > 1.01:
        raise ValueError(
            f"{name} must hold cosines, from -1 to 1, but one is {largest:g} in size; give the captions' rows instead."
        )
    if similarity is None:
        value = torch.nn.functional.normalize(value, dim=1)
        return 1 - value[rows] @ value.T
    return 1 - value[rows]

"""B10: CLIP's loss with further texts that match no image of the batch."""

import torch
from torch import Tensor

from crossgap.losses.clip import row_cross_entropy
from crossgap.losses.extra_rows import check_extra_rows
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["extra_negatives_loss"]


@full_precision
def extra_negatives_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    extra_y: Tensor,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """CLIP's loss where each image also has to reject texts made to be wrong.

    Formula::

        L = (CE(s X [Y; H]^T) + CE(s Y X^T)) / 2,     H: rows of extra texts (h, d)

    How to read it: at least ``clip_loss``. The first direction has B + h columns, the second is that of CLIP, since an
    extra text has no image. Failure mode: extra texts that are far from all images by style are rejected by style,
    which moves the texts as a whole and can open a gap.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    extra_y
        Rows (h, d) of length 1 of texts that match no image: swapped words, wrong attributes.
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
        If shapes differ, a row is not of length 1, the scale is not above 0, or ``rows`` are no part of the batch.
    TypeError
        If rows are not torch tensors in floating point.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 2 B (B + h) d flops forward. ``extra_y`` takes gradient. Every image sees every extra text, so in a run of
    several processes they have to be gathered too.

    References
    ----------
    Yuksekgonul et al., *When and Why Vision-Language Models Behave like Bags-of-Words* (NegCLIP), ICLR 2023, arXiv
    2210.01936.

    Examples
    --------
    An extra text at right angles to all: probabilities 3/5 and 3/4.

    >>> import math, torch
    >>> rows = torch.eye(3)
    >>> round(float(extra_negatives_loss(rows[:2], rows[:2], math.log(3), extra_y=rows[2:])), 4)  # -ln(3/5 * 3/4) / 2
    0.3993
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    extra_y = check_extra_rows(extra_y, "extra_y", y, matched=False, check=check)
    part = row_range(rows, x.shape[0])
    images = row_cross_entropy(scale * (x[part] @ torch.cat([y, extra_y]).T), part)
    return (images + row_cross_entropy(scale * (y[part] @ x.T), part)) / 2

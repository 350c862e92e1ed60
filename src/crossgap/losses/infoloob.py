"""B3: InfoLOOB, the contrastive loss whose denominator leaves the positive out."""

import math

import torch
from torch import Tensor

from crossgap.losses.blocks import takes_fused
from crossgap.losses.clip import pair_logits, positive_mask
from crossgap.losses.fused_terms import fused_row_logs
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["infoloob_loss", "row_leave_one_out"]


@full_precision
def infoloob_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    times_temperature: bool = True,
    rows: slice | None = None,
    fused: bool | None = None,
    check: bool = True,
) -> Tensor:
    """Log-ratio of the match to the other rows only, both directions summed.

    Formula::

        L = l(X, Y) + l(Y, X),     l(X, Y) = (1/s) mean_i ( log sum_{j != i} e^{s x_i.y_j} - s x_i.y_i )

        s = 1 / temperature; without ``times_temperature`` the factor 1/s is left out

    How to read it: lower is better, and it may be negative. It is (2/s) ln(B - 1) when all cosines are equal, and lies
    at most 4 above or below that. The gradient on the match never fades, unlike that of ``clip_loss``, since the match
    is not in its own denominator. Like that loss it hardly feels a constant offset between the modalities. Failure
    mode: there is no best scale; the derivative in the temperature is the entropy of the softmax over negatives, never
    negative, so a learned scale runs to its highest value. **Keep the scale fixed** (30 in the source).

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    times_temperature
        Multiply by the temperature, as the authors' code does, so that the size of gradients hardly depends on it.
        False gives the form in nats, s times as large.
    rows
        Average only the terms of these rows: each against the whole batch. The mean over equal parts is the full loss.
    fused
        Work in blocks without a B x B matrix: True, False, or None for batches of 512 and more. Equal in value and
        gradient; True has no second derivatives.
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
        If a row is not a torch tensor in floating point.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: as ``clip_loss``. Ignores a rotation of both modalities and the order of pairs. The authors' code fills the
    diagonal with -1000, which is safe only while s is far below 1000; here it is minus infinity.

    Relations: the form in nats is the decoupled contrastive loss; after a Hopfield retrieval it is ``cloob_loss``.

    References
    ----------
    Fürst et al., *CLOOB: Modern Hopfield Networks with InfoLOOB Outperform CLIP*, NeurIPS 2022, arXiv 2110.11316, with
    its code; Poole et al., *On Variational Bounds of Mutual Information*, ICML 2019, arXiv 1905.06922, for the bound.

    Examples
    --------
    Each match has cosine 1 and its only rival 0: each direction is 0 - 1.

    >>> import torch
    >>> float(infoloob_loss(torch.eye(2), torch.eye(2), 30.0))
    -2.0
    """
    given = (x, y)
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    part = row_range(rows, x.shape[0])
    if takes_fused(fused, x):
        forth, back, matched = fused_row_logs((x, y), scale, part, given=given)
        loss = ((forth - matched).mean() + (back - matched).mean()).to(x.dtype)
        return loss / scale if times_temperature else loss
    forth, back = pair_logits(x, y, scale, part)
    loss = row_leave_one_out(forth, part) + row_leave_one_out(back, part)
    return loss / scale if times_temperature else loss


def row_leave_one_out(logits: Tensor, rows: slice) -> Tensor:
    """Mean over ``rows`` of the log of the sum of the exponentials of negatives, less the positive: one direction."""
    negatives = logits.masked_fill(positive_mask(logits, rows), -math.inf)
    return (torch.logsumexp(negatives, dim=1) - torch.diagonal(logits, offset=rows.start)).mean()

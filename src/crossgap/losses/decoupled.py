"""B10: the decoupled contrastive loss, which leaves the positive out of the denominator."""

from torch import Tensor

from crossgap.losses.infoloob import infoloob_loss

__all__ = ["decoupled_loss"]


def decoupled_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    rows: slice | None = None,
    fused: bool | None = None,
    check: bool = True,
) -> Tensor:
    """Log-ratio of the negatives to the match in nats, both directions summed: InfoLOOB without its factor 1/s.

    Formula::

        L = C(s X Y^T) + C(s Y X^T),     C(L) = mean_i ( log sum_{j != i} e^{L_ij} - L_ii )

    How to read it: lower is better, and it may be negative; 2 ln(B - 1) when all cosines are equal. The gradient on the
    match is s in each direction and never fades. It hardly feels a constant offset between the modalities. Failure
    mode: it falls without bound as s grows, so keep the scale fixed.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
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
        If rows are not torch tensors in floating point.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: as ``infoloob_loss``, from which it is computed. The source has a form with weights on the positives, which is
    left out.

    References
    ----------
    Yeh et al., *Decoupled Contrastive Learning*, ECCV 2022, arXiv 2110.06848.

    Examples
    --------
    Each match has logit 30 and its only rival 0: each direction is 0 - 30.

    >>> import torch
    >>> float(decoupled_loss(torch.eye(2), torch.eye(2), 30.0))
    -60.0
    """
    return infoloob_loss(x, y, logit_scale, times_temperature=False, rows=rows, fused=fused, check=check)

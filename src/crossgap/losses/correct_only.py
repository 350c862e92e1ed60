"""B10: CLIP's loss of the rows whose match already comes first."""

import torch
from torch import Tensor

from crossgap.losses.clip import pair_logits
from crossgap.losses.inputs import check_batch, full_precision

__all__ = ["correct_only_loss"]


@full_precision
def correct_only_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    check: bool = True,
) -> Tensor:
    """Softmax cross-entropy over the rows that no other row of the batch outranks: a probe, not a loss to train with.

    Formula::

        L = (O(s X Y^T) + O(s Y X^T)) / 2,     O(L) = mean over {i: L_ii >= max_j L_ij} of ( log sum_j e^{L_ij} - L_ii )

    How to read it: from 0 to ln B, in nats; 0, without gradient, when no row is right. It asks whether the gap stems
    from rows that are hard to match. It does not feel a constant
    offset between the modalities. Failure mode: it teaches nothing about rows that are wrong.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x``, ``y`` and ``logit_scale``.

    Raises
    ------
    ValueError
        If the shapes differ, a row is not of length 1, or the scale is not above 0.
    TypeError
        If rows are not torch tensors in floating point.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: as ``clip_loss``. Rows that tie for the first place count as right; the authors' code takes the first of a
    tie, and adds 1e-6 to the count. The count differs from part to part of a batch, so there is no ``rows``.

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053; the probe without hard pairs, of their code.

    Examples
    --------
    The second image points at the first text, so only the first is right: -ln(1/2) both among texts and among images.

    >>> import torch
    >>> images = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> texts = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    >>> round(float(correct_only_loss(images, texts, 1.0)), 4)  # (ln(1 + 1/e) + ln 2) / 2
    0.5032
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    forth, back = pair_logits(x, y, scale, slice(0, x.shape[0]))
    return (_over_correct(forth) + _over_correct(back)) / 2


def _over_correct(logits: Tensor) -> Tensor:
    positive = torch.diagonal(logits)
    correct = (positive >= logits.amax(dim=1)).detach()
    losses = torch.logsumexp(logits, dim=1) - positive
    return losses.where(correct, 0.0).sum() / correct.sum().clamp(min=1)

"""B10: CLIP's loss with a margin on the cosine of the match."""

from torch import Tensor

from crossgap.losses.clip import pair_logits, positive_mask, row_cross_entropy
from crossgap.losses.extra_rows import check_number
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["margin_loss"]


@full_precision
def margin_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    margin: float = 0.1,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Softmax cross-entropy in which a match has to lead its rivals by a margin.

    Formula::

        L = (CE(s (S - m I)) + CE(s (S - m I)^T)) / 2,     S = X Y^T

    How to read it: at least ``clip_loss``, which it is at margin m = 0, and at most that plus s m. Near 0 once each
    match leads by m and some temperatures: a fixed gradient keeps working where CLIP's has faded. It does not feel a
    constant offset between the modalities. Failure mode: a margin that repeated captions cannot reach keeps pushing
    them apart.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    margin
        m in units of cosine, from 0 to 2.
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
        If the shapes differ, a row is not of length 1, the scale is not above 0, ``margin`` is not in [0, 2], or
        ``rows`` are no part of the batch.
    TypeError
        If rows are not torch tensors in floating point, or ``margin`` is no number.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: as ``clip_loss``.

    References
    ----------
    Yang et al., *Improving Multilingual Sentence Embedding using Bi-directional Dual Encoder with Additive Margin
    Softmax*, IJCAI 2019, arXiv 1902.08564.

    Examples
    --------
    A margin of 1 takes the whole lead of orthogonal pairs.

    >>> import torch
    >>> round(float(margin_loss(torch.eye(2), torch.eye(2), 5.0, margin=1)), 4)  # ln 2
    0.6931
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    margin = check_number(margin, "margin", 0, 2)
    part = row_range(rows, x.shape[0])
    forth, back = pair_logits(x, y, scale, part)
    handicap = scale * margin * positive_mask(forth, part)
    return (row_cross_entropy(forth - handicap, part) + row_cross_entropy(back - handicap, part)) / 2

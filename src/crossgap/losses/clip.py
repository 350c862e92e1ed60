"""B1: the symmetric softmax loss of CLIP (InfoNCE), of one positive a row or of several."""

from typing import Any

import torch
from torch import Tensor

from crossgap.losses.blocks import takes_fused
from crossgap.losses.extra_rows import check_weights
from crossgap.losses.fused_terms import fused_row_logs
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["clip_loss", "pair_logits", "positive_mask", "row_cross_entropy"]


@full_precision
def clip_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    items: Tensor | None = None,
    x_to_y_weight: float = 0.5,
    y_to_x_weight: float = 0.5,
    rows: slice | None = None,
    fused: bool | None = None,
    check: bool = True,
) -> Tensor:
    """Softmax cross-entropy of the matched row among all rows of the batch, in both directions.

    Formula::

        L = w_xy CE(s X Y^T) + w_yx CE(s Y X^T),     CE(L) = mean_i ( log sum_j e^{L_ij} - mean_{j in P(i)} L_ij )

        s = 1 / temperature,  P(i) = {i}, or the rows of the item of row i

    How to read it: at least 0, in nats; ln B when all cosines are equal (with weights that sum to 1), near 0 when each
    match leads its row and its column by several temperatures. With ``items`` the floor is the mean of ln |P(i)|. It
    sees only differences of cosines within a row or a column, so it hardly feels a constant offset between the
    modalities: a small loss says nothing of the gap. Failure mode: once every match leads, the gradient vanishes like
    e^{-s lead}, and the gap stays where it is; a learned scale makes that happen sooner.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    items
        Integer tensor (B,): the item of pair i. Pairs of one item (two captions of one image) are positives of each
        other, each with the same share of the label. None: each pair is an item.
    x_to_y_weight, y_to_x_weight
        Weights of the two directions, at least 0 and not both 0.
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
        If the shapes differ, a row is not of length 1, the scale is not above 0, a weight is negative or both are 0,
        ``items`` are not one for each pair or come with ``fused=True``, or ``rows`` are no part of the batch.
    TypeError
        If a row is not a torch tensor in floating point, or ``items`` is no tensor of whole numbers.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 2 B^2 d flops forward (4 B b d for b ``rows``), and some B x B matrices of memory; fused 8 B^2 d with the
    gradient, and O(B d) memory. With ``items`` there is only the plain form. Ignores a rotation of both
    modalities and the order of pairs. Adding a number to a row of the cosines changes the second direction only.

    Relations: ``infoloob_loss`` leaves the positive out of the sum; ``siglip_loss`` judges each pair alone;
    ``cua_loss`` adds terms that do feel the offset. Fahim et al. drop repeated captions from a batch; ``items`` keeps
    them and splits the label.

    References
    ----------
    Radford et al., *Learning Transferable Visual Models From Natural Language Supervision*, ICML 2021, arXiv
    2103.00020, figure 3; Khosla et al., *Supervised Contrastive Learning*, NeurIPS 2020, arXiv 2004.11362, eq. 2, for
    several positives.

    Examples
    --------
    At scale ln 3 each match has logit ln 3 and its rival 0, so its probability is 3/4.

    >>> import math, torch
    >>> round(float(clip_loss(torch.eye(2), torch.eye(2), math.log(3))), 4)  # -ln(3/4)
    0.2877
    """
    given = (x, y)
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    check_weights(x_to_y_weight=x_to_y_weight, y_to_x_weight=y_to_x_weight)
    n = x.shape[0]
    part = row_range(rows, n)
    if items is not None and fused:
        raise ValueError("items have no fused form, but fused=True was given; leave fused out, or items.")
    if items is None and takes_fused(fused, x):
        forth, back, matched = fused_row_logs((x, y), scale, part, given=given)
        losses = [torch.nn.functional.softplus(logs - matched).mean() for logs in (forth, back)]
        return (x_to_y_weight * losses[0] + y_to_x_weight * losses[1]).to(x.dtype)
    same = None if items is None else _same_items(items, n, x.device, part)
    forth, back = pair_logits(x, y, scale, part)
    return x_to_y_weight * row_cross_entropy(forth, part, same) + y_to_x_weight * row_cross_entropy(back, part, same)


def pair_logits(x: Tensor, y: Tensor, scale: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
    """Return the logits of ``rows`` of ``x`` against all of ``y`` and of ``rows`` of ``y`` against all of ``x``."""
    forth = scale * (x[rows] @ y.T)
    whole = rows.stop - rows.start == x.shape[0]
    return forth, forth.T if whole else scale * (y[rows] @ x.T)


def positive_mask(logits: Tensor, rows: slice) -> Tensor:
    """Return where the logits of ``rows`` of a batch (b, B) are those of matched pairs, as booleans."""
    b, n = logits.shape
    own = torch.arange(rows.start, rows.start + b, device=logits.device)
    return own[:, None] == torch.arange(n, device=logits.device)


def row_cross_entropy(logits: Tensor, rows: slice, same: Tensor | None = None) -> Tensor:
    """Mean cross-entropy of the logits (b, B) of ``rows``: one direction; ``same`` (b, B) marks several positives."""
    if same is None:
        positive = torch.diagonal(logits, offset=rows.start)
    else:
        positive = logits.masked_fill(~same, 0.0).sum(dim=1) / same.sum(dim=1)
    return (torch.logsumexp(logits, dim=1) - positive).mean()


def _same_items(items: Any, n: int, device: torch.device, rows: slice) -> Tensor:
    if not isinstance(items, Tensor) or items.is_floating_point() or items.is_complex() or items.dtype == torch.bool:
        kind = items.dtype if isinstance(items, Tensor) else type(items).__name__
        raise TypeError(f"items must be a torch tensor of whole numbers, but it is a {kind}; number the items first.")
    if items.shape != (n,):
        raise ValueError(f"items must be one for each of the {n} pairs, but their shape is {tuple(items.shape)}.")
    items = items.to(device)
    return items[rows, None] == items

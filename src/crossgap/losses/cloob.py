"""B4: CLOOB, the leave-one-out loss of rows retrieved from the batch; with its ablations."""

from functools import partial

import torch
from torch import Tensor

from crossgap.losses.blocks import takes_fused
from crossgap.losses.clip import row_cross_entropy
from crossgap.losses.extra_rows import check_number
from crossgap.losses.fused_terms import fused_leave_one_out
from crossgap.losses.hopfield import hopfield_retrieval
from crossgap.losses.infoloob import row_leave_one_out
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["cloob_loss"]


@full_precision
def cloob_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    hopfield_scale: float | None = 8.0,
    leave_one_out: bool = True,
    times_temperature: bool = True,
    rows: slice | None = None,
    fused: bool | None = None,
    check: bool = True,
) -> Tensor:
    """InfoLOOB between rows retrieved from the images, plus the same between rows retrieved from the texts.

    Formula::

        L = l(U_x, U_y) + l(V_y, V_x)
        U_x = Hop(X; X),  U_y = Hop(Y; X)      retrieved from the images
        V_y = Hop(Y; Y),  V_x = Hop(X; Y)      retrieved from the texts
        l(A, B) = (1/s) mean_i ( log sum_{j != i} e^{s a_i.b_j} - s a_i.b_i ),     s = 1 / temperature

    How to read it: lower is better, and it may be negative. It is (2/s) ln(B - 1) when all retrieved rows are alike,
    and lies at most 4 above or below that. No term compares an image with a text, only rows retrieved from one and the
    same modality, so the loss puts no direct pressure on the gap. Failure mode: as of ``infoloob_loss``, a learned
    scale runs to its highest value; and a small ``hopfield_scale`` retrieves the mean of the batch for every row, which
    leaves nothing to tell rows apart.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2: the images and the texts. They are also the
        store.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient. 30, fixed, in the source.
    hopfield_scale
        Sharpness of the retrieval, above 0. None switches the retrieval off.
    leave_one_out
        False takes the cross-entropy of ``clip_loss`` in place of l, still times 1/s and summed.
    times_temperature
        False leaves out the factor 1/s. Half of that is what crowsonkb's training code reports.
    rows
        Average only the terms of these rows. Retrieval is from the whole batch all the same. The mean over equal parts
        is the full loss.
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
        If the shapes differ, a row is not of length 1, a scale is not above 0, or ``rows`` are no part of the batch.
    TypeError
        If a row is not a torch tensor in floating point, or ``hopfield_scale`` is neither a number nor None.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: about 20 B^2 d flops forward. Ignores a rotation of both modalities, the order of pairs, and which modality
    comes first. In a distributed run the whole global batch must be given, since it is the store. The four cases are
    the ablations of the source:

    ==================  =====================  ==================================
    ``hopfield_scale``  ``leave_one_out``      loss
    ==================  =====================  ==================================
    8                   True                   CLOOB
    8                   False                  InfoNCE with retrieval
    None                True                   ``infoloob_loss``
    None                False                  InfoNCE: (2/s) ``clip_loss``
    ==================  =====================  ==================================

    References
    ----------
    Fürst et al., *CLOOB: Modern Hopfield Networks with InfoLOOB Outperform CLIP*, NeurIPS 2022, arXiv 2110.11316, and
    its code.

    Examples
    --------
    Retrieval turns the two rows into (3, 1) and (1, 3) over sqrt(10): cosine 1 with the match, 0.6 with the other.

    >>> import math, torch
    >>> round(float(cloob_loss(torch.eye(2), torch.eye(2), 30.0, hopfield_scale=math.log(3))), 4)  # 2 (0.6 - 1)
    -0.8
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    part = row_range(rows, x.shape[0])
    u_x, u_y, v_x, v_y = x, y, x, y
    if hopfield_scale is not None:
        check_number(hopfield_scale, "hopfield_scale", 0, open_ends="low")
        retrieve = partial(hopfield_retrieval, scale=hopfield_scale, fused=fused, check=False)
        u_x, u_y = retrieve(x, x), retrieve(y, x)
        v_x, v_y = retrieve(x, y), retrieve(y, y)
    if takes_fused(fused, x):
        sides = (fused_leave_one_out(pair, scale, part) for pair in ((u_x, u_y), (v_y, v_x)))
        lost = [
            logs - matched if leave_one_out else torch.nn.functional.softplus(logs - matched) for logs, matched in sides
        ]
        loss = (lost[0].mean() + lost[1].mean()).to(x.dtype)
    else:
        term = row_leave_one_out if leave_one_out else row_cross_entropy
        loss = term(scale * (u_x[part] @ u_y.T), part) + term(scale * (v_y[part] @ v_x.T), part)
    return loss / scale if times_temperature else loss

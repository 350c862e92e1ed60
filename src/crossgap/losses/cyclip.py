"""B5: CyCLIP, which makes cosines agree within the two modalities and across the diagonal."""

from torch import Tensor

from crossgap.losses.clip import clip_loss
from crossgap.losses.extra_rows import check_extra_rows, check_number
from crossgap.losses.in_modal import in_modal_loss
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["cross_modal_consistency_loss", "cyclip_loss", "in_modal_consistency_loss"]


@full_precision
def cyclip_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    in_modal_weight: float = 0.25,
    cross_modal_weight: float = 0.25,
    x_views: Tensor | None = None,
    y_views: Tensor | None = None,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """CLIP's loss and two terms of geometric consistency.

    Formula::

        L = L_CLIP + w_in L_in + w_cross L_cross

        L_in    = (1/B) sum_ij (x_i.x_j - y_i.y_j)^2       (in_modal_consistency_loss)
        L_cross = (1/B) sum_ij (x_i.y_j - x_j.y_i)^2       (cross_modal_consistency_loss)

        with views:  (L_CLIP + L_views) / 2 in place of L_CLIP       (in_modal_loss)

    How to read it: at least 0. The two terms are 0 when both modalities have the same shape, up to a rotation that
    makes the matrix of cosines symmetric. They do not feel where the modalities lie: two opposite cones of equal shape
    give 0, so the gap may stay. Failure mode: both terms are 0 where all rows coincide; only L_CLIP opposes that.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient. Only L_CLIP and the views use it.
    in_modal_weight, cross_modal_weight
        Weights of the terms, at least 0. The paper uses 0.25 for both.
    x_views, y_views
        Rows (B, d) of length 1 of augmented images and texts: both or neither.
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
        If shapes differ, a row is not of length 1, the scale is not above 0, a weight is negative, one kind of views is
        given without the other, or ``rows`` are no part of the batch.
    TypeError
        If rows are not torch tensors in floating point, or a weight is no number.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: three products of 2 B^2 d flops forward. The authors' code squares logits and divides by s^2, which is the
    same in exact numbers; here cosines are squared, so that the terms give the scale no gradient at all. The sums over
    B^2 pairs are divided by B, not by B^2: the weight of the terms beside L_CLIP grows with the batch. From 512 rows on
    L_CLIP takes its fused form, which has no second derivatives.

    References
    ----------
    Goel et al., *CyCLIP: Cyclic Contrastive Language-Image Pretraining*, NeurIPS 2022, arXiv 2205.14459.

    Examples
    --------
    Both consistency terms are 0 for equal modalities, and L_CLIP is -ln(3/4).

    >>> import math, torch
    >>> round(float(cyclip_loss(torch.eye(2), torch.eye(2), math.log(3))), 4)
    0.2877
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    check_number(in_modal_weight, "in_modal_weight", 0)
    check_number(cross_modal_weight, "cross_modal_weight", 0)
    if (x_views is None) != (y_views is None):
        raise ValueError("x_views and y_views must be given together, but one is missing; give both or neither.")
    loss = clip_loss(x, y, scale, rows=rows, check=False)
    if x_views is not None and y_views is not None:
        x_views = check_extra_rows(x_views, "x_views", x, check=check)
        y_views = check_extra_rows(y_views, "y_views", y, check=check)
        loss = (loss + in_modal_loss(x, y, scale, x_views=x_views, y_views=y_views, rows=rows, check=False)) / 2
    in_modal = in_modal_consistency_loss(x, y, rows=rows, check=False)
    cross_modal = cross_modal_consistency_loss(x, y, rows=rows, check=False)
    return loss + in_modal_weight * in_modal + cross_modal_weight * cross_modal


@full_precision
def in_modal_consistency_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor | None = None,
    *,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Squared difference between the cosines of two images and those of their texts.

    Formula::

        L_in = (1/B) sum_ij (x_i.x_j - y_i.y_j)^2

    How to read it: from 0 (one modality is a rotation of the other) to 4 (B - 1). It sees the shapes of the
    modalities, not their places. Failure mode: 0 at one point each.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        Not used: cosines, not logits, are compared. Taken so that the call is that of the other losses.
    rows
        Average only the terms of these rows: each against the whole batch. The mean over equal parts is the full loss.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x`` and ``y``.

    Raises
    ------
    ValueError, TypeError, DegenerateError
        As ``cyclip_loss``.

    Notes
    -----
    Cost: 4 B^2 d flops forward. Zero on the diagonal.

    References
    ----------
    Goel et al., arXiv 2205.14459, the in-modal term.

    Examples
    --------
    Two orthogonal images, two equal texts: cosines 0 and 1, twice, divided by B = 2.

    >>> import torch
    >>> texts = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> float(in_modal_consistency_loss(torch.eye(2), texts))
    1.0
    """
    x, y, _ = check_batch(x, y, logit_scale, check=check)
    part = row_range(rows, x.shape[0])
    return (x[part] @ x.T - y[part] @ y.T).square().sum(dim=1).mean()


@full_precision
def cross_modal_consistency_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor | None = None,
    *,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Squared difference between the cosine of image i with text j and that of image j with text i.

    Formula::

        L_cross = (1/B) sum_ij (x_i.y_j - x_j.y_i)^2

    How to read it: from 0 (the matrix of cosines is symmetric) to 4 (B - 1). It does not see the matched cosines: it
    is 0 both for equal and for opposite modalities. Failure mode: 0 at one point each.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        Not used: cosines, not logits, are compared. Taken so that the call is that of the other losses.
    rows
        Average only the terms of these rows: each against the whole batch. The mean over equal parts is the full loss.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x`` and ``y``.

    Raises
    ------
    ValueError, TypeError, DegenerateError
        As ``cyclip_loss``.

    Notes
    -----
    Cost: 2 B^2 d flops forward (4 B b d for b ``rows``). Zero on the diagonal.

    References
    ----------
    Goel et al., arXiv 2205.14459, the cross-modal term.

    Examples
    --------
    A quarter turn: x_1.y_2 = -1 and x_2.y_1 = 1, twice a squared difference of 4, divided by B = 2.

    >>> import torch
    >>> turned = torch.tensor([[0.0, 1.0], [-1.0, 0.0]])
    >>> float(cross_modal_consistency_loss(torch.eye(2), turned))
    4.0
    """
    x, y, _ = check_batch(x, y, logit_scale, check=check)
    part = row_range(rows, x.shape[0])
    forth = x[part] @ y.T
    back = forth.T if forth.shape[0] == forth.shape[1] else y[part] @ x.T
    return (forth - back).square().sum(dim=1).mean()

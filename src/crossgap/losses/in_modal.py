"""B11: contrast within each modality, between a row and another view of the same item."""

from torch import Tensor

from crossgap.losses.clip import row_cross_entropy
from crossgap.losses.extra_rows import check_extra_rows
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["in_modal_loss"]


@full_precision
def in_modal_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    x_views: Tensor,
    y_views: Tensor,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Softmax cross-entropy of a row's second view among all second views, in each modality.

    Formula::

        L = (CE(s X V_x^T) + CE(s Y V_y^T)) / 2,     V_x, V_y: rows of augmented images and texts

    How to read it: at least 0, in nats; ln B when all cosines are equal. It spreads each modality and ties the views of
    an item together; it compares no image with a text, so it says nothing of the gap. Failure mode: with a view equal
    to the row itself the loss is about 0 from the start (1e-5 at temperature 0.01) and teaches nothing.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    x_views, y_views
        Rows (B, d) of length 1 of another view (crop, paraphrase) of each item.
    rows
        Average only the terms of these rows: each against the whole batch. The mean over equal parts is the full loss.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in all rows and ``logit_scale``.

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
    Cost: 4 B^2 d flops forward. One direction only, row to view, as in the code of CyCLIP. ``nt_xent_loss`` needs no
    views: it masks the row itself.

    References
    ----------
    Goel et al., *CyCLIP: Cyclic Contrastive Language-Image Pretraining*, NeurIPS 2022, arXiv 2205.14459, whose code has
    it as an option.

    Examples
    --------
    Views equal to orthogonal rows: logits (0, ln 3), so each row has probability 3/4.

    >>> import math, torch
    >>> rows = torch.eye(2)
    >>> round(float(in_modal_loss(rows, rows, math.log(3), x_views=rows, y_views=rows)), 4)  # -ln(3/4)
    0.2877
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    x_views = check_extra_rows(x_views, "x_views", x, check=check)
    y_views = check_extra_rows(y_views, "y_views", y, check=check)
    part = row_range(rows, x.shape[0])
    images = row_cross_entropy(scale * (x[part] @ x_views.T), part)
    texts = row_cross_entropy(scale * (y[part] @ y_views.T), part)
    return (images + texts) / 2

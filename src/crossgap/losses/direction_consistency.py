"""B11: whether the way from one item to another is the same in both modalities."""

from torch import Tensor

from crossgap.losses.inputs import check_batch, full_precision

__all__ = ["direction_consistency_loss"]


@full_precision
def direction_consistency_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor | None = None,
    *,
    check: bool = True,
) -> Tensor:
    """Mean squared difference between the way from item j to item i among images and among texts.

    Formula::

        L = mean_{i<j} |(x_i - x_j) - (y_i - y_j)|^2  =  2 / (B - 1) sum_i |g_i - g|^2

        g_i = x_i - y_i,  g = mean_i g_i

    How to read it: from 0 to 8 B / (B - 1). It is 0 when all pairs are apart by one and the same vector, so **it does
    not feel that vector, which is the gap**: it turns what is left of the difference into a constant offset, which mean
    removal takes out afterwards. Failure mode: 0 where each modality is one point.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        Not used: cosines, not logits, count. Taken so that the call is that of the other losses.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x`` and ``y``.

    Raises
    ------
    ValueError
        If the shapes differ, or a row is not of length 1.
    TypeError
        If rows are not torch tensors in floating point.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 3 B d flops, by the second form; no matrix of B x B. The source takes the mean over all B^2 pairs and d
    coordinates, which is (1 - 1/B) / d times as large. It is twice the sum over coordinates of the sample variance of
    g_i, which measures the part of alignment that is no gap. There is no ``rows``, as the mean of all g_i is needed.

    References
    ----------
    A side loss in the code of Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570.

    Examples
    --------
    Images and texts swap places: the two ways are (1, -1) and (-1, 1), so their difference is (2, -2).

    >>> import torch
    >>> float(direction_consistency_loss(torch.eye(2), torch.eye(2).flip(0)))
    8.0
    """
    x, y, _ = check_batch(x, y, logit_scale, check=check)
    gaps = x - y
    return 2 * (gaps - gaps.mean(dim=0)).square().sum() / (x.shape[0] - 1)

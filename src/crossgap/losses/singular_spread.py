"""B11: how uneven the singular values of each modality are."""

import torch
from torch import Tensor

from crossgap.losses.inputs import check_batch, full_precision

__all__ = ["singular_spread_loss"]


@full_precision
def singular_spread_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor | None = None,
    *,
    check: bool = True,
) -> Tensor:
    """Half the sum over modalities of the squared difference of the largest and the smallest singular value.

    Formula::

        L = ( (max sigma(X) - min sigma(X))^2 + (max sigma(Y) - min sigma(Y))^2 ) / 2

        sigma: the min(B, d) singular values of the rows as they are, not centred

    How to read it: from 0 (rows use all directions alike) to B (all rows coincide). It sees the directions of the
    extremes alone, one modality at a time, and nothing of pairs or of the gap. Failure mode: two directions take the
    whole gradient, so it moves slowly and jumps between directions.

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
    Cost: two singular value decompositions, of order B d min(B, d). The mean row is in the singular values: a cone has
    a large first one. It grows with B, so a weight holds for one batch size. Where the extremes are repeated it has one
    of several subgradients. It is no mean over rows, so there is no ``rows``.

    References
    ----------
    A side loss in the code of Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570.

    Examples
    --------
    Orthogonal images have equal singular values; two equal texts have sqrt(2) and 0.

    >>> import torch
    >>> texts = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> round(float(singular_spread_loss(torch.eye(2), texts)), 4)
    1.0
    """
    x, y, _ = check_batch(x, y, logit_scale, check=check)
    loss = x.new_zeros(())
    for own in (x, y):
        values = torch.linalg.svdvals(own)
        loss = loss + (values[0] - values[-1]).square()
    return loss / 2

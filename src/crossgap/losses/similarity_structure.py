"""B11: whether the similarities within one modality correlate with those within the other."""

import torch
from torch import Tensor

from crossgap.losses.inputs import check_batch, full_precision

__all__ = ["similarity_structure_loss"]


@full_precision
def similarity_structure_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor | None = None,
    *,
    centred: bool = True,
    check: bool = True,
) -> Tensor:
    """Negative correlation between the cosines of two images and those of their texts: representational similarity.

    Formula::

        L = -corr_{i<j}( x_i.x_j , y_i.y_j )        (Pearson; the cosine of the two lists where not centred)

    How to read it: from -1 (the modalities have the same shape, up to the scale and the zero of their cosines) to 1;
    0 without relation. It does not see where the modalities lie, so it says nothing of the gap. Failure mode: it is
    free of scale, so a nearly collapsed modality may score as well as a spread one.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        Not used: cosines, not logits, count. Taken so that the call is that of the other losses.
    centred
        Take the means out of the cosines first (Pearson). False lets a cone of narrow angle pass for agreement.
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
    Cost: 4 B^2 d flops forward. Pairs i < j only: the diagonal, 1 in both modalities, would feign agreement. Where the
    cosines of a modality are all equal there is no structure (identical rows, or B = 2): the value is 0, without
    gradient. It is no mean over rows, so there is no ``rows``.

    References
    ----------
    Kriegeskorte, Mur, Bandettini, *Representational Similarity Analysis*, Frontiers in Systems Neuroscience 2008; a
    side loss in the code of Fahim, Murphy, Fyshe, arXiv 2405.18570.

    Examples
    --------
    Three images, and the same rotated by a right angle as texts.

    >>> import torch
    >>> images = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    >>> texts = torch.tensor([[0.0, 1.0], [-1.0, 0.0], [-0.8, 0.6]])
    >>> round(float(similarity_structure_loss(images, texts)), 4)
    -1.0
    """
    x, y, _ = check_batch(x, y, logit_scale, check=check)
    first, second = torch.triu_indices(x.shape[0], x.shape[0], offset=1, device=x.device)
    lists = []
    for own in (x, y):
        cosines = (own @ own.T)[first, second]
        lists.append(_unit_or_zero(cosines - cosines.mean() if centred else cosines))
    return -(lists[0] @ lists[1])


def _unit_or_zero(values: Tensor) -> Tensor:
    """Return a list of length 1, or zeros without gradient where it is nothing but rounding."""
    square = values.square().sum()
    flat = square <= (16 * torch.finfo(values.dtype).eps) ** 2 * len(values)
    return torch.where(flat, 0.0, values / square.where(~flat, 1.0).sqrt())

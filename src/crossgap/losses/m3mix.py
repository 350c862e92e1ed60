"""B7: m3-mix: m2-mix and three mixes within the modalities."""

import torch
from torch import Tensor

from crossgap.losses.extra_rows import check_weights
from crossgap.losses.geodesic_mixup import geodesic_mixup, mixing_coefficient
from crossgap.losses.inputs import check_batch, full_precision, row_range
from crossgap.losses.m2mix import m2mix_loss

__all__ = ["both_mix_loss", "image_mix_loss", "m3mix_loss", "text_mix_loss"]


@full_precision
def m3mix_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    cross_weight: float = 0.01,
    image_weight: float = 0.05,
    text_weight: float = 0.05,
    both_weight: float = 0.1,
    mixing: float | None = None,
    beta: float = 0.5,
    generator: torch.Generator | None = None,
    mix_scale: float | Tensor | None = None,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Weighted sum of the mix across the modalities and the three mixes within them, without CLIP's loss.

    Formula::

        L = w_cross L_m2 + w_image L_V + w_text L_L + w_both L_VL

        L_m2: m2mix_loss,  L_V: image_mix_loss,  L_L: text_mix_loss,  L_VL: both_mix_loss

    How to read it: at least the weighted sum of the entropies of the labels, since mixed rows have two right answers;
    so it never reaches 0 and is only compared with itself. Failure mode: as its parts; weights far above the default
    blur the matches.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    cross_weight, image_weight, text_weight, both_weight
        Weights of the four terms, at least 0 and not all 0. The defaults are within the range that the source tries.
    mixing
        Coefficient of all mixes, from 0 to 1. None draws one for each term, in the order of the formula.
    beta
        Parameter of the distribution of the coefficients, above 0.
    generator
        Source of the coefficients. Processes that share a batch need generators in the same state.
    mix_scale
        Scale of L_m2, where it is not ``logit_scale``: the source has 1/0.07 there and 1/0.01 in the others.
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
        If shapes differ, a row is not of length 1, a scale is not above 0, a weight is negative or all are 0,
        ``mixing`` is outside 0 to 1, neither ``mixing`` nor ``generator`` is given, or ``rows`` are no part of the
        batch.
    TypeError
        If rows are not torch tensors in floating point, or a number or the generator is none.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 16 B^2 d flops forward. A coefficient is drawn for each term, also for one of weight 0, so that a weight does
    not change the coefficients of the others. The authors' code can also keep unmixed negatives in the last three
    terms; that option is left out.

    References
    ----------
    Oh et al., *Geodesic Multi-Modal Mixup for Robust Fine-Tuning*, NeurIPS 2023, arXiv 2203.03897, section 4.

    Examples
    --------
    With the weight of the first term alone it is that term.

    >>> import math, torch
    >>> rows = torch.eye(2)
    >>> only = dict(image_weight=0, text_weight=0, both_weight=0, mixing=0.5)
    >>> round(float(m3mix_loss(rows, rows, math.log(3), cross_weight=1, **only)), 4)  # -2 ln(3/4)
    0.5754
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    weights = {
        "cross_weight": cross_weight,
        "image_weight": image_weight,
        "text_weight": text_weight,
        "both_weight": both_weight,
    }
    check_weights(**weights)
    terms = (m2mix_loss, image_mix_loss, text_mix_loss, both_mix_loss)
    loss = x.new_zeros(())
    for weight, term in zip(weights.values(), terms, strict=True):
        c = mixing_coefficient(mixing, beta=beta, generator=generator)
        own_scale = scale if mix_scale is None or term is not m2mix_loss else mix_scale
        if weight:
            loss = loss + weight * term(x, y, own_scale, mixing=c, rows=rows, check=False)
    return loss


@full_precision
def image_mix_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    mixing: float | None = None,
    beta: float = 0.5,
    generator: torch.Generator | None = None,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Contrast of mixed images with texts, where a mixed image has two right texts.

    Formula::

        L_V = (D(M, Y) + D(Y, M)) / 2,     m_i: geodesic_mixup of x_i and x_r(i) at c,     r(i) = B + 1 - i

        D(A, C) = mean_i ( log sum_j e^{s a_i.c_j} - c s a_i.c_i - (1 - c) s a_i.c_r(i) )

    How to read it: at least the entropy of the labels (c, 1 - c); ln B when all cosines are equal. It spreads
    texts along arcs of images. Failure mode: like CLIP's loss it hardly feels an offset between the modalities.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    mixing, beta, generator
        Coefficient c, or the distribution and the source to draw it from; as ``m2mix_loss``.
    rows
        Average only the terms of these rows: each against the whole batch. The mean over equal parts is the full loss.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x``, ``y`` and ``logit_scale``.

    Raises
    ------
    ValueError, TypeError, DegenerateError
        As ``m2mix_loss``.

    Notes
    -----
    Cost: 2 B^2 d flops forward (4 B b d for b ``rows``). Images are mixed with those of the batch in reversed order; of
    an odd batch the middle one stays itself.

    References
    ----------
    Oh et al., arXiv 2203.03897, V-Mix.

    Examples
    --------
    At coefficient 1 images stay themselves, and it is CLIP's loss.

    >>> import math, torch
    >>> round(float(image_mix_loss(torch.eye(2), torch.eye(2), math.log(3), mixing=1)), 4)  # -ln(3/4)
    0.2877
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    c = mixing_coefficient(mixing, beta=beta, generator=generator)
    mixed = geodesic_mixup(x, x.flip(0), c, check=False)
    return _two_way(mixed, y, scale, (c, 1 - c), row_range(rows, x.shape[0]))


@full_precision
def text_mix_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    mixing: float | None = None,
    beta: float = 0.5,
    generator: torch.Generator | None = None,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Contrast of images with mixed texts, where a mixed text has two right images.

    Formula::

        L_L = (D(X, M) + D(M, X)) / 2,     m_i: geodesic_mixup of y_i and y_r(i) at c;     D and r: image_mix_loss

    How to read it: as ``image_mix_loss``, with the roles of the modalities exchanged.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    mixing, beta, generator
        Coefficient c, or the distribution and the source to draw it from; as ``m2mix_loss``.
    rows
        Average only the terms of these rows: each against the whole batch. The mean over equal parts is the full loss.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x``, ``y`` and ``logit_scale``.

    Raises
    ------
    ValueError, TypeError, DegenerateError
        As ``m2mix_loss``.

    Notes
    -----
    Cost: as ``image_mix_loss``.

    References
    ----------
    Oh et al., arXiv 2203.03897, L-Mix.

    Examples
    --------
    At coefficient 1 texts stay themselves, and it is CLIP's loss.

    >>> import math, torch
    >>> round(float(text_mix_loss(torch.eye(2), torch.eye(2), math.log(3), mixing=1)), 4)  # -ln(3/4)
    0.2877
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    c = mixing_coefficient(mixing, beta=beta, generator=generator)
    mixed = geodesic_mixup(y, y.flip(0), c, check=False)
    return _two_way(x, mixed, scale, (c, 1 - c), row_range(rows, x.shape[0]))


@full_precision
def both_mix_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    mixing: float | None = None,
    beta: float = 0.5,
    generator: torch.Generator | None = None,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Contrast of mixed images with mixed texts, where both pairs of a mix are right.

    Formula::

        L_VL = (E(M, N) + E(N, M)) / 2,     m_i, n_i: geodesic_mixup of x_i, x_r(i) and of y_i, y_r(i) at c

        E(A, C) = mean_i ( 2 log sum_j e^{s a_i.c_j} - s a_i.c_i - s a_i.c_r(i) ),     r(i) = B + 1 - i

    How to read it: at least 2 ln 2, 2 ln B when all cosines are equal: the two labels of a row have weight 1 each, so
    it counts twice. Failure mode: away from c = 1/2 the two right answers are not equally right, which the labels
    ignore.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature: a number, or a tensor of one with its gradient.
    mixing, beta, generator
        Coefficient c, or the distribution and the source to draw it from; as ``m2mix_loss``.
    rows
        Average only the terms of these rows: each against the whole batch. The mean over equal parts is the full loss.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x``, ``y`` and ``logit_scale``.

    Raises
    ------
    ValueError, TypeError, DegenerateError
        As ``m2mix_loss``.

    Notes
    -----
    Cost: as ``image_mix_loss``. Labels are those of the authors' code, the identity plus its reverse, not divided by 2.

    References
    ----------
    Oh et al., arXiv 2203.03897, VL-Mix.

    Examples
    --------
    Two pairs: each row's both columns are right, with logits ln 3 and 0: 2 ln 4 - ln 3.

    >>> import math, torch
    >>> round(float(both_mix_loss(torch.eye(2), torch.eye(2), math.log(3), mixing=1)), 4)
    1.674
    """
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    c = mixing_coefficient(mixing, beta=beta, generator=generator)
    images, texts = geodesic_mixup(x, x.flip(0), c, check=False), geodesic_mixup(y, y.flip(0), c, check=False)
    return _two_way(images, texts, scale, (1.0, 1.0), row_range(rows, x.shape[0]))


def _two_way(x: Tensor, y: Tensor, scale: Tensor, labels: tuple[float, float], rows: slice) -> Tensor:
    """Mean over both directions of the cross-entropy with labels on the diagonal and on the reversed diagonal."""
    return (_two_labels(x, y, scale, labels, rows) + _two_labels(y, x, scale, labels, rows)) / 2


def _two_labels(x: Tensor, y: Tensor, scale: Tensor, labels: tuple[float, float], rows: slice) -> Tensor:
    logits = scale * (x[rows] @ y.T)
    own = torch.diagonal(logits, offset=rows.start)
    reverse = torch.diagonal(logits.flip(1), offset=rows.start)
    return (sum(labels) * torch.logsumexp(logits, dim=1) - labels[0] * own - labels[1] * reverse).mean()

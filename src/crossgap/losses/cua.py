"""B2: the contrastive loss with alignment and uniformity terms beside it, CUA and CUAXU."""

from torch import Tensor

from crossgap.losses.alignment_uniformity import alignment_loss, cross_uniformity_loss, uniformity_loss
from crossgap.losses.blocks import takes_fused
from crossgap.losses.clip import clip_loss
from crossgap.losses.extra_rows import check_number, check_weights
from crossgap.losses.fused_terms import fused_terms
from crossgap.losses.inputs import check_batch, full_precision

__all__ = ["cua_loss", "cuaxu_loss"]


@full_precision
def cua_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    clip_weight: float = 1.0,
    uniformity_weight: float = 1.0,
    alignment_weight: float = 1.0,
    t: float = 2.0,
    power: float = 2.0,
    fused: bool | None = None,
    check: bool = True,
) -> Tensor:
    """CLIP's loss plus uniformity of each modality plus alignment of the pairs.

    Formula::

        L_CUA = w_c L_CLIP + w_u ( U(x) + U(y) ) / 2 + w_a mean_i |x_i - y_i|^2

    How to read it: lower is better; the parts are those of ``clip_loss``, ``uniformity_loss`` and ``alignment_loss``.
    At weights 1 it cannot fall below -8 (that of t = 2), and about -4 + 8/d is what an aligned, even batch of many rows
    reaches. Alignment sees the offset between the modalities, which the contrastive part hardly feels, and uniformity
    keeps the rows from closing in on one point. Failure mode: training that begins with nearly opposite cones at a
    small d may stay there.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature of the contrastive part: a number, or a tensor of one with its gradient. The source: 100, fixed.
    clip_weight, uniformity_weight, alignment_weight
        Weights, at least 0, not all 0. ``clip_weight=0`` leaves the contrast out.
    t
        Sharpness of the uniformity, above 0.
    power
        Exponent of the distance of a pair, above 0.
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
        If the shapes differ, a row is not of length 1, the scale, ``t`` or ``power`` is not above 0, or a weight is
        negative or all are 0.
    TypeError
        If a row is not a torch tensor in floating point.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 4 B^2 d flops forward; fused 14 B^2 d with the gradient and O(B d) memory; a part of weight 0 costs nothing.
    Ignores a rotation of both modalities and the order of pairs. Uniformity is no mean over rows, hence no ``rows``: in
    a distributed run take it of the gathered rows. Rows that are not of length 1: see ``uniformity_loss``.

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, section 4.

    Examples
    --------
    Opposite pairs that coincide: uniformity -8, alignment 0.

    >>> import torch
    >>> x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    >>> round(float(cua_loss(x, x, 100.0, clip_weight=0)), 4)
    -8.0
    """
    given = (x, y)
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    check_weights(clip_weight=clip_weight, uniformity_weight=uniformity_weight, alignment_weight=alignment_weight)
    weights = (clip_weight, uniformity_weight, alignment_weight, 0.0)
    return _weighted(x, y, scale, weights, given=given, t=t, power=power, fused=fused)


@full_precision
def cuaxu_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor,
    *,
    clip_weight: float = 1.0,
    uniformity_weight: float = 1.0,
    alignment_weight: float = 1.0,
    cross_uniformity_weight: float = 1.0,
    t: float = 2.0,
    power: float = 2.0,
    fused: bool | None = None,
    check: bool = True,
) -> Tensor:
    """CUA plus uniformity across the modalities.

    Formula::

        L_CUAXU = L_CUA + w_x log mean_{i != j} exp(-t |x_i - y_j|^2)

    How to read it: lower is better; an aligned, even batch of many rows reaches about -8 + 16/d at weights 1 and t = 2.
    Failure mode: cross-uniformity is least, -8, in the **antipodal state**, all images at u and all texts at -u, where
    the loss is ln B - 4. That is not the least value, but training that begins with separate cones at a small d may
    end there. Watch the centroid distance (above 1.5) and ``cross_uniformity`` (below -4.5), or ramp its weight up.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        1 / temperature of the contrastive part: a number, or a tensor of one with its gradient. The source: 100, fixed.
    clip_weight, uniformity_weight, alignment_weight, cross_uniformity_weight
        Weights, at least 0, not all 0. ``clip_weight=0`` leaves the contrast out.
    t
        Sharpness of both uniformities, above 0.
    power
        Exponent of the distance of a pair, above 0.
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
        If the shapes differ, a row is not of length 1, the scale, ``t`` or ``power`` is not above 0, or a weight is
        negative or all are 0.
    TypeError
        If a row is not a torch tensor in floating point.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 6 B^2 d flops forward; fused 14 B^2 d with the gradient and O(B d) memory; a part of weight 0 costs nothing.
    In the source it has a larger gap and worse alignment than CUA at every d (errata 7 and 8). No ``rows``, as for
    ``cua_loss``.

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, section 4 and eq. 4.

    Examples
    --------
    The antipodal state of two pairs: ln 2 + 0 + 4 - 8.

    >>> import torch
    >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> round(float(cuaxu_loss(x, -x, 100.0)), 4)
    -3.3069
    """
    given = (x, y)
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    check_weights(
        clip_weight=clip_weight,
        uniformity_weight=uniformity_weight,
        alignment_weight=alignment_weight,
        cross_uniformity_weight=cross_uniformity_weight,
    )
    weights = (clip_weight, uniformity_weight, alignment_weight, cross_uniformity_weight)
    return _weighted(x, y, scale, weights, given=given, t=t, power=power, fused=fused)


def _weighted(
    x: Tensor,
    y: Tensor,
    scale: Tensor,
    weights: tuple[float, float, float, float],
    *,
    given: tuple[Tensor, Tensor],
    t: float,
    power: float,
    fused: bool | None,
) -> Tensor:
    """Add the terms whose weight is not 0; those over all pairs come from one pass where that is the fused one."""
    clip, even, aligned, across = weights
    terms: list[Tensor] = []
    check_number(t, "t", 0, open_ends="low")
    check_number(power, "power", 0, open_ends="low")
    if takes_fused(fused, x, t=t):
        found = fused_terms(
            (x, y),
            scale,
            given=given,
            clip=clip > 0,
            alignment=aligned > 0 and power == 2,
            uniformity=even > 0,
            cross_uniformity=across > 0,
            t=t,
        )
        own = {
            "clip": clip,
            "alignment": aligned,
            "uniformity_x": even / 2,
            "uniformity_y": even / 2,
            "cross_uniformity": across,
        }
        terms = [own[name] * term for name, term in found.items()]
        aligned = 0.0 if "alignment" in found else aligned
    else:
        terms += [clip * clip_loss(x, y, scale, fused=False, check=False)] if clip else []
        terms += [even * uniformity_loss(x, y, t=t, fused=False, check=False)] if even else []
        terms += [across * cross_uniformity_loss(x, y, t=t, fused=False, check=False)] if across else []
    terms += [aligned * alignment_loss(x, y, power=power, check=False)] if aligned else []
    return sum(terms[1:], start=terms[0])

"""B2: alignment and uniformity as terms of a loss: the metrics of ``crossgap.measure`` on a batch."""

import math

import torch
from torch import Tensor

from crossgap.losses.blocks import takes_fused
from crossgap.losses.extra_rows import check_number
from crossgap.losses.fused_terms import fused_terms
from crossgap.losses.inputs import check_batch, full_precision, row_range
from crossgap.measure.alignment import alignment
from crossgap.measure.cross_uniformity import cross_uniformity
from crossgap.measure.uniformity import uniformity

__all__ = ["alignment_loss", "cross_uniformity_loss", "joint_uniformity_loss", "uniformity_loss"]


@full_precision
def alignment_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor | None = None,
    *,
    power: float = 2.0,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Mean distance of matched rows, to a power: the metric ``alignment`` on a batch.

    Formula::

        A = mean_i |x_i - y_i|^power        (power 2 gives 2 - 2 mean cos)

    How to read it: range [0, 2^power], 0 when every pair coincides. It looks at matches only. Failure mode: alone it
    has a trivial minimum, all rows at one point; join it with ``uniformity_loss`` or a contrastive loss.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        Not used; losses share one signature.
    power
        Exponent of the distance, above 0. The papers use 2.
    rows
        Average only the terms of these rows. The mean over equal parts is the full loss.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x`` and ``y``.

    Raises
    ------
    ValueError
        If the shapes differ, a row is not of length 1, ``power`` is not above 0, or ``rows`` are no part of the batch.
    TypeError
        If a row is not a torch tensor in floating point.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: O(B d). The gradient at a pair that coincides is 0 for every power. As the metric, it divides rows by their
    length, so the gradient has no part along a row.

    References
    ----------
    Wang and Isola, ICML 2020, arXiv 2005.10242, section 4.1.1; Fahim, Murphy, Fyshe, arXiv 2405.18570, section 4.

    Examples
    --------
    >>> import torch
    >>> float(alignment_loss(torch.eye(2), torch.tensor([[1.0, 0.0], [0.0, -1.0]])))  # (0 + 4) / 2
    2.0
    """
    x, y, _ = check_batch(x, y, logit_scale, check=check)
    power = check_number(power, "power", 0, open_ends="low")
    part = row_range(rows, x.shape[0])
    return alignment(x[part], y[part], power=power, check=False).to(x.dtype)


@full_precision
def uniformity_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor | None = None,
    *,
    t: float = 2.0,
    fused: bool | None = None,
    check: bool = True,
) -> Tensor:
    """Mean of the uniformities of both modalities: how evenly each fills the sphere.

    Formula::

        L_U = ( U(x) + U(y) ) / 2,     U(x) = log mean_{i<j} exp(-t |x_i - x_j|^2)

    How to read it: lower is more even; range [-4 t, 0], 0 when each modality sits at one point, about -4 + 8/d for an
    even sample of many rows at t = 2. It does not look across modalities or at matches, and is the same whatever the
    gap. Failure mode: alone it loses the pairs; and where both modalities sit at one point each its gradient is 0.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, B at least 2.
    logit_scale
        Not used; losses share one signature.
    t
        Sharpness, above 0. The papers use 2.
    fused
        Work in blocks without a B x B matrix: True, False, or None for batches of 512 and more. Equal in value and
        gradient; True has no second derivatives.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x`` and ``y``.

    Raises
    ------
    ValueError
        If the shapes differ, a row is not of length 1, or ``t`` is not above 0.
    TypeError
        If a row is not a torch tensor in floating point.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 2 B^2 d flops. The log of a mean over pairs is no mean over rows, hence no ``rows``: in a distributed run it
    must be taken of the gathered rows. A pair i < j counts once (erratum 2 of the source's eq. 2).

    As the metric, the plain form divides rows by their length, so its gradient has no part along a row. The fused form
    takes rows as they are: equal on rows of length 1 once that part, which normalising takes away, is left out; on
    other rows (``check=False``) it is another quantity, which overflows for long ones.

    References
    ----------
    Wang and Isola, ICML 2020, arXiv 2005.10242, section 4.1.2; Fahim, Murphy, Fyshe, arXiv 2405.18570, eq. 2.

    Examples
    --------
    The images are opposite (-8), the texts at right angles (-4).

    >>> import torch
    >>> x, y = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.eye(2)
    >>> round(float(uniformity_loss(x, y)), 4)
    -6.0
    """
    given = (x, y)
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    check_number(t, "t", 0, open_ends="low")
    if takes_fused(fused, x, t=t):
        terms = fused_terms((x, y), scale, given=given, uniformity=True, t=t)
        return (terms["uniformity_x"] + terms["uniformity_y"]) / 2
    return ((uniformity(x, t=t, check=False) + uniformity(y, t=t, check=False)) / 2).to(x.dtype)


@full_precision
def cross_uniformity_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor | None = None,
    *,
    t: float = 2.0,
    fused: bool | None = None,
    check: bool = True,
) -> Tensor:
    """Log of the mean Gaussian potential of the pairs that do not match: the metric ``cross_uniformity`` on a batch.

    Formula::

        L_XU = log mean_{i != j} exp(-t |x_i - y_j|^2)

    How to read it: range [-4 t, 0]; two modalities that fill the sphere together give about -4 + 8/d for t = 2. A value
    well below that is a sign of a gap. Failure mode: **its minimum is a gap**, -8 where all images sit at u and all
    texts at -u; watch the value and the centroid distance in training (erratum 7).

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        Not used; losses share one signature.
    t
        Sharpness, above 0. The paper uses 2.
    fused
        Work in blocks without a B x B matrix: True, False, or None for batches of 512 and more. Equal in value and
        gradient; True has no second derivatives.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x`` and ``y``.

    Raises
    ------
    ValueError
        If the shapes differ, a row is not of length 1, or ``t`` is not above 0.
    TypeError
        If a row is not a torch tensor in floating point.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 2 B^2 d flops. No mean over rows, hence no ``rows``: in a distributed run take it of the gathered rows. Rows
    that are not of length 1: see ``uniformity_loss``.

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, eq. 4.

    Examples
    --------
    The two pairs that do not match are at squared distance 2.

    >>> import torch
    >>> round(float(cross_uniformity_loss(torch.eye(2), torch.eye(2))), 4)
    -4.0
    """
    given = (x, y)
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    check_number(t, "t", 0, open_ends="low")
    if takes_fused(fused, x, t=t):
        return fused_terms((x, y), scale, given=given, cross_uniformity=True, t=t)["cross_uniformity"]
    return cross_uniformity(x, y, t=t, check=False).to(x.dtype)


@full_precision
def joint_uniformity_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor | None = None,
    *,
    t: float = 2.0,
    fused: bool | None = None,
    check: bool = True,
) -> Tensor:
    """Uniformity of both modalities as one cloud of 2B points, without the matched pairs.

    Formula::

        L_JU = log mean exp(-t |a - b|^2)      over pairs of distinct points a, b of [x; y] other than (x_i, y_i)
             = log ( e^{U(x)} / 4 + e^{U(y)} / 4 + e^{XU(x, y)} / 2 )

    How to read it: lower is more even; range [-4 t, 0], about -4 + 8/d for a large even cloud at t = 2. Unlike
    ``cross_uniformity_loss`` it does not reward the antipodal state: images at u and texts at -u give only -ln 2.
    Failure mode: that state is still a stationary point, and training that begins near it may stay there.

    Parameters
    ----------
    x, y
        Rows (B, d) of length 1, row i matched with row i, B at least 2.
    logit_scale
        Not used; losses share one signature.
    t
        Sharpness, above 0. The papers use 2.
    fused
        Work in blocks without a B x B matrix: True, False, or None for batches of 512 and more. Equal in value and
        gradient; True has no second derivatives.
    check
        Read the data to check it; switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x`` and ``y``.

    Raises
    ------
    ValueError
        If the shapes differ, a row is not of length 1, or ``t`` is not above 0.
    TypeError
        If a row is not a torch tensor in floating point.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 4 B^2 d flops. Of the 2 B (B - 1) pairs a quarter lies within each modality and half across. The metric
    ``joint_uniformity`` counts the matched pairs too; as a loss that would push matches apart. No mean over rows,
    hence no ``rows``: in a distributed run take it of the gathered rows. It stands in for both ``uniformity_loss`` and
    ``cross_uniformity_loss``; no advantage over the former alone is known. Rows that are not of length 1: see
    ``uniformity_loss``.

    References
    ----------
    Wang and Isola, ICML 2020, arXiv 2005.10242, section 4.1.2, on the pooled rows; the exclusion is ours.

    Examples
    --------
    Images at u, texts at -u: half of the pairs at distance 0, half at squared distance 4.

    >>> import torch
    >>> x = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    >>> round(float(joint_uniformity_loss(x, -x)), 4)  # log((1 + e^-8) / 2)
    -0.6928
    """
    given = (x, y)
    x, y, scale = check_batch(x, y, logit_scale, check=check)
    check_number(t, "t", 0, open_ends="low")
    if takes_fused(fused, x, t=t):
        terms = fused_terms((x, y), scale, given=given, uniformity=True, cross_uniformity=True, t=t)
        within, across = (terms["uniformity_x"], terms["uniformity_y"]), terms["cross_uniformity"]
    else:
        within = (uniformity(rows, t=t, check=False) for rows in (x, y))
        across = cross_uniformity(x, y, t=t, check=False)
    logs = torch.stack([*(log - math.log(4) for log in within), across - math.log(2)])
    return torch.logsumexp(logs, dim=0).to(x.dtype)

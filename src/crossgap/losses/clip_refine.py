"""B9: CLIP-Refine: random reference rows shared by both modalities, and distillation from the model as it was."""

import torch
from torch import Tensor

from crossgap.losses.extra_rows import check_extra_rows, check_number, check_weights
from crossgap.losses.inputs import check_batch, full_precision, row_range

__all__ = ["clip_refine_loss", "distillation_loss", "random_reference_loss"]


@full_precision
def clip_refine_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor | None = None,
    *,
    teacher_x: Tensor,
    teacher_y: Tensor,
    reference_weight: float = 1.0,
    distillation_weight: float = 1.0,
    temperature: float = 1.0,
    label_weight: float = 0.5,
    reference: Tensor | None = None,
    generator: torch.Generator | None = None,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Both terms of CLIP-Refine on raw embeddings: pull to shared random rows, keep the teacher's ranking.

    Formula::

        L = w_r L_ref + w_d L_KD        (random_reference_loss and distillation_loss)

    How to read it: at least 0, and never 0 in practice: with rows of mean 0 and variance v, L_ref is about 2 (1 + v).
    Pulling both rows of a pair to one random point draws the modalities together; the mean of many draws is the
    origin, so in expectation it also shrinks all rows. Failure mode: run for more than about an epoch it forgets, as
    all rows shrink to 0.

    Parameters
    ----------
    x, y
        **Raw** rows (B, d) as they leave the projections, not of length 1, row i matched with row i, B at least 2.
    logit_scale
        Not used: raw lengths take its place. Taken so that the call is that of the other losses.
    teacher_x, teacher_y
        Raw rows (B, d) of the same inputs by the frozen initial model.
    reference_weight, distillation_weight
        Weights, at least 0 and not both 0. The source uses 1 and 1; its schedule lowers the first one linearly.
    temperature, label_weight
        As ``distillation_loss``.
    reference, generator
        As ``random_reference_loss``.
    rows
        Average only the terms of these rows: each against the whole batch. The mean over equal parts is the full loss.
    check
        Read the data to check it (finite, no more); switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x`` and ``y``.

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, a weight is negative or both are 0, a number is out of its range,
        neither ``reference`` nor ``generator`` is given, or ``rows`` are no part of the batch.
    TypeError
        If rows are not torch tensors in floating point, a number is none, or ``generator`` is no torch.Generator.
    DegenerateError
        If there are fewer than two pairs.

    Notes
    -----
    Cost: 8 B^2 d flops forward. Lengths are about 10 in OpenAI's CLIP, so that raw inner products serve as logits;
    rows of length 1 here would leave the distillation nearly flat. Measure the gap on unit rows afterwards. The
    authors log as modality gap the squared centroid distance divided by d.

    References
    ----------
    Yamaguchi et al., *Post-pre-training for Modality Alignment in Vision-Language Foundation Models*, CVPR 2025, arXiv
    2504.12717.

    Examples
    --------
    With the weight of the reference alone: each of four entries is off by 1, in both modalities.

    >>> import torch
    >>> rows, target = torch.zeros(2, 2), torch.ones(2, 2)
    >>> float(clip_refine_loss(rows, rows, teacher_x=rows, teacher_y=rows, reference=target, distillation_weight=0))
    2.0
    """
    check_weights(reference_weight=reference_weight, distillation_weight=distillation_weight)
    pull = random_reference_loss(x, y, logit_scale, reference=reference, generator=generator, rows=rows, check=check)
    keep = distillation_loss(
        x,
        y,
        logit_scale,
        teacher_x=teacher_x,
        teacher_y=teacher_y,
        temperature=temperature,
        label_weight=label_weight,
        rows=rows,
        check=check,
    )
    return reference_weight * pull + distillation_weight * keep


@full_precision
def random_reference_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor | None = None,
    *,
    reference: Tensor | None = None,
    generator: torch.Generator | None = None,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Mean squared distance of both raw rows of a pair from one random row.

    Formula::

        L_ref = mean_ik (x_ik - z_ik)^2 + mean_ik (y_ik - z_ik)^2,     z_ik ~ N(0, 1), one z_i for both modalities

    How to read it: at least 0, in squared units of a coordinate; the minimum given z is x_i = y_i = z_i, that in
    expectation x_i = y_i = 0. It draws matches together by way of z. It does not see other pairs, so it
    neither spreads nor ranks. Failure mode: on its own it erases the embedding.

    Parameters
    ----------
    x, y
        **Raw** rows (B, d), not of length 1, row i matched with row i, B at least 2.
    logit_scale
        Not used. Taken so that the call is that of the other losses.
    reference
        Rows z (B, d): targets of another law (uniform, the statistics of a data set). None draws standard normal ones;
        it goes before ``generator``.
    generator
        Source of z, on the CPU or on the device of the rows. Processes that share a batch need generators in the same
        state.
    rows
        Average only the terms of these rows: each against the whole batch. The mean over equal parts is the full loss.
    check
        Read the data to check it (finite, no more); switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x`` and ``y``.

    Raises
    ------
    ValueError, TypeError, DegenerateError
        As ``clip_refine_loss``.

    Notes
    -----
    Cost: 6 B d flops. A draw is made for the whole batch also where ``rows`` are a part of it.

    References
    ----------
    Yamaguchi et al., arXiv 2504.12717, random feature alignment.

    Examples
    --------
    >>> import torch
    >>> float(random_reference_loss(torch.eye(2), torch.eye(2), reference=torch.eye(2)))
    0.0
    """
    x, y = _raw_batch(x, y, check=check)
    part = row_range(rows, x.shape[0])
    if reference is not None:
        z = check_extra_rows(reference, "reference", x, unit=False, check=check)
    elif generator is None:
        raise ValueError("reference or generator must be given, but both are missing; give rows or a generator.")
    elif not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, but it is a {type(generator).__name__}; make one.")
    else:
        z = torch.randn(x.shape, generator=generator, device=generator.device, dtype=x.dtype).to(x.device)
    return (x[part] - z[part]).square().mean() + (y[part] - z[part]).square().mean()


@full_precision
def distillation_loss(
    x: Tensor,
    y: Tensor,
    logit_scale: float | Tensor | None = None,
    *,
    teacher_x: Tensor,
    teacher_y: Tensor,
    temperature: float = 1.0,
    label_weight: float = 0.5,
    rows: slice | None = None,
    check: bool = True,
) -> Tensor:
    """Divergence of the model's softmax from a blend of the teacher's and the right answer, in both directions.

    Formula::

        L_KD = T^2 (K(X Y^T) + K(Y X^T)) / 2,     K = mean_i sum_j p_ij ln (p_ij / q_ij)

        q_i = softmax_j(x_i.y_j / T),     p_i = a (1 at j = i) + (1 - a) softmax_j(teacher's x_i.y_j / T)

    How to read it: at least 0, in nats; 0 when the model's softmax is the blend. It keeps the ranking of the teacher,
    sharpened towards the match. It does not feel a constant added to all inner products. Failure mode: with a = 1 it
    is CLIP's loss on raw rows, whose lengths then grow without bound.

    Parameters
    ----------
    x, y
        **Raw** rows (B, d), not of length 1, row i matched with row i, B at least 2.
    logit_scale
        Not used: raw lengths take its place. Taken so that the call is that of the other losses.
    teacher_x, teacher_y
        Raw rows (B, d) of the same inputs by the frozen initial model.
    temperature
        T, above 0. The source uses 1.
    label_weight
        Share a of the right answer, from 0 to 1. The source uses 0.5.
    rows
        Average only the terms of these rows: each against the whole batch. The mean over equal parts is the full loss.
    check
        Read the data to check it (finite, no more); switch off inside a training step.

    Returns
    -------
    A scalar tensor in float32 (float64 for float64 rows), differentiable in ``x`` and ``y``, not in the teacher's rows.

    Raises
    ------
    ValueError, TypeError, DegenerateError
        As ``clip_refine_loss``.

    Notes
    -----
    Cost: 8 B^2 d flops forward.

    References
    ----------
    Yamaguchi et al., arXiv 2504.12717, hybrid contrastive distillation.

    Examples
    --------
    The teacher's own rows, with no share of the right answer, are the minimum.

    >>> import torch
    >>> rows = torch.eye(2)
    >>> float(distillation_loss(rows, rows, teacher_x=rows, teacher_y=rows, label_weight=0.0))
    0.0
    """
    x, y = _raw_batch(x, y, check=check)
    teacher_x = check_extra_rows(teacher_x, "teacher_x", x, unit=False, check=check).detach()
    teacher_y = check_extra_rows(teacher_y, "teacher_y", y, unit=False, check=check).detach()
    temperature = check_number(temperature, "temperature", 0, open_ends="low")
    label_weight = check_number(label_weight, "label_weight", 0, 1)
    part = row_range(rows, x.shape[0])
    loss = x.new_zeros(())
    for queries, others, taught, taught_others in ((x, y, teacher_x, teacher_y), (y, x, teacher_y, teacher_x)):
        logits = queries[part] @ others.T / temperature
        target = (1 - label_weight) * torch.softmax(taught[part] @ taught_others.T / temperature, dim=1)
        torch.diagonal(target, offset=part.start).add_(label_weight)
        model = torch.log_softmax(logits, dim=1)
        loss = loss + torch.nn.functional.kl_div(model, target, reduction="sum") / logits.shape[0]
    return temperature**2 * loss / 2


def _raw_batch(x: Tensor, y: Tensor, *, check: bool) -> tuple[Tensor, Tensor]:
    x, y, _ = check_batch(x, y, check=False)
    for name, rows in (("x", x), ("y", y)):
        check_extra_rows(rows, name, rows, unit=False, check=check)
    return x, y

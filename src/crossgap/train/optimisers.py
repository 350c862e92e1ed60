"""B14: AdamW with the field's convention of weight decay, and schedules of the learning rate."""

import math
from collections.abc import Callable

import torch
from torch import nn

__all__ = [
    "adamw",
    "constant_schedule",
    "cosine_restarts_schedule",
    "cosine_schedule",
    "exponential_schedule",
    "linear_schedule",
]

Schedule = Callable[[int], float]


def adamw(
    model: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.99),
    eps: float = 1e-8,
    decay_all: bool = False,
) -> torch.optim.AdamW:
    """AdamW that decays matrices only.

    Formula::

        w <- w - lr (m / (1 - beta1^k)) / (sqrt(v / (1 - beta2^k)) + eps) - lr weight_decay w      (decay: ndim >= 2)

    How to read it: biases, gains and the logit scale are not pulled to 0; in particular a learned temperature is not
    pulled to 1.

    Parameters
    ----------
    model
        Its parameters that require a gradient are optimised.
    learning_rate, weight_decay, betas, eps
        As usual; ``learning_rate`` is multiplied by the schedule of the run.
    decay_all
        Decay every parameter, as Fahim et al. do.

    Raises
    ------
    ValueError
        If no parameter requires a gradient, or a number is out of its range.

    References
    ----------
    Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, ICLR 2019, arXiv 1711.05101, algorithm 2.

    Examples
    --------
    >>> import torch
    >>> optimiser = adamw(torch.nn.Linear(3, 2), learning_rate=1e-3, weight_decay=0.1)
    >>> [(group["weight_decay"], len(group["params"])) for group in optimiser.param_groups]
    [(0.1, 1), (0.0, 1)]
    """
    learned = [values for values in model.parameters() if values.requires_grad]
    if not learned:
        raise ValueError("model has no parameter that requires a gradient, so there is nothing to train; unfreeze one.")
    decayed = [values for values in learned if decay_all or values.ndim >= 2]
    free = [values for values in learned if not (decay_all or values.ndim >= 2)]
    groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate, betas=betas, eps=eps)


def constant_schedule(warmup_steps: int = 0) -> Schedule:
    """Factor of the learning rate that stays at 1 after a linear warm-up.

    Formula::

        f(step) = min((step + 1) / warmup_steps, 1)

    How to read it: without warm-up the learning rate never changes, as in the fine-tuning of Fahim et al.

    Parameters
    ----------
    warmup_steps
        Length of the warm-up; 0 for none.

    Returns
    -------
    A function from the number of the step, from 0, to the factor.

    Examples
    --------
    >>> [constant_schedule(4)(step) for step in (0, 1, 3, 100)]
    [0.25, 0.5, 1.0, 1.0]
    """
    _check_count("warmup_steps", warmup_steps)
    return lambda step: _warmup(step, warmup_steps)


def cosine_schedule(warmup_steps: int, total_steps: int) -> Schedule:
    """Linear warm-up, then half a period of a cosine down to 0.

    Formula::

        f(step) = (step + 1) / warmup_steps                         for step < warmup_steps
        f(step) = (1 + cos(pi (step - warmup_steps) / D)) / 2       else,  D = total_steps - warmup_steps

    How to read it: 1 at step ``warmup_steps``, near 0 at the last step, and 0 from ``total_steps`` on.

    Parameters
    ----------
    warmup_steps
        Length of the warm-up; 0 for none.
    total_steps
        Length of the run, warm-up included; ``TrainingRun.total_steps``.

    Returns
    -------
    A function from the number of the step, from 0, to the factor.

    Raises
    ------
    ValueError
        If ``warmup_steps`` is below 0 or not below ``total_steps``.

    Examples
    --------
    >>> schedule = cosine_schedule(2, 6)
    >>> [round(schedule(step), 4) for step in (0, 1, 2, 4, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.0, 0.0]
    """
    return cosine_restarts_schedule(warmup_steps, total_steps, cycles=1)


def cosine_restarts_schedule(warmup_steps: int, total_steps: int, *, cycles: int) -> Schedule:
    """Linear warm-up, then several half periods of a cosine, each from 1 down to 0.

    Formula::

        f(step) = (1 + cos(pi (cycles p mod 1))) / 2,    p = (step - warmup_steps) / (total_steps - warmup_steps)

    How to read it: as ``cosine_schedule``, but the learning rate jumps back to its start ``cycles - 1`` times.

    Parameters
    ----------
    warmup_steps, total_steps
        As in ``cosine_schedule``.
    cycles
        Number of half periods; CLOOB has 10.

    Returns
    -------
    A function from the number of the step, from 0, to the factor.

    Raises
    ------
    ValueError
        If ``warmup_steps`` is below 0 or not below ``total_steps``, or ``cycles`` is below 1.

    References
    ----------
    Fürst et al., *CLOOB*, NeurIPS 2022, arXiv 2110.11316, appendix; Loshchilov and Hutter, *SGDR*, arXiv 1608.03983.

    Examples
    --------
    >>> schedule = cosine_restarts_schedule(0, 8, cycles=2)
    >>> [round(schedule(step), 4) for step in (0, 2, 3, 4, 6, 8)]
    [1.0, 0.5, 0.1464, 1.0, 0.5, 0.0]
    """
    _check_count("cycles", cycles, least=1)
    _check_length(warmup_steps, total_steps)

    def schedule(step: int) -> float:
        if step < warmup_steps:
            return _warmup(step, warmup_steps)
        if step >= total_steps:
            return 0.0
        done, length = cycles * (step - warmup_steps), total_steps - warmup_steps
        return (1 + math.cos(math.pi * (done % length) / length)) / 2

    return schedule


def linear_schedule(warmup_steps: int, total_steps: int) -> Schedule:
    """Linear warm-up, then a straight line down to 0.

    Formula::

        f(step) = (step + 1) / warmup_steps                         for step < warmup_steps
        f(step) = (total_steps - step) / (total_steps - warmup_steps)       else

    How to read it: 1 at step ``warmup_steps``, one stair above 0 at the last step, and 0 from ``total_steps`` on.

    Parameters
    ----------
    warmup_steps
        Length of the warm-up; 0 for none. ClipCap and C3 have 5,000 steps of about 142,000.
    total_steps
        Length of the run, warm-up included; ``TrainingRun.total_steps``.

    Returns
    -------
    A function from the number of the step, from 0, to the factor.

    Raises
    ------
    ValueError
        If ``warmup_steps`` is below 0 or not below ``total_steps``.

    Notes
    -----
    The schedule of the same name in transformers begins at step / warmup_steps, so its first step changes nothing.

    References
    ----------
    Mokady et al., *ClipCap*, arXiv 2111.09734; Zhang et al., *Connect, Collapse, Corrupt*, arXiv 2401.08567.

    Examples
    --------
    >>> schedule = linear_schedule(2, 6)
    >>> [round(schedule(step), 4) for step in (0, 1, 2, 4, 5, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.25, 0.0, 0.0]
    """
    _check_length(warmup_steps, total_steps)

    def schedule(step: int) -> float:
        if step < warmup_steps:
            return _warmup(step, warmup_steps)
        return max(total_steps - step, 0) / (total_steps - warmup_steps)

    return schedule


def exponential_schedule(factor: float, *, every: int, warmup_steps: int = 0) -> Schedule:
    """Factor that shrinks in stairs.

    Formula::

        f(step) = factor ** floor((step - warmup_steps) / every)        after a linear warm-up

    How to read it: at ``factor=0.9, every=50`` the learning rate falls tenfold in about 1,100 steps.

    Parameters
    ----------
    factor
        Ratio of two stairs, above 0 and at most 1.
    every
        Steps a stair lasts.
    warmup_steps
        Length of the warm-up; 0 for none.

    Returns
    -------
    A function from the number of the step, from 0, to the factor.

    Raises
    ------
    ValueError
        If a number is out of its range.

    References
    ----------
    Fahim, Murphy, Fyshe, arXiv 2405.18570: x0.9 every 50 steps in some of their runs on two image towers.

    Examples
    --------
    >>> [round(exponential_schedule(0.9, every=50)(step), 4) for step in (0, 49, 50, 100)]
    [1.0, 1.0, 0.9, 0.81]
    """
    if not 0 < factor <= 1:
        raise ValueError(f"factor must be above 0 and at most 1, but it is {factor}; the papers use 0.9.")
    _check_count("every", every, least=1)
    _check_count("warmup_steps", warmup_steps)

    def schedule(step: int) -> float:
        return _warmup(step, warmup_steps) if step < warmup_steps else factor ** ((step - warmup_steps) // every)

    return schedule


def _warmup(step: int, warmup_steps: int) -> float:
    return min((step + 1) / warmup_steps, 1.0) if warmup_steps else 1.0


def _check_length(warmup_steps: int, total_steps: int) -> None:
    _check_count("warmup_steps", warmup_steps)
    _check_count("total_steps", total_steps)
    if total_steps <= warmup_steps:
        raise ValueError(
            f"total_steps must be above warmup_steps, but they are {total_steps} and {warmup_steps}; shorten the "
            f"warm-up or train longer."
        )


def _check_count(name: str, count: int, *, least: int = 0) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, but it is {count!r}; count steps.")

"""B13: the logit scale 1/temperature of a run: learned, clamped, fixed, or set by a schedule."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["LogitScale", "constant_scale", "cosine_scale", "fixed_then_learned_scale", "linear_scale"]


class LogitScale(nn.Module):
    """The logit scale s = 1/temperature, kept as its logarithm.

    Formula::

        s = exp(log),    log in [ln lowest, ln highest] after clamp_()

    How to read it: the number that multiplies cosines before the softmax. Large is sharp: at s = 100 a difference of
    0.05 in cosine is worth 5 nats, and the loss reaches 0 far from cosine 1, so that nothing closes the gap any more.

    Parameters
    ----------
    initial
        Scale at the start, in [lowest, highest]. CLIP starts at 1/0.07.
    learnable
        Whether the optimiser may move it. Fahim et al. freeze it at 100, CLOOB at 30.
    highest, lowest
        Ends of the range that ``clamp_`` restores; ``highest`` may be ``math.inf``.

    Attributes
    ----------
    log
        Parameter with no dimension, ln s. Optimisers that decay only matrices leave it alone for that reason.

    Raises
    ------
    TypeError
        If a scale is not a number.
    ValueError
        If a scale is not above 0, ``lowest`` is above ``highest``, or ``initial`` is outside them.

    Notes
    -----
    Call ``clamp_()`` after each optimiser step: then every loss sees a scale in range. Fahim et al. clamp before the
    step instead, so that their scale can leave the range by one step; call it there to repeat that. With a learned
    scale the gap closes no faster than 1/log(steps)^2, since s grows while it closes (Yaras et al.).

    References
    ----------
    Radford et al., *Learning Transferable Visual Models From Natural Language Supervision*, arXiv 2103.00020, section
    2.5; Yaras et al., *Explaining and Mitigating the Modality Gap in Contrastive Multimodal Learning*, CPAL 2025, arXiv
    2412.07909.

    Examples
    --------
    >>> scale = LogitScale(initial=10.0)
    >>> round(scale().item(), 4)
    10.0
    >>> scale.set_(100.0)  # until told otherwise, no gradient
    >>> round(scale().item(), 3), scale.log.requires_grad
    (100.0, False)
    """

    def __init__(
        self, initial: float = 1 / 0.07, learnable: bool = True, *, highest: float = 100.0, lowest: float = 1.0
    ) -> None:
        super().__init__()
        _check_scale(highest, "highest", infinite=True)
        _check_scale(lowest, "lowest")
        if lowest > highest:
            raise ValueError(f"lowest must not be above highest, but they are {lowest:g} and {highest:g}; swap them.")
        self.learnable = learnable
        self.highest = float(highest)
        self.lowest = float(lowest)
        self._check_range(initial, "initial")
        self.log = nn.Parameter(torch.tensor(math.log(initial)), requires_grad=learnable)

    def forward(self) -> Tensor:
        """Return the scale, a scalar with gradient where it is learned."""
        return self.log.exp()

    @torch.no_grad()
    def clamp_(self) -> None:
        """Bring the scale back into [lowest, highest]; to be called after each optimiser step."""
        self.log.clamp_(math.log(self.lowest), math.log(self.highest))

    @torch.no_grad()
    def set_(self, scale: float | None) -> None:
        """Fix the scale at a number, or leave it to the optimiser with None.

        While it is fixed it takes no gradient, so that the optimiser neither moves it nor builds up momentum for it.
        Call it before the forward pass of each step with the value of a schedule: ``scale.set_(schedule(step))``.
        """
        if scale is not None:
            self._check_range(scale, "scale")
            self.log.fill_(math.log(scale))
            self.log.grad = None
        self.log.requires_grad_(self.learnable and scale is None)

    def extra_repr(self) -> str:
        """What print shows."""
        return f"scale={float(self.log.detach().exp()):.4g}, learnable={self.learnable}, highest={self.highest:g}"

    def _check_range(self, scale: float, name: str) -> None:
        _check_scale(scale, name)
        if not self.lowest <= scale <= self.highest:
            raise ValueError(
                f"{name} must be from {self.lowest:g} to {self.highest:g}, but it is {scale:g}; it is 1 / temperature; "
                f"move it or the ends of the range (lowest, highest)."
            )


def constant_scale(scale: float) -> Callable[[int], float | None]:
    """Schedule of a scale that stays the same.

    Formula::

        s(step) = scale

    How to read it: every step has this scale and nothing learns it; 100 in Fahim et al., 30 in CLOOB.

    Parameters
    ----------
    scale
        1 / temperature.

    Returns
    -------
    A function from the number of the step, from 0, to the scale; for ``LogitScale.set_``.

    Examples
    --------
    >>> constant_scale(30.0)(1000)
    30.0
    """
    _check_scale(scale, "scale")
    return lambda step: float(scale)


def linear_scale(first: float, last: float, *, steps: int) -> Callable[[int], float | None]:
    """Schedule of a scale whose logarithm moves on a straight line.

    Formula::

        ln s(step) = (1 - p) ln first + p ln last,    p = min(step / steps, 1)

    How to read it: from ``first`` at step 0 to ``last`` at step ``steps``, and there afterwards; each step multiplies
    the scale by the same factor. Falling (sharp to soft) closes the gap late in a run.

    Parameters
    ----------
    first, last
        Scales (1 / temperature) at the ends.
    steps
        Length of the way, at least 1.

    Returns
    -------
    A function from the number of the step, from 0, to the scale; for ``LogitScale.set_``.

    Examples
    --------
    >>> schedule = linear_scale(1.0, 100.0, steps=10)
    >>> [round(schedule(step), 4) for step in (0, 5, 10, 11)]
    [1.0, 10.0, 100.0, 100.0]
    """
    return _between(first, last, steps, lambda part: part)


def cosine_scale(first: float, last: float, *, steps: int) -> Callable[[int], float | None]:
    """Schedule of a scale whose logarithm moves on half a period of a cosine.

    Formula::

        ln s(step) = (1 - p) ln first + p ln last,    p = (1 - cos(pi min(step / steps, 1))) / 2

    How to read it: as ``linear_scale``, but slow at both ends.

    Parameters
    ----------
    first, last
        Scales (1 / temperature) at the ends.
    steps
        Length of the way, at least 1.

    Returns
    -------
    A function from the number of the step, from 0, to the scale; for ``LogitScale.set_``.

    Examples
    --------
    >>> schedule = cosine_scale(1.0, 100.0, steps=4)
    >>> [round(schedule(step), 4) for step in (0, 1, 2, 4)]  # 100 ** ((1 - cos(pi / 4)) / 2) at step 1
    [1.0, 1.9629, 10.0, 100.0]
    """
    return _between(first, last, steps, lambda part: (1 - math.cos(math.pi * part)) / 2)


def fixed_then_learned_scale(scale: float, *, steps: int) -> Callable[[int], float | None]:
    """Schedule of a scale that is fixed at first and learned afterwards.

    Formula::

        s(step) = scale for step < steps,    left to the optimiser afterwards

    How to read it: None is the answer from step ``steps`` on; the optimiser then starts from ``scale``.

    Parameters
    ----------
    scale
        1 / temperature of the first steps.
    steps
        Number of the fixed steps, at least 1.

    Returns
    -------
    A function from the number of the step, from 0, to the scale or None; for ``LogitScale.set_``.

    Examples
    --------
    >>> schedule = fixed_then_learned_scale(20.0, steps=2)
    >>> [schedule(step) for step in (0, 1, 2)]
    [20.0, 20.0, None]
    """
    _check_scale(scale, "scale")
    _check_steps(steps)
    return lambda step: float(scale) if step < steps else None


def _between(first: float, last: float, steps: int, shape: Callable[[float], float]) -> Callable[[int], float | None]:
    _check_scale(first, "first")
    _check_scale(last, "last")
    _check_steps(steps)

    def schedule(step: int) -> float:
        if step <= 0 or step >= steps:  # the ends exactly, so that they pass the check of their range
            return float(first if step <= 0 else last)
        part = shape(step / steps)
        return math.exp((1 - part) * math.log(first) + part * math.log(last))

    return schedule


def _check_scale(scale: float, name: str, *, infinite: bool = False) -> None:
    if isinstance(scale, bool) or not isinstance(scale, (int, float)):
        raise TypeError(f"{name} must be a number, but it is a {type(scale).__name__}; give 1 / temperature.")
    if not scale > 0 or (math.isinf(scale) and not infinite):
        raise ValueError(f"{name} must be a number above 0, but it is {scale:g}; it is 1 / temperature, not its log.")


def _check_steps(steps: int) -> None:
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"steps must be a whole number of at least 1, but it is {steps!r}; give how many it lasts.")

"""How a flow is followed from noise to a picture."""

import math
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

__all__ = ["Sampling", "integrate"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to make pictures with a flow.

    Formula::

        euler   x <- x + h v(x, t),                                            h = 1 / steps
        heun    x <- x + h (v(x, t) + v(x + h v(x, t), t + h)) / 2,            two evaluations a step
        v = v(x, t, no condition) + guidance (v(x, t, c) - v(x, t, no condition))

    How to read it: a guidance of 1 is the condition alone; above 1 the picture follows the condition more and varies
    less, and costs twice as much.

    Parameters
    ----------
    method
        "heun" or "euler".
    steps
        Steps from t = 0 to t = 1.
    guidance
        At least 0; 0 leaves the condition out.
    seed
        Of the noise that each picture starts from.

    Raises
    ------
    ValueError
        If one of them is out of range.

    References
    ----------
    Ho and Salimans, *Classifier-Free Diffusion Guidance*, arXiv 2207.12598.

    Examples
    --------
    >>> Sampling(steps=10).method
    'heun'
    """

    method: Literal["heun", "euler"] = "heun"
    steps: int = 12
    guidance: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in ("heun", "euler"):
            raise ValueError(f"method must be 'heun' or 'euler', but it is {self.method!r}; choose one.")
        for name, count, least in (("steps", self.steps, 1), ("seed", self.seed, 0)):
            if isinstance(count, bool) or not isinstance(count, int) or count < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, but it is {count!r}; change it.")
        if not (math.isfinite(self.guidance) and self.guidance >= 0):
            raise ValueError(f"guidance must be finite and at least 0, but it is {self.guidance}; 1 is none.")


def integrate(flow: Any, noise: Tensor, rows: Tensor, sampling: Sampling) -> Tensor:
    """Follow the velocity of a flow from noise (n, 3, size, size), conditioned on rows (n, d), to t = 1."""
    n, h = len(noise), 1 / sampling.steps
    with_rows = flow.conditions(rows)
    none = flow.without.expand_as(with_rows)

    def velocity(x: Tensor, t: float) -> Tensor:
        time = torch.full((n,), t, device=x.device)
        if sampling.guidance == 1:
            return flow.velocity(x, time, with_rows)
        if sampling.guidance == 0:
            return flow.velocity(x, time, none)
        both = flow.velocity(torch.cat([x, x]), torch.cat([time, time]), torch.cat([with_rows, none]))
        guided, plain = both.chunk(2)
        return plain + sampling.guidance * (guided - plain)

    x = noise
    for step in range(sampling.steps):
        slope = velocity(x, step * h)
        if sampling.method == "heun":
            ahead = velocity(x + h * slope, (step + 1) * h)
            slope = (slope + ahead) / 2
        x = x + h * slope
    return x

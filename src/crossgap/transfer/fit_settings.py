"""The numbers of the training of a decoder, checked when they are given."""

import math
from dataclasses import dataclass
from typing import Literal

import torch

__all__ = ["FitSettings"]


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """How a decoder is trained.

    Parameters
    ----------
    learning_rate, weight_decay, batch_size, epochs, label_smoothing, gradient_clip
        As usual; ``gradient_clip=None`` sets no limit. For a language model of ClipCap C3 takes 2e-5, 0.01, 40, 10, 0
        and None; DeCap takes label smoothing 0.1.
    betas, decay_all
        Of ``adamw``: how long its moments last, and whether biases and gains are decayed like matrices. C3 takes
        (0.9, 0.999) and True.
    warmup_steps
        Steps in which the learning rate rises; at most a quarter of all.
    schedule
        "cosine": then down to 0. "linear": the same in a straight line, as C3. "constant": stays.
    precision
        "float32", or the type of autocast: "bf16", "fp16".
    device
        Where it is trained: "cpu", "cuda".
    seed
        Of the order of the captions, of which are held out, and of dropout.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    C3's recipe for a language model:

    >>> c3 = FitSettings(learning_rate=2e-5, batch_size=40, warmup_steps=5000, schedule="linear", betas=(0.9, 0.999),
    ...                  decay_all=True, gradient_clip=None, precision="fp16", seed=1234)
    >>> c3.epochs, c3.weight_decay
    (10, 0.01)
    """

    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    batch_size: int = 128
    epochs: int = 10
    warmup_steps: int = 200
    label_smoothing: float = 0.0
    gradient_clip: float | None = 1.0
    precision: Literal["float32", "bf16", "fp16"] = "float32"
    device: str = "cpu"
    seed: int = 0
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    betas: tuple[float, float] = (0.9, 0.98)
    decay_all: bool = False

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 2), ("epochs", 1), ("warmup_steps", 0), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, but it is {value!r}; change it.")
        for name, value, least, below in (
            ("learning_rate", self.learning_rate, 1e-12, math.inf),
            ("weight_decay", self.weight_decay, 0.0, math.inf),
            ("label_smoothing", self.label_smoothing, 0.0, 1.0),
            ("gradient_clip", 1.0 if self.gradient_clip is None else self.gradient_clip, 1e-12, math.inf),
        ):
            if not _is_number(value) or not least <= value < below:
                what = "above 0" if least > 0 else f"from 0 up to {below:g}"
                raise ValueError(f"{name} must be a number {what}, but it is {value!r}; change it.")
        for name, known in (
            ("precision", ("float32", "bf16", "fp16")),
            ("schedule", ("cosine", "linear", "constant")),
        ):
            value = getattr(self, name)
            if value not in known:
                *others, last = map(repr, known)
                raise ValueError(f"{name} must be {', '.join(others)} or {last}, but it is {value!r}; choose one.")
        betas = self.betas
        if not isinstance(betas, tuple | list) or len(betas) != 2 or not all(map(_is_number, betas)):
            raise ValueError(f"betas must be two numbers, but they are {betas!r}; (0.9, 0.999) is usual.")
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas must lie in [0, 1), but they are {betas!r}; (0.9, 0.999) is usual.")
        object.__setattr__(self, "betas", tuple(betas))  # JSON knows lists alone
        if not isinstance(self.decay_all, bool):
            raise ValueError(f"decay_all must be True or False, but it is {self.decay_all!r}; choose one.")
        try:
            torch.device(self.device)
        except (RuntimeError, TypeError):
            raise ValueError(f"device must be one of torch, such as 'cpu', but it is {self.device!r}.") from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

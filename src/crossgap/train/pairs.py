"""Where a training run takes its matched inputs from."""

import zlib
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

__all__ = ["PairedTensors", "TrainingPairs", "seeded_generator"]


class TrainingPairs(Protocol):
    """What ``TrainingRun`` asks of its data: a length, and the inputs of numbered pairs.

    ``batch`` must be a function of its arguments alone, so that a resumed run sees the same inputs; what it draws with
    torch's global generator is repeated too, since the run sets that for each step. Two attributes are used where they
    are there: ``items``, a tensor of n item numbers, goes to losses that take ``items``; ``fingerprint``, a string or a
    number, is kept in checkpoints, so that a run does not go on with other data.
    """

    def __len__(self) -> int:
        """Return the number of pairs."""
        ...

    def batch(self, index: Tensor, epoch: int) -> tuple[Any, Any]:
        """Return the inputs of both towers for the pairs numbered by ``index`` (int64, on the CPU)."""
        ...


class PairedTensors:
    """Matched inputs held in memory.

    Parameters
    ----------
    x
        Inputs of the first tower (n, ...).
    y
        Inputs of the second tower (n, ...), row i matched with row i of ``x``; with ``several_y`` (n, c, ...).
    items
        Number of the item of each pair (n,), for losses that must not contrast two pairs of one item.
    several_y
        ``y`` holds c candidates an item (captions of one image), of which each epoch draws one.
    seed
        Of that draw, which depends on the seed, the epoch and the number of the pair alone.

    Raises
    ------
    TypeError
        If ``x``, ``y`` or ``items`` is no torch tensor.
    ValueError
        If the numbers of rows differ, or ``several_y`` finds no second dimension.

    Examples
    --------
    >>> import torch
    >>> x, y = torch.arange(3.0)[:, None], torch.arange(6.0).reshape(3, 2, 1)
    >>> pairs = PairedTensors(x, y, several_y=True)
    >>> a, b = pairs.batch(torch.tensor([2, 0]), epoch=0)
    >>> a.tolist(), bool((b // 2 == a).all())
    ([[2.0], [0.0]], True)
    """

    def __init__(
        self, x: Tensor, y: Tensor, *, items: Tensor | None = None, several_y: bool = False, seed: int = 0
    ) -> None:
        for name, values in (("x", x), ("y", y), ("items", x if items is None else items)):
            if not isinstance(values, Tensor):
                raise TypeError(
                    f"{name} must be a torch tensor, but it is a {type(values).__name__}; "
                    f"convert it: torch.as_tensor({name})."
                )
            if x.ndim < 1 or values.ndim < 1 or len(values) != len(x):
                raise ValueError(
                    f"x, y and items must have one row a pair, but x has shape {tuple(x.shape)} and {name} "
                    f"{tuple(values.shape)}; align them first."
                )
        if several_y and (y.ndim < 2 or y.shape[1] == 0):
            raise ValueError(
                f"y must have shape (n, c, ...) with several_y=True, but its shape is {tuple(y.shape)}; "
                f"stack the candidates of each item along the second dimension."
            )
        self.x = x
        self.y = y
        self.items = items
        self.several_y = several_y
        self.seed = seed
        self._drawn: tuple[int, Tensor] | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def fingerprint(self) -> int:
        """Checksum of the shapes and types, of the first and last pairs, and of how ``y`` is drawn."""
        check = zlib.crc32(repr(self.several_y and self.seed).encode())
        for values in (self.x, self.y) if self.items is None else (self.x, self.y, self.items):
            check = zlib.crc32(repr((tuple(values.shape), values.dtype)).encode(), check)
            for part in (values[:16], values[-16:]):
                flat = part.detach().cpu().contiguous().reshape(-1)
                check = zlib.crc32(flat.view(torch.uint8).numpy().tobytes(), check)
        return check

    def batch(self, index: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the inputs of both towers for the pairs numbered by ``index``, as they are drawn in this epoch."""
        x = self.x[index.to(self.x.device)]
        rows = index.to(self.y.device)
        if not self.several_y:
            return x, self.y[rows]
        if self._drawn is None or self._drawn[0] != epoch:
            generator = seeded_generator(self.seed, epoch, purpose="choice of y")
            drawn = torch.randint(self.y.shape[1], (len(self),), generator=generator)
            self._drawn = (epoch, drawn.to(self.y.device))
        return x, self.y[rows, self._drawn[1][rows]]


def seeded_generator(*numbers: int, purpose: str, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator whose state is a function of some numbers of at least 0 and of what it is for.

    Examples
    --------
    >>> import torch
    >>> def draw(*numbers):
    ...     return torch.randint(1000, (), generator=seeded_generator(*numbers, purpose="an example")).item()
    >>> draw(0, 1) == draw(0, 1), draw(0, 1) == draw(1, 0)
    (True, False)
    """
    entropy = [len(purpose), *purpose.encode(), *numbers]
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state))

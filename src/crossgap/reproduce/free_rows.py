"""Rows that are free to move under the contrastive loss, most of whose coordinates are one constant a modality."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from crossgap.errors import FormatError
from crossgap.losses.clip import clip_loss

__all__ = ["LEARNING_RATE", "LOG_SCALE", "VERSIONS", "FreeRows", "clip_gradients", "starting_rows"]

LEARNING_RATE = 0.1
LOG_SCALE = 2.6593  # of the authors; ln(1/0.07) in four digits
VERSIONS = {
    "cosine": "logits are cosines times the scale",
    "dot product": "logits are dot products over d times the scale: no row is brought to length 1",
    "own anchor": "dot products, and each row moves by the loss of which it is the anchor, as in the lemma, and not "
    "also by those in which it is a candidate",
    "learned scale": "cosines, and the scale learns with the rows, from 1 to 100",
}
_RAW = ("dot product", "own anchor")
_CAP = math.log(100.0)


def starting_rows(n: int, sizes: Sequence[int], *, seed: int) -> tuple[Tensor, Tensor]:
    """Return two modalities, each of which varies along a few coordinates of its own.

    Formula::

        x_i = [ N(0, 1)^a | constant  | constant ]          y_i = [ constant | N(0, 1)^b | constant ]

    with a, b and c coordinates in the three parts, and each constant one draw of N(0, 1) a coordinate and modality.

    How to read it: along the last c coordinates, the idle ones, no row of a modality differs from another, as in an
    encoder with random weights, whose output has few effective dimensions.

    Parameters
    ----------
    n
        Rows of each.
    sizes
        The numbers a, b and c.
    seed
        Of the draw.

    Returns
    -------
    Two float64 tensors (n, a + b + c).

    References
    ----------
    Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, figure 4.

    Examples
    --------
    >>> x, y = starting_rows(4, (1, 2, 3), seed=0)
    >>> x.shape, (x.var(dim=0) > 0).tolist(), (y.var(dim=0) > 0).tolist()
    (torch.Size([4, 6]), [True, False, False, False, False, False], [False, True, True, False, False, False])
    """
    a, b, _ = sizes
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.randn(sum(sizes), generator=generator, dtype=torch.float64).repeat(n, 1) for _ in range(2))
    x[:, :a] = torch.randn(n, a, generator=generator, dtype=torch.float64)
    y[:, a : a + b] = torch.randn(n, b, generator=generator, dtype=torch.float64)
    return x, y


def clip_gradients(x: Tensor, y: Tensor, scale: float, *, own_anchor: bool = False) -> tuple[Tensor, Tensor]:
    """Return the gradients of ``losses.clip_loss`` in its two arguments, (n, d) each, in closed form.

    Formula::

        dL/dx_i = sum_j G_ij y_j,   dL/dy_j = sum_i G_ij x_i,
        G = s / (2 n) (P + Q - 2 I),   P and Q the softmax of the logits s X Y^T by rows and by columns

    and with ``own_anchor`` only of the direction in which the row is the anchor::

        s / n sum_j (P - I)_ij y_j,   s / n sum_i (Q - I)_ij x_i

    How to read it: the rows of P - I sum to 0, and so do the columns of Q - I. With ``own_anchor`` a gradient is a
    combination of **differences** of the other modality's rows, and nothing pulls along a direction in which those
    agree. In the whole loss the other direction adds coefficients that sum to 0 only over the batch: it moves single
    rows along such a direction, and the mean of them not at first.

    Parameters
    ----------
    x, y
        Rows (n, d), as the loss sees them.
    scale
        The logit scale s.
    own_anchor
        Leave out the direction in which a row is a candidate.

    Notes
    -----
    Cost: 6 n^2 d flops, two thirds of the time of autograd. The derivative by the logarithm of the scale is the sum of
    x_i dL/dx_i.

    References
    ----------
    Zhang, Sui, Yeung-Levy, arXiv 2401.08567, lemma 2, which has the gradient of a row's own anchor alone.

    Examples
    --------
    At scale ln 3 each match has probability 3/4: the first row gives up 1/4 of its match for the other.

    >>> import math, torch
    >>> (clip_gradients(torch.eye(2), torch.eye(2), math.log(3))[0] * 4 / math.log(3)).round(decimals=4).tolist()
    [[-0.5, 0.5], [0.5, -0.5]]
    """
    logits = torch.mm(x, y.T).mul_(scale)
    forth, back = torch.softmax(logits, dim=1), torch.softmax(logits, dim=0)
    if own_anchor:
        for pull in (forth, back):
            pull.diagonal().sub_(1.0)
            pull.mul_(scale / len(x))
        return torch.mm(forth, y), torch.mm(back.T, x)
    pull = forth.add_(back)
    pull.diagonal().sub_(2.0)
    pull.mul_(scale / (2 * len(x)))
    return torch.mm(pull, y), torch.mm(pull.T, x)


class FreeRows:
    """Two modalities of free rows and their plain gradient descent on the contrastive loss.

    How to read it: ``advance`` moves the rows, ``seen`` gives them as the loss sees them. Those have length 1, or, in
    the versions without it, are divided by sqrt(d), about their length at the start, once and for all.

    Parameters
    ----------
    x, y
        Rows (n, d) at the start. The last ``idle`` coordinates must be one constant for each.
    idle
        Number of those coordinates.
    version
        A key of ``VERSIONS``.
    learning_rate
        Of the rows, and of the logarithm of the scale where it is learned.
    dtype
        Of the gradients: float32, or float64, which takes twice the time. The rows themselves are float64: in float32
        most steps along an idle coordinate are smaller than its rounding, and a drift would be lost.
    device
        Where to compute.

    Raises
    ------
    ValueError
        If the version is unknown.

    Notes
    -----
    Every gradient is a combination of rows, so that the idle coordinates of all rows stay in the plane of the two
    constants. Rows are therefore kept in two coordinates of that plane, which an orthonormal basis takes back to the
    idle ones: the same descent in half the time.

    Examples
    --------
    >>> x, y = starting_rows(20, (2, 3, 5), seed=0)
    >>> free = FreeRows(x, y, idle=5, version="cosine")
    >>> before = free.loss()
    >>> free.advance(100)
    >>> free.step, free.loss() < before, free.seen()[0].shape
    (100, True, torch.Size([20, 10]))
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        *,
        idle: int,
        version: str,
        learning_rate: float = LEARNING_RATE,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> None:
        if version not in VERSIONS:
            raise ValueError(f"version must be one of {', '.join(VERSIONS)}, but it is {version!r}; choose one.")
        self.version = version
        self.learning_rate = learning_rate
        self.step = 0
        self.log_scale = LOG_SCALE
        self._length = math.sqrt(x.shape[1])
        self._live = x.shape[1] - idle
        self._plane = torch.linalg.qr(torch.stack([x[0, self._live :], y[0, self._live :]], dim=1))[0]
        self._dtype = dtype
        self._x, self._y = (self._packed(rows).to(device) for rows in (x, y))

    def advance(self, steps: int) -> None:
        """Take steps of gradient descent."""
        for _ in range(steps):
            wide_x, wide_y, x_lengths, y_lengths = self._seen()
            x, y = wide_x.to(self._dtype), wide_y.to(self._dtype)
            x_pull, y_pull = clip_gradients(x, y, math.exp(self.log_scale), own_anchor=self.version == "own anchor")
            if self.version not in _RAW:
                along = (x_pull * x).sum(dim=1, keepdim=True)
                if self.version == "learned scale":
                    moved = self.log_scale - self.learning_rate * float(along.sum(dtype=torch.float64))
                    self.log_scale = min(max(moved, 0.0), _CAP)
                x_pull.sub_(x * along)
                y_pull.sub_(y * (y_pull * y).sum(dim=1, keepdim=True))
            self._x.sub_(x_pull / x_lengths, alpha=self.learning_rate)
            self._y.sub_(y_pull / y_lengths, alpha=self.learning_rate)
            self.step += 1

    def seen(self) -> tuple[Tensor, Tensor]:
        """Return both modalities (n, d) as the loss sees them, in float64 on the CPU."""
        x, y, _, _ = self._seen()
        return self._whole(x), self._whole(y)

    def loss(self) -> float:
        """Return the loss of the rows as they are."""
        return float(clip_loss(*self.seen(), math.exp(self.log_scale), fused=False, check=False))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and a record of JSON from which ``restore`` goes on to the same end."""
        return {"x": self._x, "y": self._y}, {"step": self.step, "log_scale": self.log_scale}

    def restore(self, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
        """Take a state of a descent from the same start.

        Raises
        ------
        FormatError
            If the state is of other rows.
        """
        expected = self._x.shape, self._x.dtype
        for name in ("x", "y"):
            rows = tensors.get(name)
            if rows is None or (rows.shape, rows.dtype) != expected:
                raise FormatError(f"the state must hold rows {name} of the descent's own shape; start anew without it.")
        self._x, self._y = (tensors[name].to(self._x.device) for name in ("x", "y"))
        self.step, self.log_scale = int(record["step"]), float(record["log_scale"])

    def _seen(self) -> tuple[Tensor, Tensor, Any, Any]:
        lengths: tuple[Any, Any] = (self._length, self._length)
        if self.version not in _RAW:
            lengths = tuple(torch.linalg.vector_norm(rows, dim=1, keepdim=True) for rows in (self._x, self._y))
        return self._x / lengths[0], self._y / lengths[1], *lengths

    def _packed(self, rows: Tensor) -> Tensor:
        return torch.cat([rows[:, : self._live], rows[:, self._live :] @ self._plane], dim=1)

    def _whole(self, rows: Tensor) -> Tensor:
        rows = rows.cpu()
        return torch.cat([rows[:, : self._live], rows[:, self._live :] @ self._plane.T], dim=1)

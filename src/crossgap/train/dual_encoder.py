"""Two towers into one space, and the logit scale between them."""

from typing import Any

import torch
from torch import Tensor, nn

from crossgap.losses.temperature import LogitScale

__all__ = ["DualEncoder"]


class DualEncoder(nn.Module):
    """Two towers whose outputs are brought to length 1, with one logit scale.

    Formula::

        x = X(a) / |X(a)|,    y = Y(b) / |Y(b)|,    logits = s x y^T + b

    How to read it: ``x`` and ``y`` are the rows that every loss and every measure takes. A tower is any module that
    gives one vector an item; what it takes (a tensor, a mapping of tensors) is its own affair.

    Parameters
    ----------
    x_tower, y_tower
        Modules from inputs to vectors (B, d); the same module twice shares its weights.
    logit_scale
        The scale 1 / temperature, learned or not.
    logit_bias
        Number to start a learned bias of the logits from, as SigLIP has (-10); None for none.

    Raises
    ------
    TypeError
        If a tower is no module, or ``logit_scale`` no ``LogitScale``.

    Attributes
    ----------
    logit_bias
        Parameter with no dimension, or None. It is the fourth argument of losses that have one.

    Notes
    -----
    Outputs narrower than float32 (mixed precision) are widened before they are divided by their length. A row of zeros,
    or one whose squares vanish in float32, stays zero and takes no gradient; elsewhere in crossgap it is an error, but
    a training step must survive it.

    References
    ----------
    Radford et al., *Learning Transferable Visual Models From Natural Language Supervision*, arXiv 2103.00020, figure 3.

    Examples
    --------
    >>> import torch
    >>> model = DualEncoder(torch.nn.Identity(), torch.nn.Identity(), LogitScale(10.0))
    >>> x, y, scale = model(torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 2.0]]))
    >>> x.tolist(), y.tolist(), round(scale.item(), 4)
    ([[0.6000000238418579, 0.800000011920929]], [[0.0, 1.0]], 10.0)
    """

    def __init__(
        self, x_tower: nn.Module, y_tower: nn.Module, logit_scale: LogitScale, *, logit_bias: float | None = None
    ) -> None:
        super().__init__()
        for name, part, kind in (
            ("x_tower", x_tower, nn.Module),
            ("y_tower", y_tower, nn.Module),
            ("logit_scale", logit_scale, LogitScale),
        ):
            if not isinstance(part, kind):
                raise TypeError(
                    f"{name} must be a {kind.__name__}, but it is a {type(part).__name__}; see "
                    f"crossgap.train.linear_tower and crossgap.losses.LogitScale."
                )
        self.x_tower = x_tower
        self.y_tower = y_tower
        self.logit_scale = logit_scale
        self.logit_bias = None if logit_bias is None else nn.Parameter(torch.tensor(float(logit_bias)))

    def encode_x(self, inputs: Any) -> Tensor:
        """Return unit rows (B, d) of the inputs of the first tower."""
        return _unit_rows(self.x_tower(inputs))

    def encode_y(self, inputs: Any) -> Tensor:
        """Return unit rows (B, d) of the inputs of the second tower."""
        return _unit_rows(self.y_tower(inputs))

    def forward(self, x_inputs: Any, y_inputs: Any) -> tuple[Tensor, ...]:
        """Return the unit rows of both and the logit scale, then the logit bias if there is one."""
        rows = self.encode_x(x_inputs), self.encode_y(y_inputs), self.logit_scale()
        return rows if self.logit_bias is None else (*rows, self.logit_bias)


def _unit_rows(rows: Tensor) -> Tensor:
    rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
    lengths = torch.linalg.vector_norm(rows, dim=-1, keepdim=True)
    return rows / lengths.masked_fill(lengths == 0, torch.inf)

"""Small towers from stored vectors to the shared space, with weights drawn from a generator."""

import math

import torch
from torch import nn

__all__ = ["linear_tower", "mlp_tower"]


def linear_tower(d_in: int, d_out: int, *, generator: torch.Generator, bias: bool = False) -> nn.Module:
    """One linear projection.

    Formula::

        X(a) = W a,    W_ij ~ U(-1/sqrt(d_in), 1/sqrt(d_in))

    How to read it: the projection that CLIP puts on each of its towers; on stored features of a frozen network it is
    the part that is trained.

    Parameters
    ----------
    d_in, d_out
        Dimensions of the input and of the shared space.
    generator
        Source of the weights; the same state gives the same weights.
    bias
        Add a bias, drawn from the same interval.

    Returns
    -------
    A module from (B, d_in) to (B, d_out).

    Raises
    ------
    ValueError
        If a dimension is below 1.

    References
    ----------
    Fahim, Murphy, Fyshe, arXiv 2405.18570, section 4: both projections of CLIP drawn anew, without bias.

    Examples
    --------
    >>> import torch
    >>> tower = linear_tower(4, 3, generator=torch.Generator().manual_seed(0))
    >>> tower(torch.zeros(2, 4)).shape, tower.weight.abs().max().item() <= 0.5
    (torch.Size([2, 3]), True)
    """
    for name, size in (("d_in", d_in), ("d_out", d_out)):
        _check_size(name, size)
    return _linear(d_in, d_out, generator, bias)


def mlp_tower(d_in: int, hidden: int, layers: int, d_out: int, *, generator: torch.Generator) -> nn.Module:
    """Fully connected network with a final normalisation and a projection.

    Formula::

        h_0 = a,   h_l = GELU(W_l h_(l-1) + b_l) for l = 1..layers,   X(a) = W LayerNorm(h_layers)

    How to read it: the smallest network that shows the cone effect, since each nonlinear layer narrows the cone.

    Parameters
    ----------
    d_in, d_out
        Dimensions of the input and of the shared space.
    hidden
        Width of every layer.
    layers
        Number of layers with GELU, at least 1; the projection is not counted.
    generator
        Source of the weights and biases, all drawn from U(-1/sqrt(fan_in), 1/sqrt(fan_in)).

    Returns
    -------
    A module from (B, d_in) to (B, d_out).

    Raises
    ------
    ValueError
        If a dimension or the number of layers is below 1.

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053, section 3, on the cone effect of depth.

    Examples
    --------
    >>> import torch
    >>> tower = mlp_tower(4, 8, 2, 3, generator=torch.Generator().manual_seed(0))
    >>> [type(layer).__name__ for layer in tower]
    ['Linear', 'GELU', 'Linear', 'GELU', 'LayerNorm', 'Linear']
    """
    for name, size in (("d_in", d_in), ("hidden", hidden), ("layers", layers), ("d_out", d_out)):
        _check_size(name, size)
    parts: list[nn.Module] = []
    for layer in range(layers):
        parts += [_linear(hidden if layer else d_in, hidden, generator, True), nn.GELU()]
    return nn.Sequential(*parts, nn.LayerNorm(hidden), _linear(hidden, d_out, generator, False))


def _linear(d_in: int, d_out: int, generator: torch.Generator, bias: bool) -> nn.Linear:
    layer = nn.Linear(d_in, d_out, bias=bias, device="meta")  # its own initialisation would use the global state
    layer.to_empty(device="cpu")
    bound = 1 / math.sqrt(d_in)
    with torch.no_grad():
        for values in layer.parameters():
            values.uniform_(-bound, bound, generator=generator)
    return layer


def _check_size(name: str, size: int) -> None:
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise ValueError(f"{name} must be a whole number of at least 1, but it is {size!r}; give a size.")

"""Weights of a network from one generator, so that a seed fixes them and torch's global state stays as it is."""

import math
from collections.abc import Callable

import torch
from torch import nn

__all__ = ["initialised"]

_EMBEDDING_STD = 0.02


def initialised(build: Callable[[], nn.Module], *, generator: torch.Generator) -> nn.Module:
    """Build a network without its own initialisation and draw its weights from a generator.

    Formula::

        matrices and kernels  ~ U(-1/sqrt(w), 1/sqrt(w)),  w = inputs of one output
        embeddings            ~ N(0, 0.02^2)        scales of normalisations = 1,        all else = 0

    How to read it: torch's default for linear layers, without its random biases. A parameter whose name contains
    "embedding" is an embedding, also where it is no layer (positions).

    Parameters
    ----------
    build
        Makes the network; called once.
    generator
        Source of all numbers, in the order of the network's parameters.

    Raises
    ------
    ValueError
        If the network has a buffer, which no rule here could fill.

    Examples
    --------
    >>> import torch
    >>> def make(seed):
    ...     return initialised(lambda: torch.nn.Linear(4, 2), generator=torch.Generator().manual_seed(seed))
    >>> layer = make(0)
    >>> bool(layer.weight.abs().max() <= 0.5), layer.bias.tolist(), bool((make(0).weight == layer.weight).all())
    (True, [0.0, 0.0], True)
    """
    with torch.device("meta"):
        network = build()
    buffers = [name for name, _ in network.named_buffers()]
    if buffers:
        raise ValueError(
            f"the network must hold parameters only, but it has a buffer {buffers[0]!r}; add it afterwards."
        )
    network.to_empty(device="cpu")
    norms = {id(part.weight) for part in network.modules() if isinstance(part, nn.LayerNorm | nn.GroupNorm)}
    embeddings = {id(part.weight) for part in network.modules() if isinstance(part, nn.Embedding)}
    with torch.no_grad():
        for name, values in network.named_parameters():
            if id(values) in norms:
                values.fill_(1.0)
            elif id(values) in embeddings or "embedding" in name:
                values.normal_(0.0, _EMBEDDING_STD, generator=generator)
            elif values.ndim >= 2:
                bound = 1 / math.sqrt(values[0].numel())
                values.uniform_(-bound, bound, generator=generator)
            else:
                values.zero_()
    return network

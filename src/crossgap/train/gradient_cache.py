"""B12: gradient of a loss over more pairs than the memory of a model holds, in two passes over chunks."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from crossgap.losses.objective import ContrastiveLoss

__all__ = ["cached_backward"]


def cached_backward(
    model: nn.Module,
    objective: Callable[..., Any],
    x_inputs: Any,
    y_inputs: Any,
    *,
    chunk: int,
    batch: Mapping[str, Any] | None = None,
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Add the gradient of a loss over a batch to a model's parameters, holding the graph of one chunk at a time.

    Formula::

        first pass    x_i, y_i, s = model(chunk), no graph             for every chunk
        loss          L(x, y, s);  u_i = dL/dx_i, v_i = dL/dy_i, dL/ds
        second pass   add u_i dx_i/dw + v_i dy_i/dw                    chunk by chunk, with a graph;  dL/ds ds/dw once

    How to read it: the gradient is the one of ``objective(*model(x_inputs, y_inputs)).backward()``, not an estimate.
    Memory falls from the graph of all pairs to that of ``chunk`` pairs; the price is a second forward pass.

    Parameters
    ----------
    model
        Called as ``model(x_inputs, y_inputs)``, gives rows x, rows y and then scalars: the logit scale, and whatever
        else the objective takes in this order. ``DistributedDataParallel`` around it exchanges gradients once, in the
        last chunk.
    objective
        ``objective(x, y, logit_scale) -> scalar``: a loss function or a ``ContrastiveLoss``.
    x_inputs, y_inputs
        Inputs of all n pairs: a tensor with n rows, or a mapping, tuple or list of such tensors.
    chunk
        Pairs that the model sees at a time, at least 1. The last chunk may be smaller.
    batch
        Further keywords of the objective. A learned one, such as a logit bias, gets its gradient too.
    precision
        Makes the context of each forward pass, such as ``partial(torch.autocast, "cuda", torch.bfloat16)``.

    Returns
    -------
    The loss and its weighted terms by name, without graph. The gradient is added to ``.grad``, as by ``backward``.

    Raises
    ------
    ValueError
        If ``chunk`` is below 1, the inputs have unequal numbers of rows, or the model gives other than one row for
        each input.
    TypeError
        If an input is not made of tensors.

    Notes
    -----
    Cost: two forward passes and one backward pass of the model, and B d numbers for the rows and their gradients. The
    random numbers of the first pass are drawn again in the second (CPU and CUDA), so dropout is the same in both.
    Layers that mix the rows of a batch, such as batch normalisation while training, see chunks in place of the batch,
    and move their running statistics twice.

    References
    ----------
    Gao, Zhang, Han, Callan, *Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup*, arXiv
    2101.06983.

    Examples
    --------
    A model with one weight w = 3, and the loss sum of x y w = w^2 (1 + 4): the gradient is 2 w (1 + 4).

    >>> import torch
    >>> class Scaled(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.weight = torch.nn.Parameter(torch.tensor(3.0))
    ...     def forward(self, x, y):
    ...         return self.weight * x, y, self.weight
    >>> model, rows = Scaled(), torch.tensor([[1.0], [2.0]])
    >>> loss, _ = cached_backward(model, lambda x, y, scale: scale * (x * y).sum(), rows, rows, chunk=1)
    >>> float(loss), float(model.weight.grad)
    (45.0, 30.0)
    """
    if chunk < 1:
        raise ValueError(f"chunk is {chunk}, but a chunk holds at least 1 pair; raise it.")
    n, m = _length(x_inputs, "x_inputs"), _length(y_inputs, "y_inputs")
    if n != m or n == 0:
        raise ValueError(f"x_inputs has {n} rows and y_inputs {m}, but they are pairs; give at least 1, equally many.")
    parts = [slice(first, min(first + chunk, n)) for first in range(0, n, chunk)]

    def embed(part: slice) -> tuple[Tensor, ...]:
        with precision():
            rows = model(_rows(x_inputs, part), _rows(y_inputs, part))
        if len(rows[0]) != part.stop - part.start or len(rows[1]) != part.stop - part.start:
            raise ValueError(
                f"the model gave {len(rows[0])} and {len(rows[1])} rows for {part.stop - part.start} pairs; a cached "
                f"gradient needs one row for each input."
            )
        return tuple(rows)

    states, embedded = [], []
    with torch.no_grad():
        for part in parts:
            states.append(_random_state(model))
            embedded.append(embed(part))
    torch.clear_autocast_cache()  # its copies of the weights were made without a graph
    x = torch.cat([rows[0] for rows in embedded]).requires_grad_()
    y = torch.cat([rows[1] for rows in embedded]).requires_grad_()
    scalars = [_leaf(value) for value in embedded[0][2:]]
    given = dict(batch or {})
    learned = {name: value for name, value in given.items() if isinstance(value, Tensor) and value.requires_grad}
    leaves = {name: _leaf(value) for name, value in learned.items()}
    del embedded

    named = isinstance(objective, ContrastiveLoss)
    with torch.enable_grad():
        value = objective(x, y, *scalars, **({"output_dict": True} if named else {}), **{**given, **leaves})
        terms = value if named else {getattr(objective, "__name__", type(objective).__name__): value}
        loss = functools.reduce(torch.add, terms.values())
        loss.backward()

    with _random_state_kept(model), torch.enable_grad():
        for part, state in zip(parts, states, strict=True):
            last = part is parts[-1]
            with nullcontext() if last or not isinstance(model, DistributedDataParallel) else model.no_sync():
                _set_random_state(state)
                rows = embed(part)
                wanted = [None if x.grad is None else x.grad[part], None if y.grad is None else y.grad[part]]
                wanted += [scalar.grad if last and isinstance(scalar, Tensor) else None for scalar in scalars]
                wanted += [leaves[name].grad if last else None for name in learned]
                _backward([*rows, *learned.values()], wanted)
    return loss.detach(), {name: term.detach() for name, term in terms.items()}


def _backward(outputs: list[Tensor], gradients: list[Tensor | None]) -> None:
    """Back-propagate through the outputs that have a graph and a gradient."""
    pairs = [
        (output, gradient)
        for output, gradient in zip(outputs, gradients, strict=True)
        if gradient is not None and output.requires_grad
    ]
    if pairs:
        torch.autograd.backward([output for output, _ in pairs], [gradient for _, gradient in pairs])


def _leaf(value: Any) -> Any:
    return value.detach().requires_grad_() if isinstance(value, Tensor) and value.is_floating_point() else value


def _length(inputs: Any, name: str) -> int:
    """Return the number of rows that all tensors of the inputs share."""
    lengths = {len(tensor) for tensor in _tensors(inputs, name)}
    if len(lengths) != 1:
        raise ValueError(f"the tensors of {name} have {sorted(lengths)} rows; give one row of each for each pair.")
    return lengths.pop()


def _tensors(inputs: Any, name: str) -> Iterator[Tensor]:
    if isinstance(inputs, Tensor) and inputs.ndim:
        yield inputs
    elif isinstance(inputs, Mapping | tuple | list):
        for part in inputs.values() if isinstance(inputs, Mapping) else inputs:
            yield from _tensors(part, name)
    else:
        raise TypeError(
            f"{name} must be a tensor with a row for each pair, or a mapping, tuple or list of them, but it holds a "
            f"{type(inputs).__name__}; take it out."
        )


def _rows(inputs: Any, part: slice) -> Any:
    if isinstance(inputs, Tensor):
        return inputs[part]
    if isinstance(inputs, Mapping):
        return {key: _rows(value, part) for key, value in inputs.items()}
    return [_rows(value, part) for value in inputs]


def _random_state(model: nn.Module) -> dict[torch.device, Tensor]:
    """Return the state of the default generators that the model may draw from."""
    devices = {parameter.device for parameter in model.parameters() if parameter.device.type == "cuda"}
    return {torch.device("cpu"): torch.get_rng_state(), **{d: torch.cuda.get_rng_state(d) for d in devices}}


def _set_random_state(state: dict[torch.device, Tensor]) -> None:
    for device, value in state.items():
        if device.type == "cuda":
            torch.cuda.set_rng_state(value, device)
        else:
            torch.set_rng_state(value)


@contextmanager
def _random_state_kept(model: nn.Module) -> Iterator[None]:
    state = _random_state(model)
    try:
        yield
    finally:
        _set_random_state(state)

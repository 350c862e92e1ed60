"""A training run: iterate it, and each step yields a record; the caller logs, stops and saves."""

import contextlib
import functools
import inspect
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.random import fork_rng

from crossgap.errors import DegenerateError
from crossgap.losses.temperature import LogitScale
from crossgap.train.checkpoint import unwrapped
from crossgap.train.pairs import TrainingPairs, seeded_generator
from crossgap.train.resume import name_of, read_run, run_settings, write_run

__all__ = ["Step", "TrainingRun"]


@dataclass(frozen=True)
class Step:
    """What one optimiser step did.

    Attributes
    ----------
    step, epoch
        Numbers of the step and of its epoch, from 0.
    loss
        Value of the objective before the step; the mean over processes.
    terms
        Weighted terms by name, which add up to ``loss``.
    logit_scale
        Scale that the step was taken with; None where the model gives none.
    learning_rate
        Of the first group of parameters.
    gradient_norm
        Length of the gradient of all parameters before clipping; None where float16 overflowed and the step was left
        out.
    """

    step: int
    epoch: int
    loss: float
    terms: Mapping[str, float]
    logit_scale: float | None
    learning_rate: float
    gradient_norm: float | None


class TrainingRun:
    """Optimiser steps over batches of pairs, one for each turn of a loop.

    Parameters
    ----------
    model
        Called as ``model(x_inputs, y_inputs)``, gives unit rows x, unit rows y and the logit scale (and a logit bias,
        if it has one): a ``DualEncoder``, alone or inside ``DistributedDataParallel``. A model that is no dual encoder
        gives whatever its objective takes, two values: a decoder of captions its logits and its targets.
    objective
        ``objective(x, y, logit_scale) -> scalar``: any loss function, or a ``ContrastiveLoss``. Several processes need
        the latter, or another module that brings their rows together; with ``gather="none"`` each keeps to its own.
    pairs
        Where the inputs come from; ``PairedTensors`` for data in memory.
    optimiser
        Any torch optimiser that needs no closure: ``adamw(model, ...)``.
    schedule
        Factor of the learning rate for each step, from 0; None for 1.
    scale_schedule
        Logit scale for each step, or None where the optimiser may move it; see ``crossgap.losses.LogitScale.set_``.
    batch_size
        Pairs of a step, over all processes.
    epochs
        Times that each pair is seen.
    seed
        Of the order of the pairs and of random numbers in the towers.
    drop_last
        Leave out the last, smaller batch of an epoch. It is kept otherwise, unless it has one pair only.
    precision
        "float32", or the type of autocast: "bf16", "fp16" (then with a scaled loss). Losses stay in float32.
    gradient_clip
        Largest length of the gradient of all parameters; None for no limit.
    chunk_size
        Pairs that the model sees at a time, for batches larger than memory; None for all. See ``cached_backward``.
    eval_mode
        Keep the model in evaluation mode (no dropout), as m2-mix does; else training mode is set before each step.
    rank, world_size
        Number of this process and of all; None for what ``torch.distributed`` says, if ``model`` is distributed.

    Raises
    ------
    ValueError
        If a number is out of its range, or processes cannot share a batch equally.
    TypeError
        If there is a ``scale_schedule``, but the model has no ``LogitScale``; or if several processes are given a plain
        loss function, which would see the rows of one alone.
    DegenerateError
        If the pairs do not fill one batch. While iterating, if the loss or its gradient is not finite; the weights are
        then those before the step.

    Notes
    -----
    The order of the pairs is a function of the seed and the epoch. Each step sets torch's generators to a state that is
    a function of the seed, the step and the process, and puts the caller's state back afterwards, so dropout and
    random augmentation are repeated by a resumed run, and nothing outside is disturbed. Numbers drawn elsewhere (NumPy,
    Python's ``random``, a generator of one's own) are not covered: a loss that draws takes a ``generator``, which
    the run gives it afresh for each step, the same on all processes.

    An objective that has a parameter ``items``, ``generator``, ``step`` or ``epoch`` is given it; a module may accept
    further names by a method ``takes(name) -> bool``. A parameter ``check`` is false from the second step on.

    Examples
    --------
    >>> import torch
    >>> from crossgap.train.dual_encoder import DualEncoder
    >>> from crossgap.losses.clip import clip_loss
    >>> from crossgap.losses.temperature import LogitScale
    >>> from crossgap.train.optimisers import adamw
    >>> from crossgap.train.pairs import PairedTensors
    >>> from crossgap.train.towers import linear_tower
    >>> generator = torch.Generator().manual_seed(0)
    >>> rows = torch.randn(32, 8, generator=generator)
    >>> towers = [linear_tower(8, 4, generator=generator) for _ in range(2)]
    >>> model = DualEncoder(*towers, LogitScale(10.0))
    >>> optimiser = adamw(model, learning_rate=0.03, weight_decay=0.1)
    >>> run = TrainingRun(model, clip_loss, PairedTensors(rows, rows), optimiser=optimiser, batch_size=16, epochs=20)
    >>> losses = [record.loss for record in run]
    >>> len(losses), run.step == run.total_steps, losses[-1] < losses[0] / 2
    (40, True, True)
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Callable[..., Any],
        pairs: TrainingPairs,
        *,
        optimiser: torch.optim.Optimizer,
        schedule: Callable[[int], float] | None = None,
        scale_schedule: Callable[[int], float | None] | None = None,
        batch_size: int,
        epochs: int,
        seed: int = 0,
        drop_last: bool = False,
        precision: Literal["float32", "bf16", "fp16"] = "float32",
        gradient_clip: float | None = None,
        chunk_size: int | None = None,
        eval_mode: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        self.model, self.objective, self.pairs, self.optimiser = model, objective, pairs, optimiser
        self.schedule, self.scale_schedule = schedule, scale_schedule
        self.batch_size, self.epochs, self.seed, self.drop_last = batch_size, epochs, seed, drop_last
        self.precision, self.gradient_clip, self.chunk_size = precision, gradient_clip, chunk_size
        self.eval_mode = eval_mode
        self.step = 0
        self._distributed = isinstance(model, nn.parallel.DistributedDataParallel)
        self.rank = (torch.distributed.get_rank() if self._distributed else 0) if rank is None else rank
        counted = torch.distributed.get_world_size() if self._distributed else 1
        self.world_size = counted if world_size is None else world_size
        self._check_numbers()
        if self.world_size > 1 and not isinstance(objective, nn.Module):
            raise TypeError(
                f"objective must be a module that gathers the rows of {self.world_size} processes, but "
                f"{name_of(objective)} is a function that sees those of one; give ContrastiveLoss({{"
                f"{name_of(objective)}: 1.0}})."
            )
        self.steps_per_epoch = self._count_steps()
        first = next(iter(model.parameters()))
        self._device, self._dtype = first.device, first.dtype
        scale = getattr(unwrapped(model), "logit_scale", None)
        self._logit_scale = scale if isinstance(scale, LogitScale) else None
        if scale_schedule is not None and self._logit_scale is None:
            raise TypeError(
                f"logit_scale of the model must be a LogitScale for scale_schedule, but it is a "
                f"{type(scale).__name__}; build the model with crossgap.losses.LogitScale."
            )
        self.scaler = torch.amp.GradScaler(self._device.type, enabled=precision == "fp16")
        for group in optimiser.param_groups:
            group.setdefault("initial_lr", group["lr"])
        self._accepted = _accepted(objective)
        self.settings = run_settings(self)
        self._order: tuple[int, Tensor] | None = None
        self._checked = False

    @property
    def total_steps(self) -> int:
        """Number of steps of the whole run."""
        return self.steps_per_epoch * self.epochs

    def __iter__(self) -> Iterator[Step]:
        """Take the steps that are left, one for each turn."""
        while self.step < self.total_steps:
            yield self._take_step()

    def save(self, path: str | os.PathLike[str], *, notes: Mapping[str, Any] | None = None) -> None:
        """Write everything that the next steps depend on, in one file; only process 0 writes.

        The file (.safetensors, no pickle) holds the weights and buffers of the model and of the objective, the state
        of the optimiser and of the scaling of the loss, the position in the data, and the settings that must agree.
        The state of torch's generators is in it as the seed and the step, of which it is a function. The same run at
        the same step gives the same bytes. A file that was there is replaced in one step when the new one is complete;
        a process killed while it writes may leave a hidden file ``.crossgap-...`` beside it, which can be deleted
        (``crossgap train --resume`` does so in its folder).

        Parameters
        ----------
        path
            Where to; an existing file is replaced.
        notes
            Whatever the caller wants back from ``restore``, as JSON.

        Raises
        ------
        OSError
            If the file cannot be written; what was there before stays whole.
        TypeError
            If the optimiser keeps a state of other than tensors and numbers.
        """
        if self.rank == 0:
            write_run(self, path, notes=notes or {})

    def restore(self, path: str | os.PathLike[str]) -> dict[str, Any]:
        """Go to where a saved run was; the model, data and settings must be those it was saved with.

        ``epochs`` alone may differ, so that a run can be prolonged. Nothing is changed unless everything fits.

        Returns
        -------
        The notes that were saved with it.

        Raises
        ------
        FormatError
            If the file is cut short, foreign, or holds a model without the state of a run.
        ValueError
            If it was saved by another model or with other settings.
        OSError
            If there is no such file.
        """
        return read_run(self, path)

    def _take_step(self) -> Step:
        step, epoch = self.step, self.step // self.steps_per_epoch
        model = unwrapped(self.model)
        if model.training == self.eval_mode:
            self.model.train(not self.eval_mode)
        for group in self.optimiser.param_groups:
            group["lr"] = group["initial_lr"] * (1.0 if self.schedule is None else self.schedule(step))
        fixed = self._set_scale(step)
        self.optimiser.zero_grad(set_to_none=True)
        with self._random_numbers(step):
            index = self._index(step)
            x, y = (_placed(part, self._device, self._dtype) for part in self.pairs.batch(index, epoch))
            terms, scale = self._backward(x, y, self._keywords(index, step, epoch))
        if fixed is not None:
            fixed.log.grad = None
        self.scaler.unscale_(self.optimiser)
        parameters = [values for group in self.optimiser.param_groups for values in group["params"]]
        limit = math.inf if self.gradient_clip is None else self.gradient_clip
        norm = nn.utils.clip_grad_norm_(parameters, limit)
        seen = torch.stack(
            [value.detach().to(self._device, torch.float64).reshape(()) for value in (*terms.values(), norm, *scale)]
        )
        if self._distributed:
            torch.distributed.all_reduce(seen)
            seen /= self.world_size
        numbers = seen.tolist()
        values, norm_value, scale_value = (
            numbers[: len(terms)],
            numbers[len(terms)],
            (numbers[len(terms) + 1 :] or [None])[0],
        )
        named = dict(zip(terms, values, strict=True))
        self._check_finite(step, named, norm_value)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self._logit_scale is not None:
            self._logit_scale.clamp_()
        self.step += 1
        self._checked = True
        rate = float(self.optimiser.param_groups[0]["lr"])
        kept = norm_value if math.isfinite(norm_value) else None
        return Step(step, epoch, math.fsum(values), named, scale_value, rate, kept)

    def _set_scale(self, step: int) -> LogitScale | None:
        """Set the logit scale as its schedule says; return it if this step must leave it alone."""
        scale = self._logit_scale
        if self.scale_schedule is None or scale is None:
            return None
        value = self.scale_schedule(step)
        scale.set_(value)
        if value is None:
            return None
        if self._distributed:  # it waits for every gradient that was wanted when the model was wrapped
            scale.log.requires_grad_(scale.learnable)
        return scale

    def _backward(self, x: Any, y: Any, keywords: dict[str, Any]) -> tuple[dict[str, Tensor], list[Tensor]]:
        terms: dict[str, Tensor] = {}
        scale: list[Tensor] = []  # none of a model that has no scale

        def objective(*rows_and_scale: Any, **_: Any) -> Tensor:
            terms.update(self._terms(rows_and_scale, keywords))
            scale.extend(torch.as_tensor(value) for value in rows_and_scale[2:3])
            return self.scaler.scale(functools.reduce(torch.add, terms.values()))

        if self.chunk_size is None:
            with self._autocast():
                outputs = self.model(x, y)
            objective(*outputs).backward()
        else:
            from crossgap.train.gradient_cache import cached_backward

            cached_backward(self.model, objective, x, y, chunk=self.chunk_size, precision=self._autocast)
        return terms, scale

    def _terms(self, outputs: tuple[Any, ...], keywords: dict[str, Any]) -> dict[str, Tensor]:
        if "output_dict" in self._accepted:
            return self.objective(*outputs, output_dict=True, **keywords)
        return {name_of(self.objective): self.objective(*outputs, **keywords)}

    def _keywords(self, index: Tensor, step: int, epoch: int) -> dict[str, Any]:
        takes = getattr(self.objective, "takes", lambda name: False)
        wanted = {name for name in ("items", "generator", "step", "epoch") if name in self._accepted or takes(name)}
        keywords: dict[str, Any] = {name: value for name, value in (("step", step), ("epoch", epoch)) if name in wanted}
        items = getattr(self.pairs, "items", None)
        if items is not None and "items" in wanted:
            keywords["items"] = items[index.to(items.device)].to(self._device)
        if "generator" in wanted:
            keywords["generator"] = seeded_generator(self.seed, step, purpose="objective")
        if "check" in self._accepted and self._checked:
            keywords["check"] = False
        return keywords

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, torch.bfloat16 if self.precision == "bf16" else torch.float16)

    def _index(self, step: int) -> Tensor:
        """Return the numbers of the pairs of this process in a step."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            generator = seeded_generator(self.seed, epoch, purpose="order of pairs")
            self._order = (epoch, torch.randperm(len(self.pairs), generator=generator))
        batch = self._order[1][place * self.batch_size : (place + 1) * self.batch_size]
        share = len(batch) // self.world_size
        return batch[self.rank * share : (self.rank + 1) * share]

    @contextlib.contextmanager
    def _random_numbers(self, step: int) -> Iterator[None]:
        """Set torch's generators for a step, and put back the caller's state."""
        cuda = self._device.type == "cuda"
        numbers = (self.seed, step, self.rank)
        with fork_rng([self._device] if cuda else []):
            torch.set_rng_state(seeded_generator(*numbers, purpose="towers").get_state())
            if cuda:
                state = seeded_generator(*numbers, purpose="towers", device=self._device).get_state()
                torch.cuda.set_rng_state(state, self._device)
            yield

    def _check_finite(self, step: int, terms: dict[str, float], norm: float) -> None:
        bad = [name for name, value in terms.items() if not math.isfinite(value)]
        way_out = "lower the learning rate, set gradient_clip, or look for bad rows with crossgap doctor"
        if bad:
            raise DegenerateError(
                f"the loss is not finite at step {step} ({bad[0]} is {terms[bad[0]]}), so the run stopped before the "
                f"weights were changed; {way_out}."
            )
        if not math.isfinite(norm) and self.scaler.get_scale() <= 1:  # 1 too where the loss is not scaled
            raise DegenerateError(
                f"the gradient is not finite at step {step}, although the loss is, so the run stopped before the "
                f"weights were changed; {way_out}."
            )

    def _check_numbers(self) -> None:
        for name, count, least in (
            ("batch_size", self.batch_size, 2),
            ("epochs", self.epochs, 0),
            ("seed", self.seed, 0),
            ("chunk_size", 1 if self.chunk_size is None else self.chunk_size, 1),
        ):
            if isinstance(count, bool) or not isinstance(count, int) or count < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, but it is {count!r}; change it.")
        if self.precision not in ("float32", "bf16", "fp16"):
            raise ValueError(
                f"precision must be 'float32', 'bf16' or 'fp16', but it is {self.precision!r}; choose one."
            )
        if self.gradient_clip is not None and not self.gradient_clip > 0:
            raise ValueError(f"gradient_clip must be above 0, but it is {self.gradient_clip}; None sets no limit.")
        if not 0 <= self.rank < self.world_size:
            raise ValueError(
                f"rank must be from 0 to world_size - 1, but it is {self.rank} of {self.world_size}; number processes "
                f"from 0."
            )

    def _count_steps(self) -> int:
        n = len(self.pairs)
        whole, rest = divmod(n, self.batch_size)
        kept = rest >= 2 and not self.drop_last
        if whole + kept == 0:
            raise DegenerateError(
                f"pairs must fill at least one batch, but there are {n} pairs for batches of {self.batch_size}; give "
                f"more pairs or a smaller batch_size."
            )
        for size in {self.batch_size if whole else rest, rest if kept else self.batch_size}:
            if size % self.world_size:
                raise ValueError(
                    f"a batch of {size} pairs must be shared equally by {self.world_size} processes; choose a "
                    f"batch_size that {self.world_size} divides, or give drop_last=True if it is the last batch."
                )
        return whole + kept


def _accepted(objective: Callable[..., Any]) -> frozenset[str]:
    call = objective.forward if isinstance(objective, nn.Module) else objective
    bound = objective.keywords if isinstance(objective, functools.partial) else {}
    return frozenset(inspect.signature(call).parameters) - bound.keys()


def _placed(inputs: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """Move inputs to the model's device, and those in floating point to its type."""
    if isinstance(inputs, Tensor):
        return inputs.to(device, dtype if inputs.is_floating_point() else inputs.dtype, non_blocking=True)
    if isinstance(inputs, Mapping):
        return {name: _placed(part, device, dtype) for name, part in inputs.items()}
    if isinstance(inputs, tuple | list):
        return [_placed(part, device, dtype) for part in inputs]
    return inputs

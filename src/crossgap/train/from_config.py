"""From a configuration to a run that is ready to be iterated, and what it is measured on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from crossgap.data.embeddings import Embeddings, Group
from crossgap.data.read import read_groups
from crossgap.errors import DegenerateError
from crossgap.losses.objective import ContrastiveLoss
from crossgap.losses.temperature import (
    LogitScale,
    cosine_scale,
    fixed_then_learned_scale,
    linear_scale,
)
from crossgap.train.config import DataTable, ModelTable, OptimiserTable, TemperatureTable, TrainingConfig
from crossgap.train.config_values import nearest
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.gap_curves import GapCurve, gap_curve
from crossgap.train.item_pairs import ItemPairs
from crossgap.train.optimisers import (
    adamw,
    constant_schedule,
    cosine_restarts_schedule,
    cosine_schedule,
    exponential_schedule,
)
from crossgap.train.pairs import seeded_generator
from crossgap.train.run import TrainingRun
from crossgap.train.towers import linear_tower, mlp_tower

__all__ = ["ConfiguredRun", "HeldOut", "configured_run"]

_EVERYTHING = 2**62  # bytes: features to train on are held in memory
_BATCH = 1024  # rows encoded at a time
_SIGLIP_BIAS = -10.0


@dataclass(frozen=True, kw_only=True, eq=False)
class HeldOut:
    """Items that a run does not train on.

    Parameters
    ----------
    names
        The two groups.
    pairs
        The items, with all their rows.
    x_items, y_items
        Number of the item of each row.
    seed
        Seed of the measurements.
    """

    names: tuple[str, str]
    pairs: ItemPairs
    x_items: np.ndarray
    y_items: np.ndarray
    seed: int

    def curve(self, model: DualEncoder) -> GapCurve:
        """Measure the first row of each item in either group."""
        x, y = self.pairs.first_rows()
        return gap_curve(_encoded(model, model.encode_x, x), _encoded(model, model.encode_y, y), seed=self.seed)

    def embeddings(self, model: DualEncoder) -> Embeddings:
        """Encode all rows of the items."""
        sides = (
            (model.encode_x, self.pairs.x, self.x_items),
            (model.encode_y, self.pairs.y, self.y_items),
        )
        groups = (
            Group(vectors=_encoded(model, encode, rows).cpu().numpy(), items=items) for encode, rows, items in sides
        )
        return Embeddings(dict(zip(self.names, groups, strict=True)))


@dataclass(frozen=True, kw_only=True, eq=False)
class ConfiguredRun:
    """A run, and what else its configuration asks for.

    Parameters
    ----------
    run
        The run, at its first step.
    model
        What it trains.
    pairs
        What it trains on.
    held_out
        What it is measured on; None where ``data.held_out`` is 0.
    names
        The two groups, x first.
    notes
        One sentence for everything in the source that is not used.
    """

    run: TrainingRun
    model: DualEncoder
    pairs: ItemPairs
    held_out: HeldOut | None
    names: tuple[str, str]
    notes: tuple[str, ...]

    @property
    def parameter_count(self) -> int:
        """How many numbers are learned."""
        return sum(values.numel() for values in self.model.parameters() if values.requires_grad)


def configured_run(config: TrainingConfig) -> ConfiguredRun:
    """Read the data, draw the weights and build the run.

    Notes
    -----
    The features are held in memory. An item with several rows in a group is one pair, of which each epoch draws one row
    (``ItemPairs``); items are held out whole. Losses are tried once on four rows, so that an option out of its range is
    told here. The weights depend on ``run.seed`` alone, whatever the data.

    Raises
    ------
    ValueError
        If the groups are not there, nothing or too little is left to train on or to measure, or a schedule does not fit
        the length of the run.
    DegenerateError
        If the groups share no item.
    OSError, FormatError
        If the source cannot be read.
    """
    pairs, held_out, names, notes = _read_pairs(config)
    device = _device(config.run.device)
    generator = seeded_generator(config.run.seed, purpose="weights")
    x_tower, y_tower = (_tower(config.model, rows.shape[1], generator) for rows in (pairs.x, pairs.y))
    bias = _SIGLIP_BIAS if any(term.name == "siglip_loss" for term in config.loss) else None
    model = DualEncoder(x_tower, y_tower, _logit_scale(config.temperature), logit_bias=bias).to(device)
    objective = ContrastiveLoss({term.function: term.weight for term in config.loss}, check=False)
    _try_objective(objective, model, bias)
    optimiser = config.optimiser
    run = TrainingRun(
        model,
        objective,
        pairs,
        optimiser=adamw(
            model,
            learning_rate=optimiser.learning_rate,
            weight_decay=optimiser.weight_decay,
            betas=optimiser.betas,
            eps=optimiser.eps,
            decay_all=optimiser.decay_all,
        ),
        batch_size=config.run.batch_size,
        epochs=config.run.epochs,
        seed=config.run.seed,
        precision=cast(Any, config.run.precision),
        gradient_clip=optimiser.gradient_clip,
        chunk_size=config.run.chunk_size,
    )
    run.schedule = _rate_schedule(optimiser, run.total_steps)
    run.scale_schedule = _scale_schedule(config.temperature, run.total_steps)
    return ConfiguredRun(run=run, model=model, pairs=pairs, held_out=held_out, names=names, notes=notes)


# the data


def _read_pairs(config: TrainingConfig) -> tuple[ItemPairs, HeldOut | None, tuple[str, str], tuple[str, ...]]:
    found = read_groups(*config.data.source, load_limit=_EVERYTHING)
    names = _two_groups(config.data, list(found.groups))
    groups = [found.groups[name] for name in names]
    for name, group in zip(names, groups, strict=True):
        Embeddings({name: group})  # finite, or an error that names the row
    outlines = [Group(vectors=np.ones((len(group), 1), np.float32), items=group.items) for group in groups]
    codes = Embeddings(dict(zip(names, outlines, strict=True))).item_codes(*names)
    if codes.reason is not None:
        raise DegenerateError(
            f"nothing pairs: {codes.reason}; give both groups item ids, or the same number of rows in one order."
        )
    notes = [f"not used: {note}" for note in found.notes]
    shared = np.intersect1d(codes.x, codes.y)
    for name, items in zip(names, (codes.x, codes.y), strict=True):
        alone = int((~np.isin(items, shared)).sum())
        if alone:
            notes.append(f"not used: {alone} rows of {name}, since their items have no row in the other group.")
    seed = config.run.seed if config.data.seed is None else config.data.seed
    held = _held_out_items(shared, config.data.held_out, seed)
    rows = tuple(torch.from_numpy(np.require(group.vectors[:], requirements="W")) for group in groups)

    def part(items: np.ndarray) -> tuple[ItemPairs, np.ndarray, np.ndarray]:
        kept = [np.flatnonzero(np.isin(numbers, items)) for numbers in (codes.x, codes.y)]
        x_items, y_items = codes.x[kept[0]], codes.y[kept[1]]
        x, y = (values[torch.from_numpy(index)] for values, index in zip(rows, kept, strict=True))
        return ItemPairs(x, y, x_items=x_items, y_items=y_items, seed=config.run.seed), x_items, y_items

    training, _, _ = part(np.setdiff1d(shared, held))
    held_out = None
    if len(held):
        pairs, x_items, y_items = part(held)
        held_out = HeldOut(names=names, pairs=pairs, x_items=x_items, y_items=y_items, seed=config.run.seed)
    return training, held_out, names, tuple(notes)


def _two_groups(table: DataTable, known: Sequence[str]) -> tuple[str, str]:
    if table.groups is not None:
        for name in table.groups:
            if name not in known:
                raise ValueError(f"data.groups names {name!r}, which data.source does not hold; {nearest(name, known)}")
        return table.groups
    if len(known) == 1:
        raise ValueError(
            f"data.source must hold two groups, but it holds only {known[0]!r}; add the other one: source = "
            f"['image=img.npy', 'text=txt.npy']."
        )
    if len(known) > 2:
        raise ValueError(
            f"data.source holds {len(known)} groups ({', '.join(known)}), but a run trains on two; name them in "
            f"data.groups."
        )
    return known[0], known[1]


def _held_out_items(items: np.ndarray, wanted: int | float, seed: int) -> np.ndarray:
    """Draw the items that are measured and not trained on."""
    if wanted == 0:
        return items[:0]
    count = round(wanted * len(items)) if isinstance(wanted, float) else wanted
    if count < 2 or len(items) - count < 2:
        raise ValueError(
            f"data.held_out = {wanted} leaves {max(len(items) - count, 0)} of {len(items)} items to train on and "
            f"{min(count, len(items))} to measure, but each needs at least 2; change it."
        )
    return np.sort(np.random.default_rng(seed).choice(items, count, replace=False))


# the model and its schedules


def _tower(table: ModelTable, d_in: int, generator: torch.Generator) -> nn.Module:
    if table.tower == "mlp":
        hidden, layers = cast(int, table.hidden), cast(int, table.layers)
        return mlp_tower(d_in, hidden, layers, table.dimension, generator=generator)
    return linear_tower(d_in, table.dimension, generator=generator, bias=bool(table.bias))


def _logit_scale(table: TemperatureTable) -> LogitScale:
    return LogitScale(1 / table.initial, bool(table.learnable), highest=1 / table.lowest, lowest=1 / table.highest)


def _rate_schedule(table: OptimiserTable, total_steps: int) -> Callable[[int], float]:
    if table.warmup_steps >= total_steps:
        raise ValueError(
            f"optimiser.warmup_steps must be below the {total_steps} steps of the run, but it is {table.warmup_steps}; "
            f"shorten it or raise run.epochs."
        )
    if table.schedule == "cosine":
        return cosine_schedule(table.warmup_steps, total_steps)
    if table.schedule == "cosine-restarts":
        return cosine_restarts_schedule(table.warmup_steps, total_steps, cycles=cast(int, table.cycles))
    if table.schedule == "exponential":
        factor, every = cast(float, table.factor), cast(int, table.every)
        return exponential_schedule(factor, every=every, warmup_steps=table.warmup_steps)
    return constant_schedule(table.warmup_steps)


def _scale_schedule(table: TemperatureTable, total_steps: int) -> Callable[[int], float | None] | None:
    first = 1 / table.initial
    if table.schedule in ("linear", "cosine"):
        between = linear_scale if table.schedule == "linear" else cosine_scale
        return between(first, 1 / cast(float, table.last), steps=table.steps or total_steps)
    if table.schedule == "fixed-then-learned":
        return fixed_then_learned_scale(first, steps=cast(int, table.steps))
    return None


def _device(name: str) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("run.device is 'cuda', but torch finds no GPU here; write device = 'auto' or 'cpu'.")
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _try_objective(objective: ContrastiveLoss, model: DualEncoder, bias: float | None) -> None:
    device = next(model.parameters()).device
    rows = torch.eye(4, device=device)
    extra = {"generator": seeded_generator(0, purpose="trial")} if objective.takes("generator") else {}
    with torch.no_grad():
        objective(rows, rows, model.logit_scale(), bias, **extra)


@torch.no_grad()
def _encoded(model: DualEncoder, encode: Callable[[Any], Tensor], rows: Tensor) -> Tensor:
    """Encode rows in evaluation mode, and leave the model in the mode that it was in."""
    first = next(model.parameters())
    was_training = model.training
    model.eval()
    try:
        return torch.cat([encode(part.to(first.device, first.dtype)) for part in rows.split(_BATCH)])
    finally:
        model.train(was_training)

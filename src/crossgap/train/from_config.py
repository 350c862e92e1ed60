"""From a configuration to a run that is ready to be iterated, and what it is measured on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import nn

from crossgap.losses.objective import ContrastiveLoss
from crossgap.losses.temperature import (
    LogitScale,
    cosine_scale,
    fixed_then_learned_scale,
    linear_scale,
)
from crossgap.train.config import ModelTable, OptimiserTable, TemperatureTable, TrainingConfig
from crossgap.train.configured_data import ConfiguredData, HeldOut, configured_data, encoded
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.hugging_face import hugging_face_dual_encoder
from crossgap.train.image_tower import convolutional_tower, vision_transformer_tower
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
from crossgap.train.text_tower import text_tower
from crossgap.train.tokeniser import WordTokeniser
from crossgap.train.towers import linear_tower, mlp_tower

__all__ = ["ConfiguredRun", "configured_run"]

_SIGLIP_BIAS = -10.0


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
    dimension
        Dimension of the shared space.
    words
        Tokeniser of captions, where one was made of them.
    notes
        One sentence for everything in the source that is not used.
    """

    run: TrainingRun
    model: DualEncoder
    pairs: ItemPairs
    held_out: HeldOut | None
    names: tuple[str, str]
    dimension: int
    words: WordTokeniser | None
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
    data = configured_data(config)
    pairs = data.training_pairs(config.run.seed)
    model = _model(config, data).to(_device(config.run.device))
    objective = ContrastiveLoss({term.function: term.weight for term in config.loss}, check=False)
    _try_objective(objective, model)
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
    run.scale_schedule = _scale_schedule(config.temperature, float(model.logit_scale().detach()), run.total_steps)
    return ConfiguredRun(
        run=run,
        model=model,
        pairs=pairs,
        held_out=data.held_out(config.run.seed),
        names=data.names,
        dimension=encoded(model, model.encode_y, pairs.y[:1]).shape[1],
        words=data.words,
        notes=data.notes,
    )


# the model and its schedules


def _model(config: TrainingConfig, data: ConfiguredData) -> DualEncoder:
    table = config.model
    if data.inputs is not None:
        model = hugging_face_dual_encoder(
            cast(str, table.path),
            projection_dimension=table.dimension,
            trainable=cast(Any, table.trainable),
            text_padding=data.inputs.text_padding,
            seed=config.run.seed,
        )
        model.logit_scale = _logit_scale(config.temperature, own=float(model.logit_scale().detach()))
    else:
        generator = seeded_generator(config.run.seed, purpose="weights")
        towers = _towers_from_scratch(table, data, generator)
        model = DualEncoder(*towers, _logit_scale(config.temperature, own=None))
    if model.logit_bias is None and any(term.name == "siglip_loss" for term in config.loss):
        model.logit_bias = nn.Parameter(torch.tensor(_SIGLIP_BIAS))
    return model


def _towers_from_scratch(
    table: ModelTable, data: ConfiguredData, generator: torch.Generator
) -> tuple[nn.Module, nn.Module]:
    def size(name: str) -> int:
        return cast(int, getattr(table, name))

    d = size("dimension")
    if data.words is None:
        x_tower, y_tower = (_tower(table, rows.shape[1], generator) for rows in (data.x, data.y))
        return x_tower, y_tower
    if table.tower == "convolutional":
        pictures = convolutional_tower(d, width=size("width"), stages=size("stages"), generator=generator)
    else:
        sizes = {name: size(name) for name in ("patch", "width", "layers", "heads")}
        pictures = vision_transformer_tower(size("size"), d, **sizes, generator=generator)
    sizes = {name: size(f"text_{name}") for name in ("width", "layers", "heads")}
    texts = text_tower(len(data.words.words) + 2, data.words.length, d, **sizes, generator=generator)
    return pictures, texts


def _tower(table: ModelTable, d_in: int, generator: torch.Generator) -> nn.Module:
    dimension = cast(int, table.dimension)
    if table.tower == "mlp":
        return mlp_tower(d_in, cast(int, table.hidden), cast(int, table.layers), dimension, generator=generator)
    return linear_tower(d_in, dimension, generator=generator, bias=bool(table.bias))


def _logit_scale(table: TemperatureTable, *, own: float | None) -> LogitScale:
    """Return the scale that the table asks for; where it names no temperature to begin with, the model's own."""
    highest, lowest = 1 / table.lowest, 1 / table.highest
    if table.initial is None:
        own = cast(float, own)
        return LogitScale(own, bool(table.learnable), highest=max(highest, own), lowest=min(lowest, own))
    return LogitScale(1 / table.initial, bool(table.learnable), highest=highest, lowest=lowest)


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


def _scale_schedule(table: TemperatureTable, own: float, total_steps: int) -> Callable[[int], float | None] | None:
    first = own if table.initial is None else 1 / table.initial
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


def _try_objective(objective: ContrastiveLoss, model: DualEncoder) -> None:
    device = next(model.parameters()).device
    rows = torch.eye(4, device=device)
    extra = {"generator": seeded_generator(0, purpose="trial")} if objective.takes("generator") else {}
    with torch.no_grad():
        objective(rows, rows, model.logit_scale(), model.logit_bias, **extra)

"""From a configuration to a run that is ready to be iterated, and what it is measured on."""

import warnings
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
from crossgap.train.gap_curves import GapCurve, held_out_curve
from crossgap.train.hugging_face import hugging_face_dual_encoder
from crossgap.train.hugging_face_text import HuggingFaceInputs, hugging_face_inputs
from crossgap.train.image_tower import convolutional_tower, vision_transformer_tower
from crossgap.train.images_and_captions import read_images_and_captions
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

__all__ = ["ConfiguredRun", "HeldOut", "configured_run"]

_EVERYTHING = 2**62  # bytes: features to train on are held in memory
_BATCH = 256  # rows encoded at a time
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
        x, y = (_placed(rows, model) for rows in self.pairs.first_rows())
        return held_out_curve(x, y, seed=self.seed, batch_size=_BATCH)(model)

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
    read = _read_pictures(config) if config.data.images is not None else _read_vectors(config)
    pairs, _, _ = _items_of(read, np.setdiff1d(read.shared, read.held), config.run.seed)
    held_out = None
    if len(read.held):
        held_pairs, x_items, y_items = _items_of(read, read.held, config.run.seed)
        held_out = HeldOut(names=read.names, pairs=held_pairs, x_items=x_items, y_items=y_items, seed=config.run.seed)
    model = _model(config, read).to(_device(config.run.device))
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
        held_out=held_out,
        names=read.names,
        dimension=_encoded(model, model.encode_y, pairs.y[:1]).shape[1],
        words=read.words,
        notes=read.notes,
    )


# the data


@dataclass(frozen=True, kw_only=True, eq=False)
class _Read:
    """All rows of both groups, the numbers of their items, and which items are held out."""

    names: tuple[str, str]
    x: Tensor
    y: Tensor
    x_items: np.ndarray
    y_items: np.ndarray
    shared: np.ndarray
    held: np.ndarray
    notes: tuple[str, ...]
    words: WordTokeniser | None = None
    inputs: HuggingFaceInputs | None = None


def _read_vectors(config: TrainingConfig) -> _Read:
    found = read_groups(*cast(tuple[str, ...], config.data.source), load_limit=_EVERYTHING)
    notes = [f"not used: {note}" for note in found.notes]
    names = _two_groups(config.data, list(found.groups), found.notes)
    groups = [found.groups[name] for name in names]
    for name, group in zip(names, groups, strict=True):
        Embeddings({name: group})  # finite, or an error that names the row
        _check_no_row_is_zero(name, group)
    outlines = [Group(vectors=np.ones((len(group), 1), np.float32), items=group.items) for group in groups]
    codes = Embeddings(dict(zip(names, outlines, strict=True))).item_codes(*names)
    if codes.reason is not None:
        raise DegenerateError(
            f"nothing pairs: {codes.reason}; give both groups item ids, or the same number of rows in one order."
        )
    shared = np.intersect1d(codes.x, codes.y)
    for name, items in zip(names, (codes.x, codes.y), strict=True):
        alone = int((~np.isin(items, shared)).sum())
        if alone:
            notes.append(f"not used: {alone} rows of {name}, since their items have no row in the other group.")
    x, y = (torch.from_numpy(np.require(group.vectors[:], requirements="W")) for group in groups)
    return _Read(
        names=names,
        x=x,
        y=y,
        x_items=codes.x,
        y_items=codes.y,
        shared=shared,
        held=_held_out_items(shared, config),
        notes=tuple(notes),
    )


def _read_pictures(config: TrainingConfig) -> _Read:
    table, data = config.model, config.data
    inputs = hugging_face_inputs(cast(str, table.path)) if table.tower == "hugging-face" else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pictures that are left out: the notes say it
        pictures = read_images_and_captions(
            cast(str, data.images),
            cast(str, data.captions),
            size=cast(int, table.size) if inputs is None else inputs.picture_size,
            image_key=data.image_key or "image",
            caption_key=data.caption_key,
        )
    notes = [f"not used: picture {reason}." for reason in pictures.skipped]
    items = np.arange(len(pictures))
    held = _held_out_items(items, config)
    captions = [caption for several in pictures.captions for caption in several]
    y_items = np.repeat(items, [len(several) for several in pictures.captions])
    words, encode = None, None if inputs is None else inputs.encode
    if encode is None:
        training = [caption for caption, item in zip(captions, ~np.isin(y_items, held), strict=True) if item]
        words = WordTokeniser.from_captions(training, length=table.text_length)
        cut = words.count_cut(captions)
        if cut:
            notes.append(f"{cut} of {len(captions)} captions are cut to {words.length} words (model.text_length).")
        encode = words.encode
    return _Read(
        names=("image", "text"),
        x=pictures.pixels,
        y=encode(captions),
        x_items=items,
        y_items=y_items,
        shared=items,
        held=held,
        notes=tuple(notes),
        words=words,
        inputs=inputs,
    )


def _items_of(read: _Read, items: np.ndarray, seed: int) -> tuple[ItemPairs, np.ndarray, np.ndarray]:
    kept = [np.flatnonzero(np.isin(numbers, items)) for numbers in (read.x_items, read.y_items)]
    x_items, y_items = read.x_items[kept[0]], read.y_items[kept[1]]
    x, y = (rows[torch.from_numpy(index)] for rows, index in zip((read.x, read.y), kept, strict=True))
    return ItemPairs(x, y, x_items=x_items, y_items=y_items, seed=seed), x_items, y_items


def _check_no_row_is_zero(name: str, group: Group) -> None:
    """Tell before the run what its first measurement would: a linear tower keeps a row of zeros, of no direction."""
    zero = np.flatnonzero(~group.vectors[:].any(axis=1))
    if len(zero):
        raise ValueError(
            f"{name} must have rows of a length above zero, but row {zero[0]} is all zeros; drop such rows or embed "
            f"them again (crossgap doctor lists them)."
        )


def _two_groups(table: DataTable, known: Sequence[str], unused: Sequence[str]) -> tuple[str, str]:
    if table.groups is not None:
        for name in table.groups:
            if name not in known:
                raise ValueError(f"data.groups names {name!r}, which data.source does not hold; {nearest(name, known)}")
        return table.groups
    if len(known) == 1:
        told = f" ({'; '.join(note.rstrip('.') for note in unused)})" if unused else ""
        raise ValueError(
            f"data.source must hold two groups, but it holds only {known[0]!r}{told}; add the other one: source = "
            f"['image=img.npy', 'text=txt.npy'], or for several captions an item rows of (n, d) with 'text@items'."
        )
    if len(known) > 2:
        raise ValueError(
            f"data.source holds {len(known)} groups ({', '.join(known)}), but a run trains on two; name them in "
            f"data.groups."
        )
    return known[0], known[1]


def _held_out_items(items: np.ndarray, config: TrainingConfig) -> np.ndarray:
    """Draw the items that are measured and not trained on."""
    wanted = config.data.held_out
    seed = config.run.seed if config.data.seed is None else config.data.seed
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


def _model(config: TrainingConfig, read: _Read) -> DualEncoder:
    table = config.model
    if read.inputs is not None:
        model = hugging_face_dual_encoder(
            cast(str, table.path),
            projection_dimension=table.dimension,
            trainable=cast(Any, table.trainable),
            text_padding=read.inputs.text_padding,
            seed=config.run.seed,
        )
        model.logit_scale = _logit_scale(config.temperature, own=float(model.logit_scale().detach()))
    else:
        generator = seeded_generator(config.run.seed, purpose="weights")
        towers = _towers_from_scratch(table, read, generator)
        model = DualEncoder(*towers, _logit_scale(config.temperature, own=None))
    if model.logit_bias is None and any(term.name == "siglip_loss" for term in config.loss):
        model.logit_bias = nn.Parameter(torch.tensor(_SIGLIP_BIAS))
    return model


def _towers_from_scratch(table: ModelTable, read: _Read, generator: torch.Generator) -> tuple[nn.Module, nn.Module]:
    def size(name: str) -> int:
        return cast(int, getattr(table, name))

    d = size("dimension")
    if read.words is None:
        x_tower, y_tower = (_tower(table, rows.shape[1], generator) for rows in (read.x, read.y))
        return x_tower, y_tower
    if table.tower == "convolutional":
        pictures = convolutional_tower(d, width=size("width"), stages=size("stages"), generator=generator)
    else:
        sizes = {name: size(name) for name in ("patch", "width", "layers", "heads")}
        pictures = vision_transformer_tower(size("size"), d, **sizes, generator=generator)
    sizes = {name: size(f"text_{name}") for name in ("width", "layers", "heads")}
    texts = text_tower(len(read.words.words) + 2, read.words.length, d, **sizes, generator=generator)
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


@torch.no_grad()
def _encoded(model: DualEncoder, encode: Callable[[Any], Tensor], rows: Tensor) -> Tensor:
    """Encode rows in evaluation mode, and leave each part of the model in the mode that it was in."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        return torch.cat([encode(_placed(part, model)) for part in rows.split(_BATCH)])
    finally:
        for part, mode in modes:
            part.training = mode


def _placed(rows: Tensor, model: DualEncoder) -> Tensor:
    """Move rows to the model's device, and those in floating point to its type."""
    first = next(model.parameters())
    return rows.to(first.device, first.dtype if rows.is_floating_point() else rows.dtype)

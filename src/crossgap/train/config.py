"""A training run as frozen tables of plain values, as a TOML file holds them.

    [data]  [model]  [loss]  [temperature]  [optimiser]  [run]

Every value is checked when its table is made; a mistake is one sentence that names the key. What depends on the data
(a warm-up longer than the run, a group that is not there) is told when the run is built, by ``configured_run``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from crossgap.train.config_values import (
    check_table,
    choice,
    fill_choice,
    flag,
    fraction_or_count,
    nearest,
    number,
    strings,
    two_names,
    two_shares,
    whole_number,
    word,
)
from crossgap.train.loss_terms import LossTerm, loss_term

__all__ = [
    "PICTURE_TOWERS",
    "DataTable",
    "ModelTable",
    "OptimiserTable",
    "RunTable",
    "TemperatureTable",
    "TrainingConfig",
    "as_tables",
    "config_from",
]

PICTURE_TOWERS = ("convolutional", "transformer", "hugging-face")
_INITIAL = 0.07  # temperature


@dataclass(frozen=True, kw_only=True)
class DataTable:
    """``[data]``: what is trained on, stored vectors or pictures with captions.

    Parameters
    ----------
    source
        Words as ``crossgap measure`` takes them: one, or a list. Rows pair through item ids, or by position.
    groups
        Which two groups of ``source``, the first of them for the first tower. Not needed where there are two.
    images, captions
        In place of ``source``: folder or zip of pictures, and file of their captions.
    image_key, caption_key
        Of JSON lines of captions: where name and captions stand; see ``read_captions``.
    held_out
        Fraction (below 1) or number of the items that are not trained on but measured; whole items, drawn by ``seed``.
    seed
        Seed of the split; ``run.seed`` without it.
    """

    source: tuple[str, ...] | None = strings()
    groups: tuple[str, str] | None = two_names()
    images: str | None = word(None)
    captions: str | None = word(None)
    image_key: str | None = word(None)
    caption_key: str | None = word(None)
    held_out: int | float = fraction_or_count(0.1)
    seed: int | None = whole_number(None, least=0)

    def __post_init__(self):
        check_table(self, "data")
        if self.source is None and self.images is None:
            raise ValueError("the configuration has no data.source; write under [data] for example source = 'x.npz'.")
        if self.source is not None and self.images is not None:
            raise ValueError("data.source and data.images must not both be given; leave one of them out.")
        for name in ("captions", "image_key", "caption_key") if self.images is None else ("groups",):
            if getattr(self, name) is not None:
                other = "images" if self.images is None else "source"
                raise ValueError(f"data.{name} belongs to data.{other}, which is not given; leave data.{name} out.")
        if self.images is not None and self.captions is None:
            raise ValueError("data.captions must be given with data.images, but it is missing; name their file.")


@dataclass(frozen=True, kw_only=True)
class ModelTable:
    """``[model]``: the two towers, into one shared space.

    Parameters
    ----------
    tower
        On stored vectors: "linear", one matrix, or "mlp", layers with GELU, a LayerNorm and a matrix. On pictures and
        captions: "convolutional" or "transformer", small networks from scratch, the texts' a transformer over words;
        or "hugging-face", a dual encoder of transformers.
    dimension
        Dimension of the shared space, 128 by default. With "hugging-face", both projections are drawn anew to it;
        without it the model stays as it is.
    bias
        Of "linear": add one; false by default.
    hidden, layers
        Of "mlp": width and number of the layers; 256 and 2 by default.
    size
        Of "convolutional" and "transformer": height and width of the pictures; 64 by default.
    width, stages
        Of "convolutional": channels of the first stage and number of the stages; 32 and 3 by default.
    width, layers, heads, patch
        Of "transformer": its sizes; 128, 4, 4 and 8 by default.
    text_width, text_layers, text_heads, text_length
        Of both: the sizes of the texts' tower and the words of a caption that are kept; 128, 2, 4 and 32 by default.
    path
        Of "hugging-face": local folder of the model, with its tokeniser. Nothing is downloaded.
    trainable
        Of "hugging-face": "all" weights, or the "projections" only; all by default.
    """

    tower: str = choice("linear", "linear", "mlp", *PICTURE_TOWERS)
    dimension: int | None = whole_number(None, least=1)
    bias: bool | None = flag(None)
    hidden: int | None = whole_number(None, least=1)
    layers: int | None = whole_number(None, least=1)
    size: int | None = whole_number(None, least=1)
    width: int | None = whole_number(None, least=1)
    stages: int | None = whole_number(None, least=1)
    heads: int | None = whole_number(None, least=1)
    patch: int | None = whole_number(None, least=1)
    text_width: int | None = whole_number(None, least=1)
    text_layers: int | None = whole_number(None, least=1)
    text_heads: int | None = whole_number(None, least=1)
    text_length: int | None = whole_number(None, least=1)
    path: str | None = word(None)
    trainable: str | None = choice(None, "all", "projections")

    def __post_init__(self):
        check_table(self, "model")
        texts = {"text_width": 128, "text_layers": 2, "text_heads": 4, "text_length": 32}
        owned = {
            "linear": {"dimension": 128, "bias": False},
            "mlp": {"dimension": 128, "hidden": 256, "layers": 2},
            "convolutional": {"dimension": 128, "size": 64, "width": 32, "stages": 3, **texts},
            "transformer": {"dimension": 128, "size": 64, "width": 128, "layers": 4, "heads": 4, "patch": 8, **texts},
            "hugging-face": {"dimension": None, "path": None, "trainable": "all"},
        }
        fill_choice(self, "model", "tower", owned)
        if self.tower == "hugging-face" and self.path is None:
            raise ValueError("model.path must be given with model.tower = 'hugging-face'; name the model's folder.")


@dataclass(frozen=True, kw_only=True)
class TemperatureTable:
    """``[temperature]``: 1 / logit scale.

    Parameters
    ----------
    initial
        Temperature at the start; 0.07 by default, and with a model of Hugging Face its own.
    lowest, highest
        Ends of its range, restored after each step.
    schedule
        "none"; "linear" or "cosine", from ``initial`` to ``last`` in its logarithm; "fixed-then-learned".
    learnable
        Whether the optimiser moves it; by default it does unless a schedule, "linear" or "cosine", does.
    last, steps
        Of "linear" and "cosine": the temperature at the end (``lowest`` by default), and the steps it takes to get
        there (the whole run by default). Of "fixed-then-learned": the steps before it is learned.
    """

    initial: float | None = number(None, above=0)
    lowest: float = number(0.01, above=0)
    highest: float = number(1.0, above=0)
    schedule: str = choice("none", "none", "linear", "cosine", "fixed-then-learned")
    learnable: bool | None = flag(None)
    last: float | None = number(None, above=0)
    steps: int | None = whole_number(None, least=1)

    def __post_init__(self):
        check_table(self, "temperature")
        towards = {"last": self.lowest, "steps": None}
        owned = {"linear": towards, "cosine": towards, "fixed-then-learned": {"steps": None}}
        fill_choice(self, "temperature", "schedule", owned)
        follows = self.schedule in ("linear", "cosine")
        if self.learnable is None:
            object.__setattr__(self, "learnable", not follows)
        elif self.schedule != "none" and self.learnable == follows:
            raise ValueError(
                f"temperature.learnable must be {str(not follows).lower()} with the schedule {self.schedule!r}, but it "
                f"is {str(follows).lower()}; leave it out."
            )
        if self.schedule == "fixed-then-learned" and self.steps is None:
            raise ValueError(
                "temperature.steps must be given with the schedule 'fixed-then-learned', but it is missing; write for "
                "how many steps it stays fixed."
            )
        for name in ("initial", "last"):
            value = getattr(self, name)
            if value is not None and not self.lowest <= value <= self.highest:
                raise ValueError(
                    f"temperature.{name} must lie from temperature.lowest to temperature.highest ({self.lowest:g} to "
                    f"{self.highest:g}), but it is {value:g}; move it or the range."
                )


@dataclass(frozen=True, kw_only=True)
class OptimiserTable:
    """``[optimiser]``: AdamW, and how its learning rate changes.

    Parameters
    ----------
    learning_rate, weight_decay, betas, eps
        Of AdamW. A rate or eps of a million or more is refused: it would not fit in float32 once it is scaled.
    decay_all
        Decay vectors and the logit scale too, not only matrices.
    gradient_clip
        Largest length of the gradient; no limit without it.
    schedule
        "constant", "cosine", "cosine-restarts" or "exponential".
    warmup_steps
        Steps over which the learning rate rises to its full value.
    cycles
        Of "cosine-restarts": number of the half periods; 10 by default.
    factor, every
        Of "exponential": the rate is multiplied by ``factor`` once in ``every`` steps; 0.9 and 50 by default.
    """

    learning_rate: float = number(1e-3, above=0, below=1e6)
    weight_decay: float = number(0.1, least=0)
    betas: tuple[float, float] = two_shares((0.9, 0.99))
    eps: float = number(1e-8, above=0, below=1e6)
    decay_all: bool = flag(False)
    gradient_clip: float | None = number(None, above=0)
    schedule: str = choice("constant", "constant", "cosine", "cosine-restarts", "exponential")
    warmup_steps: int = whole_number(0, least=0)
    cycles: int | None = whole_number(None, least=1)
    factor: float | None = number(None, above=0, below=1)
    every: int | None = whole_number(None, least=1)

    def __post_init__(self):
        check_table(self, "optimiser")
        owned = {"cosine-restarts": {"cycles": 10}, "exponential": {"factor": 0.9, "every": 50}}
        fill_choice(self, "optimiser", "schedule", owned)


@dataclass(frozen=True, kw_only=True)
class RunTable:
    """``[run]``: how long, and in what portions.

    Parameters
    ----------
    epochs, batch_size
        Passes over the training items, and items a step.
    seed
        Seed of weights, order and choice among several rows of an item.
    precision
        "float32", or "bf16" or "fp16" for towers in mixed precision.
    device
        "cpu", "cuda", or "auto" for a GPU where there is one.
    chunk_size
        Items that the towers see at a time, for batches larger than memory; the gradient is the same.
    checkpoint_every, evaluate_every
        Steps from one checkpoint or measurement to the next; 0 for the start and the end alone.
    tensorboard
        Folder of event files, in which TensorBoard shows losses and measurements; none without it.
    trackio
        Project of trackio to which the same numbers are sent; none without it.
    """

    epochs: int = whole_number(10, least=1)
    batch_size: int = whole_number(64, least=2)
    seed: int = whole_number(0, least=0)
    precision: str = choice("float32", "float32", "bf16", "fp16")
    device: str = choice("auto", "auto", "cpu", "cuda")
    chunk_size: int | None = whole_number(None, least=1)
    checkpoint_every: int = whole_number(100, least=0)
    evaluate_every: int = whole_number(100, least=0)
    tensorboard: str | None = word(None)
    trackio: str | None = word(None)

    def __post_init__(self):
        check_table(self, "run")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """All tables of a training run.

    Parameters
    ----------
    data, model, temperature, optimiser, run
        The tables.
    loss
        The terms of the sum that is minimised; the CLIP loss alone by default.

    Examples
    --------
    >>> config = config_from({"data": {"source": "pairs.npz"}, "loss": {"clip_loss": 1, "uniformity_loss": 0.5}})
    >>> config.run.batch_size, [(term.name, term.weight) for term in config.loss]
    (64, [('clip_loss', 1.0), ('uniformity_loss', 0.5)])
    """

    data: DataTable
    model: ModelTable = field(default_factory=ModelTable)
    loss: tuple[LossTerm, ...] = (LossTerm(name="clip_loss"),)
    temperature: TemperatureTable = field(default_factory=TemperatureTable)
    optimiser: OptimiserTable = field(default_factory=OptimiserTable)
    run: RunTable = field(default_factory=RunTable)

    def __post_init__(self):
        on_pictures = self.model.tower in PICTURE_TOWERS
        if on_pictures != (self.data.images is not None):
            needed, given = ("images", "source") if on_pictures else ("source", "images")
            raise ValueError(
                f"model.tower = {self.model.tower!r} needs data.{needed}, but data.{given} is given; give the other "
                f"one, or another tower."
            )
        if self.temperature.initial is None and self.model.tower != "hugging-face":
            object.__setattr__(self, "temperature", replace(self.temperature, initial=_INITIAL))


_TABLES: dict[str, Any] = {
    "data": DataTable,
    "model": ModelTable,
    "temperature": TemperatureTable,
    "optimiser": OptimiserTable,
    "run": RunTable,
}


def config_from(tables: Mapping[str, Any]) -> TrainingConfig:
    """Make a configuration of nested mappings, as ``tomllib`` reads them.

    Raises
    ------
    TypeError
        If a table is no table, or a value is of the wrong type.
    ValueError
        If a table, key or loss is unknown, keys do not go together, or a value is out of its range.
    """
    names = ["data", "model", "loss", "temperature", "optimiser", "run"]
    for name, table in tables.items():
        if name not in names:
            raise ValueError(f"the configuration has an unknown table [{name}]; {nearest(name, names)}")
        if not isinstance(table, Mapping):
            raise TypeError(f"{name} must be a table, but it is {table!r}; write [{name}] and its keys below it.")
    parts: dict[str, Any] = {}
    for name, kind in _TABLES.items():
        table = tables.get(name, {})
        keys = [f.name for f in fields(kind)]
        for key in table:
            if key not in keys:
                raise ValueError(f"the configuration has an unknown key {name}.{key}; {nearest(key, keys, f'{name}.')}")
        parts[name] = kind(**table)
    if "loss" in tables:
        if not tables["loss"]:
            raise ValueError("[loss] is empty, so there is nothing to minimise; write for example clip_loss = 1.0.")
        parts["loss"] = tuple(loss_term(name, value) for name, value in tables["loss"].items())
    return TrainingConfig(**parts)


def as_tables(config: TrainingConfig) -> dict[str, dict[str, Any]]:
    """Return the nested dicts that ``config_from`` makes this configuration of; what is None is left out.

    Examples
    --------
    >>> tables = as_tables(config_from({"data": {"source": "pairs.npz"}}))
    >>> tables["data"], tables["loss"]
    ({'source': ['pairs.npz'], 'held_out': 0.1}, {'clip_loss': 1.0})
    """
    tables: dict[str, dict[str, Any]] = {}
    for f in fields(config):
        table = getattr(config, f.name)
        if f.name == "loss":
            tables["loss"] = {
                term.name: {"weight": term.weight, **term.options} if term.options else term.weight for term in table
            }
        else:
            values = {part.name: getattr(table, part.name) for part in fields(table)}
            tables[f.name] = {
                key: list(value) if isinstance(value, tuple) else value
                for key, value in values.items()
                if value is not None
            }
    return tables

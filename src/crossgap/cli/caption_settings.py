"""What ``crossgap caption fit`` is asked for, as settings of the training and the shape of the decoder."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossgap.cli.text import closest_names

if TYPE_CHECKING:
    from crossgap.transfer import FitSettings

__all__ = ["FitRequest", "clipcap", "fit_settings"]

_DECODERS = ("transformer", "nearest", "clipcap")
_SHAPE = {"width": 128, "layers": 3, "heads": 4, "dropout": 0.1, "most_tokens": 40, "vocabulary": 4000}
_CLIPCAP = {"prefix_length": 10, "most_tokens": None, "rank": 8}  # None: by ClipCap's rule, of the texts
_OF_LANGUAGE_MODEL = {"learning_rate": 2e-5, "batch_size": 40, "warmup_steps": 5000, "schedule": "linear"}  # as C3
_OTHERS = {"transformer": {"held_out": 0.05, "checkpoint_every": 200}, "nearest": {}}
_OTHERS["clipcap"] = {"held_out": 0.05, "checkpoint_every": None}  # by the clock: one of GPT-2 takes two gigabytes
_SHARES = ("dropout", "held_out")  # all others are whole numbers


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """What the command line asks for."""

    sources: Sequence[str]
    text: str | None
    learn_on: str
    groups: Sequence[str] | None
    arm: str
    decoder: str
    language_model: str | None
    lora: bool
    target_cosine: float | None
    variance: float | None
    noise: str
    noise_subspace: str
    epochs: int | None
    changes: Sequence[str]
    seed: int

    def must_agree(self) -> dict[str, Any]:
        """Return what may not differ where a fit goes on; the rows and texts are compared by their checksum."""
        apart = ("sources", "text", "groups")
        changes = sorted(change for change in self.changes if not change.startswith("checkpoint_every="))
        return {key: value for key, value in vars(self).items() if key not in apart} | {"changes": changes}


def fit_settings(request: FitRequest) -> tuple["FitSettings", dict[str, Any], dict[str, Any]]:
    """Return the settings of the training, the shape of the decoder, and what else ``--set`` may change.

    What is None is chosen later: "most_tokens" by the texts, "checkpoint_every" by the clock.
    """
    from crossgap.transfer import FitSettings

    if request.decoder not in _DECODERS:
        raise ValueError(f"there is no decoder {request.decoder!r}; {closest_names(request.decoder, _DECODERS)}")
    if request.decoder != "clipcap" and (request.language_model is not None or request.lora):
        raise ValueError(
            f"--language-model and --lora go with --decoder clipcap, but the decoder is {request.decoder}; leave them "
            f"out."
        )
    if request.decoder == "clipcap" and request.language_model is None:
        raise ValueError(
            "--decoder clipcap needs --language-model FOLDER, a causal language model that is on the disk, for example "
            "of GPT-2; the decoder `transformer` needs none."
        )
    shape = dict({"transformer": _SHAPE, "clipcap": _CLIPCAP, "nearest": {}}[request.decoder])
    if request.decoder == "clipcap" and not request.lora:
        shape.pop("rank")
    training = {field.name for field in fields(FitSettings)} - {"seed"} if request.decoder != "nearest" else set()
    given: dict[str, Any] = {} if request.decoder != "clipcap" else dict(_OF_LANGUAGE_MODEL)
    if request.epochs is not None:
        given["epochs"] = request.epochs
    others: dict[str, Any] = dict(_OTHERS[request.decoder])
    for text in request.changes:
        key, value = _change(text)
        if key in training:
            given[key] = value
        elif key in shape or key in others:
            place = shape if key in shape else others
            kind = "a number" if key in _SHARES else "a whole number"
            if type(value) is not int and not (type(value) is float and key in _SHARES):
                raise ValueError(f"{key} must be {kind}, but --set gives {value!r}; change it.")
            place[key] = value
        else:
            known = sorted([*shape, *training, *others])
            way = closest_names(key, known) if known else "leave it out."
            raise ValueError(f"the decoder {request.decoder} has no setting {key!r}; {way}")
    every = others.get("checkpoint_every")
    if every is not None and every < 1:
        raise ValueError(f"checkpoint_every must be at least 1 step, but it is {every}; change it.")
    return replace(FitSettings(seed=request.seed), **given), shape, others


def _change(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ValueError(f"--set must be key=value, but it is {text!r}; for example --set width=256.")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def clipcap(request: FitRequest, dimension: int, shape: Mapping[str, Any], texts: Sequence[str]) -> Any:
    """Return the decoder that puts a prefix before a language model on the disk, long enough for the texts."""
    from crossgap.transfer.clipcap import ClipCap
    from crossgap.transfer.low_rank import LowRank

    folder = Path(request.language_model or "").expanduser()
    if not folder.is_dir():
        raise ValueError(
            f"--language-model must be a folder on this disk, but {request.language_model!r} is none; save a model "
            f"there first: model.save_pretrained(FOLDER), tokenizer.save_pretrained(FOLDER)."
        )
    given = {key: value for key, value in shape.items() if value is not None and key != "rank"}
    if request.lora:
        given |= {"tune": "lora", "low_rank": LowRank(rank=shape["rank"])}
    with _no_bars():
        made = ClipCap.from_pretrained(folder, dimension=dimension, seed=request.seed, **{"most_tokens": 1, **given})
    if shape["most_tokens"] is None:
        made.fit_length(texts)
    return made


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep the bars of transformers off standard error."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()

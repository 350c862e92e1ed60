"""The losses that a configuration can name, and one weighted term of their sum."""

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from crossgap.losses.alignment_uniformity import (
    alignment_loss,
    cross_uniformity_loss,
    joint_uniformity_loss,
    uniformity_loss,
)
from crossgap.losses.clip import clip_loss
from crossgap.losses.cloob import cloob_loss
from crossgap.losses.correct_only import correct_only_loss
from crossgap.losses.cua import cua_loss, cuaxu_loss
from crossgap.losses.cyclip import cyclip_loss
from crossgap.losses.debiased import debiased_loss
from crossgap.losses.decoupled import decoupled_loss
from crossgap.losses.direction_consistency import direction_consistency_loss
from crossgap.losses.focal import focal_loss
from crossgap.losses.hard_negatives import hard_negative_loss
from crossgap.losses.infoloob import infoloob_loss
from crossgap.losses.m2mix import m2mix_loss
from crossgap.losses.m3mix import m3mix_loss
from crossgap.losses.margin import margin_loss
from crossgap.losses.nt_xent import nt_xent_loss
from crossgap.losses.siglip import siglip_loss
from crossgap.losses.similarity_structure import similarity_structure_loss
from crossgap.losses.singular_spread import singular_spread_loss
from crossgap.train.config_values import is_number, nearest

__all__ = ["LOSSES", "LossTerm", "loss_term"]

LOSSES: dict[str, Callable[..., Any]] = {  # losses that need nothing but rows and the logit scale
    "alignment_loss": alignment_loss,
    "clip_loss": clip_loss,
    "cloob_loss": cloob_loss,
    "correct_only_loss": correct_only_loss,
    "cross_uniformity_loss": cross_uniformity_loss,
    "cua_loss": cua_loss,
    "cuaxu_loss": cuaxu_loss,
    "cyclip_loss": cyclip_loss,
    "debiased_loss": debiased_loss,
    "decoupled_loss": decoupled_loss,
    "direction_consistency_loss": direction_consistency_loss,
    "focal_loss": focal_loss,
    "hard_negative_loss": hard_negative_loss,
    "infoloob_loss": infoloob_loss,
    "joint_uniformity_loss": joint_uniformity_loss,
    "m2mix_loss": m2mix_loss,
    "m3mix_loss": m3mix_loss,
    "margin_loss": margin_loss,
    "nt_xent_loss": nt_xent_loss,
    "siglip_loss": siglip_loss,
    "similarity_structure_loss": similarity_structure_loss,
    "singular_spread_loss": singular_spread_loss,
    "uniformity_loss": uniformity_loss,
}

_GIVEN_BY_THE_RUN = {"check", "epoch", "fused", "generator", "items", "logit_bias", "logit_scale", "rows", "step"}


@dataclass(frozen=True, kw_only=True)
class LossTerm:
    """One line of ``[loss]``: a function of ``crossgap.losses``, its weight and its options.

    Parameters
    ----------
    name
        Name of the function.
    weight
        Its weight in the sum.
    options
        Its keywords; False in place of None.

    Raises
    ------
    TypeError
        If the weight or an option is of the wrong type.
    ValueError
        If there is no such loss or option, or the weight is not finite.

    Examples
    --------
    >>> LossTerm(name="cloob_loss", weight=0.5, options={"hopfield_scale": False}).function.keywords
    {'hopfield_scale': None}
    """

    name: str
    weight: float = 1.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        key = f"loss.{self.name}"
        if self.name not in LOSSES:
            raise ValueError(f"{key} is no loss that a configuration can name; {nearest(self.name, LOSSES, 'loss.')}")
        if not is_number(self.weight):
            raise TypeError(
                f"{key} must be a weight, or a table with one, but it is {self.weight!r}; write for example "
                f"{self.name} = 1.0."
            )
        if not math.isfinite(self.weight):
            raise ValueError(f"{key} must have a finite weight, but it is {self.weight}; write {self.name} = 1.0.")
        object.__setattr__(self, "weight", float(self.weight))
        known = _options(LOSSES[self.name])
        for option, value in self.options.items():
            if option not in known:
                raise ValueError(f"{key} has no option {option!r}; {nearest(option, ['weight', *known], f'{key}.')}")
            _check_option(value, known[option], f"{key}.{option}")

    @property
    def function(self) -> Callable[..., Any]:
        """The loss with its options bound."""
        known = _options(LOSSES[self.name])
        given = {
            option: None if value is False and type(None) in _types(known[option]) else value
            for option, value in self.options.items()
        }
        return functools.partial(LOSSES[self.name], **given) if given else LOSSES[self.name]


def loss_term(name: str, value: Any) -> LossTerm:
    """Make a term of what stands behind its name: a weight, or a table of a weight and options."""
    if not isinstance(value, Mapping):
        return LossTerm(name=name, weight=value)
    options = {key: option for key, option in value.items() if key != "weight"}
    return LossTerm(name=name, weight=value.get("weight", 1.0), options=options)


def _options(loss: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the keywords of a loss that are plain values, not rows."""
    return {
        name: parameter
        for name, parameter in inspect.signature(loss).parameters.items()
        if name not in _GIVEN_BY_THE_RUN and {bool, int, float} & set(_types(parameter))
    }


def _types(parameter: inspect.Parameter) -> tuple[Any, ...]:
    return get_args(parameter.annotation) or (parameter.annotation,)


def _check_option(value: Any, parameter: inspect.Parameter, name: str) -> None:
    types = _types(parameter)
    if bool in types and not isinstance(value, bool):
        raise TypeError(f"{name} must be true or false, but it is {value!r}; write {name} = true.")
    if bool not in types and not (value is False and type(None) in types):
        if not is_number(value):
            off = ", or false for none" if type(None) in types else ""
            raise TypeError(f"{name} must be a number{off}, but it is {value!r}; write for example {name} = 1.0.")
        if not math.isfinite(value):
            raise ValueError(f"{name} must be finite, but it is {value!r}; write for example {name} = 1.0.")

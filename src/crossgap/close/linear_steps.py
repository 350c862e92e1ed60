"""The steps of a linear closer, group by group: what every export is made of."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import Closer, LinearCloser
from crossgap.close.state_tree import tensor_name

__all__ = ["check_fitted", "linear_steps", "linear_steps_of", "pack_steps", "unpack_steps"]

_ARRAYS = tuple(AffineStep().arrays())


def check_fitted(closer: Closer) -> None:
    """Fail in one sentence where a closer has learned nothing yet."""
    check_is_fitted(closer, msg="%(name)s must be fitted before it is saved or exported, but it is not; call fit.")


def linear_steps(closer: Closer) -> dict[str, tuple[AffineStep, ...]]:
    """Return the steps of every group.

    Raises
    ------
    TypeError
        If the closer does more than matrices, offsets and lengths.
    """
    check_fitted(closer)
    if not isinstance(closer, LinearCloser):
        raise TypeError(
            f"closer must move rows by matrices and offsets to be written in this form, but {type(closer).__name__} "
            f"does not; keep it as .safetensors and apply it with crossgap."
        )
    return {group: closer.steps(group) for group in closer.groups_}


def linear_steps_of(closer: Closer, group: str | None) -> tuple[str, tuple[AffineStep, ...]]:
    """Return one group and its steps; None names the only one.

    Raises
    ------
    ValueError
        If there is no such group, or several and none is named.
    TypeError
        If the closer does more than matrices, offsets and lengths.
    """
    steps = linear_steps(closer)
    if group is None and len(steps) > 1:
        raise ValueError(
            f"group must be named, since the closer moves {', '.join(steps)} in different ways; give one of them."
        )
    group = next(iter(steps)) if group is None else group
    if group not in steps:
        raise ValueError(f"group must be one of {', '.join(steps)}, but it is {group!r}.")
    return group, steps[group]


def pack_steps(
    steps: Mapping[str, tuple[AffineStep, ...]], tensors: Mapping[str, np.ndarray]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the steps as JSON that names arrays, and the arrays that ``tensors`` does not hold yet.

    An offset that is held already with the other sign is named so, with ``"sign": -1``.
    """
    held = {_content(array): name for name, array in tensors.items()}
    added: dict[str, np.ndarray] = {}

    def named(array: np.ndarray, wanted: str) -> str:
        name = held.get(_content(array))
        if name is None:
            name = held[_content(array)] = tensor_name(wanted, {**tensors, **added})
            added[name] = array
        return name

    packed: dict[str, Any] = {}
    for group, own in steps.items():
        packed[group] = []
        for number, step in enumerate(own):
            arrays, offset, sign = step.arrays(), step.offset, 1
            if offset is not None and _content(offset) not in held and _content(-offset) in held:
                arrays["offset"], sign = -offset, -1
            names = {
                part: None if array is None else named(array, f"steps.{group}.{number}.{part}")
                for part, array in arrays.items()
            }
            packed[group].append({**names, "sign": sign, "renormalise": step.renormalise})
    return packed, added


def unpack_steps(packed: Any, tensors: Mapping[str, np.ndarray], used: set[str]) -> dict[str, tuple[AffineStep, ...]]:
    """Return the steps again, and add the names of their arrays to ``used``.

    Raises
    ------
    ValueError
        If this is nothing that ``pack_steps`` returns; the message is a part of a sentence.
    """
    if not isinstance(packed, dict) or not all(isinstance(own, list) for own in packed.values()):
        raise ValueError("lists its steps wrongly")
    return {group: tuple(_step(step, tensors, used) for step in own) for group, own in packed.items()}


def _step(step: Any, tensors: Mapping[str, np.ndarray], used: set[str]) -> AffineStep:
    sound = (
        isinstance(step, dict)
        and set(step) == {*_ARRAYS, "sign", "renormalise"}
        and step["sign"] in (1, -1)
        and isinstance(step["renormalise"], bool)
        and None in (step["matrix"], step["removed"])
    )
    if not sound:
        raise ValueError("lists its steps wrongly")
    arrays: dict[str, Any] = {}
    for part in _ARRAYS:
        name = step[part]
        if name is not None and (not isinstance(name, str) or name not in tensors):
            raise ValueError(f"names the tensor {str(name)[:40]!r}, which is missing")
        used.update(set() if name is None else {name})
        arrays[part] = None if name is None else tensors[name]
    if arrays["offset"] is not None and step["sign"] == -1:
        arrays["offset"] = -arrays["offset"]
    return AffineStep(**arrays, renormalise=step["renormalise"])


def _content(array: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.str, array.shape, array.tobytes()

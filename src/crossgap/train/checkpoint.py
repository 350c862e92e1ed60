"""What a model and an optimiser hold, to and from one file."""

import os
import sys
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from crossgap.train.tensor_file import read_tensors, write_tensors

__all__ = [
    "load_model",
    "load_optimiser_state",
    "model_state",
    "optimiser_state",
    "save_model",
    "tensors_under",
    "unwrapped",
    "versions",
    "wrong_model",
]


def save_model(model: nn.Module, path: str | os.PathLike[str], *, notes: Mapping[str, Any] | None = None) -> None:
    """Write the weights and buffers of a model, without the state of a run.

    Parameters
    ----------
    model
        A module; one wrapped for distributed training or by ``torch.compile`` is unwrapped.
    path
        A ``.safetensors`` file, which other programs read by the names of the weights.
    notes
        Whatever else is worth keeping, as JSON.

    Raises
    ------
    OSError
        If the file cannot be written; what was there before stays.

    Examples
    --------
    >>> import tempfile, torch
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_model(torch.nn.Linear(2, 2), f"{folder}/model.safetensors", notes={"d": 2})
    ...     load_model(torch.nn.Linear(2, 2), f"{folder}/model.safetensors")
    {'d': 2}
    """
    write_tensors(path, model_state(model), {"kind": "model", "notes": dict(notes or {}), **versions()})


def load_model(model: nn.Module, path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read weights and buffers into a model, from a file of ``save_model`` or of ``TrainingRun.save``.

    Parameters
    ----------
    model
        A module of the same architecture; it is changed in place, and only when everything fits.
    path
        The file.

    Returns
    -------
    The notes that were saved with it.

    Raises
    ------
    FormatError
        If the file is cut short or foreign.
    ValueError
        If it holds another model: other names, shapes or types.
    OSError
        If there is no such file.
    """
    tensors, record = read_tensors(path)
    held = tensors_under("model", tensors) if record.get("kind") == "run" else tensors
    different = wrong_model(model, held)
    if different:
        raise ValueError(f"{os.fspath(path)!r} holds another model: {different}; build the model it was saved from.")
    unwrapped(model).load_state_dict(held)
    notes = record.get("notes")
    return notes if isinstance(notes, dict) else {}


def unwrapped(model: nn.Module) -> Any:
    """Return the module inside the wrappers of distributed training and of ``torch.compile``."""
    while True:
        inner = model.module if isinstance(model, _WRAPPERS) else getattr(model, "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def model_state(model: nn.Module) -> dict[str, Tensor]:
    """Return weights and buffers by name, detached."""
    state = unwrapped(model).state_dict()
    return {name: values.detach() for name, values in state.items() if isinstance(values, Tensor)}


def wrong_model(model: nn.Module, held: Mapping[str, Tensor]) -> str:
    """Return in words the first difference between a model and saved weights, or nothing."""
    own = model_state(model)
    for name in [*own, *held]:
        if name not in held:
            return f"it lacks {name!r}, which this model has"
        if name not in own:
            return f"it has {name!r}, which this model lacks"
        shapes = tuple(held[name].shape), tuple(own[name].shape)
        if shapes[0] != shapes[1]:
            return f"its {name!r} has shape {shapes[0]}, here it is {shapes[1]}"
        if held[name].dtype != own[name].dtype:
            return f"its {name!r} is {held[name].dtype}, here it is {own[name].dtype}"
    return ""


def optimiser_state(optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of an optimiser by name, and the rest of its state as JSON."""
    state = optimiser.state_dict()
    tensors, numbers = {}, {}
    for index, held in state["state"].items():
        for key, value in held.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value.detach()
            elif value is None or isinstance(value, bool | int | float | str):
                numbers[f"{index}.{key}"] = value
            else:
                raise TypeError(
                    f"the state of {type(optimiser).__name__} must hold tensors and numbers, but its {key!r} is a "
                    f"{type(value).__name__}; take another optimiser, for example crossgap.train.adamw."
                )
    return tensors, {"numbers": numbers, "indices": list(state["state"])}


def load_optimiser_state(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], record: Mapping[str, Any]
) -> None:
    """Put back what ``optimiser_state`` returned, bit for bit; the options of the groups stay as they are."""
    state: dict[int, dict[str, Any]] = {int(index): {} for index in record["indices"]}
    for name, value in [*tensors.items(), *record["numbers"].items()]:
        index, _, key = name.partition(".")
        state[int(index)][key] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def tensors_under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors whose names begin with ``prefix.``, without it."""
    start = f"{prefix}."
    return {name.removeprefix(start): values for name, values in tensors.items() if name.startswith(start)}


def versions() -> dict[str, str]:
    """Return the versions that a file names."""
    package = sys.modules[__name__.partition(".")[0]]  # an import would be one of all the rooms above
    return {"crossgap": package.__version__, "torch": torch.__version__}


_WRAPPERS = (nn.parallel.DistributedDataParallel, nn.DataParallel)

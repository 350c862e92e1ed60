"""What a file of a training run holds, and what must agree before a run goes on from it."""

import functools
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from crossgap.errors import FormatError
from crossgap.train.checkpoint import (
    load_optimiser_state,
    model_state,
    optimiser_state,
    tensors_under,
    unwrapped,
    versions,
    wrong_model,
)
from crossgap.train.tensor_file import read_tensors, write_tensors

if TYPE_CHECKING:
    from crossgap.train.run import TrainingRun

__all__ = ["name_of", "read_run", "run_settings", "write_run"]

_LAYOUT = 1


def write_run(run: "TrainingRun", path: str | os.PathLike[str], *, notes: Mapping[str, Any]) -> None:
    """Write all that the next steps of a run depend on; see ``TrainingRun.save``."""
    tensors, optimiser = optimiser_state(run.optimiser)
    tensors = {f"optimiser.{name}": values for name, values in tensors.items()}
    tensors |= {f"model.{name}": values for name, values in model_state(run.model).items()}
    if isinstance(run.objective, nn.Module):
        tensors |= {f"objective.{name}": values for name, values in model_state(run.objective).items()}
    probes = sorted({run.step, *(run.total_steps * part // 8 for part in range(8))})
    record = {
        "kind": "run",
        "layout": _LAYOUT,
        "step": run.step,
        "epochs": run.epochs,
        "settings": run.settings,
        "schedules": [[step, *_scheduled(run, step)] for step in probes],
        "optimiser": optimiser,
        "scaler": run.scaler.state_dict(),
        "notes": dict(notes),
        **versions(),
    }
    write_tensors(path, tensors, record)


def read_run(run: "TrainingRun", path: str | os.PathLike[str]) -> dict[str, Any]:
    """Put a run where a saved one was, if all agrees, and return the notes; see ``TrainingRun.restore``."""
    name = os.fspath(path)
    tensors, record = read_tensors(path)
    if record.get("kind") != "run":
        raise FormatError(f"{name!r} holds a model without the state of a run; read it with load_model.")
    if record["layout"] != _LAYOUT:
        raise FormatError(
            f"{name!r} was written by crossgap {record['crossgap']} in layout {record['layout']}, but this version "
            f"reads layout {_LAYOUT}; go on with the version that wrote it."
        )
    model, objective, optimiser = (tensors_under(part, tensors) for part in ("model", "objective", "optimiser"))
    different = wrong_model(run.model, model)
    if different:
        raise ValueError(f"{name!r} was saved by another model: {different}; build the model it was saved from.")
    if isinstance(run.objective, nn.Module):
        different = wrong_model(run.objective, objective)
        if different:
            raise ValueError(f"{name!r} was saved with another objective: {different}; give the one it was saved with.")
    for key in sorted(run.settings.keys() & record["settings"].keys()):  # other versions of torch have other options
        old, own = record["settings"][key], run.settings[key]
        if old != own:
            raise ValueError(
                f"{name!r} was saved with {key} {_shown(old)}, but this run has {_shown(own)}; give the settings it "
                f"was saved with, or begin a new run."
            )
    for step, *old in record["schedules"]:
        own = _scheduled(run, step)
        if old != own:
            raise ValueError(
                f"{name!r} was saved with another schedule: factor and logit scale of step {step} were {_shown(old)}, "
                f"but here they are {_shown(own)}; give the schedules it was saved with, or begin a new run."
            )
    unwrapped(run.model).load_state_dict(model)
    if isinstance(run.objective, nn.Module):
        unwrapped(run.objective).load_state_dict(objective)
    load_optimiser_state(run.optimiser, optimiser, record["optimiser"])
    run.scaler.load_state_dict(record["scaler"])
    run.step = record["step"]
    return record["notes"]


def run_settings(run: "TrainingRun") -> dict[str, Any]:
    """Return what must be equal when a run goes on, as JSON; schedules are compared apart, and epochs may differ."""
    options = {
        f"{key} of parameter group {number}": _plain(value)
        for number, group in enumerate(run.optimiser.param_groups)
        for key, value in {**group, "params": len(group["params"])}.items()
        if key != "lr"  # moves; initial_lr does not
    }
    return {
        "batch_size": run.batch_size,
        "chunk_size": run.chunk_size,
        "drop_last": run.drop_last,
        "eval_mode": run.eval_mode,
        "fingerprint of the pairs": getattr(run.pairs, "fingerprint", None),
        "gradient_clip": run.gradient_clip,
        "number of pairs": len(run.pairs),
        "objective": _described(run.objective),
        "optimiser": type(run.optimiser).__name__,
        "parameter groups": len(run.optimiser.param_groups),
        "precision": run.precision,
        "seed": run.seed,
        "world_size": run.world_size,
        **options,
    }


def name_of(objective: Any) -> str:
    """Return the name of a function, of what a partial calls, or of the class of a module."""
    function = objective.func if isinstance(objective, functools.partial) else objective
    return getattr(function, "__name__", type(function).__name__)


def _scheduled(run: "TrainingRun", step: int) -> list[float | None]:
    return [
        1.0 if run.schedule is None else run.schedule(step),
        None if run.scale_schedule is None else run.scale_schedule(step),
    ]


def _described(objective: Any) -> str:
    if isinstance(objective, nn.Module):
        return f"{name_of(objective)}({objective.extra_repr()})"
    if isinstance(objective, functools.partial):
        options = [f"{key}={_plain(value)}" for key, value in sorted(objective.keywords.items())]
        return f"{name_of(objective)}({', '.join(options)})"
    return name_of(objective)


def _plain(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value if value is None or isinstance(value, bool | int | float | str) else type(value).__name__


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

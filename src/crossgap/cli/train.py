"""``crossgap train``: a dual encoder from a configuration, with its gap measured while it learns."""

import math
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossgap import __version__
from crossgap.cli.door import door
from crossgap.cli.options import Json, Replicates
from crossgap.cli.output import output_path, write_text
from crossgap.cli.progress import count_bar, few_threads, progress
from crossgap.cli.run_folder import Records, RunFolder
from crossgap.cli.text import terminal_width

if TYPE_CHECKING:
    from crossgap.train.alarms import Alarm, CollapseAlarm
    from crossgap.train.config import TrainingConfig
    from crossgap.train.from_config import ConfiguredRun
    from crossgap.train.run import Step

__all__ = ["train"]

_SHOWN = ("centroid_distance", "linear_separability", "uniformity", "cross_uniformity", "alignment", "matched_cosine")
_MAY_DIFFER = {
    "data.source",
    "data.images",
    "data.captions",
    "model.path",
    "run.epochs",
    "run.device",
    "run.checkpoint_every",
    "run.evaluate_every",
}


@door
def train(
    config: Annotated[
        str, typer.Argument(metavar="CONFIG", help="TOML file: data, model, loss, temperature, optimiser, run.")
    ],
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="<path>", help="Folder of the run; CONFIG without its ending if left out."
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's checkpoint.")] = False,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="<key=value>", help="Change the configuration: run.epochs=3. May be repeated."),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="The same as --set run.seed=.")] = None,
    replicates: Replicates = 200,
    as_json: Json = False,
) -> None:
    """Train a dual encoder on pairs and watch its gap."""
    from crossgap.train.config_file import config_text, read_config
    from crossgap.train.from_config import configured_run

    settings = read_config(config, [*(changes or []), *([] if seed is None else [f"run.seed={seed}"])])
    folder = RunFolder(Path(config).with_suffix("") if output is None else output_path(output))
    folder.check(resume=resume)
    made = configured_run(settings)
    if folder.checkpoint.exists():
        _check_same(settings, folder)
        made.run.restore(folder.checkpoint)
    say = (lambda line: None) if as_json else typer.echo
    for line in _head(settings, made):
        say(line)
    again = f"crossgap train {_again(config, output, changes, seed)} --resume"
    saved: list[int] = []
    try:
        with _stop_signal() as stopped:
            folder.path.mkdir(parents=True, exist_ok=True)
            write_text(folder.config, config_text(settings))
            if made.words is not None:
                made.words.save(folder.words)
            curves, alarms = _train(settings, made, folder, say, saved=saved, stopped=stopped)
        if made.held_out is not None:
            _write_report(settings, made, folder, replicates)
    except KeyboardInterrupt:
        step = saved[-1] if saved else made.run.step
        typer.echo(f"interrupted; {folder.checkpoint} holds step {step}, and this goes on: {again}", err=True)
        raise typer.Exit(130) from None
    files = [folder.checkpoint, folder.records, folder.config]
    files += [folder.words] * (made.words is not None) + [folder.gap] * (made.held_out is not None)
    if as_json:
        from crossgap.results import to_json

        typer.echo(to_json(_document(settings, made, curves, alarms, files)), nl=False)
        return
    if made.held_out is None:
        say("\nNothing was held out (data.held_out = 0), so the gap was not measured.")
    else:
        say("\n" + _start_and_end(curves))
    say(f"\nWritten: {', '.join(map(str, files))}")
    say(
        "Next: crossgap train CONFIG --set data.held_out=0.1"
        if made.held_out is None
        else f"Next: crossgap explain centroid_distance (or any name in {folder.gap})"
    )


def _train(
    settings: "TrainingConfig",
    made: "ConfiguredRun",
    folder: RunFolder,
    say: Callable[[str], None],
    *,
    saved: list[int],
    stopped: Callable[[], bool],
) -> tuple[list[dict[str, Any]], list["Alarm"]]:
    """Take the steps that are left; return all evaluations of the run, and all its alarms."""
    from crossgap.train.config import as_tables

    run = made.run
    table = settings.run
    with Records(folder.records, step=run.step) as records, count_bar() as bar:
        watch = _alarm(settings, made)
        _replay(watch, records.kept)
        curves = [record for record in records.kept if record["event"] == "evaluation"]

        def save() -> None:
            records.flush()
            run.save(folder.checkpoint, notes={"config": as_tables(settings)})
            saved.append(run.step)

        def tell(alarms: tuple["Alarm", ...]) -> None:
            for alarm in alarms:
                records.write({"event": "alarm", **_alarm_record(alarm)})
                bar.say(f"alarm: {alarm}")

        def evaluate(last: "Step | None") -> None:
            if made.held_out is None:
                return
            curve = made.held_out.curve(made.model)
            record = {"event": "evaluation", "step": run.step, "values": dict(curve), "left_out": curve.left_out}
            records.write(record)
            curves.append(record)
            if not bar.is_shown:
                say(f"step {run.step}/{run.total_steps}: {_progress_text(last, curve)}")
            tell(watch.curve(run.step, curve))

        if run.step == 0:
            save()
        last: Step | None = None
        steps = iter(run)
        while run.step < run.total_steps:
            if run.step == 0 or _due(run.step, table.evaluate_every):
                evaluate(last)
            last = next(steps)
            records.write(_step_record(last))
            tell(watch.step(last))
            bar.show(run.step, run.total_steps, _progress_text(last, curves[-1]["values"] if curves else {}))
            if stopped():
                save()
                raise KeyboardInterrupt
            if run.step == run.total_steps or _due(run.step, table.checkpoint_every):
                save()
        evaluate(last)
        records.flush()
        return curves, list(watch.raised)


def _check_same(settings: "TrainingConfig", folder: RunFolder) -> None:
    """Refuse to go on with a run under other settings than it was begun with, and name the first of them."""
    from crossgap.train.config import as_tables
    from crossgap.train.tensor_file import read_tensors

    _, record = read_tensors(folder.checkpoint)
    begun, now = record.get("notes", {}).get("config", {}), as_tables(settings)
    for table in begun:
        for key in {**begun[table], **now[table]}:
            name, old, new = f"{table}.{key}", begun[table].get(key), now[table].get(key)
            if name not in _MAY_DIFFER and old != new:
                raise ValueError(
                    f"the run in {str(folder.path)!r} was begun with {name} = {old!r}, but now it is {new!r}; give "
                    f"what it was begun with, or begin another run with -o."
                )


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _step_record(step: "Step") -> dict[str, Any]:
    return {
        "event": "step",
        "step": step.step,
        "epoch": step.epoch,
        "loss": step.loss,
        "terms": dict(step.terms),
        "logit_scale": step.logit_scale,
        "learning_rate": step.learning_rate,
        "gradient_norm": step.gradient_norm,
    }


def _alarm_record(alarm: "Alarm") -> dict[str, Any]:
    record = {key: getattr(alarm, key) for key in ("step", "quantity", "value", "bound", "remedy")}
    return record | {"bound": alarm.bound if math.isfinite(alarm.bound) else None}


def _alarm(settings: "TrainingConfig", made: "ConfiguredRun") -> "CollapseAlarm":
    from crossgap.train.alarms import CollapseAlarm

    weights = {term.name: term.weight for term in settings.loss}
    if weights.get("clip_loss", 0) <= 0:
        return CollapseAlarm()
    batch = min(settings.run.batch_size, len(made.pairs))
    return CollapseAlarm(chance_loss=weights["clip_loss"] * math.log(batch), term="clip_loss")


def _replay(watch: "CollapseAlarm", records: list[dict[str, Any]]) -> None:
    """Show an alarm what it saw before the run was stopped."""
    from crossgap.train.gap_curves import GapCurve
    from crossgap.train.run import Step

    for record in records:
        fields = {key: value for key, value in record.items() if key != "event"}
        if record["event"] == "step":
            watch.step(Step(**fields))
        elif record["event"] == "evaluation":
            watch.curve(record["step"], GapCurve(record["values"], record["left_out"]))


@contextmanager
def _stop_signal() -> Iterator[Callable[[], bool]]:
    """Keep the first Ctrl-C for the end of the step in hand; a second one interrupts at once."""
    heard: list[int] = []

    def hear(number: int, _: Any) -> None:
        heard.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, hear)
    try:
        yield lambda: bool(heard)
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:  # after the last step
        raise KeyboardInterrupt


def _write_report(settings: "TrainingConfig", made: "ConfiguredRun", folder: RunFolder, replicates: int) -> None:
    from crossgap.report.collect import collect

    if made.held_out is None:
        return
    embeddings = made.held_out.embeddings(made.model)
    named = settings.data.source or (settings.data.images,)
    source = f"held-out items of {', '.join(map(str, named))}"
    inputs = [
        {"group": name, "source": source, "n": len(group), "d": embeddings.dimension}
        for name, group in embeddings.items()
    ]
    with few_threads(max(len(group) for group in embeddings.values())):
        report = collect(
            embeddings,
            replicates=replicates,
            seed=settings.run.seed,
            inputs=inputs,
            notes=made.notes,
            progress=progress,
        )
    write_text(folder.gap, report.to_json())


# what is printed


def _head(settings: "TrainingConfig", made: "ConfiguredRun") -> Iterator[str]:
    run, table = made.run, settings.model
    x, y = made.names
    held = 0 if made.held_out is None else len(made.held_out.pairs)
    several = ", one row of each group an epoch" if made.pairs.several else ""
    yield f"{x} and {y}: {len(made.pairs)} items to train on{several}, {held} held out"
    yield (
        f"two {table.tower} towers into {made.dimension} dimensions, {made.parameter_count:,} parameters, seed "
        f"{run.seed}"
    )
    terms = " + ".join(f"{term.weight:g} {term.name}" for term in settings.loss)
    yield f"{run.total_steps} steps of {min(run.batch_size, len(made.pairs))} items in {run.epochs} epochs on {terms}"
    yield from made.notes
    if run.step:
        yield f"goes on at step {run.step} of {run.total_steps}"
    yield ""


def _progress_text(step: "Step | None", curve: Mapping[str, float]) -> str:
    parts = [] if step is None else [f"loss {step.loss:.4g}"]
    names = {"centroid_distance": "gap", "linear_separability": "separability"}
    parts += [f"{shown} {curve[name]:.3f}" for name, shown in names.items() if name in curve]
    recalls = [curve[name] for name in ("recall_at_1/x_to_y", "recall_at_1/y_to_x") if name in curve]
    if recalls:
        parts.append(f"R@1 {' / '.join(f'{value:.3f}' for value in recalls)}")
    return ", ".join(parts)


def _start_and_end(curves: list[dict[str, Any]]) -> str:
    first, last = curves[0], curves[-1]
    recalls = [name for name in last["values"] if name.startswith("recall_at_")]
    names = [name for name in (*_SHOWN, *recalls) if name in last["values"]]
    column = 2 + max(map(len, names))
    lines = [f"{'held-out items':{column}}{'step ' + str(first['step']):>12}{'step ' + str(last['step']):>12}"]
    for name in names:
        start = first["values"].get(name)
        lines.append(f"{name:{column}}{'' if start is None else f'{start:.3f}':>12}{last['values'][name]:>12.3f}")
    return "\n".join(line[: max(terminal_width(), 60)] for line in lines)


def _document(
    settings: "TrainingConfig",
    made: "ConfiguredRun",
    curves: list[dict[str, Any]],
    alarms: list["Alarm"],
    files: list[Path],
) -> dict[str, Any]:
    from crossgap.train.config import as_tables

    return {
        "schema": 1,
        "crossgap": __version__,
        "config": as_tables(settings),
        "groups": list(made.names),
        "items": {
            "training": len(made.pairs),
            "held_out": 0 if made.held_out is None else len(made.held_out.pairs),
        },
        "parameters": made.parameter_count,
        "steps": made.run.total_steps,
        "start": curves[0]["values"] if curves else None,
        "end": curves[-1]["values"] if curves else None,
        "alarms": [_alarm_record(alarm) for alarm in alarms],
        "notes": list(made.notes),
        "files": [str(file) for file in files],
    }


def _again(config: str, output: str | None, changes: list[str] | None, seed: int | None) -> str:
    """Return what was given, as words of a shell."""
    import shlex

    words = [config, *([] if output is None else ["-o", output])]
    words += [word for change in changes or [] for word in ("--set", change)]
    return shlex.join([*words, *([] if seed is None else ["--seed", str(seed)])])

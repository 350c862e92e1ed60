"""``crossgap train``: a dual encoder from a configuration, with its gap measured while it learns."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossgap import __version__
from crossgap.cli.door import door
from crossgap.cli.options import Json, Replicates
from crossgap.cli.output import output_path, write_text
from crossgap.cli.progress import few_threads, progress
from crossgap.cli.run_folder import RunFolder
from crossgap.cli.run_logs import check_logs
from crossgap.cli.text import terminal_width
from crossgap.cli.training_loop import TrainingLoop, alarm_record

if TYPE_CHECKING:
    from crossgap.train.config import TrainingConfig
    from crossgap.train.from_config import ConfiguredRun

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
    "run.tensorboard",
    "run.trackio",
}


def _show_example(asked: bool) -> None:
    if asked:
        typer.echo(Path(__file__).with_name("example.toml").read_text(encoding="utf-8"), nl=False)
        raise typer.Exit


@door
def train(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="TOML file of the run; --example prints one.")],
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
    example: Annotated[
        bool,
        typer.Option(
            "--example",
            callback=_show_example,
            is_eager=True,
            help="Print a CONFIG to start from, with every key explained, and exit.",
        ),
    ] = False,
) -> None:
    """Train a dual encoder on pairs and watch its gap."""
    from crossgap.train.config_file import read_config
    from crossgap.train.from_config import configured_run

    settings = read_config(config, [*(changes or []), *([] if seed is None else [f"run.seed={seed}"])])
    folder = RunFolder(Path(config).with_suffix("") if output is None else output_path(output))
    folder.check(resume=resume)
    check_logs(settings.run)
    if folder.checkpoint.exists():
        _check_same(settings, folder)
    made = configured_run(settings)
    if folder.checkpoint.exists():
        made.run.restore(folder.checkpoint)
    if resume:
        folder.clear()
    say = (lambda line: None) if as_json else typer.echo
    for line in _head(settings, made):
        say(line)
    again = f"crossgap train {_again(config, output, changes, seed)} --resume"
    loop = TrainingLoop(settings, made, folder, say)
    try:
        loop.take_steps()
        if made.held_out is not None:
            _write_report(settings, made, folder, replicates)
    except KeyboardInterrupt:
        typer.echo(
            f"interrupted; {folder.checkpoint} holds step {loop.saved_step}, and this goes on: {again}", err=True
        )
        raise typer.Exit(130) from None
    files = [folder.checkpoint, folder.records, folder.config]
    files += [folder.words] * (made.words is not None) + [folder.gap] * (made.held_out is not None)
    if as_json:
        from crossgap.results import to_json

        typer.echo(to_json(_document(settings, made, loop, files)), nl=False)
        return
    if made.held_out is None:
        say("\nNothing was held out (data.held_out = 0), so the gap was not measured.")
    else:
        say("\n" + _start_and_end(loop.curves))
    say(f"\nWritten: {', '.join(map(str, files))}")
    say(
        "Next: crossgap train CONFIG --set data.held_out=0.1"
        if made.held_out is None
        else f"Next: crossgap explain centroid_distance (or any name in {folder.gap})"
    )


def _check_same(settings: "TrainingConfig", folder: RunFolder) -> None:
    """Refuse to go on with a run under other settings than it was begun with, and name the first of them."""
    from crossgap.train.config import as_tables
    from crossgap.train.tensor_file import read_record

    begun, now = read_record(folder.checkpoint).get("notes", {}).get("config", {}), as_tables(settings)
    for table in begun:
        for key in {**begun[table], **now.get(table, {})}:
            name, old, new = f"{table}.{key}", begun[table].get(key), now.get(table, {}).get(key)
            if name not in _MAY_DIFFER and old != new:
                raise ValueError(
                    f"the run in {str(folder.path)!r} was begun with {name} = {old!r}, but now it is {new!r}; give "
                    f"what it was begun with, or begin another run with -o."
                )


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
    epochs = "1 epoch" if run.epochs == 1 else f"{run.epochs} epochs"
    yield f"{run.total_steps} steps of {min(run.batch_size, len(made.pairs))} items in {epochs} on {terms}"
    yield from made.notes
    if run.step:
        yield f"goes on at step {run.step} of {run.total_steps}"
    yield ""


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
    settings: "TrainingConfig", made: "ConfiguredRun", loop: TrainingLoop, files: list[Path]
) -> dict[str, Any]:
    from crossgap.train.config import as_tables

    curves = loop.curves
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
        "alarms": [alarm_record(alarm) for alarm in loop.alarms],
        "notes": list(made.notes),
        "files": [str(file) for file in files],
    }


def _again(config: str, output: str | None, changes: list[str] | None, seed: int | None) -> str:
    """Return what was given, as words of a shell."""
    import shlex

    words = [config, *([] if output is None else ["-o", output])]
    words += [word for change in changes or [] for word in ("--set", change)]
    return shlex.join([*words, *([] if seed is None else ["--seed", str(seed)])])

"""``crossgap compare``: models side by side, and a gate for CI."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from crossgap.cli.door import door
from crossgap.cli.options import Groups, Json, Replicates, Seed
from crossgap.cli.output import check_folder, check_page, check_replaceable, output_path, write_text
from crossgap.cli.progress import few_threads, progress
from crossgap.cli.text import chosen_groups, terminal_width, with_options

__all__ = ["compare"]

_MOST_MODELS = 20


@door
def compare(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="A B...",
            help="One SOURCE for each model, the baseline first; several files of one model with commas "
            "(image=a.npy,text=b.npy).",
        ),
    ],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="<path>", help="Write a page (.html) or the numbers (.json)."),
    ] = None,
    names: Annotated[
        str | None, typer.Option("--names", help="Comma-separated names of the models; file names by default.")
    ] = None,
    gate: Annotated[
        str | None,
        typer.Option(
            metavar="<expression>",
            help='Exit with 1 unless each further model passes, as "change(centroid_distance) <= 0".',
        ),
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="Comma-separated names; `crossgap explain` lists them.")] = None,
    groups: Groups = None,
    different_items: Annotated[
        bool, typer.Option("--different-items", help="The models hold different items, whatever their number.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="Also what takes long: representation topology divergence.")
    ] = False,
    replicates: Replicates = 200,
    seed: Seed = 0,
    most_rows: Annotated[
        int, typer.Option("--rows", min=100, help="Rows of a group up to which quantities over all pairs are exact.")
    ] = 10_000,
    as_json: Json = False,
) -> None:
    """Compare models side by side, with paired differences and a gate."""
    from dataclasses import replace

    from crossgap.data import Embeddings, read_groups
    from crossgap.report.models import check_gate, compare_models
    from crossgap.report.models.gate import parsed_gate
    from crossgap.report.models.terminal import lines

    if len(models) < 2:
        raise ValueError(f"comparing needs at least two models, but one was given: {models[0]!r}; give another SOURCE.")
    if len(models) > _MOST_MODELS:
        raise ValueError(f"at most {_MOST_MODELS} models can be compared, but there are {len(models)}; give fewer.")
    asked = None if metrics is None else [name.strip() for name in metrics.split(",")]
    if gate is not None:
        parsed_gate(gate, metrics=asked)
    path = None if output is None else _checked(output, models)
    labels = _labels(models, names)
    read = {label: read_groups(*_parts(model)) for label, model in zip(labels, models, strict=True)}
    embeddings = {
        label: Embeddings({name: found.groups[name] for name in chosen_groups(groups, found.groups)})
        for label, found in read.items()
    }
    given = {
        "--names": (names, None),
        "--gate": (gate, None),
        "--metrics": (metrics, None),
        "--groups": (groups, None),
        "--bootstrap": (replicates, 200),
        "--seed": (seed, 0),
        "--rows": (most_rows, 10_000),
        "--different-items": (different_items, False),
        "--everything": (everything, False),
    }
    command = with_options(shlex.join(["crossgap", "compare", *models]), given)
    rows = max(len(group) for found in embeddings.values() for group in found.values())
    with few_threads(rows):
        comparison = compare_models(
            embeddings,
            metrics=asked,
            replicates=replicates,
            seed=seed,
            most_rows=most_rows,
            different_items=different_items,
            everything=everything,
            inputs={
                label: [facts for facts in found.inputs if facts["group"] in embeddings[label]]
                for label, found in read.items()
            },
            notes=[f"{label}: not used: {note}" for label, found in read.items() for note in found.notes],
            command=command,
            progress=progress,
        )
    no_gate: ValueError | None = None
    if gate is not None:
        try:
            comparison = replace(comparison, gates=check_gate(comparison, gate))
        except ValueError as error:  # raised again below: what was measured is not lost
            no_gate = error
    if path is not None:
        write_text(path, comparison.to_json() if path.suffix.lower() == ".json" else comparison.to_html())
    if no_gate is not None:
        written = "" if path is None else f"; what was measured is in {path}"
        raise ValueError(f"{str(no_gate).rstrip('.')}{written}.")
    if as_json:
        typer.echo(comparison.to_json(), nl=False)
    else:
        for line in lines(comparison, width=terminal_width()):
            typer.echo(line)
    for found in comparison.gates:
        if as_json and found.passed:  # the document holds it
            continue
        verdict = "passed" if found.passed else "failed"
        typer.echo(f"Gate {verdict}, {found.model}: {'; '.join(found.numbers)}", err=as_json)
    if not as_json:
        _next(path, models, command)
    if not all(found.passed for found in comparison.gates):
        raise typer.Exit(1)


def _checked(output: str, models: Sequence[str]) -> Path:
    path = output_path(output)
    check_folder(path)
    if path.suffix.lower() == ".json":
        check_replaceable(path, [part for model in models for part in _parts(model)])
    else:
        check_page(path)
    return path


def _parts(model: str) -> list[str]:
    """Split the files of one model; a path that exists as it stands is one."""
    if os.path.exists(model) or "," not in model:
        return [model]
    return [part.strip() for part in model.split(",") if part.strip()]


def _labels(models: Sequence[str], names: str | None) -> list[str]:
    if names is not None:
        labels = [name.strip() for name in names.split(",")]
        if len(labels) != len(models) or not all(labels):
            raise ValueError(f"--names must name each of the {len(models)} models, but it is {names!r}; one name each.")
    else:
        labels = [_stem(_parts(model)) for model in models]
        if len(set(labels)) < len(labels):
            labels = [_stem(_parts(model), parents=1) for model in models]
    for label in labels:
        if labels.count(label) > 1:
            raise ValueError(f"two models would both be called {label!r}; name them: --names first,second.")
    return labels


def _stem(parts: Sequence[str], parents: int = 0) -> str:
    stems = []
    for part in parts:
        _, equals, named = part.partition("=")
        place = Path(named if equals and not os.path.exists(part) else part)
        stems.append("/".join([*place.parts[:-1][-parents:] * bool(parents), place.stem]))
    return "+".join(dict.fromkeys(stems))


def _next(path: Path | None, models: Sequence[str], command: str) -> None:
    if path is not None:
        typer.echo(f"\nWritten: {path}")
        typer.echo(f"Next: crossgap explain {shlex.join(_parts(models[-1]))}")
    else:
        typer.echo(f"\nNext: {command} -o compare.html")

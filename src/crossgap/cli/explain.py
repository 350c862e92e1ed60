"""``crossgap explain``: where the gap of a source comes from, or what a quantity is."""

import os
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from crossgap.cli.door import door
from crossgap.cli.options import Groups, Json, Replicates, Seed
from crossgap.cli.output import check_folder, check_replaceable, output_path, write_text
from crossgap.cli.progress import few_threads, progress
from crossgap.cli.text import chosen_groups, close_names, indented, shell_words, terminal_width, two_columns

__all__ = ["explain"]

_ENDINGS = (".npy", ".npz", ".safetensors", ".parquet")


@door
def explain(
    subjects: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE|NAME",
            help="File, folder, or name=file, to take its gap apart; or a quantity, such as centroid_distance; without "
            "either, all quantities.",
        ),
    ] = None,
    metric: Annotated[str | None, typer.Option(help="A quantity, also one that is named like a file here.")] = None,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="<path>", help="Write the findings here (explain.json).")
    ] = None,
    groups: Groups = None,
    temperature: Annotated[float, typer.Option(help="Temperature of the model, 1 / logit scale.")] = 0.01,
    replicates: Replicates = 200,
    seed: Seed = 0,
    most_rows: Annotated[
        int, typer.Option("--rows", min=100, help="Rows of a group to look at; of more, whole items are drawn.")
    ] = 5_000,
    as_json: Json = False,
) -> None:
    """Explain where the gap of SOURCE comes from, or a quantity."""
    given = subjects or []
    if any(map(_is_source, given)):
        if metric is not None:
            raise ValueError(
                f"a source or a quantity is explained, but {given[0]!r} and --metric {metric} were given; leave one "
                f"out."
            )
        _explain_gap(given, output, groups, temperature, replicates, seed, most_rows, as_json)
        return
    if output is not None or groups is not None:
        option = "-o" if output is not None else "--groups"
        what = f"{given[0]!r} is no file or folder" if given else "none was given"
        raise ValueError(f"{option} goes with a source, but {what}; give for example pairs.npz.")
    if len(given) > 1 or (given and metric is not None):
        names = [*given, *([] if metric is None else [metric])]
        raise ValueError(
            f"one name is explained at a time, but {names[0]!r} and {names[1]!r} were given, and neither is a file or "
            f"folder; leave one out."
        )
    _explain_quantity(given[0] if given else metric, as_json=as_json)


def _is_source(word: str) -> bool:
    """Tell what is read from the name of a quantity: it exists, or looks like a path, a pattern, a URL or name=path."""
    return (
        os.path.exists(os.path.expanduser(word))
        or any(mark in word for mark in ("=", "/", os.sep, "::", "*", "?", "["))
        or word.lower().endswith(_ENDINGS)
    )


def _explain_gap(
    sources: list[str],
    output: str | None,
    groups: str | None,
    temperature: float,
    replicates: int,
    seed: int,
    most_rows: int,
    as_json: bool,
) -> None:
    from crossgap.data import Embeddings, read_groups
    from crossgap.explain import explain as take_apart
    from crossgap.explain import lines

    path: Path | None = None if output is None else output_path(output)
    if path is not None:
        check_folder(path)
        check_replaceable(path, sources)
    found = read_groups(*sources)
    names = chosen_groups(groups, found.groups) if groups else list(found.groups)
    embeddings = Embeddings({name: found.groups[name] for name in names})
    with few_threads(min(most_rows, max(len(group) for group in embeddings.values()))):
        explanation = take_apart(
            embeddings,
            temperature=temperature,
            replicates=replicates,
            seed=seed,
            most_rows=most_rows,
            inputs=[facts for facts in found.inputs if facts["group"] in names],
            notes=[f"not used: {note}" for note in found.notes],
            progress=progress,
        )
    if path is not None:
        write_text(path, explanation.to_json())
    if as_json:
        typer.echo(explanation.to_json(), nl=False)
        return
    for line in lines(explanation, width=terminal_width()):
        typer.echo(line)
    typer.echo(f"\nWritten: {path}" if path is not None else "")
    typer.echo(f"Next: crossgap close {shell_words(sources, groups)} -o closer.safetensors")


def _explain_quantity(name: str | None, *, as_json: bool) -> None:
    from crossgap.report.collect import MEASURED
    from crossgap.report.documentation import documentation
    from crossgap.report.models.similarities import QUICK, SIMILARITIES
    from crossgap.results import to_json

    rooms = _rooms()
    if name is None:
        summaries = {
            name: documentation(getattr(room, name)).summary.partition("\n")[0] for name, room in rooms.items()
        }
        if as_json:
            typer.echo(to_json([{"name": name, "summary": summary} for name, summary in summaries.items()]), nl=False)
            return
        for room in dict.fromkeys(rooms.values()):  # each with its own width: the longest names are of few
            typer.echo(two_columns({name: text for name, text in summaries.items() if rooms[name] is room}))
        typer.echo("\nNext: crossgap explain centroid_distance (or any other name)")
        return
    metric = name.lower()
    if metric not in rooms:
        close = close_names(metric, list(rooms))
        suggested = f"choose from {', '.join(close)}; " if close else ""
        raise ValueError(f"there is no quantity {name!r}; {suggested}crossgap explain lists all.")
    room = rooms[metric]
    found = documentation(getattr(room, metric))
    if as_json:
        typer.echo(to_json(found.as_json()), nl=False)
        return
    typer.echo(f"{room.__name__}.{found.signature}\n\n{found.summary}")
    for title, text in (
        ("Formula", found.formula),
        ("How to read it", found.how_to_read[:1].upper() + found.how_to_read[1:]),
        ("Arguments", found.parameters),
        ("Notes", found.notes),
        ("Source", found.references),
        ("Example", found.examples),
    ):
        if text:
            typer.echo(f"\n{title}\n{indented(text)}")
    if metric in MEASURED:
        typer.echo(f"\nNext: crossgap measure SOURCE --metrics {metric}")
    elif metric in SIMILARITIES:
        typer.echo("\nNext: crossgap compare A B" + " --everything" * (metric not in QUICK))
    else:
        command = "compare" if room.__name__.endswith(".compare") else "measure"
        typer.echo(f"\nNext: from {room.__name__} import {metric} (crossgap {command} does not call it by name)")


def _rooms() -> dict[str, ModuleType]:
    """Return every quantity by name, with the room that holds it."""
    import inspect

    from crossgap import compare, measure, topology

    return {
        name: room
        for room in (measure, compare, topology)
        for name in room.__all__
        if inspect.isfunction(getattr(room, name))
    }

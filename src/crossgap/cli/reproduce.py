"""``crossgap reproduce``: the papers' experiments, listed or run."""

import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import Annotated, Any

import typer

from crossgap.cli.door import door
from crossgap.cli.options import Json, Seed
from crossgap.cli.output import check_replaceable, output_path
from crossgap.cli.progress import count_bar
from crossgap.cli.text import closest_names, terminal_width, two_columns

__all__ = ["reproduce"]

_GIVEN_HERE = {"scale", "seed", "output", "progress"}


@door
def reproduce(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="An experiment; without it, all are listed.")
    ] = None,
    scale: Annotated[
        str, typer.Option(metavar="small|full", help="Seconds to minutes on a CPU, or the papers' protocol.")
    ] = "small",
    seed: Seed = 0,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="<path>", help="Folder for NAME.json and pictures.")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="<key=value>", help="An option of the experiment: heads=3. May be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Rerun a paper's experiment beside its published numbers."""
    from crossgap.results import to_json

    known = _experiments()
    if name is None:
        summaries = {key: (module.__doc__ or "").partition("\n")[0] for key, module in known.items()}
        if as_json:
            typer.echo(to_json([{"name": key, "summary": text} for key, text in summaries.items()]), nl=False)
            return
        typer.echo(two_columns(summaries))
        typer.echo(f"\nNext: crossgap reproduce {next(iter(known))} (or any other name)")
        return
    if name not in known:
        raise ValueError(f"there is no experiment {name!r}; {closest_names(name, list(known))}")
    if scale not in ("small", "full"):
        raise ValueError(f"--scale is {scale!r}, but it is small or full; choose one.")
    run = known[name].run
    given = _given(options or [], run, name=name, scale=scale)
    path = None
    if output is not None:
        folder = output_path(output)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.json"
        check_replaceable(path)
    with count_bar() as bar:
        table = run(scale=scale, seed=seed, output=path, progress=bar.show, **given)
    if as_json:
        typer.echo(table.to_json(), nl=False)
        return
    typer.echo(table.text(width=terminal_width()), nl=False)
    if path is None:
        typer.echo(f"\nNext: crossgap reproduce {name} -o results (writes results/{name}.json)")
        return
    typer.echo(f"\nWritten: {', '.join(map(str, sorted(path.parent.glob(f'{name}.*'))))}")
    typer.echo("Next: crossgap reproduce (lists the other experiments)")


def _experiments() -> Mapping[str, ModuleType]:
    from crossgap.reproduce import explained_variance, fine_tuning, loss_ablation, same_modality, sphere

    return {
        "loss_ablation": loss_ablation,
        "same_modality": same_modality,
        "fine_tuning": fine_tuning,
        "sphere": sphere,
        "explained_variance": explained_variance,
    }


def _given(words: list[str], run: Any, *, name: str, scale: str) -> dict[str, Any]:
    """Parse ``key=value`` words; a key that only the full scale knows is checked by the experiment."""
    from crossgap.train.config_file import parsed_value

    plain = (type(None), bool, int, float, str)
    known = [
        key
        for key, parameter in inspect.signature(run).parameters.items()
        if key not in _GIVEN_HERE and isinstance(parameter.default, plain) and parameter.kind != parameter.VAR_KEYWORD
    ]
    given = {}
    for word in words:
        key, equals, text = (part.strip() for part in word.partition("="))
        if not equals or not key.isidentifier() or key in _GIVEN_HERE:
            raise ValueError(f"an option must be key=value, but it is {word!r}; write for example heads=3.")
        if key not in known and scale == "small":
            raise ValueError(f"{name} has no option {key!r} at the small scale; {closest_names(key, known)}")
        given[key] = parsed_value(text, word)
    return given

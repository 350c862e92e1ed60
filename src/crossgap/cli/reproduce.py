"""``crossgap reproduce``: the papers' experiments, listed or run."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import typer

from crossgap.cli.door import door
from crossgap.cli.options import Json, Seed
from crossgap.cli.output import check_replaceable, output_path
from crossgap.cli.progress import count_bar
from crossgap.cli.text import closest_names, terminal_width, two_columns

__all__ = ["reproduce"]

_GIVEN_HERE = {"scale", "seed", "output", "progress"}
_GIVEN_BY_RUN = {"losses", "dimensions"}  # to what it calls at full scale, unless it has the option itself


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
    given = _given(options or [], _options(name, run, scale=scale), name=name, scale=scale)
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
    from crossgap.reproduce import (
        attribute_transfer,
        caption_transfer,
        collapse_with_depth,
        constant_gap,
        explained_variance,
        fine_tuning,
        free_points,
        frozen_towers,
        idle_coordinates,
        local_dimension,
        loss_ablation,
        low_data,
        picture_transfer,
        post_hoc,
        same_modality,
        space_geometry,
        sphere,
        stable_region,
        temperature_sweep,
        translation_sweep,
    )

    return {
        "loss_ablation": loss_ablation,
        "same_modality": same_modality,
        "temperature_sweep": temperature_sweep,
        "fine_tuning": fine_tuning,
        "frozen_towers": frozen_towers,
        "sphere": sphere,
        "free_points": free_points,
        "explained_variance": explained_variance,
        "translation_sweep": translation_sweep,
        "post_hoc": post_hoc,
        "space_geometry": space_geometry,
        "local_dimension": local_dimension,
        "constant_gap": constant_gap,
        "idle_coordinates": idle_coordinates,
        "collapse_with_depth": collapse_with_depth,
        "stable_region": stable_region,
        "attribute_transfer": attribute_transfer,
        "caption_transfer": caption_transfer,
        "low_data": low_data,
        "picture_transfer": picture_transfer,
    }


def _options(name: str, run: Callable[..., Any], *, scale: str) -> dict[str, Any]:
    """Return the options of an experiment at a scale and their types: those of ``run``, and at full scale its rest."""
    functions = [run]
    own = inspect.signature(run).parameters
    if scale == "full" and any(parameter.kind == parameter.VAR_KEYWORD for parameter in own.values()):
        from crossgap.reproduce import full_scale, same_modality_photos, sphere_photos

        rest = {"same_modality": same_modality_photos.photo_table, "sphere": sphere_photos.photo_stages}
        functions = [rest.get(name, full_scale.fine_tuned_rows), run]
    types = {key: wanted for function in functions for key, wanted in get_type_hints(function).items()}
    parameters = [parameter for function in functions for parameter in inspect.signature(function).parameters.values()]
    return {
        parameter.name: types.get(parameter.name, Any)
        for parameter in parameters
        if parameter.kind != parameter.VAR_KEYWORD
        and parameter.name not in _GIVEN_HERE
        and (parameter.name in own or parameter.name not in _GIVEN_BY_RUN)
        and _is_plain(types.get(parameter.name, Any))
    }


def _given(words: list[str], known: Mapping[str, Any], *, name: str, scale: str) -> dict[str, Any]:
    """Parse ``key=value`` words and check that the experiment has such an option, of such a type."""
    from crossgap.train.config_file import parsed_value

    given = {}
    for word in words:
        key, equals, text = (part.strip() for part in word.partition("="))
        if not equals or not key.isidentifier() or key in _GIVEN_HERE:
            raise ValueError(f"an option must be key=value, but it is {word!r}; write for example heads=3.")
        if key not in known:
            raise ValueError(f"{name} has no option {key!r} at the {scale} scale; {closest_names(key, list(known))}")
        given[key] = parsed_value(text, word)
        if not _fits(given[key], known[key]):
            raise TypeError(f"{key} must be {_told(known[key])}, but it is {given[key]!r}; change --set {key}=.")
    return given


def _kinds(wanted: Any) -> tuple[Any, ...]:
    return get_args(wanted) if get_origin(wanted) in (Union, UnionType) else (wanted,)


def _is_plain(wanted: Any) -> bool:
    """Whether a value of this type can be written on the command line."""
    kinds = [get_origin(kind) or kind for kind in _kinds(wanted)]
    return any(kind in (Any, bool, int, float, str, Literal, Sequence, Mapping) for kind in kinds)


def _fits(value: Any, wanted: Any) -> bool:
    for kind in _kinds(wanted):
        origin, parts = get_origin(kind) or kind, get_args(kind)
        if origin is Literal:
            fits = value in parts
        elif origin is Sequence:
            fits = isinstance(value, list) and len(value) > 0 and all(_fits(part, parts[0]) for part in value)
        elif origin is Mapping:
            fits = isinstance(value, dict)
        elif origin in (int, float):
            fits = isinstance(value, int | origin) and not isinstance(value, bool)
        else:
            fits = origin is Any or isinstance(value, origin)
        if fits:
            return True
    return False


def _told(wanted: Any) -> str:
    """Say what a value may be."""
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", Mapping: "a table"}
    told = []
    for kind in _kinds(wanted):
        origin, parts = get_origin(kind) or kind, get_args(kind)
        if origin is Literal:
            told.append(f"one of {', '.join(map(str, parts))}")
        elif origin is Sequence:
            told.append(f"a list of {'whole ' * (parts[0] is int)}numbers")
        elif origin in names:
            told.append(names[origin])
    return " or ".join(told)

"""``crossgap explain``: what a quantity is."""

from typing import Annotated

import typer

from crossgap.cli.door import door
from crossgap.cli.options import Json
from crossgap.cli.text import close_names, indented, two_columns

__all__ = ["explain"]


@door
def explain(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A quantity, such as centroid_distance; without it, all.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="The same as NAME.")] = None,
    as_json: Json = False,
) -> None:
    """Explain a quantity: formula, range, pitfalls, source."""
    from crossgap import measure as room
    from crossgap.report.collect import MEASURED
    from crossgap.report.documentation import documentation
    from crossgap.results import to_json

    if name is not None and metric is not None:
        raise ValueError(f"one name is explained at a time, but {name!r} and {metric!r} were given; leave one out.")
    names = [
        name for name in room.__all__ if callable(getattr(room, name)) and not isinstance(getattr(room, name), type)
    ]
    asked = metric if name is None else name
    if asked is None:
        summaries = {name: documentation(getattr(room, name)).summary.partition("\n")[0] for name in names}
        if as_json:
            typer.echo(to_json([{"name": name, "summary": summary} for name, summary in summaries.items()]), nl=False)
            return
        typer.echo(two_columns(summaries))
        typer.echo("\nNext: crossgap explain centroid_distance (or any other name)")
        return
    metric = asked.lower()
    if metric not in names:
        close = close_names(metric, names)
        suggested = f"choose from {', '.join(close)}; " if close else ""
        raise ValueError(f"there is no quantity {asked!r}; {suggested}crossgap explain lists all.")
    found = documentation(getattr(room, metric))
    if as_json:
        typer.echo(to_json(found.as_json()), nl=False)
        return
    typer.echo(f"crossgap.measure.{found.signature}\n\n{found.summary}")
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
    else:
        typer.echo(f"\nNext: from crossgap.measure import {metric} (crossgap measure does not call it by name)")

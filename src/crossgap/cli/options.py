"""Arguments and options that several commands take."""

from typing import Annotated

import typer

__all__ = ["Groups", "Json", "Replicates", "Seed", "Sources"]

_MOST_REPLICATES = 10_000

Sources = Annotated[
    list[str], typer.Argument(metavar="SOURCE...", help="File, folder, or name=file (image=img.npy text=txt.npy).")
]
Groups = Annotated[str | None, typer.Option(help="Comma-separated groups to use, in this order; all by default.")]
Replicates = Annotated[
    int, typer.Option("--bootstrap", min=0, max=_MOST_REPLICATES, help="Bootstrap replicates; 0 for no intervals.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else.")]

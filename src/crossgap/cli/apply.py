"""``crossgap apply``: stored vectors moved by a closer, in files or in a store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossgap.cli.apply_output import plan_lines, record_lines, show_json, show_plan, show_store
from crossgap.cli.door import door
from crossgap.cli.options import Json, Sources
from crossgap.cli.output import output_path
from crossgap.cli.progress import count_bar

if TYPE_CHECKING:
    from crossgap.close.closer import Closer

__all__ = ["apply"]

_STORES_ONLY = "stores (qdrant:, lancedb:, .faiss)"


@door
def apply(
    closer: Annotated[str, typer.Argument(metavar="CLOSER", help="File or folder that crossgap close wrote.")],
    sources: Sources,
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="<path>", help="File for a file, else a new folder; for a store a new name."
        ),
    ] = None,
    treat_as: Annotated[
        list[str] | None,
        typer.Option("--as", "--alias", metavar="<name=group>", help="A group that the closer knows by another name."),
    ] = None,
    keep_others: Annotated[
        bool, typer.Option("--keep-others", help="Rows of groups that the closer does not know pass unchanged.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Forget what an earlier run did, and begin anew.")] = False,
    group: Annotated[str | None, typer.Option(help="Stores: the group of all rows.")] = None,
    group_field: Annotated[str | None, typer.Option(help="Stores: field that says the group (modality).")] = None,
    groups_file: Annotated[str | None, typer.Option(help="FAISS: file with one group a row, .txt or .npy.")] = None,
    vector: Annotated[
        str | None, typer.Option(help="Stores: vector or column to move, where there are several.")
    ] = None,
    vectors_file: Annotated[str | None, typer.Option(help="FAISS: .npy of the vectors before they were coded.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Stores: rows that are moved and written at once.")] = None,
    switch: Annotated[bool, typer.Option("--switch", help="Stores: let searches meet the moved vectors.")] = False,
    roll_back: Annotated[bool, typer.Option("--roll-back", help="Stores: undo the switch.")] = False,
    as_json: Json = False,
) -> None:
    """Move stored vectors by a fitted closer, beside the old ones."""
    from crossgap.apply.stores import apply_to_store, is_store

    fitted = _read(closer)
    aliases = _aliases(treat_as or [])
    of_stores = {
        "group": group,
        "group_field": group_field,
        "groups_file": groups_file,
        "vector": vector,
        "vectors_file": vectors_file,
        "batch": batch,
        "switch": switch or None,
        "roll_back": roll_back or None,
    }
    given = {name: value for name, value in of_stores.items() if value is not None}
    stores = [source for source in sources if is_store(source)]
    if stores:
        if len(sources) > 1:
            raise ValueError(
                f"{stores[0]!r} is a store, which must be the only source; apply the closer to each alone."
            )
        try:
            with count_bar() as bar:
                record = apply_to_store(
                    fitted,
                    stores[0],
                    output=output,
                    aliases=aliases,
                    keep_others=keep_others,
                    dry_run=dry_run,
                    restart=restart,
                    progress=bar.show,
                    **given,
                )
        except KeyboardInterrupt:
            if dry_run:
                raise
            typer.echo("interrupted; what was written is kept, and the same command goes on from there.", err=True)
            raise typer.Exit(130) from None
        show_store(fitted, record, as_json)
        return
    if given:
        raise ValueError(
            f"--{next(iter(given)).replace('_', '-')} must go with {_STORES_ONLY}; leave it out for files."
        )
    if output is None:
        raise ValueError("the output is missing; say where the moved vectors go: -o OUT.")
    if Path(output).exists() and Path(closer).exists() and Path(output).samefile(closer):
        raise ValueError(f"the output {output!r} is the closer itself; give another name.")
    _apply_to_files(
        fitted,
        sources,
        output_path(output),
        {"treat_as": aliases, "keep_others": keep_others},
        dry_run=dry_run,
        restart=restart,
        as_json=as_json,
    )


def _read(path: str) -> "Closer":
    from crossgap.close.closer_file import read_closer
    from crossgap.close.pretrained import from_pretrained

    return from_pretrained(path) if Path(path).is_dir() else read_closer(path)


def _aliases(given: list[str]) -> dict[str, str]:
    aliases = {}
    for text in given:
        name, equals, group = text.partition("=")
        if not (name and equals and group):
            raise ValueError(f"--as must be name=group, but it is {text!r}; give for example --as text/query=text.")
        if name in aliases:
            raise ValueError(f"--as must name {name!r} once, but it does twice; leave one out.")
        aliases[name] = group
    return aliases


# files


def _apply_to_files(
    closer: "Closer",
    sources: list[str],
    output: Path,
    options: dict[str, Any],
    *,
    dry_run: bool,
    restart: bool,
    as_json: bool,
) -> None:
    from crossgap.apply.file_plan import plan_files
    from crossgap.apply.files import apply_to_files, finished_rows

    plan = plan_files(closer, sources, output, **options)
    if dry_run:
        show_plan(plan, as_json)
        return
    if not as_json:
        for line in plan_lines(plan):
            typer.echo(line)
    try:
        with count_bar() as bar:
            record = apply_to_files(plan, restart=restart, progress=bar.show)
    except KeyboardInterrupt:
        rows = finished_rows(plan)
        kept = f"{rows:,} of {plan.rows:,} rows are kept beside {output}, and the same command goes on from there"
        typer.echo(
            f"interrupted; {kept if rows else 'nothing was written, and the same command begins anew'}.", err=True
        )
        raise typer.Exit(130) from None
    if as_json:
        show_json(record.as_json())
        return
    for line in record_lines(plan, record):
        typer.echo(line)

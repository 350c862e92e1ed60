"""``crossgap apply``: stored vectors moved by a closer, in files or in a store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossgap import __version__
from crossgap.cli.door import door
from crossgap.cli.options import Json, Sources
from crossgap.cli.output import output_path
from crossgap.cli.progress import count_bar

if TYPE_CHECKING:
    from crossgap.apply.file_plan import FilePlan
    from crossgap.apply.file_record import FileRecord
    from crossgap.apply.store_record import StoreRecord
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
        _show_store(record, as_json)
        return
    if given:
        raise ValueError(
            f"--{next(iter(given)).replace('_', '-')} must go with {_STORES_ONLY}; leave it out for files."
        )
    if output is None:
        raise ValueError("the output is missing; say where the moved vectors go: -o OUT.")
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
        _show_plan(plan, as_json)
        return
    if not as_json:
        for line in _head(plan):
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
        _show_json(record.as_json())
        return
    for line in _tail(plan, record):
        typer.echo(line)


def _head(plan: "FilePlan") -> list[str]:
    files = "1 file" if len(plan.files) == 1 else f"{len(plan.files)} files"
    lines = [f"{plan.rows:,} rows of {plan.dimension} numbers ({plan.dtype}) in {files}, {_size(plan.source_bytes)}"]
    width = max(map(len, plan.groups))
    for name, rows in plan.groups.items():
        group = plan.treated_as[name]
        told = "passes unchanged" if group is None else "" if group == name else f"treated as {group}"
        lines.append(f"  {name:{width}}  {rows:>12,}  {told}".rstrip())
    return lines + [f"not used: {note}" for note in plan.notes]


def _tail(plan: "FilePlan", record: "FileRecord") -> list[str]:
    lines = []
    if record.resumed_from:
        lines.append(f"{record.resumed_from:,} rows were there from an earlier run.")
    if record.zero_rows:
        lines.append(
            f"{record.zero_rows:,} rows of zeros have no direction and stay zero (crossgap doctor lists them)."
        )
    if record.kept_rows:
        lines.append(f"{record.kept_rows:,} rows of other groups passed unchanged.")
    written = f"{record.output} ({record.rows:,} rows, {_size(record.bytes)})"
    return [*lines, f"\nWritten: {written}", f"Next: crossgap measure {_words(plan)}"]


def _show_plan(plan: "FilePlan", as_json: bool) -> None:
    samples = plan.samples()
    if as_json:
        _show_json({**plan.as_json(), "sample": {name: vars(sample) for name, sample in samples.items()}})
        return
    for line in _head(plan):
        typer.echo(line)
    typer.echo("\nThe first rows of each group, before and after:")
    for name, sample in samples.items():
        if sample.mean_cosine is None:
            why = "which are all zeros" if not sample.rows else f"now of {plan.mover.moved_dimension} numbers"
            typer.echo(f"  {name}: {sample.rows} rows, {why}")
        else:
            typer.echo(f"  {name}: {sample.rows} rows, mean cosine of old and new {sample.mean_cosine:.3f}")
    space = f"{_size(plan.vector_bytes)} of vectors, and {_size(plan.free_bytes)} are free"
    typer.echo(f"\n{plan.given} would take {space}{'' if plan.fits else ', which is not enough'}.")
    typer.echo("Nothing was written.\nNext: the same without --dry-run")


def _words(plan: "FilePlan") -> str:
    """Return the output as sources, by the names that the rows have."""
    import shlex

    if not plan.is_folder:
        named = plan.files[0].group
        return shlex.quote(f"{named}={plan.given}" if named else plan.given)
    if any(file.group not in (None, file.location.stem) for file in plan.files) and len(plan.files) <= 4:
        words = [f"{file.group}={Path(plan.given, file.name)}" for file in plan.files]
        return shlex.join(words)
    return shlex.quote(plan.given)


# stores


def _show_store(record: "StoreRecord", as_json: bool) -> None:
    if as_json:
        _show_json(record.as_json())
        return
    groups = ", ".join(f"{rows:,} {name}" for name, rows in record.groups.items())
    typer.echo(f"{record.rows:,} rows in {record.source}" + (f" ({groups})" if groups else ""))
    for count, told in (
        (record.resumed_from, "were there from an earlier run"),
        (record.zero_rows, "are all zeros, have no direction and stay zero"),
        (record.kept_rows, "of other groups are kept as they are"),
        (record.missing_rows, "hold no vector"),
    ):
        if count:
            typer.echo(f"{count:,} rows {told}.")
    for note in record.notes:
        typer.echo(note)
    done = "rolled back" if record.rolled_back else f"{record.written:,} rows written"
    typer.echo(f"\n{'Nothing was written' if record.dry_run else f'{record.output}: {done}'}.")
    if record.dry_run:
        typer.echo("Next: the same without --dry-run")
    elif record.rolled_back or record.switched:
        typer.echo("Next: search it, with queries moved by the same closer unless it was rolled back")
    else:
        typer.echo("Next: the same with --switch, so that searches meet the moved vectors")


def _show_json(facts: dict[str, Any]) -> None:
    from crossgap.results import to_json

    typer.echo(to_json({"schema": 1, "crossgap": __version__, **facts}), nl=False)


def _size(count: int) -> str:
    """Return bytes as people say them."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB" if size < 1000 else f"{size / 1000:.3g} TB"

"""What ``crossgap apply`` prints."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from crossgap import __version__

if TYPE_CHECKING:
    from crossgap.apply.file_plan import FilePlan
    from crossgap.apply.file_record import FileRecord
    from crossgap.apply.store_record import StoreRecord
    from crossgap.close.closer import Closer

__all__ = ["plan_lines", "record_lines", "show_json", "show_plan", "show_store"]


def plan_lines(plan: "FilePlan") -> list[str]:
    """Return what a run over files will do."""
    files = "1 file" if len(plan.files) == 1 else f"{len(plan.files)} files"
    lines = [f"{plan.rows:,} rows of {plan.dimension} numbers ({plan.dtype}) in {files}, {_size(plan.source_bytes)}"]
    width = max(map(len, plan.groups))
    for name, rows in plan.groups.items():
        group = plan.treated_as[name]
        told = "passes unchanged" if group is None else "" if group == name else f"treated as {group}"
        lines.append(f"  {name:{width}}  {rows:>12,}  {told}".rstrip())
    return lines + [f"not used: {note}" for note in plan.notes]


def record_lines(plan: "FilePlan", record: "FileRecord") -> list[str]:
    """Return what a run over files has done, and what to do next."""
    from crossgap.apply.searching import how_to_search, wants_inner_product

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
    searched = how_to_search(plan.closer) if wants_inner_product(plan.closer) else f"crossgap measure {_words(plan)}"
    return [*lines, f"\nWritten: {written}", f"Next: {searched}"]


def show_plan(plan: "FilePlan", as_json: bool) -> None:
    """Print what a run over files would do."""
    samples = plan.samples()
    if as_json:
        show_json({**plan.as_json(), "sample": {name: vars(sample) for name, sample in samples.items()}})
        return
    for line in plan_lines(plan):
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


def show_store(closer: "Closer", record: "StoreRecord", as_json: bool) -> None:
    """Print what was done to a store, and what to do next."""
    from crossgap.apply.searching import how_to_search

    if as_json:
        show_json(record.as_json())
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
    elif record.rolled_back:
        typer.echo("Next: search it, with queries as they are, not moved")
    elif record.switched:
        typer.echo(f"Next: {how_to_search(closer)}")
    else:
        typer.echo("Next: the same with --switch, so that searches meet the moved vectors")


def show_json(facts: dict[str, Any]) -> None:
    """Print facts as one JSON document."""
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

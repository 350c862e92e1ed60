"""``crossgap measure``: the numbers of a source, the file that holds them, and the page drawn from it."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from crossgap.cli.door import door
from crossgap.cli.options import Groups, Json, Replicates, Seed, Sources
from crossgap.cli.output import check_folder, check_page, check_replaceable, output_path, write_text
from crossgap.cli.progress import meanwhile, progress
from crossgap.cli.text import chosen_groups, shell_words, show_report, with_options

__all__ = ["measure"]

_REPLICATES, _PRECISION, _ROWS = 200, 0.9, 10_000


@door
def measure(
    sources: Sources,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="<path>", help="Write the numbers here (gap.json).")
    ] = None,
    html: Annotated[
        str | None, typer.Option("--html", metavar="<path>", help="Write the report page here (gap.html).")
    ] = None,
    latex: Annotated[
        str | None, typer.Option("--latex", metavar="<path>", help="Write the main numbers as a table (gap.tex).")
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="Comma-separated names; `crossgap explain` lists them.")] = None,
    groups: Groups = None,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="Rows of different groups show different items, whatever their number.")
    ] = False,
    replicates: Replicates = _REPLICATES,
    seed: Seed = 0,
    precision: Annotated[float, typer.Option(help="Precision for which a score threshold is sought.")] = _PRECISION,
    most_rows: Annotated[
        int, typer.Option("--rows", min=100, help="Rows of a group up to which quantities over all pairs are exact.")
    ] = _ROWS,
    no_details: Annotated[
        bool, typer.Option("--no-details", help="Only numbers in the files: no maps, examples or counts of scores.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--everything", help="Also what takes up to a minute: maps by UMAP, loops (extras).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure the modality gap: its size, certainty and cost."""
    from crossgap.data import Embeddings, read_groups
    from crossgap.report import GapReport, collect

    path, page, table = _checked_outputs(sources, output, html, latex)
    details = (path is not None or page is not None or as_json) and metrics is None and not no_details
    if everything and not details:
        raise ValueError(
            "--everything must go with a file that holds details, but here is none; give --html gap.html or -o "
            "gap.json, without --metrics and --no-details."
        )
    found = read_groups(*sources)
    names = chosen_groups(groups, found.groups) if groups else list(found.groups)
    embeddings = Embeddings({name: found.groups[name] for name in names})
    notes = [f"not used: {note}" for note in found.notes]
    if unpaired:
        embeddings = embeddings.without_pairs()
        notes.append("rows of different groups were taken to show different items (--unpaired).")
    words = shell_words(sources, groups, unpaired)
    given = {
        "--metrics": (metrics, None),
        "--bootstrap": (replicates, _REPLICATES),
        "--seed": (seed, 0),
        "--precision": (precision, _PRECISION),
        "--rows": (most_rows, _ROWS),
        "--no-details": (no_details, False),
        "--everything": (everything, False),
    }
    small = max(len(group) for group in embeddings.values()) <= most_rows  # else memory matters more than seconds
    with meanwhile(_prepare_page) if page is not None and small else nullcontext():
        report = collect(
            embeddings,
            metrics=None if metrics is None else [name.strip() for name in metrics.split(",")],
            replicates=replicates,
            seed=seed,
            precision=precision,
            most_rows=most_rows,
            inputs=[facts for facts in found.inputs if facts["group"] in names],
            notes=notes,
            command=with_options(f"crossgap measure {words}", given),
            details=details,
            everything=everything,
            progress=progress,
        )
    text = report.to_json()
    if path is not None:
        write_text(path, text)
    if page is not None:
        write_text(page, GapReport.from_json(text).to_html())  # as `crossgap report` draws it from the file
    if table is not None:
        from crossgap.report.latex_table import latex_table

        write_text(table, latex_table(report))
    if as_json:
        typer.echo(text, nl=False)
        return
    written = [str(file) for file in (path, page, table) if file is not None]
    show_report(report, again=None if written else words)
    if written:
        typer.echo(f"\nWritten: {', '.join(written)}")
        typer.echo(f"Next: {_next_step(path, page, words)}")


def _prepare_page() -> None:
    from crossgap.report.page.html import prepare

    prepare()


def _checked_outputs(
    sources: list[str], output: str | None, html: str | None, latex: str | None
) -> tuple[Path | None, Path | None, Path | None]:
    """Return the paths of the numbers, of the page and of the table, each checked before the work."""
    path, page, table = (None if given is None else output_path(given) for given in (output, html, latex))
    if path is not None:
        check_folder(path)
        check_replaceable(path, sources)
        if path.suffix.lower() in (".html", ".htm", ".tex"):
            option = "--latex" if path.suffix.lower() == ".tex" else "--html"
            raise ValueError(f"-o writes JSON, but its path is {str(path)!r}; give {option} {path} for that.")
    if page is not None:
        check_folder(page)
        check_page(page)
    if table is not None:
        check_folder(table)
        _check_table(table)
    return path, page, table


def _check_table(path: Path) -> None:
    """Fail where a table would take the place of anything but an older table."""
    if path.suffix.lower() != ".tex":
        raise ValueError(
            f"the table must end in .tex, but it is {str(path)!r}; give for example {str(path.with_suffix('.tex'))!r}."
        )
    if path.exists() and not path.is_file():
        raise ValueError(f"the output must be a plain file, but {str(path)!r} is none; give another name.")
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(4096).strip()
        if start and not start.startswith(rb"\begin{table}"):
            raise ValueError(f"the output {str(path)!r} exists and is no table of an earlier run; give another name.")


def _next_step(path: Path | None, page: Path | None, words: str) -> str:
    import shlex

    if page is not None:
        return f"open {page} in a browser"
    if path is not None:
        return f"crossgap report {shlex.quote(str(path))} -o {shlex.quote(str(path.with_suffix('.html')))}"
    return f"crossgap measure {words} --html gap.html"

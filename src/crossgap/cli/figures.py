"""``crossgap figures``: the charts of a report as pictures for a paper, and its main numbers as a LaTeX table."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crossgap.cli.door import door
from crossgap.cli.options import Json
from crossgap.cli.output import check_folder, named_errors, output_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossgap.report.page.blocks import Figure

__all__ = ["figures"]

_KINDS = ("svg", "pdf", "png", "tex")
_TABLE = "table"


@door
def figures(
    file: Annotated[str, typer.Argument(metavar="GAP.JSON", help="What `crossgap measure -o gap.json` wrote.")],
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="<folder>", help="Write the pictures into this folder.")
    ] = "figures",
    kinds: Annotated[
        str, typer.Option("--format", help="Comma-separated: svg, pdf, png; tex for a LaTeX table.")
    ] = "svg",
    only: Annotated[
        str | None, typer.Option(help="Comma-separated names of charts, or how they begin (score-bands).")
    ] = None,
    width: Annotated[int, typer.Option(min=200, max=4000, help="Width in pixels, 1/72 inch in a PDF.")] = 560,
    as_json: Json = False,
) -> None:
    """Draw the charts of gap.json as pictures for a paper."""
    from crossgap.cli.report_file import drawn_from, read_report
    from crossgap.report.charts.figures import figures as charts
    from crossgap.report.charts.picture_mark import marked
    from crossgap.report.latex_table import latex_table
    from crossgap.results import to_json

    wanted = _wanted_kinds(kinds)
    report = read_report(file)
    with drawn_from(file):
        found = charts(report)
    chosen = _chosen(found, only)
    if wanted != ["tex"] and not chosen:
        raise ValueError(
            f"{file!r} holds no numbers for a chart; measure again without --metrics: crossgap measure SOURCE -o "
            f"{file}."
        )
    folder = _checked_folder(output)
    paths = {(one.name, kind): folder / f"{one.name}.{kind}" for one in chosen for kind in wanted if kind != "tex"}
    table = [folder / f"{_TABLE}.tex"] if "tex" in wanted else []
    written = [*paths.values(), *table]
    for path in written:
        _check_own(path)
    drawn = _drawn(chosen, paths, width) | dict.fromkeys(table, latex_table(report).encode())
    folder.mkdir(exist_ok=True)
    for path, data in drawn.items():
        _write(path, marked(data, path.suffix[1:]))
    if as_json:
        entries = [{"name": one.name, "title": one.title, "description": one.description} for one in chosen]
        typer.echo(to_json({"figures": entries, "written": [str(path) for path in written]}), nl=False)
        return
    _show(chosen if paths else [], written, file, folder)


def _wanted_kinds(kinds: str) -> list[str]:
    wanted = list(dict.fromkeys(kind.strip().lower() for kind in kinds.split(",")))
    for kind in wanted:
        if kind not in _KINDS:
            raise ValueError(
                f"--format must be some of {', '.join(_KINDS)}, but it is {kinds!r}; give --format svg,pdf."
            )
    return wanted


def _chosen(found: "Sequence[Figure]", only: str | None) -> "list[Figure]":
    if only is None:
        return list(found)
    chosen = []
    for name in (part.strip() for part in only.split(",")):
        fitting = [one for one in found if name and (one.name == name or one.name.startswith(f"{name}-"))]
        if not fitting:
            have = ", ".join(one.name for one in found) or "none"
            raise ValueError(f"there is no chart {name!r} in this report; its charts are {have}.")
        chosen += fitting
    return [one for one in found if one in chosen]


def _checked_folder(output: str) -> Path:
    folder = output_path(output)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"the output must be a folder, but {str(folder)!r} is a file; give another name.")
    check_folder(folder / "chart.svg" if folder.is_dir() else folder)
    return folder


def _check_own(path: Path) -> None:
    """Fail before the work where a picture would take the place of anything but an older one that nobody changed."""
    from crossgap.report.charts.picture_mark import is_own

    if path.exists() and not path.is_file():
        raise ValueError(f"the output must be a plain file, but {str(path)!r} is none; give another folder.")
    if path.is_file() and not is_own(path.read_bytes(), path.suffix[1:]):
        raise ValueError(
            f"the output {str(path)!r} exists and was not written by crossgap figures, or was changed since; give "
            f"another folder."
        )


def _drawn(chosen: "list[Figure]", paths: dict[tuple[str, str], Path], width: int) -> dict[Path, bytes]:
    """Draw all before one is written, so that a run that is stopped leaves nothing."""
    from crossgap.cli.progress import progress
    from crossgap.report.charts.picture import picture

    by_name = {one.name: one for one in chosen}
    steps = list(paths.items())
    return {
        path: picture(by_name[name], kind, width=width)
        for (name, kind), path in progress(steps, lambda step: step[1].name)
    }


def _write(path: Path, data: bytes) -> None:
    """Write a whole file or none."""
    from crossgap.data.atomic import atomic_path

    with atomic_path(path) as temporary, named_errors(path):
        Path(temporary).write_bytes(data)


def _show(chosen: "list[Figure]", written: list[Path], file: str, folder: Path) -> None:
    import shlex

    from crossgap.cli.text import two_columns

    if chosen:
        typer.echo(two_columns({one.name: one.title for one in chosen}) + "\n")
    kinds = ", ".join(dict.fromkeys(path.suffix[1:] for path in written))
    typer.echo(f"Written: {len(written)} file{'s' * (len(written) != 1)} ({kinds}) in {folder}")
    if any(path.suffix == ".tex" for path in written):
        typer.echo(f"Next: \\input{{{folder / _TABLE}}} in a document that loads the package booktabs")
    else:
        typer.echo(f"Next: crossgap figures {shlex.quote(file)} -o {shlex.quote(str(folder))} --format pdf,tex")

"""The door: parse, call, print. Everything heavier than that is imported inside a command."""

import functools
import io
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crossgap.data import Embeddings
    from crossgap.report.gap_report import GapReport

__all__ = ["app", "main"]

_SMALL_GROUP = 4096  # rows
_MOST_REPLICATES = 10_000
_ENDINGS_OF_VECTORS = (".npy", ".npz", ".parquet", ".safetensors")

_UsageError: Any = typer.BadParameter.__base__  # typer exports only the child

app = typer.Typer(
    name="crossgap",
    help="Measure, explain and close the modality gap in embedding spaces that hold several modalities.",
    epilog="SOURCE is a file, a folder, or name=file (image=img.npy text=txt.npy). Exit codes: 0 done, 1 gate failed, "
    "2 wrong usage or bad input, 130 interrupted.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Sources = Annotated[
    list[str], typer.Argument(metavar="SOURCE...", help="File, folder, or name=file (image=img.npy text=txt.npy).")
]
Groups = Annotated[str | None, typer.Option(help="Comma-separated groups to use, in this order; all by default.")]
Replicates = Annotated[
    int, typer.Option("--bootstrap", min=0, max=_MOST_REPLICATES, help="Bootstrap replicates; 0 for no intervals.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of every random choice.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else.")]
Precision = Annotated[float, typer.Option(help="Precision for which a score threshold is sought.")]


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):  # typer turns the first into the second
        _say_interrupted()
        sys.exit(130)
    except _UsageError as error:
        if error.__class__.__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            typer.echo(f"crossgap: {_usage_sentence(error)}", err=True)
        sys.exit(2)


def _door(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what a command raises into one sentence on standard error and an exit code."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            _say_interrupted()
            raise typer.Exit(130) from None
        except BrokenPipeError:
            sys.stderr.close()
            raise typer.Exit(0) from None
        except (ValueError, TypeError, OSError, ImportError) as error:
            if isinstance(error, TypeError) and not _is_about_input(error):
                raise
            typer.echo(f"crossgap: {_sentence(error)}", err=True)
            raise typer.Exit(2) from None

    return run


def _say_interrupted() -> None:
    typer.echo("interrupted; nothing was written.", err=True)


def _usage_sentence(error: Any) -> str:
    """Say in one sentence what is wrong with the words of the command line, and where help is."""
    text = error.format_message().strip().rstrip(".")
    context = getattr(error, "ctx", None)
    return f"{text[:1].lower()}{text[1:]}; see {'crossgap' if context is None else context.command_path} --help."


def _is_about_input(error: TypeError) -> bool:
    """Tell a message of ours about a wrong type from a mistake in the program."""
    return " must " in str(error)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        what = repr(error.filename) if error.filename else "the output"
        text = f"{what} cannot be used ({error.strerror.lower()}); check the path and its permissions."
    else:
        text = str(error)
    return " ".join("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text).split())


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"crossgap {_version()}")
        raise typer.Exit


@app.callback()
def _before_commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


@app.command()
@_door
def demo(
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="<path>", help="Folder for gap.json; made if missing.")
    ] = "crossgap-demo",
    replicates: Replicates = 200,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure the packaged sample of pictures and names, offline."""
    from crossgap.data import sample
    from crossgap.report.collect import collect

    folder = _path(output)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "gap.json"
    _check_replaceable(path)
    embeddings = sample()
    inputs = [
        {"group": name, "source": "packaged sample", "n": len(group), "d": embeddings.dimension}
        for name, group in embeddings.items()
    ]
    with _threads(max(len(group) for group in embeddings.values())):
        report = collect(embeddings, replicates=replicates, seed=seed, inputs=inputs, progress=_progress)
    _write(path, report.to_json())
    if as_json:
        typer.echo(report.to_json(), nl=False)
        return
    typer.echo(
        "The sample: emoji drawings and their names, embedded by a small dual encoder that never saw them in training."
    )
    _show(report, written=path)


@app.command()
@_door
def doctor(sources: Sources, groups: Groups = None, seed: Seed = 0, as_json: Json = False) -> None:
    """Look for blunders: broken rows, shuffled pairs, a wrong tower."""
    from crossgap.data import read_groups
    from crossgap.doctor import examine, examine_environment, verdict_line
    from crossgap.results import to_json

    found = read_groups(*sources)
    chosen = found.groups if groups is None else {name: found.groups[name] for name in _names(groups, found.groups)}
    findings = [*examine(chosen, seed=seed), *examine_environment()]
    if as_json:
        document = {
            "schema": 1,
            "crossgap": _version(),
            "inputs": [facts for facts in found.inputs if facts["group"] in chosen],
            "notes": list(found.notes),
            "findings": [finding.as_json() for finding in findings],
        }
        typer.echo(to_json(document), nl=False)
        return
    typer.echo(verdict_line(findings))
    for finding in findings:
        where = f" ({', '.join(finding.groups)})" if finding.groups else ""
        typer.echo(
            f"\n{finding.severity}: {finding.name}{where}\n{_indented(finding.evidence)}\n{_indented(finding.mend)}"
        )
    for note in found.notes:
        typer.echo(f"\n{_indented('not used: ' + note)}")
    if any(finding.severity == "error" for finding in findings):
        typer.echo(f"\nNext: mend the errors, then look again: crossgap doctor {_words(sources, groups)}")
    else:
        typer.echo(f"\nNext: crossgap measure {_words(sources, groups)} -o gap.json")


@app.command()
@_door
def measure(
    sources: Sources,
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="<path>", help="Write the numbers here (gap.json).")
    ] = None,
    metrics: Annotated[str | None, typer.Option(help="Comma-separated names; `crossgap explain` lists them.")] = None,
    groups: Groups = None,
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="Rows of different groups show different items, whatever their number.")
    ] = False,
    replicates: Replicates = 200,
    seed: Seed = 0,
    precision: Precision = 0.9,
    most_rows: Annotated[
        int, typer.Option("--rows", min=100, help="Rows of a group up to which quantities over all pairs are exact.")
    ] = 10_000,
    as_json: Json = False,
) -> None:
    """Measure the modality gap: how large, how certain, what it costs."""
    from crossgap.data import Embeddings, read_groups
    from crossgap.report.collect import collect

    path = None if output is None else _path(output)
    if path is not None:
        _check_folder(path)
        _check_replaceable(path, sources)
    found = read_groups(*sources)
    names = _names(groups, found.groups) if groups else list(found.groups)
    embeddings = Embeddings({name: found.groups[name] for name in names})
    notes = [f"not used: {note}" for note in found.notes]
    if unpaired:
        embeddings = _without_pairs(embeddings)
        notes.append("rows of different groups were taken to show different items (--unpaired).")
    with _threads(max(len(group) for group in embeddings.values())):
        report = collect(
            embeddings,
            metrics=None if metrics is None else [name.strip() for name in metrics.split(",")],
            replicates=replicates,
            seed=seed,
            precision=precision,
            most_rows=most_rows,
            inputs=[facts for facts in found.inputs if facts["group"] in names],
            notes=notes,
            progress=_progress,
        )
    if path is not None:
        _write(path, report.to_json())
    if as_json:
        typer.echo(report.to_json(), nl=False)
    else:
        _show(report, written=path, again=_words(sources, groups, unpaired))


@app.command()
@_door
def explain(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A quantity, such as centroid_distance; without it, all.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="The same as NAME.")] = None,
    as_json: Json = False,
) -> None:
    """Explain a quantity: formula, range, direction, pitfalls, source."""
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
        typer.echo(_two_columns(summaries))
        typer.echo("\nNext: crossgap explain centroid_distance (or any other name)")
        return
    metric = asked.lower()
    if metric not in names:
        close = _close(metric, names)
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
            typer.echo(f"\n{title}\n{_indented(text)}")
    if metric in MEASURED:
        typer.echo(f"\nNext: crossgap measure SOURCE --metrics {metric}")
    else:
        typer.echo(f"\nNext: from crossgap.measure import {metric} (crossgap measure does not call it by name)")


def _threads(rows: int) -> AbstractContextManager[Any]:
    """Keep BLAS to one thread on small groups: its threads wait for each other longer than they work."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1 if rows <= _SMALL_GROUP else None, user_api="blas")


def _without_pairs(embeddings: "Embeddings") -> "Embeddings":
    """Give each group item ids that no other has; rows of one group that show one item still do."""
    import dataclasses

    from crossgap.data import Embeddings

    numbers = embeddings.row_items
    return Embeddings(
        {
            name: dataclasses.replace(group, items=len(embeddings) * numbers[name] + position)
            for position, (name, group) in enumerate(embeddings.items())
        }
    )


def _names(groups: str | None, known: Iterable[str]) -> list[str]:
    known = list(known)
    names = known if groups is None else [name.strip() for name in groups.split(",")]
    if len(set(names)) < len(names):
        raise ValueError(f"--groups must name each group once, but it is {groups!r}; leave the repeated name out.")
    for name in names:
        if name not in known:
            raise ValueError(f"there is no group {name!r}; {_closest(name, known)}")
    return names


def _closest(name: str, names: Sequence[str]) -> str:
    return f"choose from {', '.join(_close(name, names) or names)}."


def _close(name: str, names: Sequence[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(name, names, n=5, cutoff=0.5)


def _progress(steps: Sequence[Any], label: Callable[[Any], str]) -> Iterable[Any]:
    """Yield the steps, with a bar on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield from steps
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=len(steps))
        for step in steps:
            bar.update(task, description=label(step))
            yield step
            bar.advance(task)


def _show(report: "GapReport", *, written: Path | None, again: str = "") -> None:
    from crossgap.report.terminal import lines

    width = _width()
    for line in lines(report, width=width):
        typer.echo(line)
    if written is not None:
        typer.echo(f"\nWritten: {written}")
        typer.echo("Next: crossgap explain --metric centroid_distance (or any name in the file)")
    else:
        typer.echo(f"\nNext: crossgap measure {again} -o gap.json")


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


def _write(path: Path, text: str) -> None:
    from crossgap.data.atomic import atomic_path

    with atomic_path(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")


def _check_folder(path: Path) -> None:
    """Fail before the work, not after it, where the result could not be written."""
    folder = path.parent
    if path.is_dir():
        raise ValueError(
            f"the output must be a file, but {str(path)!r} is a folder; give for example {str(path / 'gap.json')!r}."
        )
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"the output must lie in a folder, but {str(folder)!r} is a file; give another path.")
    if not folder.is_dir():
        raise ValueError(f"the output folder {str(folder)!r} does not exist; make it first: mkdir -p {folder}.")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"the output folder {str(folder)!r} is not writable; choose another one.")


def _check_replaceable(path: Path, sources: Sequence[str] = ()) -> None:
    """Fail where the result would take the place of anything but an older result."""
    if path.is_file():
        for source in sources:
            if any(os.path.samefile(path, file) for file in _files(source)):
                raise ValueError(f"the output {str(path)!r} is a file of the source {source!r}; give another name.")
    if any(name.lower().endswith(_ENDINGS_OF_VECTORS) for name in (path.name, os.path.realpath(path))):
        raise ValueError(
            f"the output {str(path)!r} has an ending of vectors, but it will be JSON; give another name, such as "
            f"{str(path.with_name('gap.json'))!r}."
        )
    if path.exists() and not path.is_file():
        raise ValueError(f"the output must be a plain file, but {str(path)!r} is none; give another name.")
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(4096).strip()
        if start and not start.startswith(b"{"):
            raise ValueError(
                f"the output {str(path)!r} exists and is no gap.json of an earlier run; give another name."
            )


def _files(source: str) -> list[str]:
    """List the local files of vectors that a source names; of a folder, also those one level down."""
    import glob

    _, equals, named = source.partition("=")
    place = os.path.expanduser(named if equals and not os.path.exists(source) else source)
    if os.path.isfile(place):
        return [place]
    folder = glob.escape(place)
    patterns = [os.path.join(folder, "*"), os.path.join(folder, "*", "*")] if os.path.isdir(place) else [place]
    found = [file for pattern in patterns for file in glob.glob(pattern, recursive=True)]
    return [file for file in found if file.lower().endswith(_ENDINGS_OF_VECTORS) and os.path.isfile(file)]


def _path(output: str) -> Path:
    if output.strip() in ("", "-"):
        raise ValueError(f"the output must be a path, but it is {output!r}; use --json for standard output.")
    return Path(output)


def _words(sources: Sequence[str], groups: str | None, unpaired: bool = False) -> str:
    """Return what was given, as words of a shell."""
    import shlex

    return shlex.join([*sources, *([] if groups is None else ["--groups", groups]), *["--unpaired"] * unpaired])


def _two_columns(texts: Mapping[str, str]) -> str:
    width = _width()
    column = 2 + max(len(name) for name in texts)
    rows = []
    for name, text in texts.items():
        below = width < 2 * column  # too narrow for two columns
        indent = " " * (2 if below else column)
        told = textwrap.fill(
            text, max(width, 20), initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        )
        rows.append(f"{name}\n{told}" if below else name + told[len(name) :])
    return "\n".join(rows)


def _indented(text: str) -> str:
    width = min(_width(), 110) - 2
    paragraphs = [
        paragraph
        if "\n" in paragraph
        else textwrap.fill(paragraph, width, break_long_words=False, break_on_hyphens=False)
        for paragraph in text.split("\n\n")
    ]
    return textwrap.indent("\n\n".join(paragraphs), "  ")


def _version() -> str:
    from crossgap import __version__

    return __version__


if __name__ == "__main__":
    main()

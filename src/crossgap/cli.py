"""The door: parse, call, print. Everything heavier than that is imported inside a command."""

import functools
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from crossgap.report.gap_report import GapReport

__all__ = ["app", "main"]

_SMALL_GROUP = 4096  # rows

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
Replicates = Annotated[int, typer.Option("--bootstrap", min=0, help="Bootstrap replicates; 0 for no intervals.")]
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
    except typer.Abort:
        sys.exit(1)
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
            typer.echo("interrupted; nothing was written.", err=True)
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


@app.command()
@_door
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for gap.json; made if missing.")] = Path(
        "crossgap-demo"
    ),
    replicates: Replicates = 200,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Measure the packaged sample: real pictures and their names, end to end, offline."""
    from crossgap.data import sample
    from crossgap.report.collect import collect

    output.mkdir(parents=True, exist_ok=True)
    embeddings = sample()
    inputs = [
        {"group": name, "source": "packaged sample", "n": len(group), "d": embeddings.dimension}
        for name, group in embeddings.items()
    ]
    with _threads(max(len(group) for group in embeddings.values())):
        report = collect(embeddings, replicates=replicates, seed=seed, inputs=inputs, progress=_progress)
    path = output / "gap.json"
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
    """Look for blunders: unnormalised or broken rows, shuffled pairs, duplicates, overflow, a wrong tower."""
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
    typer.echo(f"\nNext: crossgap measure {_quoted(sources)} -o gap.json")


@app.command()
@_door
def measure(
    sources: Sources,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write the numbers here (gap.json).")] = None,
    metrics: Annotated[str | None, typer.Option(help="Comma-separated names; `explain --metric` tells more.")] = None,
    groups: Groups = None,
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

    if output is not None:
        _check_folder(output)
    found = read_groups(*sources)
    names = _names(groups, found.groups) if groups else list(found.groups)
    embeddings = Embeddings({name: found.groups[name] for name in names})
    with _threads(max(len(group) for group in embeddings.values())):
        report = collect(
            embeddings,
            metrics=None if metrics is None else [name.strip() for name in metrics.split(",")],
            replicates=replicates,
            seed=seed,
            precision=precision,
            most_rows=most_rows,
            inputs=[facts for facts in found.inputs if facts["group"] in names],
            notes=[f"not used: {note}" for note in found.notes],
            progress=_progress,
        )
    if output is not None:
        _write(output, report.to_json())
    if as_json:
        typer.echo(report.to_json(), nl=False)
    else:
        _show(report, written=output, sources=sources)


@app.command()
@_door
def explain(
    metric: Annotated[str, typer.Option(help="Name of a quantity, for example centroid_distance.")],
    as_json: Json = False,
) -> None:
    """Explain a quantity: formula, range, direction, pitfalls, source."""
    from crossgap import measure as room
    from crossgap.report.collect import MEASURED
    from crossgap.report.documentation import documentation
    from crossgap.results import to_json

    names = [
        name for name in room.__all__ if callable(getattr(room, name)) and not isinstance(getattr(room, name), type)
    ]
    if metric not in names:
        raise ValueError(f"there is no quantity {metric!r}; {_closest(metric, names)}")
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
    import difflib

    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    return f"choose from {', '.join(close or names)}."


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


def _show(report: "GapReport", *, written: Path | None, sources: Sequence[str] = ()) -> None:
    from crossgap.report.terminal import lines

    width = _width()
    for line in lines(report, width=width):
        typer.echo(line)
    if written is not None:
        typer.echo(f"\nWritten: {written}")
        typer.echo("Next: crossgap explain --metric centroid_distance (or any name in the file)")
    else:
        typer.echo(f"\nNext: crossgap measure {_quoted(sources)} -o gap.json")


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((100, 24)).columns


def _write(path: Path, text: str) -> None:
    from crossgap.data.atomic import atomic_path

    with atomic_path(path) as temporary:
        Path(temporary).write_text(text, encoding="utf-8")


def _check_folder(path: Path) -> None:
    """Fail before the work, not after it, where the result could not be written."""
    import os

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


def _quoted(sources: Sequence[str]) -> str:
    import shlex

    return " ".join(shlex.quote(source) for source in sources)


def _indented(text: str) -> str:
    import textwrap

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

"""The command line: parse, call, print. Everything heavier than that is imported inside a command."""

import io
import sys
from typing import Annotated

import typer

from crossgap import __version__
from crossgap.cli.apply import apply
from crossgap.cli.caption import caption
from crossgap.cli.close import close
from crossgap.cli.compare import compare
from crossgap.cli.demo import demo
from crossgap.cli.doctor import doctor
from crossgap.cli.door import UsageError, say_interrupted, usage_sentence
from crossgap.cli.evaluate import evaluate
from crossgap.cli.explain import explain
from crossgap.cli.export import export
from crossgap.cli.figures import figures
from crossgap.cli.map import map
from crossgap.cli.measure import measure
from crossgap.cli.report import report
from crossgap.cli.reproduce import reproduce
from crossgap.cli.train import train

__all__ = ["app", "main"]

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


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):  # typer turns the first into the second
        say_interrupted()
        sys.exit(130)
    except UsageError as error:
        if error.__class__.__name__ == "NoArgsIsHelpError":
            error.show()
        else:
            typer.echo(f"crossgap: {usage_sentence(error)}", err=True)
        sys.exit(2)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"crossgap {__version__}")
        raise typer.Exit


@app.callback()
def _before_commands(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


for _command in (demo, doctor, measure, report, figures, map, compare, explain, close, apply, export, train, reproduce):
    app.command()(_command)
app.add_typer(evaluate, name="evaluate")
app.add_typer(caption, name="caption")

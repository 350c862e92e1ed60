"""What a command raises becomes one sentence on standard error and an exit code."""

import errno
import functools
import sys
from collections.abc import Callable
from typing import Any

import typer

__all__ = ["UsageError", "door", "say_interrupted", "usage_sentence"]

UsageError: Any = typer.BadParameter.__base__  # typer exports only the child


def door(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what a command raises into one sentence on standard error and an exit code."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except KeyboardInterrupt:
            say_interrupted()
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


def say_interrupted() -> None:
    """Say that the run was stopped before it wrote anything."""
    typer.echo("interrupted; nothing was written.", err=True)


def usage_sentence(error: Any) -> str:
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
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        mend = "free some space or choose another place" if full else "check the path and its permissions"
        text = f"{what} cannot be used ({error.strerror.lower()}); {mend}."
    else:
        text = str(error)
    return " ".join("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text).split())

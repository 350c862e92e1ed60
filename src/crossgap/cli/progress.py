"""While a command works: its threads, and a bar on a terminal."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import typer

__all__ = ["CountBar", "count_bar", "few_threads", "meanwhile", "progress"]

_SMALL_GROUP = 4096  # rows


def few_threads(rows: int) -> AbstractContextManager[Any]:
    """Keep BLAS to one thread on small groups: its threads wait for each other longer than they work."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1 if rows <= _SMALL_GROUP else None, user_api="blas")


@contextmanager
def meanwhile(call: Callable[[], object]) -> Iterator[None]:
    """Make a call in a thread beside the block and wait for it; what it raises is left to those who need its work."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as thread:
        thread.submit(call)
        yield


def progress(steps: Sequence[Any], label: Callable[[Any], str]) -> Iterable[Any]:
    """Yield the steps, with a bar on standard error where that is a terminal."""
    if not sys.stderr.isatty():
        yield from steps
        return
    with _bar() as bar:
        task = bar.add_task("", total=len(steps))
        for step in steps:
            bar.update(task, description=label(step))
            yield step
            bar.advance(task)


class CountBar:
    """What ``count_bar`` gives: a count that moves, and lines above it."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar
        self._task = None if bar is None else bar.add_task("", total=None)

    @property
    def is_shown(self) -> bool:
        """Whether there is a terminal to draw on."""
        return self._bar is not None

    def show(self, done: int, total: int, text: str) -> None:
        """Move the bar; nothing without a terminal."""
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total, description=text)

    def say(self, line: str) -> None:
        """Print a line on standard error."""
        if self._bar is None:
            typer.echo(line, err=True)
        else:
            self._bar.console.print(line, markup=False, highlight=False)


@contextmanager
def count_bar() -> Iterator[CountBar]:
    """Give a bar on standard error for work whose length is known only later; it leaves no trace."""
    if not sys.stderr.isatty():
        yield CountBar(None)
        return
    with _bar() as bar:
        yield CountBar(bar)


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("{task.description}", markup=False),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)

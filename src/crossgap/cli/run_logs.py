"""Where a training run also sends its numbers: event files of TensorBoard, a project of trackio."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossgap.train.config import RunTable

__all__ = ["check_logs", "run_logs"]

Log = Callable[[str, int, Mapping[str, float]], None]


def check_logs(table: "RunTable") -> None:
    """Fail before the work where a package that the run logs to is not installed."""
    from crossgap.errors import MissingExtraError

    for package in ("tensorboard", "trackio"):
        if getattr(table, package) is not None and find_spec(package) is None:
            raise MissingExtraError(
                f"run.{package} needs {package}, which is not installed; install it: pip install {package}, or leave "
                f"run.{package} out."
            )


@contextmanager
def run_logs(table: "RunTable", *, name: str, step: int) -> Iterator[Log]:
    """Give ``log(part, step, values)``, which sends values under the names ``part/...`` to wherever the table says.

    A run that goes on at ``step`` goes on in the same place; TensorBoard then hides what it was sent of later steps,
    trackio keeps both. What trackio prints goes to standard error.
    """
    from crossgap.train.loggers import tensorboard_logger, trackio_logger

    loggers = []
    with ExitStack() as stack:
        if table.tensorboard is not None:
            from torch.utils.tensorboard import SummaryWriter

            writer = SummaryWriter(table.tensorboard, purge_step=step or None)
            stack.callback(writer.close)
            loggers.append(tensorboard_logger(writer))
        if table.trackio is not None:
            run = _trackio_run(table.trackio, name, goes_on=step > 0)
            stack.callback(_finish, run)
            loggers.append(trackio_logger(run))

        def log(part: str, step: int, values: Mapping[str, float]) -> None:
            for logger in loggers:
                logger(step, {f"{part}/{key}": value for key, value in values.items()})

        yield log


def _trackio_run(project: str, name: str, *, goes_on: bool) -> Any:
    import trackio  # pyright: ignore[reportMissingImports]

    with redirect_stdout(sys.stderr):
        return trackio.init(project=project, name=name, resume="allow" if goes_on else "never")


def _finish(run: Any) -> None:
    with redirect_stdout(sys.stderr):
        run.finish()

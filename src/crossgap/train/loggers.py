"""Where the numbers of a run go: functions of a step and a mapping, made from a TensorBoard writer or from trackio.

A logger is any function ``log(step, values)``, so a list, a file or a library of one's own needs no adapter::

    log = tensorboard_logger(SummaryWriter("runs/1"))
    for step in run:
        log(step.step, {"loss": step.loss, "learning_rate": step.learning_rate})
        if step.step % 100 == 0:
            log(step.step, watch(model))
"""

from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["tensorboard_logger", "trackio_logger"]

Logger = Callable[[int, Mapping[str, float]], None]


def tensorboard_logger(writer: Any, *, prefix: str = "") -> Logger:
    """A logger that writes each value as a scalar of TensorBoard.

    How to read it: what stands before a slash in a name is a section of the page, so ``uniformity/x`` and
    ``uniformity/y`` stand side by side.

    Parameters
    ----------
    writer
        ``torch.utils.tensorboard.SummaryWriter`` or anything with ``add_scalar(tag, value, step)``. Closing it is
        the caller's affair.
    prefix
        Put before each name: "train/".

    Returns
    -------
    A function of the step and of the values by name.

    Raises
    ------
    TypeError
        If ``writer`` has no ``add_scalar``.

    Examples
    --------
    >>> class Writer:
    ...     def add_scalar(self, tag, value, step): print(tag, value, step)
    >>> tensorboard_logger(Writer(), prefix="train/")(3, {"loss": 0.5})
    train/loss 0.5 3
    """
    add = getattr(writer, "add_scalar", None)
    if not callable(add):
        raise TypeError(
            f"writer must have a method add_scalar, but it is a {type(writer).__name__}; give "
            f"torch.utils.tensorboard.SummaryWriter(folder)."
        )

    def log(step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            add(prefix + name, value, step)

    return log


def trackio_logger(run: Any, *, prefix: str = "") -> Logger:
    """A logger that hands all values of a step to trackio, or to a library with the same ``log``, at once.

    Parameters
    ----------
    run
        What ``trackio.init(project=...)`` returns, or the module ``trackio`` itself after ``init``: anything with
        ``log(values, step=...)``, as wandb has it too. Finishing it is the caller's affair.
    prefix
        Put before each name: "train/".

    Returns
    -------
    A function of the step and of the values by name.

    Raises
    ------
    TypeError
        If ``run`` has no ``log``.

    Notes
    -----
    Trackio keeps some names for itself, ``step`` and ``time`` among them; none is the name of a quantity of crossgap.

    Examples
    --------
    >>> class Run:
    ...     def log(self, values, step): print(values, step)
    >>> trackio_logger(Run())(3, {"loss": 0.5})
    {'loss': 0.5} 3
    """
    send = getattr(run, "log", None)
    if not callable(send):
        raise TypeError(
            f"run must have a method log, but it is a {type(run).__name__}; give what trackio.init(...) returns."
        )

    def log(step: int, values: Mapping[str, float]) -> None:
        send({prefix + name: value for name, value in values.items()}, step=step)

    return log

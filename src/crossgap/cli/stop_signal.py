"""Ctrl-C while a run takes its steps: the first one waits for the end of the step in hand."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["stop_signal"]


@contextmanager
def stop_signal() -> Iterator[Callable[[], bool]]:
    """Keep the first Ctrl-C for the end of the step in hand; a second one interrupts at once."""
    heard: list[int] = []

    def hear(number: int, _: Any) -> None:
        heard.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, hear)
    try:
        yield lambda: bool(heard)
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:  # after the last step
        raise KeyboardInterrupt

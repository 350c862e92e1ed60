"""Run the steps of a report side by side on the cores that there are; results come in the order of the steps."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from crossgap.data.embeddings import Embeddings

__all__ = ["SCIKIT_LEARN", "Step", "side_by_side", "workers_and_threads"]

SCIKIT_LEARN = "scikit-learn"  # the lane of all that changes the filters of warnings, which a process has only once

_SMALL_GROUP = 4096  # rows
_MOST_WORKERS = 8  # there are some forty lanes, and each worker holds blocks of its own
_MOST_BYTES = 1 << 28  # of all rows: above, the blocks of several steps at once would take the most memory


class Step(NamedTuple):
    """A label, a call, and the lane in which it runs.

    The steps of one lane run one after the other, in one thread: they share what the first of them computes, or must
    not meet (``SCIKIT_LEARN``).
    """

    label: str
    call: Callable[[], Any]
    lane: str


@contextmanager
def side_by_side(steps: Sequence[Step], workers: int) -> Iterator[list[Step]]:
    """Give the same steps, whose calls return or raise what was found meanwhile; with one worker nothing runs ahead.

    A step that raises ends its lane. Leaving the block, also by Ctrl-C, waits for the steps that run just then and
    drops the rest.
    """
    if workers == 1:
        yield list(steps)
        return
    from concurrent.futures import Future, ThreadPoolExecutor

    left = threading.Event()
    futures: list[Future[Any]] = [Future() for _ in steps]
    lanes: dict[str, list[tuple[Callable[[], Any], Future[Any]]]] = {}
    for step, future in zip(steps, futures, strict=True):
        lanes.setdefault(step.lane, []).append((step.call, future))

    def run(lane: list[tuple[Callable[[], Any], Future[Any]]]) -> None:
        try:
            for call, future in lane:
                if left.is_set():
                    return
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)
                    raise
        finally:
            for _, future in lane:
                future.cancel()  # what has no result by now will have none

    with ThreadPoolExecutor(workers, thread_name_prefix="crossgap") as pool:
        try:
            for lane in lanes.values():
                pool.submit(run, lane)
            yield [step._replace(call=future.result) for step, future in zip(steps, futures, strict=True)]
        finally:
            left.set()
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def workers_and_threads(embeddings: Embeddings, *, small: bool = False) -> Iterator[int]:
    """Give the number of steps to run at once, and keep BLAS to one thread beside others or where rows are few.

    One step at a time where there is one core, or BLAS was kept to one thread (``OMP_NUM_THREADS=1``), and for groups
    that are large, read from files or no NumPy arrays. ``small``: steps look at few rows, whatever there are.
    """
    from threadpoolctl import threadpool_info, threadpool_limits

    threads = max((pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"), default=1)
    vectors = [group.vectors for group in embeddings.values()]
    in_memory = all(isinstance(rows, np.ndarray) for rows in vectors) and sum(map(_bytes, vectors)) <= _MOST_BYTES
    workers = min(threads, _usable_cores(), _MOST_WORKERS) if in_memory else 1
    small = small or max(map(len, embeddings.values())) <= _SMALL_GROUP
    with threadpool_limits(limits=1 if workers > 1 or small else None, user_api="blas"):
        yield workers


def _usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _bytes(rows: np.ndarray) -> int:
    return rows.size * rows.dtype.itemsize

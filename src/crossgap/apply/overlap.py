"""Work on several items at once, results in order: reading, moving and writing overlap, and memory stays small."""

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["in_order", "worker_count"]

T = TypeVar("T")
R = TypeVar("R")

_MOST_WORKERS = 4


def worker_count() -> int:
    """Return how many threads are worth having here."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # only on Linux
        cores = os.cpu_count() or 1
    return max(1, min(_MOST_WORKERS, cores))


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int | None = None) -> Generator[R]:
    """Yield ``work(item)`` for each item, in order, with a few items under way in threads.

    Items are drawn in the thread of the caller, never more than two ahead of each worker. The work must let go of the
    interpreter's lock, as NumPy and pyarrow do, or nothing is won.
    """
    workers = worker_count() if workers is None else workers
    under_way: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="crossgap-apply") as pool:
        try:
            for item in items:
                under_way.append(pool.submit(work, item))
                while len(under_way) > workers:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:  # after an error or an interrupt nothing more is begun
            for future in under_way:
                future.cancel()

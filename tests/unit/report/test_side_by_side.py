"""Steps side by side: the same results as one after the other, in the same order, and a quick end."""

import importlib
import threading
import time
from concurrent.futures import CancelledError
from contextlib import contextmanager

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from crossgap import Embeddings
from crossgap.report import collect, side_by_side
from crossgap.report.side_by_side import Step, workers_and_threads

BLAS = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]


def _groups(count: int, n: int = 40, d: int = 8) -> Embeddings:
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((n, d))
    return Embeddings.from_arrays(
        **{
            name: shared + sign + 0.3 * rng.standard_normal((n, d))
            for name, sign in zip("abc"[:count], (1, -1, 0), strict=False)
        }
    )


@contextmanager
def _three(*_, **__):
    yield 3


@pytest.mark.parametrize("groups", [1, 2, 3])
@pytest.mark.parametrize("replicates", [0, 20])
def test_a_report_has_the_same_bytes(groups, replicates, monkeypatch):
    embeddings = _groups(groups)
    with threadpool_limits(1, user_api="blas"):
        alone = collect(embeddings, replicates=replicates, details=True)
        for name in ("collect", "details.collect_details"):
            monkeypatch.setattr(importlib.import_module(f"crossgap.report.{name}"), "workers_and_threads", _three)
        assert collect(embeddings, replicates=replicates, details=True).to_json() == alone.to_json()


def test_a_subsample_has_the_same_bytes(monkeypatch):
    embeddings = _groups(2, n=300)
    alone = collect(embeddings, replicates=20, most_rows=100)
    monkeypatch.setattr(importlib.import_module("crossgap.report.collect"), "workers_and_threads", _three)
    assert collect(embeddings, replicates=20, most_rows=100).to_json() == alone.to_json()


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_the_order_of_the_steps(workers):
    waits = (0.05, 0.0, 0.02, 0.0)
    steps = [Step(f"{i}", lambda i=i: time.sleep(waits[i]) or i, f"{i}") for i in range(4)]
    with side_by_side.side_by_side(steps, workers) as running:
        assert [step.label for step in running] == ["0", "1", "2", "3"]
        assert [step.call() for step in running] == [0, 1, 2, 3]


def test_steps_of_one_lane_share_a_thread_and_keep_their_order():
    seen = []

    def call(number):
        time.sleep(0.01 if number % 2 else 0.0)
        seen.append((number, threading.get_ident()))

    steps = [Step("", lambda i=i: call(i), "odd" if i % 2 else "even") for i in range(10)]
    with side_by_side.side_by_side(steps, 2) as running:
        for step in running:
            step.call()
    for first in (0, 1):
        lane = [(number, thread) for number, thread in seen if number % 2 == first]
        assert [number for number, _ in lane] == list(range(first, 10, 2))
        assert len({thread for _, thread in lane}) == 1
    assert threading.get_ident() not in {thread for _, thread in seen}


def test_one_worker_runs_nothing_ahead():
    seen = []
    with side_by_side.side_by_side([Step("", lambda: seen.append(threading.get_ident()), "")], 1) as running:
        time.sleep(0.02)
        assert seen == []
        running[0].call()
    assert seen == [threading.get_ident()]


def test_an_error_is_raised_where_its_result_is_asked_for():
    def fails():
        raise ValueError("no value")

    steps = [Step("", lambda: 1, "a"), Step("", fails, "b"), Step("", lambda: 3, "b"), Step("", lambda: 4, "a")]
    with side_by_side.side_by_side(steps, 2) as running:
        assert running[0].call() == 1
        with pytest.raises(ValueError, match="no value"):
            running[1].call()
        with pytest.raises(CancelledError):  # a step that raises ends its lane
            running[2].call()
        assert running[3].call() == 4


def test_leaving_drops_what_has_not_begun():
    begun, go = [], threading.Event()

    def call(number):
        begun.append(number)
        go.wait(5)

    steps = [Step("", lambda i=i: call(i), f"{i % 3}") for i in range(30)]
    started = time.perf_counter()

    def interrupted():
        with side_by_side.side_by_side(steps, 2):
            while len(begun) < 2:
                time.sleep(0.001)
            threading.Timer(0.1, go.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert len(begun) == 2
    assert time.perf_counter() - started < 3


@pytest.mark.skipif(not BLAS, reason="NumPy's BLAS says nothing of its threads")
def test_the_number_of_workers(monkeypatch):
    monkeypatch.setattr(side_by_side, "_usable_cores", lambda: 4)
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: [{"user_api": "blas", "num_threads": 16}])
    embeddings = _groups(2)
    with workers_and_threads(embeddings) as workers:
        assert workers == 4
    monkeypatch.setattr(side_by_side, "_usable_cores", lambda: 64)
    with workers_and_threads(embeddings) as workers:
        assert workers == 8
    monkeypatch.setattr(side_by_side, "_MOST_BYTES", 2 * 40 * 8 * 8 - 1)
    with workers_and_threads(embeddings) as workers:
        assert workers == 1
    monkeypatch.undo()
    with threadpool_limits(1, user_api="blas"), workers_and_threads(embeddings) as workers:
        assert workers == 1


def test_rows_that_are_no_numpy_arrays_are_measured_one_step_at_a_time():
    torch = pytest.importorskip("torch")
    rows = torch.ones(20, 4)
    with workers_and_threads(Embeddings.from_arrays(a=rows, b=rows)) as workers:
        assert workers == 1


@pytest.mark.skipif(not BLAS, reason="NumPy's BLAS says nothing of its threads")
@pytest.mark.parametrize(("rows", "small", "limited"), [(40, False, True), (5000, False, False), (5000, True, True)])
def test_blas_keeps_to_one_thread_on_few_rows(rows, small, limited, monkeypatch):
    monkeypatch.setattr(side_by_side, "_usable_cores", lambda: 1)
    with threadpool_limits(2, user_api="blas"), workers_and_threads(_groups(2, n=rows, d=2), small=small):
        threads = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    assert threads == {1} if limited else max(threads) > 1

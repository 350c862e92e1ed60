"""Summaries of diagrams by hand, and their spread over sub-samples."""

from dataclasses import astuple

import numpy as np
import pytest

from crossgap.topology import (
    long_bar_count,
    longest_bar,
    persistence_diagrams,
    persistence_entropy,
    persistence_summaries,
    total_persistence,
)

BARS = np.array([[0.0, 1.0], [1.0, 3.0], [0.5, 0.5], [2.0, 6.0]])
NONE = np.empty((0, 2))


def test_totals_by_hand():
    assert total_persistence(BARS) == 1 + 2 + 4
    assert total_persistence(BARS, power=2) == 1 + 4 + 16
    assert longest_bar(BARS) == 4


def test_the_entropy_by_hand():
    shares = np.array([1, 2, 4]) / 7
    assert persistence_entropy(BARS) == pytest.approx(-sum(p * np.log(p) for p in shares))
    assert persistence_entropy(BARS * 5) == pytest.approx(persistence_entropy(BARS))
    assert persistence_entropy(np.tile([[0.0, 2.0]], (8, 1))) == pytest.approx(np.log(8))
    assert persistence_entropy(np.array([[0.0, 2.0]])) == 0


def test_bars_are_counted_against_a_reference():
    assert long_bar_count(BARS) == 1
    assert long_bar_count(BARS, quantile=0.5) == 2  # the median of 0, 1, 2, 4 is 1.5
    assert long_bar_count(BARS, reference=np.array([[0.0, 1.5]])) == 2
    assert long_bar_count(BARS, reference=np.array([[0.0, 9.0]])) == 0
    many = np.stack([np.zeros(1000), np.arange(1, 1001.0)], axis=1)
    assert long_bar_count(many) == 24


def test_no_bars_have_a_value():
    assert (total_persistence(NONE), longest_bar(NONE), persistence_entropy(NONE), long_bar_count(NONE)) == (0, 0, 0, 0)


def test_the_summary_of_all_rows_is_that_of_their_diagram(rng):
    rows = rng.normal(size=(40, 3))
    found = persistence_summaries(rows, degree=0)
    (bars,) = persistence_diagrams(rows, degree=0).diagrams
    wanted = (
        39,
        total_persistence(bars),
        total_persistence(bars, power=2),
        longest_bar(bars),
        persistence_entropy(bars),
        1,
    )
    assert astuple(found.mean[0]) == pytest.approx(wanted)
    assert found.sd is None
    assert (found.repeats, found.n, found.sampled_from, found.sampling, found.seed) == (1, 40, 40, "all", None)


def test_sub_samples_have_a_mean_and_a_spread(rng):
    pytest.importorskip("gudhi")
    rows = rng.normal(size=(90, 3))
    found = persistence_summaries(rows, most_rows=30, repeats=4, sampling="random", seed=2)
    assert (found.repeats, found.n, found.sampled_from, found.sampling, found.seed) == (4, 30, 90, "random", 2)
    generator = np.random.default_rng(2)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    totals = []
    for _ in range(4):
        taken = unit[generator.choice(90, 30, replace=False)]
        totals.append([total_persistence(bars) for bars in persistence_diagrams(taken).diagrams])
    for degree in (0, 1):
        assert found.mean[degree].total_persistence == pytest.approx(np.mean(totals, axis=0)[degree])
        assert found.sd[degree].total_persistence == pytest.approx(np.std(totals, axis=0, ddof=1)[degree])
        assert found.mean[degree].bars == (29 if degree == 0 else pytest.approx(found.mean[1].bars))


def test_every_option_matters(rng):
    rows = rng.normal(size=(90, 3))
    start = {"degree": 0, "most_rows": 30, "repeats": 3}
    values = [
        persistence_summaries(rows, **(start | change)).mean[0].total_persistence
        for change in ({}, {"most_rows": 31}, {"repeats": 4}, {"sampling": "random"}, {"unit": False}, {"seed": 1})
    ]
    assert len(set(values)) == len(values)


def test_progress_sees_every_sub_sample(rng):
    seen = []

    def progress(steps, label):
        for step in steps:
            seen.append(label(step))
            yield step

    persistence_summaries(rng.normal(size=(20, 3)), degree=0, most_rows=10, repeats=2, progress=progress)
    assert seen == ["persistence diagrams of sub-sample 1", "persistence diagrams of sub-sample 2"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: total_persistence(BARS, power=0), "power must be a finite number above 0, but it is 0"),
        (lambda: long_bar_count(BARS, quantile=1.5), "quantile must lie between 0 and 1, but it is 1.5"),
        (lambda: long_bar_count(BARS, reference=NONE), "reference must have at least one bar"),
        (lambda: longest_bar(np.zeros(3)), r"diagram must have shape \(bars, 2\).*its shape is \(3,\)"),
        (lambda: longest_bar(np.array([[0.0, np.inf]])), "diagram must hold bars that end"),
        (lambda: longest_bar(np.array([[1.0, 0.0]])), "a bar dies before it is born"),
        (lambda: persistence_summaries(np.eye(3), repeats=1), "repeats must be at least 2, but it is 1"),
        (lambda: persistence_summaries(np.eye(3), most_rows=1), "most_rows must be at least 2, but it is 1"),
    ],
)
def test_messages(call, message):
    with pytest.raises(ValueError, match=message):
        call()

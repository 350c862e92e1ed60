"""The mean length of cross-barcodes over sub-samples."""

import numpy as np
import pytest

from crossgap.topology import (
    cross_barcode,
    manifold_topology_divergence,
    manifold_topology_divergence_per_batch,
    total_persistence,
)


def test_all_rows_are_one_batch(rng):
    p, q = rng.normal(size=(20, 3)), rng.normal(size=(30, 3)) + 1
    found = manifold_topology_divergence_per_batch(p, q, degree=0)
    assert found.tolist() == [total_persistence(cross_barcode(p, q, degree=0))]
    assert manifold_topology_divergence(p, q, degree=0) == found[0]


def test_batches_are_draws_of_both_clouds(rng):
    p, q = rng.normal(size=(20, 3)), rng.normal(size=(30, 3)) + 1
    found = manifold_topology_divergence_per_batch(p, q, degree=0, p_rows=8, q_rows=9, batches=3, seed=5)
    generator = np.random.default_rng(5)
    for value in found:
        taken = p[generator.choice(20, 8, replace=False)], q[generator.choice(30, 9, replace=False)]
        assert value == pytest.approx(total_persistence(cross_barcode(*taken, degree=0)))
    assert manifold_topology_divergence(p, q, degree=0, p_rows=8, q_rows=9, batches=3, seed=5) == found.mean()


def test_every_option_matters(rng):
    pytest.importorskip("gudhi")
    p, q = rng.normal(size=(40, 3)), rng.normal(size=(60, 3)) + 0.5
    start = {"p_rows": 20, "q_rows": 30, "batches": 2}
    changes = ({}, {"p_rows": 21}, {"q_rows": 31}, {"batches": 3}, {"degree": 0}, {"unit": False}, {"seed": 1})
    values = [manifold_topology_divergence(p, q, **(start | change)) for change in changes]
    assert len(set(values)) == len(values)


def test_it_is_zero_within_and_large_for_a_loop_that_is_missing(rng):
    pytest.importorskip("gudhi")
    angles = rng.uniform(0, 2 * np.pi, size=150)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    arc = circle[np.abs(angles - np.pi) < 2]
    assert manifold_topology_divergence(arc, circle, unit=False) == 0
    assert manifold_topology_divergence(circle, arc, unit=False) > 0.3


@pytest.mark.slow
def test_the_published_value_of_two_uniform_clouds():
    """The README of the authors' code gives 0.0352 for its own draws of 100 and 1,000 rows of these clouds."""
    pytest.importorskip("gudhi")
    state = np.random.RandomState(7)
    p, q = state.rand(1000, 2), state.rand(1000, 2)
    found = manifold_topology_divergence_per_batch(p, q, p_rows=100, q_rows=1000, unit=False)
    assert found.mean() == pytest.approx(0.0352, abs=2 * found.std(ddof=1) / 10**0.5)


def test_progress_sees_every_batch(rng):
    seen = []

    def progress(steps, label):
        for step in steps:
            seen.append(label(step))
            yield step

    rows = rng.normal(size=(9, 3))
    manifold_topology_divergence(rows, rows, degree=0, p_rows=3, batches=2, progress=progress)
    assert seen == ["cross-barcode 1", "cross-barcode 2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p_rows": 0}, "p_rows must be at least 1, but it is 0"),
        ({"q_rows": 0}, "q_rows must be at least 1, but it is 0"),
        ({"batches": 0}, "batches must be at least 1, but it is 0"),
        ({"degree": 4}, "degree must be 0, 1 or 2, but it is 4"),
    ],
)
def test_messages(options, message):
    with pytest.raises(ValueError, match=message):
        manifold_topology_divergence(np.eye(3), np.eye(3), **options)
    with pytest.raises(ValueError, match="p and q must share one space"):
        manifold_topology_divergence(np.eye(3), np.eye(2), degree=0)

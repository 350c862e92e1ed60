import numpy as np
import pytest

from crossgap.close.inverted_softmax import inverted_softmax_offsets
from crossgap.close.sinkhorn_scores import sinkhorn_offsets, sinkhorn_scores
from crossgap.errors import DegenerateError


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_bank_fills_every_row_alike(rng):
    gallery, bank, temperature = rng.normal(size=(7, 4)), rng.normal(size=(12, 4)), 0.1
    offsets = sinkhorn_offsets(gallery, bank, temperature=temperature, tolerance=1e-12)
    logits = (_unit(bank) @ _unit(gallery).T - offsets) / temperature
    plan = np.exp(logits)
    plan /= plan.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(plan.sum(axis=0), 12 / 7, atol=1e-9)
    assert offsets.mean() == pytest.approx(0.0, abs=1e-12)


def test_scores_are_cosines_less_the_offsets(rng):
    queries, gallery, bank = rng.normal(size=(5, 4)), rng.normal(size=(7, 4)), rng.normal(size=(6, 4))
    found = sinkhorn_scores(queries, gallery, bank, temperature=0.2)
    wanted = _unit(queries) @ _unit(gallery).T - sinkhorn_offsets(gallery, bank, temperature=0.2)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_the_first_half_step_is_the_inverted_softmax(rng):
    """With all prices of the bank equal, as in a bank whose rows all stand alike to the gallery."""
    gallery = np.eye(4)[:3]
    bank = np.array([[1.0, 1.0, 1.0, 0.5], [1.0, 1.0, 1.0, -2.0]])
    found = inverted_softmax_offsets(gallery, bank, temperature=0.1)
    np.testing.assert_allclose(sinkhorn_offsets(gallery, bank, temperature=0.1), found - found.mean(), atol=1e-9)


def test_a_small_temperature_gives_the_best_assignment(rng):
    from scipy.optimize import linear_sum_assignment

    queries, gallery = rng.normal(size=(8, 4)), rng.normal(size=(8, 4))
    scores = sinkhorn_scores(queries, gallery, queries, temperature=0.005, iterations=20_000)
    _, best = linear_sum_assignment(-_unit(queries) @ _unit(gallery).T)
    np.testing.assert_array_equal(scores.argmax(axis=1), best)


def test_rows_that_are_their_own_bank_rows_are_left_out(rng):
    x = rng.normal(size=(9, 4))
    apart = sinkhorn_offsets(x, x, temperature=0.1, leave_out_self=True, tolerance=1e-12)
    logits = (_unit(x) @ _unit(x).T - apart) / 0.1
    np.fill_diagonal(logits, -np.inf)
    plan = np.exp(logits)
    plan /= plan.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(plan.sum(axis=0), 1.0, atol=1e-9)


def test_too_few_iterations_are_told(rng):
    x = rng.normal(size=(9, 4))
    with pytest.raises(DegenerateError, match=r"after 2 iterations at temperature = 0\.01; give a larger"):
        sinkhorn_offsets(x, rng.normal(size=(9, 4)), temperature=0.01, iterations=2)


@pytest.mark.parametrize("options", [{"iterations": 0}, {"tolerance": 0.0}])
def test_settings_are_above_zero(options):
    with pytest.raises(ValueError, match="iterations must be at least 1 and tolerance above 0"):
        sinkhorn_offsets(np.eye(3), np.eye(3), **options)


def test_the_temperature_is_above_zero():
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        sinkhorn_scores(np.eye(3), np.eye(3), np.eye(3), temperature=-1.0)

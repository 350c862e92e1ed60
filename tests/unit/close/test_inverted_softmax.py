import numpy as np
import pytest

from crossgap.close.inverted_softmax import inverted_softmax_offsets, inverted_softmax_scores
from crossgap.measure.k_occurrence import k_occurrence


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.01, 0.3])
def test_scores_match_a_plain_loop(rng, temperature):
    queries, gallery, bank = rng.normal(size=(5, 4)), rng.normal(size=(7, 4)), rng.normal(size=(6, 4))
    q, g, b = _unit(queries), _unit(gallery), _unit(bank)
    found = inverted_softmax_scores(queries, gallery, bank, temperature=temperature)
    for i in range(5):
        for j in range(7):
            total = sum(np.exp(row @ g[j] / temperature) for row in b)
            wanted = temperature * np.log(np.exp(q[i] @ g[j] / temperature) / total)
            assert found[i, j] == pytest.approx(wanted, abs=1e-9)


def test_with_the_queries_as_bank_each_row_shares_itself_out(rng):
    queries, gallery = rng.normal(size=(9, 4)), rng.normal(size=(7, 4))
    scores = inverted_softmax_scores(queries, gallery, queries, temperature=0.2)
    np.testing.assert_allclose(np.exp(scores / 0.2).sum(axis=0), 1.0, atol=1e-12)


def test_a_small_temperature_does_not_overflow(rng):
    x = rng.normal(size=(9, 4))
    offsets = inverted_softmax_offsets(x, x, temperature=1e-6)
    np.testing.assert_allclose(offsets, 1.0, atol=1e-4)  # the row itself is the nearest
    nearest = _unit(x) @ _unit(x).T - 2 * np.eye(9)
    apart = inverted_softmax_offsets(x, x, temperature=1e-6, leave_out_self=True)
    np.testing.assert_allclose(apart, nearest.max(axis=1), atol=1e-4)


def test_it_is_the_correction_that_hubness_measures(coco):
    queries, gallery = coco["text"], coco["image"]
    scores = inverted_softmax_scores(queries, gallery, queries)
    found = np.bincount(np.argsort(-scores, axis=1)[:, :10].ravel(), minlength=500)
    np.testing.assert_array_equal(found, k_occurrence(queries, gallery, correction="inverted-softmax"))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("inf"), float("nan")])
def test_the_temperature_is_above_zero(temperature):
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        inverted_softmax_offsets(np.eye(3), np.eye(3), temperature=temperature)
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        inverted_softmax_scores(np.eye(3), np.eye(3), np.eye(3), temperature=temperature)


def test_a_bank_of_the_row_alone_is_none():
    with pytest.raises(ValueError, match="bank must have at least 2 rows"):
        inverted_softmax_offsets(np.eye(3), np.eye(3)[:1], leave_out_self=True)

import numpy as np
import pytest

from crossgap.close.dual_softmax import dual_softmax_scores
from crossgap.close.inverted_softmax import inverted_softmax_offsets


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.05, 0.4])
def test_scores_match_a_plain_loop(rng, temperature):
    queries, gallery, bank = rng.normal(size=(5, 4)), rng.normal(size=(7, 4)), rng.normal(size=(6, 4))
    q, g, b = (np.exp(_unit(rows) @ _unit(gallery).T / temperature) for rows in (queries, queries, bank))
    found = dual_softmax_scores(queries, gallery, bank, temperature=temperature)
    for i in range(5):
        for j in range(7):
            wanted = (q[i, j] / q[i].sum()) * (g[i, j] / b[:, j].sum())
            assert found[i, j] == pytest.approx(temperature * np.log(wanted), abs=1e-9)


def test_half_of_the_offset_of_the_inverted_softmax_orders_every_list(rng):
    queries, gallery, bank = rng.normal(size=(9, 5)), rng.normal(size=(20, 5)), rng.normal(size=(30, 5))
    scores = _unit(queries) @ _unit(gallery).T - inverted_softmax_offsets(gallery, bank) / 2
    found = dual_softmax_scores(queries, gallery, bank)
    np.testing.assert_array_equal(np.argsort(-found, axis=1), np.argsort(-scores, axis=1))


def test_the_temperature_is_above_zero():
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        dual_softmax_scores(np.eye(2), np.eye(2), np.eye(2), temperature=0.0)

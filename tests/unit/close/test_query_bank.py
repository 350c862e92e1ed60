import numpy as np
import pytest

from crossgap.close.inverted_softmax import inverted_softmax_scores
from crossgap.close.query_bank import activation_set, query_bank_scores


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("k", [1, 2])
def test_scores_match_a_plain_loop(rng, k):
    queries, gallery, bank = rng.normal(size=(12, 4)), rng.normal(size=(20, 4)), rng.normal(size=(6, 4))
    q, g, b = _unit(queries), _unit(gallery), _unit(bank)
    active = {int(j) for row in b for j in np.argsort(-(g @ row))[:k]}
    assert activation_set(gallery, bank, k=k).nonzero()[0].tolist() == sorted(active)
    found = query_bank_scores(queries, gallery, bank, temperature=0.1, k=k)
    corrected = 0
    for i in range(12):
        cosines = g @ q[i]
        if int(np.argmax(cosines)) in active:
            corrected += 1
            cosines = cosines - [0.1 * np.log(sum(np.exp(row @ g[j] / 0.1) for row in b)) for j in range(20)]
        np.testing.assert_allclose(found[i], cosines, atol=1e-9)
    assert 0 < corrected < 12


def test_with_every_row_active_it_is_the_inverted_softmax(rng):
    queries, gallery, bank = rng.normal(size=(5, 4)), rng.normal(size=(7, 4)), rng.normal(size=(6, 4))
    found = query_bank_scores(queries, gallery, bank, k=7)
    np.testing.assert_allclose(found, inverted_softmax_scores(queries, gallery, bank), atol=1e-12)


def test_a_bank_does_not_find_itself_where_it_stands_in_the_gallery():
    gallery = np.array([[1.0, 0.0, 0.0], [0.9, 0.1, 0.0], [0.0, 0.0, 1.0]])
    assert activation_set(gallery, gallery[:1]).tolist() == [True, False, False]
    assert activation_set(gallery, gallery[:1], leave_out_self=True).tolist() == [False, True, False]


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="k must lie between 1 and the 3 gallery rows that the bank can find"):
        query_bank_scores(np.eye(3), np.eye(3), np.eye(3), k=4)
    with pytest.raises(ValueError, match="temperature must be a finite number above 0"):
        query_bank_scores(np.eye(3), np.eye(3), np.eye(3), temperature=0)
    with pytest.raises(ValueError, match="gallery and bank must share one space"):
        activation_set(np.eye(3), np.eye(2))

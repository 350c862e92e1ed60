import numpy as np
import pytest

from crossgap.close.csls import csls_offsets, csls_scores
from crossgap.measure.k_occurrence import k_occurrence


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize("k", [1, 3])
def test_scores_match_a_plain_loop(rng, k):
    queries, gallery, bank = rng.normal(size=(5, 4)), rng.normal(size=(7, 4)), rng.normal(size=(6, 4))
    q, g, b = _unit(queries), _unit(gallery), _unit(bank)
    found = csls_scores(queries, gallery, bank, k=k)
    for i in range(5):
        for j in range(7):
            r_i = np.mean(sorted((q[i] @ row for row in g), reverse=True)[:k])
            r_j = np.mean(sorted((g[j] @ row for row in b), reverse=True)[:k])
            assert found[i, j] == pytest.approx(2 * q[i] @ g[j] - r_i - r_j, abs=1e-12)


def test_the_offset_alone_orders_every_list(rng):
    queries, gallery, bank = rng.normal(size=(30, 6)), rng.normal(size=(40, 6)), rng.normal(size=(50, 6))
    by_offset = _unit(queries) @ _unit(gallery).T - csls_offsets(gallery, bank)
    np.testing.assert_array_equal(
        np.argsort(-by_offset, axis=1), np.argsort(-csls_scores(queries, gallery, bank), axis=1)
    )


def test_a_row_that_is_its_own_bank_row_can_be_left_out(rng):
    x = _unit(rng.normal(size=(12, 4)))
    cosines = x @ x.T
    np.fill_diagonal(cosines, -np.inf)
    wanted = np.sort(cosines, axis=1)[:, -3:].mean(axis=1) / 2
    np.testing.assert_allclose(csls_offsets(x, x, k=3, leave_out_self=True), wanted, atol=1e-12)
    assert (csls_offsets(x, x, k=3) > wanted).all()


def test_it_is_the_correction_that_hubness_measures(coco):
    queries, gallery = coco["text"], coco["image"]
    scores = csls_scores(queries, gallery, queries)
    found = np.bincount(np.argsort(-scores, axis=1)[:, :10].ravel(), minlength=500)
    np.testing.assert_array_equal(found, k_occurrence(queries, gallery, correction="csls"))


def test_on_real_pairs_it_gains_also_with_a_bank_of_other_queries(coco):
    x, y = coco["image"], coco["text"]
    plain = np.mean(np.argmax(x[:250] @ y[:250].T, axis=1) == np.arange(250))
    other = np.mean(np.argmax(csls_scores(x[:250], y[:250], x[250:]), axis=1) == np.arange(250))
    own = np.mean(np.argmax(csls_scores(x[:250], y[:250], x[:250]), axis=1) == np.arange(250))
    assert (plain, other, own) == pytest.approx((0.640, 0.672, 0.688), abs=0.005)
    assert own >= other  # which is why a bank of test queries is to be recorded


@pytest.mark.parametrize(
    ("k", "message"),
    [(0, "k must lie between 1 and the 3 rows of the bank"), (4, "but it is 4; choose a smaller k, or give")],
)
def test_k_fits_the_bank(k, message):
    with pytest.raises(ValueError, match=message):
        csls_offsets(np.eye(4), np.eye(4)[:3], k=k)


def test_k_fits_the_gallery():
    with pytest.raises(ValueError, match="k must lie between 1 and the 2 rows of the gallery"):
        csls_scores(np.eye(4), np.eye(4)[:2], np.eye(4), k=3)


def test_bad_rows_are_named():
    with pytest.raises(ValueError, match="bank must have rows of a length above zero, but row 1"):
        csls_offsets(np.eye(3), np.eye(3) * [[1], [0], [1]], k=1)
    with pytest.raises(ValueError, match="gallery and bank must share one space"):
        csls_offsets(np.eye(3), np.eye(2), k=1)

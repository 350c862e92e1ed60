import numpy as np
import pytest

from crossgap.geometry.score_offsets import cosine_matrix, log_sum_exp, log_sums, rows_with_offsets


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_all_cosines_in_one_matrix(rng):
    x, y = rng.normal(size=(1100, 5)), rng.normal(size=(30, 5))
    np.testing.assert_allclose(cosine_matrix(x, y), _unit(x) @ _unit(y).T, atol=1e-12)
    assert cosine_matrix(x.astype(np.float32), y.astype(np.float32)).dtype == np.float64


def test_tensors_are_taken_too(rng):
    torch = pytest.importorskip("torch")
    x, y = rng.normal(size=(4, 5)), rng.normal(size=(3, 5))
    np.testing.assert_allclose(cosine_matrix(torch.tensor(x), torch.tensor(y)), cosine_matrix(x, y), atol=1e-12)


def test_log_sum_exp_neither_overflows_nor_underflows():
    values = np.array([[1000.0, 1000.0], [-1000.0, -1000.0], [-np.inf, -np.inf]])
    np.testing.assert_allclose(log_sum_exp(values, axis=1), [1000 + np.log(2), -1000 + np.log(2), -np.inf])


@pytest.mark.parametrize("leave_out_self", [False, True])
@pytest.mark.parametrize(("m", "b"), [(7, 12), (12, 7), (1500, 1100)])
def test_log_sums_match_a_plain_loop(rng, m, b, leave_out_self):
    gallery, bank, temperature = rng.normal(size=(m, 4)), rng.normal(size=(b, 4)), 0.1
    found = log_sums(gallery, bank, temperature, leave_out_self=leave_out_self)
    g, q = _unit(gallery), _unit(bank)
    for j in (0, 5, m - 1):
        terms = [np.exp(g[j] @ q[i] / temperature) for i in range(b) if not (leave_out_self and i == j)]
        assert found[j] == pytest.approx(np.log(sum(terms)), abs=1e-9)


def test_one_more_coordinate_makes_a_plain_search_a_corrected_one(rng):
    queries, gallery, offsets = rng.normal(size=(9, 6)), rng.normal(size=(20, 6)), rng.normal(size=20)
    q, g = rows_with_offsets(queries, gallery, offsets)
    wanted = np.argsort(-(cosine_matrix(queries, gallery) - offsets), axis=1)
    np.testing.assert_array_equal(np.argsort(-(q @ g.T), axis=1), wanted)  # by inner product
    np.testing.assert_array_equal(np.argsort(-cosine_matrix(q, g), axis=1), wanted)  # and by cosine
    np.testing.assert_array_equal(np.argsort(-(q[:, :7] @ g[:, :7].T), axis=1), wanted)  # which needs no filler


def test_offsets_are_one_for_each_row(rng):
    with pytest.raises(ValueError, match="one number for each of the 3 gallery rows"):
        rows_with_offsets(np.eye(3), np.eye(3), np.zeros(2))

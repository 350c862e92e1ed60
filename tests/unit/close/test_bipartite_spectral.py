"""The spectral method: both groups in the space of their affinities."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from crossgap.close.bipartite_spectral import BipartiteSpectral
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.centroid_distance import centroid_distance
from crossgap.measure.matched_cosine import matched_cosine
from crossgap.measure.recall_at_k import recall_at_k


def data(rng, n=50, m=40, d=6):
    shared = rng.normal(size=(n, d))
    X = np.concatenate([shared + [2, 0, 0, 0, 0, 0], shared[:m] + 0.3 * rng.normal(size=(m, d))])
    return X, np.repeat(["image", "text"], [n, m])


def by_hand(x, y, temperature, dimensions, power):
    x, y = unit_rows(x), unit_rows(y)
    affinity = np.exp(x @ y.T / temperature)
    rows, columns = affinity.sum(axis=1), affinity.sum(axis=0)
    u, s, vt = np.linalg.svd(np.diag(rows**-0.5) @ affinity @ np.diag(columns**-0.5))
    keep = slice(1, dimensions + 1)
    return (
        unit_rows(np.diag(rows**-0.5) @ u[:, keep] * s[keep] ** power),
        unit_rows(np.diag(columns**-0.5) @ vt[keep].T * s[keep] ** power),
    )


@pytest.mark.parametrize("power", [0.0, 1.0, 0.5])
def test_rows_of_the_bank_get_their_singular_vectors(rng, power):
    X, groups = data(rng)
    closer = BipartiteSpectral(dimensions=4, temperature=0.2, power=power).fit(X, groups=groups)
    found = closer.transform(X, groups=groups)
    expected = by_hand(X[:50], X[50:], 0.2, 4, power)
    signs = np.sign(np.vecdot(found[:50].T, expected[0].T))
    np.testing.assert_allclose(found[:50], expected[0] * signs, atol=1e-5)
    np.testing.assert_allclose(found[50:], expected[1] * signs, atol=1e-5)


def test_the_first_vector_is_the_same_for_all_rows_and_left_out(rng):
    X, groups = data(rng)
    closer = BipartiteSpectral(dimensions=3, renormalise=False).fit(X, groups=groups)
    found = closer.transform(X, groups=groups)
    affinity = np.exp(unit_rows(X[:50]) @ unit_rows(X[50:]).T / 0.1)
    weight = affinity.sum(axis=1)
    np.testing.assert_allclose(weight @ found[:50] / weight.sum(), 0, atol=1e-5)
    np.testing.assert_allclose(weight @ found[:50] ** 2 / weight.sum(), 1, atol=1e-4)
    assert (closer.singular_values_ < 1).all()
    assert (np.diff(closer.singular_values_) < 0).all()


def test_a_new_row_by_a_plain_loop(rng):
    X, groups = data(rng)
    closer = BipartiteSpectral(dimensions=3, temperature=0.2).fit(X, groups=groups)
    new = unit_rows(rng.normal(size=(4, 6)))
    keys, values = unit_rows(X[50:]), closer.coordinates_["text"]
    expected = []
    for row in new:
        weights = [np.exp(float(row @ key) / 0.2) for key in keys]
        expected.append(sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights))
    np.testing.assert_allclose(closer.transform(new, groups=["image"] * 4), unit_rows(np.array(expected)), atol=1e-5)


def test_a_shared_offset_in_one_group_hardly_matters(rng):
    shared = rng.normal(size=(60, 5))
    both = np.concatenate([shared, shared + 0.1 * rng.normal(size=(60, 5))])
    X = np.column_stack([both, np.repeat([4.0, -4.0], 60)])
    groups = np.repeat(["image", "text"], 60)
    moved = BipartiteSpectral(dimensions=4).fit_transform(X, groups=groups)
    assert float(centroid_distance(X[:60], X[60:])) > 1
    assert float(centroid_distance(moved[:60], moved[60:])) < 0.1
    assert float(matched_cosine(moved[:60], moved[60:])) > 0.95


@pytest.mark.parametrize(
    "parameters",
    [
        {"dimensions": 4},
        {"temperature": 0.5},
        {"power": 1.0},
        {"bank": 30},
        {"bank": 30, "seed": 1},
        {"renormalise": False},
    ],
)
def test_every_parameter_matters(rng, parameters):
    X, groups = data(rng)
    base = BipartiteSpectral(dimensions=3, bank=30 if "seed" in parameters else 5000)
    plain = clone(base).fit_transform(X, groups=groups)
    other = clone(base).set_params(**parameters).fit_transform(X, groups=groups)
    assert plain.shape != other.shape or not np.allclose(plain, other)


def test_the_bank_is_no_larger_than_asked(rng):
    X, groups = data(rng)
    closer = BipartiteSpectral(dimensions=3, bank=20).fit(X, groups=groups)
    assert {name: rows.shape for name, rows in closer.keys_.items()} == {"image": (20, 6), "text": (20, 6)}
    assert closer.fit_rows_ == {"image": 50, "text": 40}
    assert closer.keys_["image"].dtype == closer.coordinates_["text"].dtype == np.float32


def test_few_directions_of_many_rows_are_those_of_the_whole(rng, monkeypatch):
    X, groups = data(rng, n=300, m=200)
    whole = BipartiteSpectral(dimensions=3).fit(X, groups=groups)
    monkeypatch.setattr("crossgap.close.bipartite_spectral._DENSE_ROWS", 10)
    iterative = BipartiteSpectral(dimensions=3).fit(X, groups=groups)
    assert not np.array_equal(whole.singular_values_, iterative.singular_values_)
    np.testing.assert_allclose(iterative.singular_values_, whole.singular_values_, atol=1e-9)
    found = iterative.transform(X, groups=groups)
    np.testing.assert_allclose(found, whole.transform(X, groups=groups), atol=1e-5)
    again = BipartiteSpectral(dimensions=3).fit(X, groups=groups)
    np.testing.assert_array_equal(again.transform(X, groups=groups), found)


def test_a_rotation_of_both_groups_changes_nothing(rng):
    X, groups = data(rng)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    plain = BipartiteSpectral(dimensions=3).fit_transform(X, groups=groups)
    np.testing.assert_allclose(BipartiteSpectral(dimensions=3).fit_transform(X @ turn, groups=groups), plain, atol=1e-4)


def test_names_types_and_copies(rng):
    X, groups = data(rng)
    closer = BipartiteSpectral(dimensions=3).fit(X, groups=groups)
    assert closer.get_feature_names_out().tolist() == [f"bipartitespectral{k}" for k in range(3)]
    narrow = closer.transform(X.astype(np.float32), groups=groups)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, closer.transform(X, groups=groups), atol=1e-3)
    same = pickle.loads(pickle.dumps(closer))  # noqa: S301
    np.testing.assert_array_equal(same.transform(X, groups=groups), closer.transform(X, groups=groups))
    X[4] = 0
    with pytest.warns(UserWarning, match="1 of 50 rows are all zeros"):
        assert closer.transform(X, groups=groups)[4].tolist() == [0, 0, 0]


def test_real_clip_pairs_in_sample_and_out(coco):
    X, groups = np.concatenate([coco["image"], coco["text"]]), np.repeat(["image", "text"], 500)

    def judged(closer, rows):
        moved = closer.transform(X[rows], groups=groups[rows])
        image, text = moved[groups[rows] == "image"], moved[groups[rows] == "text"]
        return [
            float(centroid_distance(image, text)),
            float(matched_cosine(image, text)),
            float(recall_at_k(image, text, k=1)),
            float(recall_at_k(text, image, k=1)),
        ]

    whole = judged(BipartiteSpectral().fit(X, groups=groups), np.arange(1000))
    assert whole == pytest.approx([0.0148, 0.675, 0.572, 0.554], abs=3e-3)
    even, odd = np.arange(0, 1000, 2), np.arange(1, 1000, 2)
    half = BipartiteSpectral().fit(X[even], groups=groups[even])
    inside, outside = judged(half, even), judged(half, odd)
    assert inside[2] > 0.6
    assert 0.4 < outside[2] < 0.55  # from 0.64: a bank of 250 rows places new ones badly
    assert outside[0] < 0.1


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"dimensions": 0}, ValueError, "dimensions must be at least 1, but it is 0"),
        ({"bank": 1}, ValueError, "bank must be at least 2, but it is 1"),
        ({"temperature": 0.0}, ValueError, "temperature must be finite and above 0, but it is 0.0"),
        ({"power": np.inf}, ValueError, "power must be finite, but it is inf"),
        ({"dimensions": 40}, DegenerateError, "dimensions must be below the 40 rows of the smaller group"),
    ],
)
def test_bad_parameters(rng, parameters, error, message):
    X, groups = data(rng)
    with pytest.raises(error, match=message):
        BipartiteSpectral(**{"dimensions": 3, **parameters}).fit(X, groups=groups)


def test_two_groups_it_must_be(rng):
    X, groups = data(rng)
    with pytest.raises(DegenerateError, match="BipartiteSpectral must have at least 2 groups"):
        BipartiteSpectral(dimensions=2).fit(X)
    with pytest.raises(ValueError, match=r"joins exactly two groups, but there are 3 \(image, text, audio\)"):
        BipartiteSpectral(dimensions=2).fit(X, groups=np.r_[groups[:-9], ["audio"] * 9])


def test_affinities_of_a_lower_rank():
    X = np.repeat(np.eye(2), 5, axis=0)
    with pytest.raises(DegenerateError, match="have only 1 directions beside the first, but dimensions is 3"):
        BipartiteSpectral(dimensions=3).fit(np.concatenate([X, X]), groups=np.repeat(["a", "b"], 10))


def test_a_temperature_at_which_a_row_is_alike_to_nothing_is_refused(rng):
    X, groups = rng.normal(size=(40, 4)), ["image"] * 20 + ["text"] * 20
    with pytest.raises(DegenerateError, match=r"but at 0\.0001 one has none that can be told from zero"):
        BipartiteSpectral(dimensions=2, temperature=0.0001).fit(X, groups=groups)
    with pytest.raises(ValueError, match=r"dimensions must be at least 1, but it is 2\.5; give a whole number"):
        BipartiteSpectral(dimensions=2.5).fit(X, groups=groups)
    assert BipartiteSpectral(dimensions=2.0).fit(X, groups=groups).singular_values_.shape == (2,)

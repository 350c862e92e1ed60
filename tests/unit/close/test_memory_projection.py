"""C8: rows replaced by what is like them in a memory."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from crossgap.close.memory_projection import MemoryProjection
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.centroid_distance import centroid_distance
from crossgap.measure.matched_cosine import matched_cosine
from crossgap.measure.recall_at_k import recall_at_k

N, D = 40, 6


@pytest.fixture
def data(rng):
    shared = rng.normal(size=(N, D))
    X = np.concatenate([shared + [2, 0, 0, 0, 0, 0], shared + 0.3 * rng.normal(size=(N, D))])
    return X, np.repeat(["image", "text"], N)


def by_loop(rows, keys, values, temperature):
    out = []
    for row in rows:
        weights = np.array([np.exp((sum(a * b for a, b in zip(row, k, strict=True)) - 1) / temperature) for k in keys])
        mean = sum(w * v for w, v in zip(weights, values, strict=True)) / weights.sum()
        out.append(mean / np.sqrt((mean * mean).sum()))
    return np.array(out)


def test_a_plain_loop_agrees(data):
    X, groups = data
    image, text = unit_rows(X[:N]), unit_rows(X[N:])
    closer = MemoryProjection(temperature=0.05).fit(X, groups=groups)
    found = closer.transform(X, groups=groups)
    np.testing.assert_allclose(found[:N], by_loop(image, text, text, 0.05), atol=1e-5)
    np.testing.assert_array_equal(found[N:], text)


def test_weights_from_partners_by_a_plain_loop(data, rng):
    X, groups = data
    image, text = unit_rows(X[:N]), unit_rows(X[N:])
    closer = MemoryProjection(temperature=0.05, weights_from="partners").fit(X, groups=groups)
    new = unit_rows(rng.normal(size=(7, D)))
    np.testing.assert_allclose(closer.transform(new, groups=["image"] * 7), by_loop(new, image, text, 0.05), atol=1e-5)


def test_partners_are_found_by_their_items(data):
    X, groups = data
    order = np.r_[np.arange(N)[::-1], np.arange(N, 2 * N)]
    straight = MemoryProjection(weights_from="partners").fit(X, groups=groups)
    shuffled = MemoryProjection(weights_from="partners").fit(
        X[order], groups=groups, items=np.r_[np.arange(N)[::-1], np.arange(N)]
    )
    np.testing.assert_allclose(shuffled.transform(X, groups=groups), straight.transform(X, groups=groups), atol=1e-6)
    some = MemoryProjection(weights_from="partners").fit(X, groups=groups, items=np.r_[np.arange(N), np.arange(N) + 5])
    assert len(some.keys_["image"]) == len(some.partners_["image"]) == N - 5


def test_the_nearest_row_of_the_memory(data):
    X, groups = data
    closer = MemoryProjection(neighbours=1).fit(X, groups=groups)
    image, text = unit_rows(X[:N]), unit_rows(X[N:])
    np.testing.assert_allclose(
        closer.transform(X, groups=groups)[:N], text[np.argmax(image @ text.T, axis=1)], atol=1e-6
    )


def test_the_barycentre_of_the_nearest(data):
    X, groups = data
    closer = MemoryProjection(neighbours=3, temperature=np.inf, renormalise=False).fit(X, groups=groups)
    image, text = unit_rows(X[:N]), unit_rows(X[N:])
    nearest = np.argsort(-(image @ text.T), axis=1)[:, :3]
    np.testing.assert_allclose(closer.transform(X, groups=groups)[:N], text[nearest].mean(axis=1), atol=1e-6)


@pytest.mark.parametrize(
    "parameters",
    [
        {"temperature": 0.2},
        {"neighbours": 2},
        {"weights_from": "partners"},
        {"memory": "image"},
        {"renormalise": False},
    ],
)
def test_every_parameter_matters(data, parameters):
    X, groups = data
    plain = MemoryProjection(temperature=0.1).fit(X, groups=groups).transform(X, groups=groups)
    other = clone(MemoryProjection(temperature=0.1).set_params(**parameters)).fit(X, groups=groups)
    assert not np.allclose(other.transform(X, groups=groups), plain)


def test_all_neighbours_are_no_limit(data):
    X, groups = data
    a = MemoryProjection(temperature=0.1).fit(X, groups=groups).transform(X, groups=groups)
    b = MemoryProjection(temperature=0.1, neighbours=N).fit(X, groups=groups).transform(X, groups=groups)
    np.testing.assert_allclose(a, b, atol=1e-9)


def test_one_group_is_its_own_memory(data):
    X, _ = data
    closer = MemoryProjection().fit(X[N:])
    assert closer.memory_group_ == "rows"
    found = closer.transform(X[:N])
    np.testing.assert_allclose(found, by_loop(unit_rows(X[:N]), unit_rows(X[N:]), unit_rows(X[N:]), 0.01), atol=1e-5)


def test_three_groups_are_projected_on_one(data, rng):
    X, groups = data
    more, names = np.concatenate([X, rng.normal(size=(9, D))]), np.r_[groups, ["audio"] * 9]
    closer = MemoryProjection(temperature=0.1).fit(more, groups=names)
    assert centroid_distance(closer.transform(more[80:], groups=names[80:]), X[N:]) < centroid_distance(
        more[80:], X[N:]
    )
    assert closer.memory_.shape == (N, D)
    assert closer.memory_.dtype == np.float32


def test_the_memory_keeps_what_a_file_keeps(data):
    X, groups = data
    closer = MemoryProjection().fit(X, groups=groups)
    narrow = closer.transform(X.astype(np.float32), groups=groups)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, closer.transform(X, groups=groups), atol=1e-4)


def test_a_common_rotation_changes_nothing_but_the_pose(data, rng):
    X, groups = data
    turn = np.linalg.qr(rng.normal(size=(D, D)))[0]
    plain = MemoryProjection(temperature=0.1).fit(X, groups=groups).transform(X, groups=groups)
    turned = MemoryProjection(temperature=0.1).fit(X @ turn, groups=groups).transform(X @ turn, groups=groups)
    np.testing.assert_allclose(turned, plain @ turn, atol=1e-5)


def test_the_loss_by_its_formula(data):
    X, groups = data
    closer = MemoryProjection(temperature=0.1).fit(X, groups=groups)
    image, moved = unit_rows(X[:N]), closer.transform(X[:N], groups=groups[:N])
    total = 0.0
    for a, b in zip(image - image.mean(axis=0), moved - moved.mean(axis=0), strict=True):
        total += 1 - (a @ b) / np.sqrt((a @ a) * (b @ b))
    assert closer.projection_loss(X, groups=groups) == {"image": pytest.approx(total / N)}
    flat = MemoryProjection(temperature=10.0).fit(X, groups=groups)
    assert flat.projection_loss(X, groups=groups)["image"] > closer.projection_loss(X, groups=groups)["image"]


def test_the_loss_is_zero_where_rows_are_in_the_memory(data):
    X, _ = data
    closer = MemoryProjection(neighbours=1).fit(X[N:])
    assert closer.projection_loss(X[N:])["rows"] == pytest.approx(0, abs=1e-6)


def test_scikit_learn_takes_it():
    check_estimator(MemoryProjection(), on_skip=None)


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

    whole = MemoryProjection().fit(X, groups=groups)
    assert judged(whole, np.arange(1000)) == pytest.approx([0.0739, 0.917, 0.532, 0.626], abs=2e-3)
    assert whole.projection_loss(X, groups=groups)["image"] == pytest.approx(0.616, abs=2e-3)
    even, odd = np.arange(0, 1000, 2), np.arange(1, 1000, 2)
    out = judged(MemoryProjection().fit(X[even], groups=groups[even]), odd)
    assert out[0] < 0.2
    assert out[2] < 0.3  # 250 rows are no memory for others: from 0.64


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"temperature": 0.0}, "temperature must be above 0, but it is 0.0"),
        ({"neighbours": 0}, "neighbours must be at least 1, but it is 0"),
        ({"neighbours": 41}, "neighbours must be at most the 40 rows of the memory, but it is 41"),
        ({"weights_from": "images"}, "weights_from must be one of 'memory', 'partners', but it is 'images'"),
        ({"memory": "audio"}, "memory must be one of the groups image, text, but it is 'audio'; pass memory="),
    ],
)
def test_bad_parameters(data, parameters, message):
    X, groups = data
    with pytest.raises(ValueError, match=message):
        MemoryProjection(**parameters).fit(X, groups=groups)


def test_a_memory_must_be_named_where_no_group_is_called_text(data):
    X, groups = data
    with pytest.raises(ValueError, match="but it is 'text' unless it is named; pass memory="):
        MemoryProjection().fit(X, groups=np.where(groups == "text", "caption", groups))


def test_partners_need_two_groups_and_pairs(data):
    X, groups = data
    with pytest.raises(ValueError, match="weights_from='partners' needs a group beside the memory"):
        MemoryProjection(weights_from="partners").fit(X)
    with pytest.raises(DegenerateError, match="image and text have no pairs to fit on"):
        MemoryProjection(weights_from="partners").fit(X[:-1], groups=groups[:-1])


def test_the_loss_asks_for_a_fitted_closer_and_neighbours_for_a_whole_number(rng):
    X = rng.normal(size=(8, 4))
    with pytest.raises(NotFittedError):
        MemoryProjection().projection_loss(X)
    with pytest.raises(ValueError, match=r"neighbours must be at least 1, but it is 2\.5"):
        MemoryProjection(neighbours=2.5).fit(X)
    closers = [MemoryProjection(neighbours=count).fit(X) for count in (2, 2.0)]
    assert np.array_equal(*(closer.transform(X) for closer in closers))

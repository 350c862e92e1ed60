"""C7: directions taken out for all groups alike."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator

from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.subspace_removal import SubspaceRemoval
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.centroid_distance import centroid_distance
from crossgap.measure.gap_coordinate_share import gap_coordinate_share
from crossgap.measure.recall_at_k import recall_at_k

KINDS = ("gap", "components", "coordinates", "classifier", "private")


def stacked(**groups):
    return np.concatenate(list(groups.values())), np.repeat(list(groups), [len(rows) for rows in groups.values()])


def two_groups(rng, n=60, d=6, gap=2.0):
    shared = rng.normal(size=(n, d))
    x, y = shared + 0.3 * rng.normal(size=(n, d)), shared + 0.3 * rng.normal(size=(n, d))
    x[:, 0] += gap
    return stacked(image=x, text=y)


def moved(closer, X, groups):
    rows = closer.transform(X, groups=groups)
    return {name: rows[groups == name] for name in dict.fromkeys(groups.tolist())}


@pytest.fixture
def pairs(coco):
    return stacked(image=coco["image"], text=coco["text"])


def test_the_gap_direction_by_a_plain_loop(rng):
    X, groups = two_groups(rng)
    closer = SubspaceRemoval().fit(X, groups=groups)
    unit = [row / np.sqrt(sum(v * v for v in row)) for row in X]
    mean = {name: sum(r for r, g in zip(unit, groups, strict=True) if g == name) / 60 for name in ("image", "text")}
    u = mean["image"] - mean["text"]
    u = u / np.sqrt(sum(v * v for v in u))
    expected = []
    for row in unit:
        left = row - sum(a * b for a, b in zip(row, u, strict=True)) * u
        expected.append(left / np.sqrt(sum(v * v for v in left)))
    np.testing.assert_allclose(closer.transform(X, groups=groups), expected, atol=1e-12)
    np.testing.assert_allclose(abs(closer.basis_ @ u), [1.0], atol=1e-12)


def test_means_coincide_before_rows_are_renormalised(rng):
    X, groups = stacked(**{name: rng.normal(size=(40 + 5 * i, 8)) + i for i, name in enumerate(("a", "b", "c", "d"))})
    parts = moved(SubspaceRemoval(renormalise=False).fit(X, groups=groups), X, groups)
    means = [rows.mean(axis=0) for rows in parts.values()]
    for mean in means[1:]:
        np.testing.assert_allclose(mean, means[0], atol=1e-12)


def test_three_groups_lose_two_directions_and_count_takes_the_strongest(rng):
    X, groups = stacked(a=rng.normal(size=(50, 5)) + 3, b=rng.normal(size=(50, 5)), c=rng.normal(size=(50, 5)) - 2)
    whole = SubspaceRemoval().fit(X, groups=groups)
    first = SubspaceRemoval(count=1).fit(X, groups=groups)
    assert whole.basis_.shape == (2, 5)
    np.testing.assert_allclose(first.basis_, whole.basis_[:1])
    means = np.stack([unit_rows(X[groups == name]).mean(axis=0) for name in "abc"])
    differences = means - means.mean(axis=0)
    lost = np.linalg.norm(differences @ first.basis_[0]) ** 2
    assert lost == pytest.approx(np.linalg.eigvalsh(differences @ differences.T)[-1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_projector_is_what_moves_the_rows(rng, kind):
    X, groups = two_groups(rng)
    closer = SubspaceRemoval(directions=kind, variance=0.6, angle=20.0).fit(X, groups=groups)
    basis, projector = closer.basis_, closer.projector()
    np.testing.assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-12)
    np.testing.assert_allclose(projector @ projector, projector, atol=1e-12)
    expected = unit_rows(unit_rows(X) @ projector)
    np.testing.assert_allclose(closer.transform(X, groups=groups), expected, atol=1e-12)
    (step,) = closer.steps("text")
    if kind == "coordinates":
        np.testing.assert_array_equal(np.diag(step.matrix), projector)
    else:
        assert step.removed is basis
    np.testing.assert_allclose(step.apply(unit_rows(X)), expected, atol=1e-12)
    np.testing.assert_allclose(closer.transform(X, groups=groups) @ basis.T, 0, atol=1e-12)
    twice = closer.transform(closer.transform(X, groups=groups), groups=groups)
    np.testing.assert_allclose(twice, expected, atol=1e-12)


def test_removals_compose(rng):
    X, groups = two_groups(rng)
    first = SubspaceRemoval(directions="coordinates").fit(X, groups=groups)
    once = first.transform(X, groups=groups)
    second = SubspaceRemoval(directions="components").fit(once, groups=groups)
    both = unit_rows(X) @ first.projector() @ second.projector()
    np.testing.assert_allclose(second.transform(once, groups=groups), unit_rows(both), atol=1e-12)


def test_components_are_those_of_all_rows_with_their_mean(rng):
    X, groups = two_groups(rng)
    closer = SubspaceRemoval(directions="components", count=2).fit(X, groups=groups)
    expected = np.linalg.svd(unit_rows(X), full_matrices=False)[2][:2]
    np.testing.assert_allclose(np.abs(np.vecdot(closer.basis_, expected)), 1, atol=1e-9)
    one = SubspaceRemoval(directions="components", count=2).fit(X)
    np.testing.assert_allclose(one.basis_, closer.basis_, atol=1e-9)


def test_private_directions_are_off_the_other_group(rng):
    d = 8
    x = rng.normal(size=(200, d)) * [3, 2, 0.1, 0.1, 1.5, 0.1, 0.1, 0.1]
    y = rng.normal(size=(200, d)) * [3, 2, 0.1, 0.1, 0.1, 1.5, 0.1, 0.1]
    X, groups = stacked(image=x + 0.5, text=y - 0.5)
    closer = SubspaceRemoval(directions="private").fit(X, groups=groups)
    assert closer.basis_.shape == (2, d)
    np.testing.assert_allclose(np.linalg.norm(closer.basis_[:, [4, 5]], axis=1), 1, atol=0.1)


def test_angle_and_variance_matter(rng):
    X, groups = two_groups(rng, n=300, d=12)
    with pytest.warns(UserWarning, match=r"has \d of the 5 private directions asked for"):
        wide = SubspaceRemoval(directions="private", count=5, angle=20.0, variance=0.5).fit(X, groups=groups)
    with pytest.warns(UserWarning, match="private directions"):
        steep = SubspaceRemoval(directions="private", count=5, angle=60.0, variance=0.5).fit(X, groups=groups)
    with pytest.warns(UserWarning, match="private directions"):
        other = SubspaceRemoval(directions="private", count=5, angle=20.0, variance=0.7).fit(X, groups=groups)
    assert len({wide.basis_.shape[0], steep.basis_.shape[0]}) == 2
    assert wide.basis_.shape != other.basis_.shape or not np.allclose(wide.basis_, other.basis_)


def test_the_classifier_ends_at_a_guess_and_says_how_long_it_took(rng):
    X, groups = two_groups(rng, n=200, d=10, gap=4.0)
    closer = SubspaceRemoval(directions="classifier").fit(X, groups=groups)
    assert len(closer.accuracies_) == len(closer.basis_) + 1
    assert closer.accuracies_[0] > 0.85
    assert closer.accuracies_[-1] <= 0.5 + 1.64 * np.sqrt(0.25 / 80)
    assert (closer.accuracies_[:-1] > 0.5 + 1.64 * np.sqrt(0.25 / 80)).all()
    short = SubspaceRemoval(directions="classifier", count=1).fit(X, groups=groups)
    assert short.basis_.shape == (1, 10)
    np.testing.assert_allclose(short.basis_, closer.basis_[:1], atol=1e-12)
    other = SubspaceRemoval(directions="classifier", seed=1).fit(X, groups=groups)
    assert not np.allclose(other.basis_[0], closer.basis_[0])


def test_the_classifier_holds_items_out_together(rng):
    X, groups = two_groups(rng, n=100, gap=3.0)
    by_position = SubspaceRemoval(directions="classifier", count=1).fit(X, groups=groups)
    by_pair = SubspaceRemoval(directions="classifier", count=1).fit(X, groups=groups, items=np.tile(np.arange(100), 2))
    by_row = SubspaceRemoval(directions="classifier", count=1).fit(X, groups=groups, items=np.arange(200))
    np.testing.assert_array_equal(by_position.basis_, by_pair.basis_)
    assert not np.array_equal(by_row.basis_, by_pair.basis_)


def test_three_groups_and_uneven_sizes_reach_the_classifier(rng):
    X, groups = stacked(a=rng.normal(size=(90, 7)) + 2, b=rng.normal(size=(60, 7)) - 2, c=rng.normal(size=(50, 7)))
    closer = SubspaceRemoval(directions="classifier").fit(X, groups=groups)
    assert len(closer.basis_) >= 2
    np.testing.assert_allclose(closer.basis_ @ closer.basis_.T, np.eye(len(closer.basis_)), atol=1e-12)


@pytest.mark.parametrize("kind", ["gap", "components", "coordinates", "private"])
def test_batches_give_what_all_rows_give(rng, kind):
    X, groups = two_groups(rng)
    whole = SubspaceRemoval(directions=kind, variance=0.6, angle=20.0).fit(X, groups=groups)
    parts = clone(whole)
    for index in np.array_split(np.arange(len(X)), 4):
        parts.partial_fit(X[index], groups=groups[index])
    np.testing.assert_allclose(parts.projector(), whole.projector(), atol=1e-9)
    assert parts.fit_rows_ == whole.fit_rows_ == {"image": 60, "text": 60}


def test_the_classifier_takes_no_batches():
    assert hasattr(SubspaceRemoval(), "partial_fit")
    assert not hasattr(SubspaceRemoval(directions="classifier"), "partial_fit")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "coordinates"])
def test_a_rotation_of_the_space_rotates_the_result(rng, kind):
    X, groups = two_groups(rng)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    make = SubspaceRemoval(directions=kind, variance=0.6, angle=20.0)
    plain = clone(make).fit(X, groups=groups).transform(X, groups=groups)
    turned = clone(make).fit(X @ turn, groups=groups).transform(X @ turn, groups=groups)
    np.testing.assert_allclose(turned, plain @ turn, atol=1e-8)


def test_float32_and_copies(rng):
    X, groups = two_groups(rng)
    closer = SubspaceRemoval().fit(X, groups=groups)
    narrow = closer.transform(X.astype(np.float32), groups=groups)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, closer.transform(X, groups=groups), atol=1e-6)
    same = pickle.loads(pickle.dumps(closer))  # noqa: S301
    np.testing.assert_array_equal(same.transform(X, groups=groups), closer.transform(X, groups=groups))


def test_scikit_learn_takes_it():
    check_estimator(SubspaceRemoval(directions="components"), on_skip=None)


def test_real_clip_pairs(pairs):
    X, groups = pairs
    both = {}
    for kind, count in (("gap", None), ("components", 1), ("components", 2), ("coordinates", 2)):
        parts = moved(SubspaceRemoval(directions=kind, count=count).fit(X, groups=groups), X, groups)
        image, text = parts.values()
        both[kind, count] = [
            float(centroid_distance(image, text)),
            float(recall_at_k(image, text, k=1)),
            float(recall_at_k(text, image, k=1)),
        ]
    assert both["gap", None] == pytest.approx([0.0071, 0.354, 0.352], abs=1e-3)
    assert both["components", 1] == pytest.approx([1.0623, 0.276, 0.416], abs=1e-3)
    assert both["components", 2] == pytest.approx([0.0092, 0.542, 0.488], abs=1e-3)
    assert both["coordinates", 2] == pytest.approx([0.6173, 0.498, 0.506], abs=1e-3)


def test_the_two_coordinates_of_clip(pairs, coco):
    X, groups = pairs
    closer = SubspaceRemoval(directions="coordinates", count=2).fit(X, groups=groups)
    assert np.flatnonzero(closer.basis_.sum(axis=0)).tolist() == [362, 442]
    assert float(gap_coordinate_share(coco["image"], coco["text"], coordinates=2)) == pytest.approx(0.69, abs=0.01)


def test_out_of_sample_the_gap_comes_back_a_little(pairs):
    X, groups = pairs
    fitted, judged = np.arange(1000) % 2 == 0, np.arange(1000) % 2 == 1
    closer = SubspaceRemoval().fit(X[fitted], groups=groups[fitted])
    inside = moved(closer, X[fitted], groups[fitted])
    outside = moved(closer, X[judged], groups[judged])
    assert float(centroid_distance(*inside.values())) < 0.01
    assert 0.04 < float(centroid_distance(*outside.values())) < 0.1


def test_two_components_do_nearly_what_mean_removal_does(pairs):
    X, groups = pairs
    a = SubspaceRemoval(directions="components", count=2).fit(X, groups=groups).transform(X, groups=groups)
    b = MeanRemoval().fit(X, groups=groups).transform(X, groups=groups)
    assert np.vecdot(a, b).mean() > 0.97


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"directions": "axes"}, ValueError, "directions must be one of 'gap', .* but it is 'axes'"),
        ({"directions": "private", "variance": 0.0}, ValueError, "variance must lie above 0 and up to 1"),
        ({"directions": "private", "angle": 90.0}, ValueError, "angle must lie between 0 and 90 degrees"),
        ({"count": 0}, ValueError, "count must be at least 1, but it is 0"),
        ({"directions": "components", "count": 6}, DegenerateError, "count=6 and n_features=6; remove fewer"),
        ({"directions": "classifier", "count": 0}, ValueError, "count must be at least 1"),
    ],
)
def test_bad_parameters(rng, parameters, error, message):
    X, groups = two_groups(rng)
    with pytest.raises(error, match=message):
        SubspaceRemoval(**parameters).fit(X, groups=groups)


def test_one_group_has_no_gap(rng):
    with pytest.raises(DegenerateError, match="SubspaceRemoval must have at least 2 groups"):
        SubspaceRemoval().fit(rng.normal(size=(9, 4)))


def test_means_that_coincide():
    X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(DegenerateError, match="the means of the groups coincide"):
        SubspaceRemoval().fit(X, groups=["a", "a", "b", "b"])


def test_nothing_private():
    X = np.array([[1.0, 0.1, 0.0], [1.0, -0.1, 0.0]] * 2)
    with (
        pytest.warns(UserWarning, match="0 of the 1 private directions"),
        pytest.raises(DegenerateError, match="nothing is private; lower angle or variance"),
    ):
        SubspaceRemoval(directions="private").fit(X, groups=["a", "a", "b", "b"])


def test_private_directions_may_not_take_everything(rng):
    x = np.concatenate([np.eye(2)[[0] * 10], rng.normal(size=(10, 2)) * [1, 0.01]])
    y = np.concatenate([np.eye(2)[[1] * 10], rng.normal(size=(10, 2)) * [0.01, 1]])
    X, groups = stacked(a=np.column_stack([x, np.ones(20)])[:, [0, 2]], b=np.column_stack([np.ones(20), y[:, 1]]))
    X[groups == "a", 0] = rng.normal(size=20)
    X[groups == "a", 1] = 1.0
    with pytest.raises(DegenerateError, match="would leave nothing of 2 dimensions"):
        SubspaceRemoval(directions="private", angle=1.0).fit(X, groups=groups)


def test_a_fifth_that_takes_all_of_a_group(rng):
    X = rng.normal(size=(40, 4))
    groups = ["a"] * 38 + ["b"] * 2
    with pytest.raises(DegenerateError, match="must have rows both to learn from and to judge by"):
        SubspaceRemoval(directions="classifier").fit(X, groups=groups)


def test_a_row_that_lies_in_what_is_removed(rng):
    X, groups = two_groups(rng)
    closer = SubspaceRemoval().fit(X, groups=groups)
    with pytest.raises(DegenerateError, match="nothing is left of row 0"):
        closer.transform(closer.basis_, groups=["text"])


def test_more_directions_than_there_are_is_an_error(rng):
    X, groups = rng.normal(size=(20, 4)), ["image"] * 10 + ["text"] * 10
    with pytest.raises(DegenerateError, match="at most the 1 directions in which the means of the groups differ"):
        SubspaceRemoval(count=2).fit(X, groups=groups)
    with pytest.raises(DegenerateError, match="at most the 2 directions in which the rows lie, but it is 3"):
        SubspaceRemoval(directions="components", count=3).fit(np.repeat(X[:2], 4, axis=0))
    with pytest.raises(ValueError, match=r"count must be at least 1, but it is 1\.5"):
        SubspaceRemoval(count=1.5).fit(X, groups=groups)
    assert SubspaceRemoval(directions="components", count=2.0).fit(X).basis_.shape == (2, 4)


def test_batches_after_other_parameters_are_refused(rng):
    X, groups = rng.normal(size=(40, 4)), ["image"] * 20 + ["text"] * 20
    closer = SubspaceRemoval().fit(X, groups=groups).set_params(directions="components")
    with pytest.raises(ValueError, match="now needs covariances, which were not summed"):
        closer.partial_fit(X, groups=groups)
    closer = SubspaceRemoval(directions="classifier").fit(X, groups=groups).set_params(directions="gap")
    with pytest.raises(ValueError, match="was fitted with parameters that need all rows at once"):
        closer.partial_fit(X, groups=groups)

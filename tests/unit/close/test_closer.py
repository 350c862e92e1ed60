"""The frame of a closer: groups, items, zero rows, refusals, and scikit-learn's own checks."""

import pickle

import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import Pipeline

import crossgap
from crossgap.close.affine_step import AffineStep
from crossgap.close.closer import Calibration, Closer, LinearCloser, is_whole_number
from crossgap.close.mean_removal import MeanRemoval
from crossgap.close.moments import MomentCloser
from crossgap.close.translation import Translation
from crossgap.errors import DegenerateError

GROUPS = ["image"] * 30 + ["text"] * 20


@pytest.fixture
def rows(rng):
    return np.concatenate([rng.normal(size=(30, 6)) + 2, rng.normal(size=(20, 6)) - 2])


class _Recorder(Closer):
    """A closer that shows what it is given."""

    def _learn(self, calibration):
        self.seen_ = calibration

    def _move(self, rows, group):
        return rows


def test_rows_come_by_group_at_length_one_in_order_of_appearance(rows):
    order = np.random.default_rng(1).permutation(50)
    order = order[np.argsort(np.array(GROUPS)[order] == "image", kind="stable")]  # texts come first
    seen = _Recorder().fit(rows[order], groups=np.array(GROUPS)[order]).seen_
    assert seen.groups == ("text", "image")
    np.testing.assert_allclose(np.linalg.norm(seen.rows["image"], axis=1), 1)
    first = rows[order][np.array(GROUPS)[order] == "image"]
    np.testing.assert_allclose(seen.rows["image"], first / np.linalg.norm(first, axis=1)[:, None])


def test_items_pair_rows_of_different_groups(rows):
    items = [f"item {i}" for i in range(30)] + [f"item {i % 10}" for i in range(20)]  # two texts an image
    seen = _Recorder().fit(rows, groups=GROUPS, items=items).seen_
    x, y = seen.pairs("image", "text")
    assert x.shape == y.shape == (20, 6)
    np.testing.assert_array_equal(x[0], x[1])
    unit = rows / np.linalg.norm(rows, axis=1)[:, None]
    np.testing.assert_allclose(y[0], unit[30])
    np.testing.assert_allclose(y[1], unit[40])


def test_without_items_groups_of_one_size_pair_by_position_and_others_do_not(rows):
    seen = _Recorder().fit(rows[:40], groups=["a"] * 20 + ["b"] * 20).seen_
    x, y = seen.pairs("a", "b")
    unit = rows / np.linalg.norm(rows, axis=1)[:, None]
    np.testing.assert_allclose(x[3], unit[3])
    np.testing.assert_allclose(y[3], unit[23])
    with pytest.raises(DegenerateError, match="image and text have no pairs to fit on"):
        _Recorder().fit(rows, groups=GROUPS).seen_.pairs("image", "text")


def test_zero_rows_are_left_out_of_the_fit_and_stay_zero(rows):
    rows[[3, 35]] = 0
    with pytest.warns(UserWarning, match=r"1 of \d+ rows are all zeros \(the first is row [35]\)"):
        closer = MeanRemoval().fit(rows, groups=GROUPS, items=np.arange(50))
    assert closer.fit_rows_ == {"image": 29, "text": 19}
    kept = np.delete(np.arange(50), [3, 35])
    same = MeanRemoval().fit(rows[kept], groups=np.array(GROUPS)[kept])
    np.testing.assert_array_equal(closer.means_["text"], same.means_["text"])
    with pytest.warns(UserWarning, match="have no direction"):
        moved = closer.transform(rows, groups=GROUPS)
    np.testing.assert_array_equal(moved[[3, 35]], 0)
    np.testing.assert_allclose(np.linalg.norm(moved[kept], axis=1), 1)


def test_pairs_stay_pairs_when_a_zero_row_is_left_out(rows):
    rows[2] = 0
    with pytest.warns(UserWarning, match="all zeros"):
        seen = _Recorder().fit(rows[:40], groups=["a"] * 20 + ["b"] * 20, items=[*range(20)] * 2).seen_
    x, y = seen.pairs("a", "b")
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1)[:, None], 1e-9)
    kept = np.delete(np.arange(20), 2)
    np.testing.assert_allclose(x, unit[kept])
    np.testing.assert_allclose(y, unit[20 + kept])


def test_move_is_what_transform_does_to_one_group(rows):
    closer = MeanRemoval().fit(rows, groups=GROUPS)
    moved = closer.transform(rows, groups=GROUPS)
    np.testing.assert_array_equal(closer.move(rows[30:], "text"), moved[30:])


def test_input_is_never_changed(rows):
    before = rows.copy()
    MeanRemoval().fit(rows, groups=GROUPS).transform(rows, groups=GROUPS)
    np.testing.assert_array_equal(rows, before)


@pytest.mark.parametrize(("given", "kept"), [("float64", "float64"), ("float32", "float32"), ("float16", "float32")])
def test_precision_of_the_rows_is_kept(rows, given, kept):
    closer = MeanRemoval().fit(rows, groups=GROUPS)
    assert closer.transform(rows.astype(given), groups=GROUPS).dtype == kept
    assert closer.move(rows[:30].astype(given), "image").dtype == kept


def test_fitted_attributes_and_embeddings(rows):
    e = crossgap.Embeddings.from_arrays(image=rows[:30], text=rows[30:])
    closer = MeanRemoval().fit_embeddings(e)
    assert closer.groups_ == ("image", "text")
    assert closer.fit_rows_ == {"image": 30, "text": 20}
    assert closer.n_features_in_ == 6
    same = MeanRemoval().fit(rows, groups=GROUPS)
    np.testing.assert_array_equal(closer.means_["image"], same.means_["image"])
    moved = closer.transform_embeddings(e)
    np.testing.assert_array_equal(moved["text"].vectors, same.transform(rows, groups=GROUPS)[30:])


def test_embeddings_keep_their_pairs_and_their_facts(rows):
    group = crossgap.Group(vectors=rows[:20], items=np.arange(20)[::-1], text=[f"caption {i}" for i in range(20)])
    e = crossgap.Embeddings({"image": crossgap.Group(vectors=rows[20:40], items=np.arange(20)), "text": group})
    seen = _Recorder().fit_embeddings(e).seen_
    x, y = seen.pairs("image", "text")
    unit = rows / np.linalg.norm(rows, axis=1)[:, None]
    np.testing.assert_allclose(x[0], unit[20])
    np.testing.assert_allclose(y[0], unit[19])
    moved = MeanRemoval().fit_embeddings(e).transform_embeddings(e)
    assert moved["text"].text == group.text
    np.testing.assert_array_equal(moved["text"].items, group.items)


# refusals


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["image"] * 3, "groups must hold one name for each of the 50 rows"),
        (np.zeros(50), "groups must hold one name for each of the 50 rows, but it has shape"),
    ],
)
def test_groups_must_be_one_name_a_row(rows, groups, message):
    with pytest.raises(ValueError, match=message):
        MeanRemoval().fit(rows, groups=groups)


def test_items_must_be_one_a_row(rows):
    with pytest.raises(ValueError, match="items must hold one id for each of the 50 rows"):
        MeanRemoval().fit(rows, groups=GROUPS, items=[1, 2])


def test_a_group_that_was_not_fitted_is_refused(rows):
    closer = MeanRemoval().fit(rows, groups=GROUPS)
    with pytest.raises(ValueError, match="there is no group 'audio' in the closer, which was fitted on image, text"):
        closer.transform(rows, groups=["audio"] * 50)
    with pytest.raises(ValueError, match="there is no group 'audio'"):
        closer.move(rows, "audio")
    with pytest.raises(ValueError, match="groups must say the group of each row, since the closer was fitted on image"):
        closer.transform(rows)


def test_another_dimension_is_refused(rows):
    closer = MeanRemoval().fit(rows, groups=GROUPS)
    with pytest.raises(ValueError, match="5 features, but MeanRemoval is expecting 6"):
        closer.transform(rows[:, :5], groups=GROUPS)
    with pytest.raises(ValueError, match="image must have 6 dimensions"):
        closer.move(rows[:, :5], "image")


def test_too_few_rows_and_groups_are_refused(rows):
    with pytest.raises(
        DegenerateError, match="text must have at least 2 rows to fit MeanRemoval, but it has n_samples=1"
    ):
        MeanRemoval().fit(rows[:31], groups=GROUPS[:31])
    with pytest.raises(
        DegenerateError, match="must have at least 2 groups to bring together, but no groups were given"
    ):
        Translation().fit(rows)
    with pytest.raises(DegenerateError, match="but there is one"):
        Translation().fit(rows, groups=["image"] * 50)


def test_rows_that_are_not_finite_are_refused(rows):
    closer = MeanRemoval().fit(rows, groups=GROUPS)
    rows[4, 2] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        closer.transform(rows, groups=GROUPS)
    with pytest.raises(ValueError, match="row 4 holds a NaN or an infinity"):
        closer.move(rows[:30], "image")


def test_a_row_at_the_mean_has_nothing_left():
    rows = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    closer = MeanRemoval().fit(rows)
    with pytest.raises(DegenerateError, match="nothing is left of row 0 once the closer has moved it"):
        closer.transform(rows)
    np.testing.assert_array_equal(MeanRemoval(renormalise=False).fit(rows).transform(rows), 0)


@pytest.mark.parametrize("frame", [Closer, LinearCloser, MomentCloser])
def test_a_frame_alone_is_no_closer(rows, frame):
    with pytest.raises(TypeError, match="must say what it learns"):
        frame().fit(rows)
    closer = frame()
    closer.groups_, closer.n_features_in_, closer.fit_rows_ = ("rows",), 6, {"rows": 50}
    with pytest.raises(TypeError, match=r"must (say how it moves|list its steps)"):
        closer.move(rows, "rows")


def test_pairs_of_a_calibration_without_items():
    calibration = Calibration(rows={"a": np.eye(2), "b": np.eye(2)}, items=None)
    with pytest.raises(DegenerateError, match="have no pairs"):
        calibration.pairs("a", "b")


# a step


def test_a_step_is_a_matrix_an_offset_and_a_length(rng):
    rows, matrix, offset = rng.normal(size=(5, 3)), rng.normal(size=(2, 3)), rng.normal(size=2)
    wanted = np.stack([matrix @ row + offset for row in rows])
    np.testing.assert_allclose(AffineStep(matrix=matrix, offset=offset, renormalise=False).apply(rows), wanted)
    lengths = np.linalg.norm(wanted, axis=1)[:, None]
    np.testing.assert_allclose(AffineStep(matrix=matrix, offset=offset).apply(rows), wanted / lengths)
    factors = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(AffineStep(matrix=factors, renormalise=False).apply(rows), rows * factors)
    same = AffineStep(renormalise=False).apply(rows)
    np.testing.assert_array_equal(same, rows)
    assert same is not rows


# scikit-learn


def test_clone_and_pickle(rows):
    closer = MeanRemoval(renormalise=False).fit(rows, groups=GROUPS)
    assert clone(closer).get_params() == {"renormalise": False}
    assert not hasattr(clone(closer), "means_")
    again = pickle.loads(pickle.dumps(closer))  # noqa: S301
    np.testing.assert_array_equal(again.transform(rows, groups=GROUPS), closer.transform(rows, groups=GROUPS))


@pytest.fixture
def labelled(rng):
    """Two modalities of the same three classes, apart along the line from class 0 to class 1."""
    centres = 2 * np.eye(8)[:3]
    y = np.tile(np.arange(3), 40)
    groups = np.repeat(["image", "text"], 60)
    gap = np.where(groups == "image", 0.5, -0.5)[:, None] * (centres[1] - centres[0])
    return centres[y] + 0.1 * rng.normal(size=(120, 8)) + gap, y, groups


def test_in_a_pipeline_with_groups(labelled):
    """Learned on texts alone, used on images: the gap is the pipeline's business."""
    X, y, groups = labelled
    texts, images = groups == "text", groups == "image"
    with sklearn.config_context(enable_metadata_routing=True):
        closer = MeanRemoval().set_fit_request(groups=True).set_transform_request(groups=True)
        closed = closer.fit(X, groups=groups).transform(X, groups=groups)
        learner = LogisticRegression().fit(closed[texts], y[texts])
        assert learner.score(closed[images], y[images]) > 0.95
        pipeline = Pipeline([("close", clone(closer)), ("learn", LogisticRegression())])
        pipeline.fit(X, y, groups=groups)
        assert pipeline.score(X, y, groups=groups) > 0.95
        np.testing.assert_array_equal(pipeline[:-1].transform(X, groups=groups), closer.fit_transform(X, groups=groups))
    open_gap = LogisticRegression().fit(X[texts], y[texts])
    assert open_gap.score(X[images], y[images]) < 0.7


def test_in_a_grid_search_over_groups(labelled):
    X, y, groups = labelled
    with sklearn.config_context(enable_metadata_routing=True):
        closer = Translation().set_fit_request(groups=True, items=False).set_transform_request(groups=True)
        pipeline = Pipeline([("close", closer), ("learn", LogisticRegression())])
        folds = GroupKFold(3, shuffle=True, random_state=0).set_split_request(groups="items")
        search = GridSearchCV(pipeline, {"close__strength": [0.0, 0.5, 1.0]}, cv=folds)
        search.fit(X, y, groups=groups, items=np.tile(np.arange(60), 2))
        assert set(search.cv_results_["param_close__strength"]) == {0.0, 0.5, 1.0}
        none, _, whole = search.cv_results_["mean_test_score"]
        assert none < 0.9 < whole
        assert search.best_params_["close__strength"] > 0
        assert search.best_estimator_.predict(X, groups=groups).shape == (120,)


def test_rows_of_zeros_leave_the_pairs_of_the_others_as_they_are(rng):
    """Image 3 and text 9 are lost: both groups have one row fewer, and row i still pairs with row i."""
    image = rng.normal(size=(30, 6))
    text = image + 0.0
    image[3], text[9] = 0.0, 0.0
    with pytest.warns(UserWarning, match="are all zeros"):
        seen = _Recorder().fit(np.concatenate([image, text]), groups=["image"] * 30 + ["text"] * 30).seen_
    x, y = seen.pairs("image", "text")
    assert len(x) == 28
    assert np.array_equal(x, y)
    assert seen.common_items("image", "text") == 28
    with pytest.warns(UserWarning, match="are all zeros"):
        one = _Recorder().fit(np.concatenate([image, image[::-1]]), groups=["image"] * 30 + ["text"] * 30).seen_
    assert one.common_items("image", "text") == 28


def test_rows_of_one_item_are_one_common_item(rng):
    X, items = rng.normal(size=(12, 4)), ["a"] * 3 + ["b"] * 3 + ["a"] * 3 + ["c"] * 3
    seen = _Recorder().fit(X, groups=["image"] * 6 + ["text"] * 6, items=items).seen_
    assert (len(seen.pairs("image", "text")[0]), seen.common_items("image", "text")) == (9, 1)
    assert _Recorder().fit(X[:11], groups=["image"] * 6 + ["text"] * 5).seen_.common_items("image", "text") == 0


def test_an_empty_block_moves_to_an_empty_block(rows):
    closer = MeanRemoval().fit(rows, groups=GROUPS)
    assert closer.move(np.zeros((0, 6), np.float16), "image").shape == (0, 6)


@pytest.mark.parametrize("odd", [None, 1, float("nan")])
def test_a_group_without_a_name_is_refused(rows, odd):
    with pytest.raises(ValueError, match=f"groups must hold a name for each row, but one is {odd!r}, a "):
        MeanRemoval().fit(rows, groups=np.array([odd, *GROUPS[1:]], dtype=object))


def test_items_of_several_types_are_refused(rows):
    with pytest.raises(ValueError, match="items must hold ids of one type"):
        MeanRemoval().fit(rows, groups=GROUPS, items=np.array([1, "a"] * 25, dtype=object))


def test_lengths_of_any_size_are_taken_without_a_warning(rows):
    closer = MeanRemoval().fit(rows, groups=GROUPS)
    moved = closer.transform(rows, groups=GROUPS)
    for size in (1e200, 1e-200):
        assert np.allclose(closer.transform(rows * size, groups=GROUPS), moved)


@pytest.mark.parametrize(
    ("value", "whole"), [(2, True), (2.0, True), (np.int64(2), True), (2.5, False), (True, False), ("2", False)]
)
def test_whole_numbers(value, whole):
    assert is_whole_number(value) is whole
    assert not is_whole_number(float("inf"))

import dataclasses

import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.measure.linear_separability import linear_separability, linear_separability_scores


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _overlapping(rng, n=300, m=300, d=6, shift=0.8, dtype=np.float64):
    x, y = rng.normal(size=(n, d)), rng.normal(size=(m, d))
    y[:, 0] += shift
    return x.astype(dtype), y.astype(dtype)


@pytest.mark.parametrize(("a", "b"), [("image", "text"), ("image_random_init", "text_random_init")])
def test_golden(coco, a, b):
    scores = linear_separability_scores(coco[a], coco[b], n_splits=20)
    assert scores.accuracy == 1.0
    assert scores.accuracy_std == 0.0
    assert (scores.n_train, scores.n_test, scores.solver) == (800, 200, "lbfgs")


def test_centring_on_the_evaluation_rows_reads_below_chance(coco):
    x, y = _unit(coco["image"]), _unit(coco["text"])
    assert linear_separability(x - x.mean(0), y - y.mean(0), n_splits=20) == pytest.approx(0.29, abs=0.01)


def test_centring_on_a_disjoint_half_reads_above_chance(coco):
    x, y = _unit(coco["image"]), _unit(coco["text"])
    values = []
    for seed in range(10):
        half = np.random.default_rng(seed).permutation(500)
        a, b = half[:250], half[250:]
        values.append(linear_separability(x[b] - x[a].mean(0), y[b] - y[a].mean(0), seed=seed))
    assert np.mean(values) == pytest.approx(0.68, abs=0.04)


def test_default_is_the_protocol_of_the_papers(rng):
    from sklearn.linear_model import LogisticRegression

    x, y = _overlapping(rng, 203, 203)
    order = np.random.default_rng(3).permutation(203)
    train, test = order[:162], order[162:]
    x, y = _unit(x), _unit(y)
    model = LogisticRegression().fit(np.r_[x[train], y[train]], np.repeat([0, 1], 162))
    expected = model.score(np.r_[x[test], y[test]], np.repeat([0, 1], 41))
    assert linear_separability(x, y, n_splits=1, seed=3) == pytest.approx(expected, abs=1e-12)


def test_five_splits_test_every_row_once(rng):
    from crossgap.measure.held_out import deal_test_sets

    part, further = deal_test_sets(52, 52, (np.arange(52), np.arange(52)), 7, 0.2, 0)
    assert (part.sets, further.sets) == (5, 2)
    assert sorted(np.bincount(part.x_set)) == [10, 10, 10, 11, 11]
    assert set(further.x_set) == {0, 1, 2}


def test_lda_is_the_textbook_formula(rng):
    x, y = _overlapping(rng, 3000, 2000, d=5)
    scores = linear_separability_scores(x, y, classifier="lda", n_splits=1, C=1e9, features="raw", seed=1)
    generator = np.random.default_rng(1)
    px, py = generator.permutation(3000), generator.permutation(2000)
    a, b, ta, tb = x[px[:2400]], y[py[:1600]], x[px[2400:]], y[py[1600:]]
    within = ((a - a.mean(0)).T @ (a - a.mean(0)) + (b - b.mean(0)).T @ (b - b.mean(0))) / 3998
    normal = np.linalg.solve(within, b.mean(0) - a.mean(0))
    offset = np.log(1600 / 2400) - normal @ (a.mean(0) + b.mean(0)) / 2
    right = np.r_[ta @ normal + offset <= 0, tb @ normal + offset > 0]
    assert scores.accuracy == right.mean()
    high, low = (tb @ normal)[:, None], (ta @ normal)[None, :]
    assert scores.auroc == pytest.approx((high > low).mean(), abs=1e-12)
    assert (scores.majority_share, scores.split_by, scores.solver) == (0.6, "point", "cholesky")


def test_lda_agrees_with_logistic_regression_on_many_rows(rng):
    x, y = _overlapping(rng, 20_001, 20_001, d=8, dtype=np.float32)
    auto = linear_separability_scores(x, y)
    assert auto.classifier == "lda"
    assert auto.accuracy == pytest.approx(linear_separability(x, y, classifier="logistic"), abs=0.001)


def test_centroid_is_the_nearer_mean(rng):
    x, y = _overlapping(rng, 100, 100)
    order = np.random.default_rng(0).permutation(100)
    a, b = x[order[:80]].mean(0), y[order[:80]].mean(0)
    test = order[80:]
    nearer = lambda rows: np.linalg.norm(rows - b, axis=1) < np.linalg.norm(rows - a, axis=1)  # noqa: E731
    expected = np.r_[~nearer(x[test]), nearer(y[test])].mean()
    assert linear_separability(x, y, classifier="centroid", features="raw", n_splits=1) == pytest.approx(expected)


def test_standardised_centroid_matches_scaling_by_hand(rng):
    x, y = _unit(_overlapping(rng)[0] * [9, 1, 1, 1, 1, 1]), _unit(_overlapping(rng)[1] * [9, 1, 1, 1, 1, 1])
    order = np.random.default_rng(0).permutation(300)
    train, test = order[:240], order[240:]
    pooled = np.r_[x[train], y[train]]
    u, v = ((rows - pooled.mean(0)) / pooled.std(0) for rows in (x, y))
    normal = v[train].mean(0) - u[train].mean(0)
    offset = -normal @ (v[train].mean(0) + u[train].mean(0)) / 2
    expected = np.r_[u[test] @ normal + offset <= 0, v[test] @ normal + offset > 0].mean()
    value = linear_separability(x, y, classifier="centroid", features="standardised", n_splits=1)
    assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("classifier", ["logistic", "lda", "svm", "centroid"])
@pytest.mark.parametrize("features", ["unit", "raw", "standardised"])
def test_every_classifier_finds_an_obvious_plane(rng, classifier, features):
    x, y = _overlapping(rng, 60, 90, shift=40.0)
    scores = linear_separability_scores(x, y, classifier=classifier, features=features)
    assert scores.accuracy > 0.85
    assert scores.classifier == classifier


@pytest.mark.parametrize(
    "option",
    [
        {"C": 0.001},
        {"features": "raw"},
        {"features": "standardised"},
        {"classifier": "lda"},
        {"classifier": "svm"},
        {"classifier": "centroid"},
        {"split_by": "point"},
        {"n_splits": 2},
        {"test_share": 0.5},
        {"seed": 1},
        {"x_items": np.arange(300) // 3, "y_items": np.arange(300) // 3},
    ],
    ids=lambda option: "-".join(option),
)
def test_every_option_matters(rng, option):
    x, y = _overlapping(rng, d=3)
    x, y = x * [1, 3, 9] * rng.uniform(0.2, 5, (300, 1)), y * [1, 3, 9]
    plain = dataclasses.asdict(linear_separability_scores(x, y))
    changed = dataclasses.asdict(linear_separability_scores(x, y, **option))
    for key in ("classifier", "solver", "split_by", "n_splits", "n_train", "n_test"):
        plain.pop(key), changed.pop(key)
    assert plain != changed


def test_penalty_and_features_matter_for_the_closed_forms(rng):
    x, y = _overlapping(rng, d=3)
    x, y = x * [1, 3, 9], y * [1, 3, 9]
    values = [
        linear_separability_scores(x, y, classifier="lda", **options).auroc
        for options in ({}, {"C": 0.01}, {"features": "raw"}, {"features": "standardised", "C": 0.01})
    ]
    assert len(set(values)) == 4


def test_rows_of_an_item_stay_together(rng):
    from crossgap.measure.held_out import deal_test_sets, rows_together

    x_items, y_items = np.arange(40), np.repeat(np.arange(40), 5)
    for part in deal_test_sets(40, 200, rows_together(40, 200, None, x_items, y_items), 5, 0.2, 0):
        assert np.array_equal(part.y_set, np.repeat(part.x_set, 5))
    x = rng.normal(size=(40, 3))
    scores = linear_separability_scores(x, np.repeat(x, 5, axis=0), x_items=x_items, y_items=y_items)
    assert (scores.n_train, scores.n_test, scores.split_by) == (192, 48, "pair")
    assert scores.majority_share == pytest.approx(200 / 240)


def test_more_dimensions_than_rows(rng):
    x, y = rng.normal(size=(12, 40)), rng.normal(size=(12, 40))
    scores = linear_separability_scores(x, y, classifier="lda", C=1e9)
    assert scores.train_accuracy == 1.0
    assert np.isfinite(scores.auroc)


def test_identical_points_do_not_break_the_closed_form():
    rows = np.ones((10, 3))
    assert linear_separability(rows, rows, classifier="lda") == 0.5


def test_a_solver_that_stops_early_is_recorded_and_does_not_warn(rng):
    x, y = _overlapping(rng, 500, 500, d=60)
    scales = np.logspace(-3, 4, 60)
    assert not linear_separability_scores(x * scales, y * scales, features="raw", C=1e6, n_splits=1).converged
    assert linear_separability_scores(x, y, n_splits=1).converged


@pytest.mark.parametrize("classifier", ["logistic", "lda", "centroid"])
def test_numpy_torch_and_float16_agree(rng, classifier):
    torch = pytest.importorskip("torch")
    x, y = _overlapping(rng)
    expected = linear_separability(x, y, classifier=classifier)
    found = linear_separability(torch.tensor(x), torch.tensor(y), classifier=classifier)
    assert found.dtype == torch.float64
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
    for dtype, tolerance in ((np.float32, 0.01), (np.float16, 0.02)):
        assert linear_separability(x.astype(dtype), y.astype(dtype), classifier=classifier) == pytest.approx(
            float(expected), abs=tolerance
        )


def test_a_reader_gives_the_same_value(rng):
    class Reader:
        def __init__(self, rows):
            self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

        def __getitem__(self, index):
            return self.rows[index]

    x, y = _overlapping(rng)
    for classifier in ("logistic", "lda"):
        assert linear_separability(Reader(x), Reader(y), classifier=classifier) == linear_separability(
            x, y, classifier=classifier
        )


def test_weights_count_test_rows(rng):
    x, y = _overlapping(rng, 50, 50)
    weights = np.column_stack([np.ones(50, int), rng.integers(0, 3, 50)])
    values = linear_separability(x, y, weights=weights)
    assert values.shape == (2,)
    assert values[0] == pytest.approx(float(linear_separability(x, y)), abs=1e-12)
    # a row of weight 1 alone in its test set: the value of that set is whether the pair is right
    order = np.random.default_rng(0).permutation(50)
    single = np.zeros((50, 1))
    single[order[-1]] = 1
    assert float(linear_separability(x, y, n_splits=1, weights=single)[0]) in (0.0, 0.5, 1.0)
    both = linear_separability(x, y[:40], weights=(weights, weights[:40]))
    assert both[0] == pytest.approx(float(linear_separability(x, y[:40])), abs=1e-12)
    none = linear_separability(x, y, weights=np.zeros((50, 1)))
    assert none[0] == pytest.approx(float(linear_separability(x, y)), abs=1e-12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classifier": "forest"}, "classifier must be one of"),
        ({"features": "whitened"}, "features must be one of"),
        ({"split_by": "row"}, "split_by must be one of"),
        ({"C": 0.0}, "C must be a finite number above 0"),
        ({"n_splits": 0}, "n_splits must be at least 1"),
        ({"test_share": 1.0}, "test_share must lie between 0 and 1"),
        ({"x_items": np.arange(30)}, "both sides or for none"),
        ({"x_items": np.arange(30), "y_items": np.arange(7)}, "one for each of the 30 rows"),
        ({"test_share": 0.01}, "leaves a group 0 of its 30 rows"),
        ({"x_items": np.zeros(30), "y_items": np.zeros(30)}, "needs rows on both sides"),
    ],
)
def test_messages(rng, options, message):
    x = rng.normal(size=(30, 4))
    with pytest.raises(ValueError, match=message):
        linear_separability(x, x + 1, **options)


def test_messages_about_rows(rng):
    x = rng.normal(size=(30, 4))
    with pytest.raises(DegenerateError, match="at least 10 rows"):
        linear_separability(x[:9], x)
    with pytest.raises(ValueError, match="split_by='pair' needs rows that pair"):
        linear_separability(x, x[:20], split_by="pair")
    with pytest.raises(ValueError, match="must share one space"):
        linear_separability(x, x[:, :3])
    bad = x.copy()
    bad[4] = np.nan
    for options in ({}, {"features": "raw"}, {"classifier": "lda"}):
        with pytest.raises(ValueError, match="y must be finite, but row 4"):
            linear_separability(x, bad, **options)

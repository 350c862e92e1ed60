import numpy as np
import pytest

from crossgap.measure.precision_recall import precision_recall
from crossgap.measure.scored_pairs import scored_pairs


@pytest.fixture
def scored(rng):
    x = rng.normal(size=(100, 8))
    return scored_pairs(x, x + rng.normal(size=(100, 8)), k=5)


def test_every_point_equals_counting(scored):
    curve = precision_recall(scored)
    for t, precision, recall in zip(curve.thresholds, curve.precision, curve.recall, strict=True):
        kept = scored.scores >= t
        assert precision == pytest.approx(scored.matched[kept].mean())
        assert recall == pytest.approx(scored.matched[kept].sum() / 100)


def test_scikit_learn_agrees_where_all_pairs_are_scored(coco):
    from sklearn.metrics import precision_recall_curve

    x, y = coco["text"][:200], coco["image"][:200]
    scored = scored_pairs(x, y, pairs="all")
    curve = precision_recall(scored)
    precision, recall, thresholds = precision_recall_curve(scored.matched, scored.scores)
    places = np.searchsorted(thresholds, curve.thresholds)
    np.testing.assert_allclose(curve.precision, precision[places], atol=1e-12)
    np.testing.assert_allclose(curve.recall, recall[places], atol=1e-12)


def test_shape_of_the_curve(scored):
    curve = precision_recall(scored)
    assert curve.precision[0] == pytest.approx(scored.setting.base_rate)
    assert len(curve.thresholds) <= 200
    assert np.all(np.diff(curve.thresholds) > 0)
    assert np.all(np.diff(curve.recall) <= 0)
    for low, value, high in (
        (curve.precision_low, curve.precision, curve.precision_high),
        (curve.recall_low, curve.recall, curve.recall_high),
    ):
        assert np.all(np.array(low) <= np.array(value) + 1e-9)
        assert np.all(np.array(value) <= np.array(high) + 1e-9)
        assert low[50] < high[50]


def test_recall_counts_matches_that_are_not_shown(coco):
    scored = scored_pairs(coco["text"], coco["image"], k=1)
    assert precision_recall(scored).recall[0] == pytest.approx(0.51, abs=0.01)  # recall at 1
    assert precision_recall(scored_pairs(coco["text"], coco["image"], pairs="all")).recall[0] == 1.0


def test_two_replicates_and_few_pairs_give_finite_bands():
    x = np.eye(12) + 0.1
    for seed in range(20):
        curve = precision_recall(scored_pairs(x, x, k=3), replicates=2, seed=seed)
        assert np.isfinite([curve.precision_low, curve.precision_high, curve.recall_low, curve.recall_high]).all()


def test_every_option_matters(scored):
    usual = precision_recall(scored)
    assert precision_recall(scored) == usual
    assert len(precision_recall(scored, points=20).thresholds) <= 20
    assert precision_recall(scored, seed=1).precision_low != usual.precision_low
    assert precision_recall(scored, replicates=50).precision_low != usual.precision_low
    assert precision_recall(scored, level=0.5).precision_low[50] > usual.precision_low[50]


def test_messages(scored):
    with pytest.raises(ValueError, match="points must be at least 2, but it is 1"):
        precision_recall(scored, points=1)
    with pytest.raises(TypeError, match="scored must come from scored_pairs"):
        precision_recall([0.1])  # type: ignore[arg-type]

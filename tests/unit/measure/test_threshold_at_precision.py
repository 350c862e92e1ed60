import numpy as np
import pytest
from scipy.stats import norm

from crossgap.measure.scored_pairs import PairSetting, ScoredPairs, scored_pairs
from crossgap.measure.threshold_at_precision import threshold_at_precision

SHIFT, WIDTH, SHOWN = 0.08, 0.03, 10


def drawn_pairs(n, seed, shift=SHIFT):
    """One match and nine others for each query, with normal scores."""
    scores = np.random.default_rng(seed).normal(0.25, WIDTH, size=(n, SHOWN))
    scores[:, 0] += shift
    order = np.argsort(scores, axis=None)
    return ScoredPairs(
        scores=scores.ravel()[order],
        matched=(np.arange(n * SHOWN) % SHOWN == 0)[order],
        weights=np.ones(n * SHOWN),
        items=np.repeat(np.arange(n), SHOWN)[order],
        matches=np.ones(n, int),
        setting=PairSetting(
            pairs="candidates",
            k=SHOWN,
            base_rate=1 / SHOWN,
            observed_rate=1 / SHOWN,
            n=n,
            m=n,
            items=n,
            scored=n * SHOWN,
            unanswerable=0,
        ),
    )


def precision_and_recall(t):
    """Of the model above, exactly."""
    right, wrong = norm.sf((t - 0.25 - SHIFT) / WIDTH), (SHOWN - 1) * norm.sf((t - 0.25) / WIDTH)
    return right / (right + wrong), right


def test_new_data_gets_the_precision_that_was_asked_for():
    reached, promised, inside, recalls, cuts = [], [], [], [], []
    ideal = min(t for t in np.arange(0.25, 0.4, 1e-4) if precision_and_recall(t)[0] >= 0.9)
    for seed in range(40):
        found = threshold_at_precision(drawn_pairs(400, seed), 0.9, replicates=60, seed=seed + 1000)
        precision, recall = precision_and_recall(found.threshold.value)
        reached.append(precision)
        promised.append(found.precision.value)
        inside.append(precision in found.precision)
        recalls.append(found.recall.value - recall)
        cuts.append(ideal in found.threshold)
    assert np.mean(reached) == pytest.approx(0.9, abs=0.01)
    assert np.mean(promised) == pytest.approx(np.mean(reached), abs=0.01)
    assert np.mean(inside) >= 0.84  # 0.95 less three standard errors of 40 samples
    assert np.mean(recalls) == pytest.approx(0, abs=0.02)
    assert np.mean(cuts) > 0.8


def test_threshold_by_hand():
    n = 50  # 40 matches on top, then 10 matches and 5 others, then 45 others
    scores = np.concatenate([np.linspace(0.1, 0.2, 45), np.linspace(0.3, 0.4, 15), np.linspace(0.6, 0.7, 40)])
    matched = np.concatenate([np.zeros(45), np.tile([1, 0, 1], 5), np.ones(40)]).astype(bool)
    setting = PairSetting(
        pairs="all", k=1, base_rate=0.5, observed_rate=0.5, n=n, m=n, items=n, scored=100, unanswerable=0
    )
    scored = ScoredPairs(
        scores=scores,
        matched=matched,
        weights=np.ones(100),
        items=np.random.default_rng(0).permutation(100) % n,
        matches=np.ones(n, int),
        setting=setting,
    )
    found = threshold_at_precision(scored, 0.9)
    # The isotonic shares from the top: 41 pairs at 41/42, twelve at 2/3, two at 1/2; 53 pairs have a mean of 0.906.
    assert found.support == 53
    assert found.threshold.value == pytest.approx((scores[46] + scores[47]) / 2)
    assert found.best_precision == pytest.approx(41 / 42)
    assert threshold_at_precision(scored, 0.3).threshold.value == scores[0]
    assert threshold_at_precision(scored, 0.3).recall.value == 1.0
    assert threshold_at_precision(scored, 0.96).support == 43


def test_captions_of_real_pictures(coco):
    found = threshold_at_precision(scored_pairs(coco["text"], coco["image"]), 0.9)
    assert 0.34 < found.threshold.value < 0.37
    assert 0.9 in found.precision
    assert 0.03 < found.recall.value < 0.15
    half = threshold_at_precision(scored_pairs(coco["text"], coco["image"]), 0.5)
    assert half.threshold.value < found.threshold.value
    assert half.recall.value > found.recall.value
    assert half.precision.value == pytest.approx(0.5, abs=0.05)


def test_products_do_not_reach_the_precision(shared_data):
    with np.load(shared_data / "pairs" / "fashion1000_marqo-fashionclip.npz") as arrays:
        scored = scored_pairs(arrays["text"], arrays["image"])
    found = threshold_at_precision(scored, 0.9)
    assert found.threshold is found.precision is found.recall is None
    assert found.support == 0
    assert found.best_precision == pytest.approx(0.875)
    assert found.reason == "a precision of 0.9 is not reached at any score: the highest is 0.875."
    assert threshold_at_precision(scored, 0.6).precision.value == pytest.approx(0.6, abs=0.06)


def test_prevalence_raises_the_threshold(coco):
    cuts = []
    for prevalence in (None, 0.02, 1e-4):
        scored = scored_pairs(coco["text"], coco["image"], prevalence=prevalence)
        found = threshold_at_precision(scored, 0.6)
        cuts.append(1.0 if found.threshold is None else found.threshold.value)
    assert cuts[0] < cuts[1] < cuts[2] == 1.0


def test_a_precision_that_hangs_on_one_fold_is_refused():
    x = np.eye(40) + 0.1
    found = threshold_at_precision(scored_pairs(x, x), 0.975)
    assert found.threshold is None
    assert "but no longer when one of 5 folds is left out" in found.reason
    assert threshold_at_precision(scored_pairs(x, x), 0.95).threshold is not None


def test_every_option_matters():
    scored = drawn_pairs(300, 0)
    usual = threshold_at_precision(scored)
    assert threshold_at_precision(scored) == usual
    assert usual.asked == 0.9
    assert threshold_at_precision(scored, 0.8).threshold.value < usual.threshold.value
    assert threshold_at_precision(scored, folds=2).precision != usual.precision
    assert threshold_at_precision(scored, seed=1).precision != usual.precision
    assert threshold_at_precision(scored, replicates=50).threshold != usual.threshold
    assert threshold_at_precision(scored, level=0.5).recall.low > usual.recall.low


def test_messages():
    for precision in (0.0, 1.0, 90):
        with pytest.raises(ValueError, match="precision must lie between 0 and 1"):
            threshold_at_precision(drawn_pairs(50, 0), precision)
    with pytest.raises(TypeError, match="scored must come from scored_pairs"):
        threshold_at_precision(np.ones(3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="folds must lie between 2"):
        threshold_at_precision(drawn_pairs(50, 0), folds=51)

import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.measure.match_probability import isotonic_shares, match_probability
from crossgap.measure.scored_pairs import PairSetting, ScoredPairs, scored_pairs


def probability(score):
    """The model that the pairs below are drawn from."""
    return 1 / (1 + np.exp(-(20 * score - 6)))


def drawn_pairs(n, seed, per_item=1, prevalence=None):
    """Pairs whose probability of a match at each score is known."""
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.uniform(0, 0.6, size=n))
    matched = rng.random(n) < probability(scores)
    items = rng.permutation(n) // per_item
    rate = float(matched.mean())
    setting = PairSetting(
        pairs="candidates",
        k=per_item,
        base_rate=prevalence or rate,
        observed_rate=rate,
        n=n // per_item,
        m=n,
        items=n // per_item,
        scored=n,
        unanswerable=0,
    )
    return ScoredPairs(
        scores=scores,
        matched=matched,
        weights=np.ones(n),
        items=items,
        matches=np.bincount(items[matched], minlength=n // per_item),
        setting=setting,
    )


@pytest.mark.parametrize(("method", "tolerance"), [("isotonic", 0.08), ("logistic", 0.02)])
def test_recovers_the_model(method, tolerance):
    found = match_probability(drawn_pairs(20_000, 0), method=method)
    places = np.linspace(0.05, 0.55, 11)
    np.testing.assert_allclose(found.probability(places), probability(places), atol=tolerance)
    assert np.all(np.diff(found.probabilities) >= 0)
    assert len(found.scores) <= 200
    assert found.calibration_error.value < 0.02
    best = drawn_pairs(20_000, 0)
    assert found.brier.value == pytest.approx(np.mean((probability(best.scores) - best.matched) ** 2), abs=0.002)


@pytest.mark.parametrize("method", ["isotonic", "logistic"])
def test_the_band_covers_the_model(method):
    places, inside = np.array([0.2, 0.3, 0.4]), []
    for seed in range(25):
        found = match_probability(drawn_pairs(2000, seed), method=method, replicates=100, seed=seed + 1000)
        inside += [probability(place) in found.interval(place) for place in places]
    assert np.mean(inside) > 0.8


def test_logistic_equals_the_likelihood_fit_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    scored = drawn_pairs(5000, 1)
    reference = LogisticRegression(C=1e8).fit(scored.scores[:, None], scored.matched)
    places = np.linspace(0.02, 0.58, 9)
    expected = reference.predict_proba(places[:, None])[:, 1]
    np.testing.assert_allclose(match_probability(scored, method="logistic").probability(places), expected, atol=2e-3)


def test_isotonic_equals_scikit_learn_with_a_pair_added_at_each_end(rng):
    from sklearn.isotonic import IsotonicRegression

    positive, negative = rng.integers(0, 9, size=30).astype(float), rng.integers(1, 9, size=30).astype(float)
    total = positive + negative
    total[[0, -1]] += 1
    target = (positive + np.eye(30)[0]) / total
    expected = IsotonicRegression().fit_transform(np.arange(30), target, sample_weight=total)
    np.testing.assert_allclose(isotonic_shares(positive, negative), expected, atol=1e-12)
    assert isotonic_shares(np.array([0.0, 5.0]), np.array([9.0, 0.0])).tolist() == [0.1, 5 / 6]


@pytest.mark.parametrize("method", ["isotonic", "logistic"])
def test_prevalence_multiplies_the_odds(method):
    usual = match_probability(drawn_pairs(4000, 0), method=method)
    rare = match_probability(drawn_pairs(4000, 0, prevalence=0.01), method=method)
    odds = np.array(usual.probabilities) / (1 - np.array(usual.probabilities))
    rate = usual.setting.observed_rate
    odds *= 0.01 / 0.99 / (rate / (1 - rate))
    np.testing.assert_allclose(rare.probabilities, odds / (1 + odds), atol=1e-12)
    assert rare.base_brier == pytest.approx(0.01 * 0.99, rel=0.02)
    assert rare.calibration_error.value < 0.01


def test_useless_scores_do_not_beat_the_base_rate(rng):
    scored = drawn_pairs(3000, 0)
    scored = ScoredPairs(
        scores=scored.scores,
        matched=rng.permutation(scored.matched),
        weights=scored.weights,
        items=scored.items,
        matches=scored.matches,
        setting=scored.setting,
    )
    for method in ("isotonic", "logistic"):
        found = match_probability(scored, method=method)
        assert found.base_brier - 1e-3 < found.brier.value < found.base_brier + 3e-3
        assert found.probability(0.5) - found.probability(0.1) < 0.1


def test_a_score_that_falls_with_matches_gives_the_base_rate_to_all():
    scored = drawn_pairs(2000, 0)
    turned = ScoredPairs(
        scores=-scored.scores[::-1],
        matched=scored.matched[::-1],
        weights=scored.weights,
        items=scored.items[::-1],
        matches=scored.matches,
        setting=scored.setting,
    )
    found = match_probability(turned, method="logistic")
    np.testing.assert_allclose(found.probabilities, scored.matched.mean(), atol=1e-3)


def test_perfectly_separated_scores_have_a_finite_curve(rng):
    x = np.eye(40) + 0.1
    for method in ("isotonic", "logistic"):
        found = match_probability(scored_pairs(x, x), method=method)
        assert found.probability(1.0) > 0.9
        assert found.probability(0.0) < 0.1
        assert np.isfinite(found.log_loss.value)
        assert max(found.probabilities) < 1


@pytest.mark.parametrize("pairs", ["candidates", "all"])
def test_real_captions(coco, pairs):
    found = match_probability(scored_pairs(coco["text"], coco["image"], pairs=pairs))
    assert found.brier.high < found.base_brier
    assert found.log_loss.high < found.base_log_loss
    assert found.calibration_error.value < 0.03
    assert found.probability(0.2) < 0.02
    assert found.probability(0.25) < 0.05
    assert 0.4 < found.probability(0.35) < 0.85
    assert found.interval(0.3).low < found.probability(0.3) < found.interval(0.3).high


def test_untrained_towers_do_not_beat_the_base_rate(coco):
    found = match_probability(scored_pairs(coco["text_random_init"], coco["image_random_init"], k=100))
    assert found.brier.value == pytest.approx(found.base_brier, rel=0.01)


def test_many_pairs_of_an_item_widen_the_band(rng):
    x = rng.normal(size=(60, 16))
    y = np.repeat(x + rng.normal(size=(60, 16)), 5, axis=0)  # five copies hold no more information than one
    ids = np.arange(60)
    together = match_probability(scored_pairs(y, x, query_items=np.repeat(ids, 5), gallery_items=ids))
    apart = scored_pairs(y, x, query_items=np.repeat(ids, 5), gallery_items=ids)
    apart = ScoredPairs(
        scores=apart.scores,
        matched=apart.matched,
        weights=apart.weights,
        items=np.random.default_rng(0).permutation(len(apart.scores)) % 300,
        matches=np.ones(300, int),
        setting=PairSetting(**{**vars(apart.setting), "items": 300}),
    )
    apart = match_probability(apart)
    assert together.brier.high - together.brier.low > 1.5 * (apart.brier.high - apart.brier.low)


def test_every_option_matters():
    scored = drawn_pairs(600, 0)
    usual = match_probability(scored)
    assert match_probability(scored) == usual
    assert match_probability(scored, method="logistic").probabilities != usual.probabilities
    assert match_probability(scored, folds=3).brier != usual.brier
    assert match_probability(scored, replicates=50).low != usual.low
    assert match_probability(scored, seed=1).brier != usual.brier
    narrow = match_probability(scored, level=0.5)
    assert narrow.level == narrow.interval(0.3).level == narrow.brier.level == 0.5
    assert narrow.high[100] < usual.high[100]


def test_beyond_the_ends_and_arrays():
    found = match_probability(drawn_pairs(600, 0))
    assert found.probability(-1.0) == found.probabilities[0]
    assert found.probability(1.0) == found.probabilities[-1]
    assert found.probability([0.1, 0.5]).shape == (2,)


def test_messages():
    scored = drawn_pairs(600, 0)
    with pytest.raises(TypeError, match="scored must come from scored_pairs, but it is a ndarray"):
        match_probability(np.ones((3, 3)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="method must be"):
        match_probability(scored, method="platt")
    with pytest.raises(ValueError, match="folds must lie between 2"):
        match_probability(scored, folds=1)
    x = np.eye(9) + 0.1
    with pytest.raises(DegenerateError, match="at least 10 items"):
        match_probability(scored_pairs(x, x))

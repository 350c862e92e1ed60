import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.measure.precision_recall import precision_recall
from crossgap.measure.scored_pairs import scored_pairs


@pytest.fixture
def pair(rng):
    x = rng.normal(size=(60, 8))
    return x, x + rng.normal(size=(60, 8))


def by_double_loop(x, y, x_items, y_items):
    """(cosine, match, item) of every pair."""
    rows = []
    for a, i in zip(x, x_items, strict=True):
        for b, j in zip(y, y_items, strict=True):
            rows.append((a @ b / np.linalg.norm(a) / np.linalg.norm(b), i == j, i))
    return rows


def test_candidates_equal_a_double_loop(pair):
    x, y = pair
    found = scored_pairs(x, y, k=4)
    every = by_double_loop(x, y, range(60), range(60))
    shown = sorted(row for first in range(0, 3600, 60) for row in sorted(every[first : first + 60])[-4:])
    np.testing.assert_allclose(found.scores, [row[0] for row in shown], atol=1e-12)
    assert found.matched.tolist() == [row[1] for row in shown]
    assert found.items.tolist() == [row[2] for row in shown]
    assert found.setting.scored == 240
    assert found.setting.base_rate == pytest.approx(np.mean([row[1] for row in shown]))


def test_all_pairs_equal_a_double_loop(pair):
    x, y = pair
    found = scored_pairs(x, y[:50], pairs="all", query_items=range(60), gallery_items=range(50))
    every = sorted(by_double_loop(x, y[:50], range(60), range(50)))
    np.testing.assert_allclose(found.scores, [row[0] for row in every], atol=1e-12)
    assert found.matched.tolist() == [row[1] for row in every]
    assert set(found.weights) == {1.0}
    assert found.setting.base_rate == pytest.approx(50 / 3000)
    assert found.setting.unanswerable == 10


def test_a_sample_stands_for_all_pairs(rng):
    x = rng.normal(size=(400, 8))
    y = x + rng.normal(size=(400, 8))
    everything = scored_pairs(x, y, pairs="all", sample=200_000)
    sampled = scored_pairs(x, y, pairs="all", sample=20_000)
    assert sampled.setting.scored < 30_000 < everything.setting.scored == 160_000
    assert sampled.weights.sum() == pytest.approx(160_000)
    assert sampled.setting.base_rate == pytest.approx(1 / 400)
    for limit in (0.0, 0.4, 0.8):
        kept, truth = (found.weights[found.scores >= limit].sum() for found in (sampled, everything))
        assert kept == pytest.approx(truth, rel=0.05)


def test_five_captions_of_one_picture(rng):
    image = rng.normal(size=(40, 8))
    text = np.repeat(image, 5, axis=0) + rng.normal(size=(200, 8))
    ids = np.array([f"photo {number}" for number in range(40)])
    found = scored_pairs(image, text, query_items=ids, gallery_items=np.repeat(ids, 5))
    assert found.matches.tolist() == [5] * 40
    assert found.setting.items == 40
    back = scored_pairs(text, image, query_items=np.repeat(ids, 5), gallery_items=ids)
    assert back.matches.tolist() == [5] * 40
    assert back.setting.items == 40
    assert back.setting.n == 200
    assert {np.unique(back.item_folds(4, 0)[back.items[back.items == item]]).size for item in range(40)} == {1}


def test_torch_and_float32_agree_with_numpy(pair):
    torch = pytest.importorskip("torch")
    x, y = pair
    expected = scored_pairs(x, y, pairs="all").scores
    for kind, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        a, b = torch.tensor(x, dtype=kind), torch.tensor(y, dtype=kind)
        np.testing.assert_allclose(scored_pairs(a, b, pairs="all").scores, expected, atol=tolerance)


def test_every_option_matters(pair):
    x, y = pair
    usual = scored_pairs(x, y)
    assert scored_pairs(x, y, k=3).setting.scored == 180
    assert scored_pairs(x, y, k=1000).setting.k == 60
    assert scored_pairs(x, y, pairs="all").setting.pairs == "all"
    assert scored_pairs(x, y, prevalence=0.5).setting.base_rate == 0.5
    assert scored_pairs(x, y, prevalence=0.5).setting.observed_rate == usual.setting.base_rate
    draws = [scored_pairs(x, y, pairs="all", sample=100, seed=seed).scores for seed in (0, 1)]
    assert not np.array_equal(draws[0], draws[1])
    shuffled = scored_pairs(x, y, query_items=range(60), gallery_items=list(range(60))[::-1])
    assert shuffled.setting.base_rate < usual.setting.base_rate


def test_prevalence_sets_the_precision_of_everything_shown(pair):
    for rate in (0.001, 0.3):
        curve = precision_recall(scored_pairs(*pair, prevalence=rate))
        assert curve.precision[0] == pytest.approx(rate)


def test_messages(pair):
    x, y = pair
    with pytest.raises(ValueError, match="pairs must be"):
        scored_pairs(x, y, pairs="some")
    with pytest.raises(ValueError, match="k must be at least 1, but it is 0"):
        scored_pairs(x, y, k=0)
    with pytest.raises(ValueError, match="sample must be at least 1"):
        scored_pairs(x, y, sample=0)
    for prevalence in (0.0, 1.0):
        with pytest.raises(ValueError, match="prevalence must lie between 0 and 1"):
            scored_pairs(x, y, prevalence=prevalence)
    with pytest.raises(DegenerateError, match=r"no row of the queries \(60\) matches a row of the gallery \(59\)"):
        scored_pairs(x, y[:59])
    with pytest.raises(ValueError, match="queries and gallery must share one space"):
        scored_pairs(x, y[:, :5])
    with pytest.raises(ValueError, match="for both sides or for none"):
        scored_pairs(x, y, query_items=range(60))
    with pytest.raises(DegenerateError, match="each of the 60 scored pairs is a match"):
        scored_pairs(x, x, k=1)
    with pytest.raises(DegenerateError, match="none of the 60 scored pairs"):
        scored_pairs(x, np.roll(x, 1, axis=0), k=1)
    with pytest.raises(ValueError, match="folds must lie between 2 and the number of items, 60, but it is 61"):
        scored_pairs(x, y).item_folds(61, 0)
    with pytest.raises(ValueError, match="gallery must be finite"):
        scored_pairs(x, np.where(np.arange(60)[:, None] == 3, np.nan, y))

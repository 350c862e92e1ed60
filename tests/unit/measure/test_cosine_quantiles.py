import dataclasses
import importlib

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.certainty import bootstrap_interval, bootstrap_weights
from crossgap.measure.cosine_quantiles import cosine_quantiles
from crossgap.measure.matched_cosine import matched_cosine
from crossgap.measure.unmatched_cosine import unmatched_cosine
from crossgap.measure.within_cosine import within_cosine

module = importlib.import_module("crossgap.measure.cosine_quantiles")  # the package exports the function by this name


def check(result, values):
    assert result.count == result.sampled == len(values)
    assert result.mean == pytest.approx(values.mean(), abs=1e-12)
    assert result.std == pytest.approx(values.std(), abs=1e-12)
    assert result.quantiles == pytest.approx(np.quantile(values, result.levels), abs=1e-12)
    assert result.histogram == pytest.approx(np.histogram(values, result.edges)[0])
    assert sum(result.histogram) == result.sampled


def test_exact_values_of_all_kinds(rng):
    x, y = rng.normal(size=(1100, 3)), rng.normal(size=(30, 3))
    u, v = unit_rows(x), unit_rows(y)
    check(cosine_quantiles(x, pairs_sampled=1_000_000), (u @ u.T)[np.triu_indices(1100, 1)])
    check(cosine_quantiles(x, y), (u @ v.T).ravel())
    items, others = rng.integers(9, size=1100), rng.integers(9, size=30)
    same = items[:, None] == others[None]
    check(cosine_quantiles(x, y, x_items=items, y_items=others), (u @ v.T)[~same])
    check(cosine_quantiles(x, y, matched=True, x_items=items, y_items=others), (u @ v.T)[same])


def test_means_agree_with_the_closed_forms(coco):
    x, y = coco["image"], coco["text"]
    assert cosine_quantiles(x).mean == pytest.approx(float(within_cosine(x)))
    assert cosine_quantiles(x, y).mean == pytest.approx(float(unmatched_cosine(x, y)))
    assert cosine_quantiles(x, y, matched=True).mean == pytest.approx(float(matched_cosine(x, y)))
    assert cosine_quantiles(torch.tensor(x), torch.tensor(y)).quantiles == pytest.approx(
        cosine_quantiles(x, y).quantiles, abs=1e-9
    )


@pytest.mark.parametrize("kind", ["within", "matched", "unmatched"])
def test_samples_are_seeded_close_and_say_their_size(coco, kind):
    arguments = {"within": {}, "matched": {"y": coco["text"], "matched": True}, "unmatched": {"y": coco["text"]}}[kind]
    exact = cosine_quantiles(coco["image"], **arguments)
    size = 400 if kind == "matched" else 20_000
    first, again, other = (
        cosine_quantiles(coco["image"], pairs_sampled=size, seed=seed, **arguments) for seed in (0, 0, 1)
    )
    assert first == again != other
    assert first.sampled == size < first.count == exact.count
    assert first.mean == pytest.approx(exact.mean, abs=0.01)
    assert first.quantiles == pytest.approx(exact.quantiles, abs=0.03)


def test_a_sample_holds_no_pair_that_is_not_of_its_kind():
    x = np.eye(3)
    assert cosine_quantiles(x, x, pairs_sampled=5).quantiles[-1] == 0
    assert cosine_quantiles(x, pairs_sampled=2).quantiles[-1] == 0
    assert cosine_quantiles(x, x[:2], pairs_sampled=5).sampled == 5


def test_record_is_frozen_and_levels_matter(rng):
    result = cosine_quantiles(rng.normal(size=(9, 3)), quantiles=[0.0, 1.0])
    assert result.levels == (0.0, 1.0)
    assert len(result.quantiles) == 2
    assert len(result.edges) == len(result.histogram) + 1 == 101
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.mean = 0.0


@pytest.mark.parametrize("matched", [False, True])
def test_replicates_equal_repeated_values(rng, monkeypatch, matched):
    values = np.sort(np.clip(rng.normal(scale=0.4, size=3000).round(2), -1, 1))  # with ties
    sides = [rng.integers(40, size=3000), rng.integers(40, size=3000)][: 1 if matched else 2]
    levels = (0.0, 0.013, 0.5, 0.9, 1.0)
    cuts = np.append(np.searchsorted(values, module._EDGES[:-1]), 3000)
    found = module._replicates(values, sides, levels, cuts, 7, 3)
    counts = bootstrap_weights(40, 7, seed=3).astype(int)
    for r in range(7):
        weights = counts[sides[0], r] * (1 if matched else counts[sides[1], r])
        repeated = np.repeat(values, weights)
        assert found.quantiles[:, r] == pytest.approx(np.quantile(repeated, levels), abs=1e-14)
        assert found.means[r] == pytest.approx(repeated.mean(), abs=1e-6)
        assert found.stds[r] == pytest.approx(repeated.std(), abs=1e-6)
        shares = np.histogram(repeated, module._EDGES)[0] / len(repeated)
        assert found.shares[:, r] == pytest.approx(shares, abs=1e-12)
    monkeypatch.setattr(module, "_COUNTS_AT_ONCE", 120)
    portions = module._replicates(values, sides, levels, cuts, 7, 3)  # of 3, 2 and 2 replicates
    first = module._weighted(values, sides, bootstrap_weights(40, 3, seed=3), levels, cuts)
    last = module._weighted(values, sides, bootstrap_weights(40, 2, seed=3 + 5), levels, cuts)
    assert portions.quantiles.shape == found.quantiles.shape
    assert np.array_equal(portions.quantiles[:, :3], first.quantiles)
    assert np.array_equal(portions.shares[:, 5:], last.shares)


def test_replicates_without_any_pair_have_no_value():
    values, sides = np.array([0.1, 0.2]), [np.array([0, 1]), np.array([1, 2])]
    counts = np.array([[1, 1], [1, 0], [1, 1]], np.uint8)
    found = module._weighted(values, sides, counts, (0.5,), np.append(np.searchsorted(values, module._EDGES[:-1]), 2))
    assert found.quantiles[0, 0] == pytest.approx(0.15)
    assert np.isnan([found.quantiles[0, 1], found.means[1], found.stds[1], *found.shares[:, 1]]).all()


def angles_to_rows(angles):
    return np.column_stack([np.cos(angles), np.sin(angles)])


@pytest.mark.parametrize("kind", ["matched", "unmatched", "captions", "within"])
def test_intervals_of_medians_cover_the_truth(kind):
    """Rows at normal angles: a difference of two has a known median, and so has its cosine.

    Intervals with a true coverage of 0.92 (a bootstrap of 100 items falls a little short of 0.95) miss more than 16 of
    100 times with a probability of 0.2 %; those with a coverage of 0.8 pass with one of 20 %, and of 0.7 with 0.1 %.
    The mean width is compared with the spread of the medians: 100 of them give a standard deviation to 7 %.
    """
    half, covered, medians, widths = 0.6744897501960817, 0, [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        item, noise = rng.normal(scale=0.3, size=100), rng.normal(scale=0.2, size=(2, 100))
        x, y = angles_to_rows(item + noise[0]), angles_to_rows(item + noise[1])
        keywords = {"replicates": 100, "seed": seed, "quantiles": [0.5]}
        if kind == "matched":
            truth, found = np.cos(half * 0.2 * np.sqrt(2)), cosine_quantiles(x, y, matched=True, **keywords)
        elif kind == "within":
            truth, found = np.cos(half * np.sqrt(2 * 0.13)), cosine_quantiles(x, **keywords)
        elif kind == "unmatched":
            truth, found = np.cos(half * np.sqrt(2 * 0.13)), cosine_quantiles(x, y, **keywords)
        else:
            items = np.repeat(np.arange(50), 2)  # two rows an item, and the second of both sides repeats the first
            x, y = x[items], y[items]
            found = cosine_quantiles(x, y, x_items=items, y_items=items, **keywords)
            truth = np.cos(half * np.sqrt(2 * 0.13))
        low, high = found.quantile_intervals[0]
        covered += low <= truth <= high
        medians.append(found.quantiles[0])
        widths.append(high - low)
    assert covered >= 84
    assert np.mean(widths) / (2 * 1.96 * np.std(medians, ddof=1)) == pytest.approx(1.05, abs=0.3)


def test_intervals_of_every_number_hold_it_and_their_options_matter(coco):
    x, y = coco["image"], coco["text"]
    plain = cosine_quantiles(x, y, pairs_sampled=20_000)
    names = ("mean", "std", "quantile", "histogram")
    assert [getattr(plain, f"{name}_{'intervals' if name[0] in 'qh' else 'interval'}") for name in names] == [None] * 4
    found = cosine_quantiles(x, y, pairs_sampled=20_000, replicates=50)
    assert found.level == 0.95
    assert (found.quantiles, found.histogram) == (plain.quantiles, plain.histogram)
    assert found.mean_interval[0] < found.mean < found.mean_interval[1]
    assert found.std_interval[0] < found.std < found.std_interval[1]
    for value, (low, high) in zip(found.quantiles, found.quantile_intervals, strict=True):
        assert -1 <= low < value < high <= 1
    for count, (low, high) in zip(found.histogram, found.histogram_intervals, strict=True):
        assert 0 <= low <= count / found.sampled <= high <= 1
        assert (high > 0) == (count > 0)
    narrow = cosine_quantiles(x, y, pairs_sampled=20_000, replicates=50, level=0.5)
    assert narrow.level == 0.5
    assert np.all(np.diff(narrow.quantile_intervals) < np.diff(found.quantile_intervals))
    assert cosine_quantiles(x, y, pairs_sampled=20_000, replicates=50, seed=1) != found
    assert cosine_quantiles(x, y, pairs_sampled=20_000, replicates=60) != found
    tensors = cosine_quantiles(torch.tensor(x), torch.tensor(y), pairs_sampled=20_000, replicates=50)
    assert tensors.quantile_intervals == pytest.approx(np.array(found.quantile_intervals), abs=1e-9)


def test_the_mean_of_matched_pairs_has_the_interval_of_matched_cosine(coco):
    found = cosine_quantiles(coco["image"], coco["text"], matched=True, replicates=100, seed=4)
    expected = bootstrap_interval(matched_cosine, coco["image"], coco["text"], replicates=100, seed=4)
    assert found.mean_interval == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_rows_of_one_item_count_together(rng):
    x = np.repeat(rng.normal(size=(40, 4)), 5, axis=0) + rng.normal(scale=0.01, size=(200, 4))
    items = np.repeat(np.arange(40), 5)
    apart, together = cosine_quantiles(x, replicates=50), cosine_quantiles(x, x_items=items, replicates=50)
    assert np.diff(together.mean_interval) > 1.5 * np.diff(apart.mean_interval)
    named = cosine_quantiles(x, x_items=[f"item {i:02}" for i in items], replicates=50)
    assert named == together


def test_fewer_than_ten_items_have_no_intervals(rng):
    x = rng.normal(size=(60, 3))
    items = np.arange(60) % 9
    for found in (
        cosine_quantiles(x[:9], replicates=20),
        cosine_quantiles(x, x_items=items, replicates=20),
        cosine_quantiles(x, x, x_items=items, y_items=items, matched=True, replicates=20),
        cosine_quantiles(x, x[:9], replicates=20),
        cosine_quantiles(x, x, x_items=np.arange(60), y_items=np.arange(52, 112), matched=True, replicates=20),
        cosine_quantiles(x, x, pairs_sampled=1, replicates=20),
    ):
        assert (
            found.quantile_intervals is found.histogram_intervals is found.mean_interval is found.std_interval is None
        )
    assert cosine_quantiles(x[:10], replicates=20).quantile_intervals is not None
    assert cosine_quantiles(x, x[:10], replicates=20).quantile_intervals is not None


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_drawn_pairs_are_scored_as_by_a_loop(rng, monkeypatch, dtype):
    monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", 100)
    x, y = rng.normal(size=(70, 5)).astype(dtype), rng.normal(size=(50, 5)).astype(dtype)
    left, right = np.sort(rng.integers(70, size=300)), rng.integers(50, size=300)
    u, v = unit_rows(x.astype(float)), unit_rows(y.astype(float))
    for a, b in ((x, y), (torch.tensor(x), torch.tensor(y))):
        pairs = module._scored(a, b, left, right, True)
        assert np.array_equal(pairs.left, left)
        assert np.array_equal(pairs.right, right)
        expected = [u[i] @ v[j] for i, j in zip(left, right, strict=True)]
        assert pairs.cosines == pytest.approx(np.array(expected), abs=1e-12 if dtype is np.float64 else 1e-6)


def test_messages(rng):
    x = rng.normal(size=(4, 3))
    with pytest.raises(ValueError, match="replicates must be 0 or at least 2, but it is 1"):
        cosine_quantiles(x, replicates=1)
    with pytest.raises(ValueError, match="replicates must be 0 or at least 2, but it is -1"):
        cosine_quantiles(x, replicates=-1)
    with pytest.raises(ValueError, match="level must lie between 0 and 1, but it is 95"):
        cosine_quantiles(x, level=95)
    with pytest.raises(ValueError, match="x_items alone serve the intervals"):
        cosine_quantiles(x, x_items=[1, 2, 3, 4])
    with pytest.raises(ValueError, match="y is missing"):
        cosine_quantiles(x, x_items=[1, 2, 3, 4], y_items=[1, 2, 3, 4], replicates=2)
    with pytest.raises(ValueError, match="one for each of the 4 rows"):
        cosine_quantiles(x, x_items=[1, 2, 3], replicates=2)
    with pytest.raises(ValueError, match="quantiles must lie between 0 and 1"):
        cosine_quantiles(x, quantiles=[50])
    with pytest.raises(ValueError, match="pairs_sampled must be at least 1, but it is 0"):
        cosine_quantiles(x, pairs_sampled=0)
    with pytest.raises(ValueError, match="y is missing"):
        cosine_quantiles(x, matched=True)
    with pytest.raises(ValueError, match="y is missing"):
        cosine_quantiles(x, x_items=[1, 2, 3, 4])
    with pytest.raises(DegenerateError, match="every row of x matches every row of y"):
        cosine_quantiles(x[:1], x[:1])
    with pytest.raises(DegenerateError, match="no row of x"):
        cosine_quantiles(x, x[:3], matched=True)
    with pytest.raises(ValueError, match="share one space"):
        cosine_quantiles(x, x[:, :2])
    x[2] = 0
    with pytest.raises(ValueError, match="row 2 is all zeros"):
        cosine_quantiles(x)
    with pytest.raises(ValueError, match="x must have rows of a length above zero, but row 2 is all zeros"):
        cosine_quantiles(x, pairs_sampled=1)
    cosine_quantiles(x, check=False)

import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.measure import (
    alignment,
    bootstrap_interval,
    bootstrap_weights,
    centroid_distance,
    energy_distance,
    interval,
    matched_cosine,
    paired_difference,
    permutation_p,
    uniformity,
    within_cosine,
)
from crossgap.measure.certainty import bounds, change_bounds


def test_counts_are_poisson_with_mean_one():
    counts = bootstrap_weights(20_000, 50, seed=3).astype(float)
    assert counts.mean() == pytest.approx(1, abs=0.005)
    assert counts.var() == pytest.approx(1, abs=0.01)
    shares = [(counts == k).mean() for k in range(4)]
    assert shares == pytest.approx([np.exp(-1), np.exp(-1), np.exp(-1) / 2, np.exp(-1) / 6], abs=2e-3)
    assert abs(np.corrcoef(counts[:, 0], counts[:, 1])[0, 1]) < 0.03


def test_seed_and_replicates_matter():
    assert np.array_equal(bootstrap_weights(30, 8, seed=1), bootstrap_weights(30, 8, seed=1))
    assert not np.array_equal(bootstrap_weights(30, 8, seed=1), bootstrap_weights(30, 8, seed=2))
    assert bootstrap_weights(30, 8).shape == (30, 8)


def test_interval_of_a_mean_is_the_textbook_one(rng):
    x = rng.normal(size=(400, 6))
    y = x + rng.normal(size=x.shape)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (x, y)]
    cosines = (unit[0] * unit[1]).sum(axis=1)
    found = bootstrap_interval(matched_cosine, x, y, replicates=2000)
    half = 1.96 * cosines.std(ddof=1) / 20
    assert found.value == pytest.approx(cosines.mean())
    assert (found.low, found.high) == pytest.approx((cosines.mean() - half, cosines.mean() + half), abs=0.1 * half)
    narrower = bootstrap_interval(matched_cosine, x, y, replicates=2000, level=0.5)
    assert found.low < narrower.low < narrower.high < found.high


@pytest.mark.parametrize("quantity", [centroid_distance, alignment, uniformity, within_cosine])
def test_intervals_cover_the_truth(quantity):
    """150 samples of 80 items; the truth is the value on a large sample. 95 % nominal."""

    def sample(n, seed):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(n, 5)) + [1.0, 0, 0, 0, 0]
        y = x * 0.7 + rng.normal(size=x.shape) - [1.5, 0, 0, 0, 0]  # far apart against the floor of the distance
        return (x, y)[: 1 if quantity in (uniformity, within_cosine) else 2]

    truth = float(quantity(*sample(6000, 10**6)))
    hits = sum(truth in bootstrap_interval(quantity, *sample(80, seed), seed=seed) for seed in range(150))
    assert hits >= 134  # 0.95 - 2.9 standard errors of 150 trials


def test_items_not_rows_are_drawn(rng):
    # five copies of each of 40 rows are 40 items, not 200: the interval must not shrink
    x, y = rng.normal(size=(40, 4)), rng.normal(size=(40, 4))
    plain = bootstrap_interval(alignment, x, y, replicates=500)
    items = np.repeat(np.arange(40), 5)
    x, y = np.repeat(x, 5, axis=0), np.repeat(y, 5, axis=0)
    copied = bootstrap_interval(alignment, x, y, items=items, replicates=500)
    rows = bootstrap_interval(alignment, x, y, replicates=500)
    assert copied.high - copied.low == pytest.approx(plain.high - plain.low, rel=1e-6)
    assert rows.high - rows.low < 0.6 * (plain.high - plain.low)


def test_groups_of_unequal_size_are_drawn_apart(rng):
    x, y = rng.normal(size=(60, 4)) + 1, rng.normal(size=(90, 4))
    found = bootstrap_interval(centroid_distance, x, y)
    assert found.low < found.value < found.high
    captions = np.repeat(np.arange(30), 3)
    shared = bootstrap_interval(centroid_distance, y[:30], y, items=(np.arange(30), captions))
    assert shared.low < shared.value < shared.high


def test_the_move_takes_out_the_bias_of_resampling():
    replicates = np.random.default_rng(0).normal(loc=3.0, size=4001)
    found = interval(5.0, replicates)
    assert found.low == pytest.approx(5 - 1.96, abs=0.1)
    assert found.high == pytest.approx(5 + 1.96, abs=0.1)
    assert interval(0.9, replicates, lowest=0, highest=1).high == 1
    assert interval(0.1, replicates, lowest=0, highest=1).low == 0


def test_difference_of_two_versions_is_narrower_than_their_intervals(rng):
    x = rng.normal(size=(200, 6))
    y = x + rng.normal(size=x.shape)
    closer = y - 0.1 * (y - x)
    difference = paired_difference(alignment, (x, y), (x, closer))
    alone = bootstrap_interval(alignment, x, y)
    assert difference.value == pytest.approx(float(alignment(x, closer)) - float(alignment(x, y)))
    assert difference.high < 0
    assert difference.high - difference.low < 0.5 * (alone.high - alone.low)
    assert paired_difference(alignment, (x, y), (x, y)).low == paired_difference(alignment, (x, y), (x, y)).high == 0


def test_permutation_p_is_uniform_without_a_difference_and_small_with_one(rng):
    values = []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        x, y = draw.normal(size=(15, 3)), draw.normal(size=(12, 3))
        values.append(permutation_p(energy_distance, x, y, permutations=39, seed=seed))
    assert 0.35 < np.mean(values) < 0.65
    x = rng.normal(size=(30, 3))
    assert permutation_p(centroid_distance, x + 1, x - 1, permutations=49) == pytest.approx(1 / 50)
    assert permutation_p(centroid_distance, x + 1, x - 1, permutations=49, paired=False) == pytest.approx(1 / 50)


def test_pairs_are_swapped_within_themselves():
    # the groups differ by one small constant step in pairs that differ a lot: only the paired test sees it
    draw = np.random.default_rng(0)
    x = draw.normal(size=(40, 3)) * 5
    y = x + np.array([0.4, 0, 0])
    assert permutation_p(centroid_distance, x, y, permutations=99, raw=True) <= 0.02
    assert permutation_p(centroid_distance, x, y, permutations=99, raw=True, paired=False) > 0.05


def test_messages(rng):
    x = rng.normal(size=(12, 3))
    with pytest.raises(DegenerateError, match="at least 10 items, but there are 9"):
        bootstrap_weights(9)
    with pytest.raises(ValueError, match="replicates must be at least 2"):
        bootstrap_weights(20, 1)
    with pytest.raises(ValueError, match="level must lie between 0 and 1, but it is 95"):
        interval(0.5, np.ones(5), level=95)
    with pytest.raises(DegenerateError, match="most bootstrap replicates have no value"):
        interval(0.5, np.array([np.nan, np.nan, 1.0]))
    with pytest.raises(ValueError, match="before and after must hold the same rows"):
        paired_difference(alignment, (x, x), (x[:11], x[:11]))
    with pytest.raises(ValueError, match="one id a row"):
        bootstrap_interval(alignment, x, x, items=[1, 2])
    with pytest.raises(ValueError, match="permutations must be at least 1"):
        permutation_p(centroid_distance, x, x, permutations=0)
    with pytest.raises(ValueError, match="set paired=False"):
        permutation_p(centroid_distance, x, x[:5], paired=True)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_tensors_with_a_gradient_or_on_a_device(rng, device):
    torch = pytest.importorskip("torch")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    x, y = rng.normal(size=(40, 4)) + 0.2, rng.normal(size=(40, 4))
    a, b = (torch.tensor(rows, requires_grad=True, device=device) for rows in (x, y))
    found, expected = bootstrap_interval(alignment, a, b), bootstrap_interval(alignment, x, y)
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
    change = paired_difference(alignment, (a, b), (a, a))
    assert change.value == pytest.approx(-expected.value)
    p = permutation_p(centroid_distance, a, b, permutations=30)
    assert p == permutation_p(centroid_distance, x, y, permutations=30)


def test_arrays_of_two_libraries_are_refused(rng):
    torch = pytest.importorskip("torch")
    x = rng.normal(size=(12, 3))
    with pytest.raises(TypeError, match=r"must be arrays of one library, but .*; convert one\.$"):
        bootstrap_interval(alignment, torch.tensor(x), x)


def test_a_share_that_was_always_one_gets_wilsons_interval():
    sure = np.ones(101)
    low, high = bounds(sure, level=0.9, lowest=0, highest=1, share_of=20)
    assert high == 1.0
    assert low == pytest.approx(20 / (20 + 1.644854**2), rel=1e-6)  # Wilson's lower bound at 20 of 20
    assert bounds(1 - sure, level=0.9, lowest=0, highest=1, share_of=20) == pytest.approx((0.0, 1 - low))
    assert bounds(sure, level=0.9, lowest=0, highest=1) == (1.0, 1.0)


def test_bounds_follow_level_and_limits():
    values = np.concatenate([[0.5], np.linspace(0, 1, 101)])
    assert bounds(values, level=0.9) == (0.05, 0.95)
    assert bounds(values, level=0.5) == (0.25, 0.75)
    assert bounds(values, level=0.9, lowest=0.1, highest=0.9) == (0.1, 0.9)


def test_one_item_that_came_out_better_is_no_clear_gain(rng):
    counts = rng.poisson(1, size=(100, 400))
    one = np.concatenate([[0.01], counts[0] / counts.sum(axis=0)])  # the first of 100 items gains 1
    low, high = change_bounds(one, level=0.95)
    assert low == 0.0 < high
    assert change_bounds(-one, level=0.95)[1] == 0.0
    ten = np.concatenate([[0.1], counts[:10].sum(axis=0) / counts.sum(axis=0)])
    assert change_bounds(ten, level=0.95)[0] > 0
    assert change_bounds(np.array([0.1]), level=0.95) is None
    assert change_bounds(np.array([0.1, np.nan, np.nan, 0.1]), level=0.95) is None

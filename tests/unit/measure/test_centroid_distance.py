import importlib

import numpy as np
import pytest
import torch

from crossgap.measure import (
    centroid_cosine,
    centroid_distance,
    centroid_distance_floor,
    centroid_distance_p_value,
    gap_vector,
    permutation_p,
)

module = importlib.import_module("crossgap.measure.centroid_distance")  # the package exports the function


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_equals_the_definition(rng):
    x, y = rng.normal(size=(1100, 5)) + 1, rng.normal(size=(700, 5))
    a, b = unit(x).mean(axis=0), unit(y).mean(axis=0)
    assert float(centroid_distance(x, y)) == pytest.approx(np.linalg.norm(a - b))
    assert float(centroid_distance(x, y, squared=True)) == pytest.approx(((a - b) ** 2).sum())
    assert float(centroid_distance(x, y, raw=True)) == pytest.approx(np.linalg.norm(x.mean(axis=0) - y.mean(axis=0)))
    assert float(centroid_cosine(x, y)) == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    assert np.allclose(gap_vector(x, y), a - b)
    assert np.allclose(gap_vector(x, y, raw=True), x.mean(axis=0) - y.mean(axis=0))


def test_golden_values_on_clip(coco):
    x, y = coco["image"], coco["text"]
    assert float(centroid_distance(x, y)) == pytest.approx(0.85135, abs=1e-4)
    assert float(centroid_distance(x, y, squared=True)) == pytest.approx(0.72480, abs=1e-4)
    assert float(centroid_cosine(x, y)) == pytest.approx(0.30882, abs=1e-4)
    x, y = coco["image_random_init"], coco["text_random_init"]
    assert float(centroid_distance(x, y)) == pytest.approx(1.13606, abs=1e-4)
    assert float(centroid_cosine(x, y)) == pytest.approx(0.04128, abs=1e-4)


def test_the_floor_is_what_two_samples_of_one_distribution_show():
    squares, floors = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(200, 16)) + 0.3, rng.normal(size=(100, 16)) + 0.3
        squares.append(float(centroid_distance(x, y, squared=True)))
        floors.append(float(centroid_distance_floor(x, y)))
    assert np.sqrt(np.mean(squares)) == pytest.approx(np.mean(floors), rel=0.08)
    x = np.random.default_rng(0).normal(size=(5000, 512))
    assert float(centroid_distance_floor(x, x)) == pytest.approx(0.020, abs=2e-4)  # sqrt(2 / 5000)


def test_weights_are_repeated_rows(rng):
    x, y = rng.normal(size=(60, 4)) + 1, rng.normal(size=(40, 4))
    counts = rng.integers(3, size=(60, 3)).astype(np.uint8), rng.integers(3, size=(40, 3)).astype(np.uint8)
    for quantity in (centroid_distance, centroid_cosine, gap_vector):
        values = quantity(x, y, weights=counts)
        for i in range(3):
            repeated = quantity(np.repeat(x, counts[0][:, i], axis=0), np.repeat(y, counts[1][:, i], axis=0))
            assert np.allclose(values[i], repeated)
    raw = centroid_distance(x, y, raw=True, weights=counts)
    assert float(raw[0]) == pytest.approx(
        float(centroid_distance(np.repeat(x, counts[0][:, 0], axis=0), np.repeat(y, counts[1][:, 0], axis=0), raw=True))
    )


def test_torch_gives_the_same_value_and_a_gradient(rng):
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(5, 4))
    tensors = torch.from_numpy(x).requires_grad_(), torch.from_numpy(y).requires_grad_()
    for quantity in (centroid_distance, centroid_cosine, centroid_distance_floor):
        assert float(quantity(*tensors).detach()) == pytest.approx(float(quantity(x, y)), rel=1e-12)
        assert torch.autograd.gradcheck(lambda a, b, f=quantity: f(a, b, check=False), tensors)


def test_huge_and_tiny_rows_have_the_same_direction(rng):
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 4))
    expected = float(centroid_distance(x, y))
    for scale in (1e-30, 1e25):
        assert float(centroid_distance((x * scale).astype(np.float32), y)) == pytest.approx(expected, rel=1e-5)


def test_messages(rng):
    x = rng.normal(size=(4, 3))
    with pytest.raises(ValueError, match="x and y must share one space, but their vectors have 3 and 2 dimensions"):
        centroid_distance(x, x[:, :2])
    with pytest.raises(ValueError, match=r"x must have shape \(n, d\)"):
        centroid_distance(x[0], x)
    with pytest.raises(TypeError, match="y must hold floating-point numbers, but its dtype is int64"):
        centroid_distance(x, np.ones((2, 3), dtype=np.int64))
    with pytest.raises(TypeError, match="must be an array of shape"):
        centroid_distance([[1.0, 2.0]], x)
    with pytest.raises(ValueError, match="at least one dimension"):
        centroid_distance(x[:, :0], x)
    with pytest.raises(ValueError, match="y must be finite, but row 2 holds a NaN"):
        centroid_distance(x, np.where(np.arange(4)[:, None] == 2, np.nan, x))
    with pytest.raises(ValueError, match=r"a tuple of two, \(x, y\), but 3 were given"):
        centroid_distance(x, x, weights=(np.ones((4, 2)),) * 3)
    with pytest.raises(ValueError, match="equally many columns"):
        centroid_distance(x, x, weights=(np.ones((4, 2)), np.ones((4, 3))))


def _spread(rows, items):
    """The variance of the mean from an (items, d) table."""
    centred = unit(rows) - unit(rows).mean(axis=0)
    sums = np.array([centred[items == item].sum(axis=0) for item in np.unique(items)])
    return (sums**2).sum() / len(rows) ** 2


def test_the_floor_of_items_equals_a_table_of_their_sums(rng):
    x, y = rng.normal(size=(300, 4)) + 0.5, rng.normal(size=(90, 4))
    x_items, y_items = rng.integers(40, size=300), rng.integers(20, size=90).astype(str)
    expected = np.sqrt(_spread(x, x_items) + _spread(y, y_items))
    found = centroid_distance_floor(x, y, x_items=x_items, y_items=y_items)
    assert float(found) == pytest.approx(expected, rel=1e-9)
    one = np.sqrt(_spread(x, x_items) + (1 - np.linalg.norm(unit(y).mean(axis=0)) ** 2) / 90)
    assert float(centroid_distance_floor(x, y, x_items=x_items)) == pytest.approx(one, rel=1e-9)
    alone = centroid_distance_floor(x, y, x_items=np.arange(300), y_items=np.arange(90))
    assert float(alone) == pytest.approx(float(centroid_distance_floor(x, y)), rel=1e-9)
    tensors = torch.from_numpy(x).requires_grad_(), torch.from_numpy(y)
    again = centroid_distance_floor(*tensors, x_items=x_items, y_items=y_items)
    assert float(again.detach()) == pytest.approx(expected, rel=1e-9)
    again.backward()
    assert np.isfinite(np.asarray(tensors[0].grad)).all()
    with pytest.raises(ValueError, match="one for each of the 300 rows"):
        centroid_distance_floor(x, y, x_items=y_items)


def test_weighted_floor_of_items(rng):
    x, items = rng.normal(size=(60, 4)) + 0.5, np.repeat(np.arange(20), 3)
    plain = float(centroid_distance_floor(x, x, x_items=items, y_items=items))
    ones = centroid_distance_floor(x, x, x_items=items, y_items=items, weights=np.ones((60, 2), np.uint8))
    assert ones == pytest.approx([plain] * 2, rel=1e-6)
    counts = np.zeros((60, 1), np.uint8)
    counts[:30] = 2  # ten items twice: their mean is the same, and the copies are further items
    half = _spread(x[:30], items[:30]) * 30 / 60
    found = centroid_distance_floor(x, x, x_items=items, y_items=items, weights=counts)
    assert found[0] == pytest.approx(np.sqrt(2 * half), rel=1e-6)


def test_the_floor_of_items_is_what_two_samples_of_items_show():
    items, squares, floors, rows_alone = np.repeat(np.arange(20), 50), [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, y = ((rng.normal(size=(20, 16)) + 0.3)[items] + 0.3 * rng.normal(size=(1000, 16)) for _ in range(2))
        squares.append(float(centroid_distance(x, y, squared=True)))
        floors.append(float(centroid_distance_floor(x, y, x_items=items, y_items=items)) ** 2)
        rows_alone.append(float(centroid_distance_floor(x, y)) ** 2)
    assert np.mean(floors) == pytest.approx(np.mean(squares), rel=0.12)  # 19/20 of it expected; 60 draws, sd 5 %
    assert np.mean(rows_alone) < 0.1 * np.mean(squares)


@pytest.mark.parametrize("paired", [True, False])
def test_p_value_equals_a_loop_over_the_same_relabellings(rng, paired):
    n, m = (14, 14) if paired else (14, 9)
    x, y = rng.normal(size=(n, 3)) + 0.3, rng.normal(size=(m, 3))
    random, pooled, distances = np.random.default_rng(5), np.concatenate([x, y]), []
    swaps = 1 - 2 * random.integers(2, size=(n, 200), dtype=np.int8)
    random = np.random.default_rng(5)
    true = np.concatenate([np.ones(n, np.int8), np.zeros(m, np.int8)])
    for column in range(200):
        if paired:
            labels = np.concatenate([swaps[:, column] > 0, swaps[:, column] < 0])
        else:
            labels = random.permutation(true) == 1
        distances.append(float(centroid_distance(pooled[labels], pooled[~labels])))
    reached = np.sum(np.array(distances) >= float(centroid_distance(x, y)) * (1 - 1e-12))
    found = centroid_distance_p_value(x, y, permutations=200, paired=paired, seed=5)
    assert found == (1 + reached) / 201
    assert 1 / 201 < found < 1
    a, b = torch.tensor(x, requires_grad=True), torch.tensor(y)
    assert centroid_distance_p_value(a, b, permutations=200, paired=paired, seed=5) == found


def test_p_value_in_several_blocks_and_passes(rng, monkeypatch, tmp_path):
    x, y = rng.normal(size=(1100, 3)) + 0.03, rng.normal(size=(1030, 3))
    whole = centroid_distance_p_value(x, y, permutations=60)
    monkeypatch.setattr(module, "_LABEL_BYTES", 2130 * 7)
    assert centroid_distance_p_value(x, y, permutations=60) == whole
    np.save(tmp_path / "x.npy", x)
    lazy = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert centroid_distance_p_value(lazy, y, permutations=60) == whole
    found = module._swapped_distances(x, x[::-1], 1, 0, True)[0], module._dealt_distances(x, y, 1, 0, True)[0]
    assert found == pytest.approx((0, float(centroid_distance(x, y))), abs=1e-12)


def test_p_value_is_even_without_a_difference_and_sees_one(rng):
    for paired in (True, False):
        low = 0
        for seed in range(200):
            draw = np.random.default_rng(seed + 10**6)  # not the seed of the labels
            x, y = draw.normal(size=(20, 3)), draw.normal(size=(20, 3))
            low += centroid_distance_p_value(x, y, permutations=39, paired=paired, seed=seed) <= 0.05
        assert 2 <= low <= 22  # binomial(200, 0.05): outside with probability 0.0008
    x = rng.normal(size=(30, 3))
    assert centroid_distance_p_value(x + 1, x - 1, permutations=99) == 0.01
    assert centroid_distance_p_value(x + 1, x[:20] - 1, permutations=99) == 0.01
    slow = permutation_p(centroid_distance, x + 0.2, x[::-1], permutations=400)
    # each of two estimates from 400 draws has a deviation of sqrt(p (1 - p) / 400) <= 0.025
    assert centroid_distance_p_value(x + 0.2, x[::-1], permutations=400) == pytest.approx(slow, abs=0.1)


def test_p_value_messages(rng):
    x = rng.normal(size=(12, 3))
    with pytest.raises(ValueError, match="permutations must be at least 1"):
        centroid_distance_p_value(x, x, permutations=0)
    with pytest.raises(ValueError, match="set paired=False"):
        centroid_distance_p_value(x, x[:5], paired=True)
    bad = np.where(np.arange(12)[:, None] == 2, 0.0, x)
    with pytest.raises(ValueError, match="y must have rows of a length above zero, but row 2"):
        centroid_distance_p_value(x, bad)
    assert 0 < centroid_distance_p_value(x, bad, check=False) <= 1


def test_the_gradient_at_distance_zero_is_zero(rng):
    x = torch.tensor(rng.normal(size=(5, 3)), requires_grad=True)
    centroid_distance(x, x.detach().clone()).backward()
    assert np.array_equal(np.asarray(x.grad), np.zeros((5, 3)))


def test_arrays_of_two_libraries_are_refused(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(TypeError, match="x and y must be arrays of one library, but x is of numpy and y of torch"):
        centroid_distance(x, torch.tensor(x))

import numpy as np
import pytest
import torch

from crossgap.measure import centroid_cosine, centroid_distance, centroid_distance_floor, gap_vector


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
    assert float(centroid_distance_floor(x, x)) == pytest.approx(0.020, abs=2e-4)  # specification, section 3


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

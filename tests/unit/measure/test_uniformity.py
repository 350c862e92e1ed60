import math

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure import joint_uniformity, uniformity


def by_loops(x, t):
    """The definition: a double loop in float64."""
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    total, count = 0.0, 0
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            total += math.exp(-t * ((x[i] - x[j]) ** 2).sum())
            count += 1
    return math.log(total / count)


@pytest.mark.parametrize("t", [0.5, 2.0, 30.0])
def test_equals_a_double_loop(rng, t):
    x = rng.normal(size=(40, 5))
    assert float(uniformity(x, t=t)) == pytest.approx(by_loops(x, t), rel=1e-10)


def test_blocks_agree_with_one_block(rng):
    x = rng.normal(size=(5200, 3))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    potentials = np.exp(2 * 2 * (unit @ unit.T - 1))
    expected = math.log((potentials.sum() - np.trace(potentials)) / (5200 * 5199))
    assert float(uniformity(x)) == pytest.approx(expected, rel=1e-10)


def test_golden_values_on_clip(coco):
    assert float(uniformity(coco["image"])) == pytest.approx(-1.79453, abs=1e-4)
    assert float(uniformity(coco["text"])) == pytest.approx(-1.84091, abs=1e-4)
    assert float(uniformity(coco["image_random_init"])) == pytest.approx(-0.90991, abs=1e-4)
    assert float(uniformity(coco["text_random_init"])) == pytest.approx(-1.30801, abs=1e-4)


@pytest.mark.parametrize(("d", "floor"), [(3, -2.0798), (32, -3.7518), (512, -3.9844)])
def test_even_sphere_reaches_the_theoretical_value(rng, d, floor):
    # log 0F1(; d/2; t^2 ...) of the uniform law, specification section 3; 3000 rows give it to about 0.01
    assert float(uniformity(rng.normal(size=(3000, d)))) == pytest.approx(floor, abs=0.02)


@pytest.mark.parametrize("t", [0.1, 2.0, 1000.0])
def test_extremes(t):
    assert float(uniformity(np.ones((4, 3)), t=t)) == pytest.approx(0.0, abs=1e-9 * t)
    opposite = np.array([[1.0, 0.0], [-1.0, 0.0]])
    assert float(uniformity(opposite, t=t)) == pytest.approx(-4 * t)  # no underflow, even at exp(-4000)


def test_half_and_single_precision_agree_with_double(rng):
    x = rng.normal(size=(300, 16))
    expected = float(uniformity(x))
    assert float(uniformity(x.astype(np.float32))) == pytest.approx(expected, abs=1e-6)
    assert float(uniformity(x.astype(np.float16))) == pytest.approx(expected, abs=2e-3)


def test_batches_are_the_mean_of_each_batch(rng):
    x = rng.normal(size=(25, 4))
    values = [float(uniformity(x[start : start + 8])) for start in (0, 8, 16)]  # the last single row makes no pair
    assert float(uniformity(x, batch_size=8)) == pytest.approx(np.mean(values))
    assert float(uniformity(x, batch_size=8)) != pytest.approx(float(uniformity(x)), abs=1e-3)


def test_weights_are_repeated_rows_without_pairs_of_copies(rng):
    x = rng.normal(size=(30, 4))
    counts = rng.integers(4, size=(30, 5)).astype(np.uint8)
    values = uniformity(x, weights=counts)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    potentials = np.exp(4 * (unit @ unit.T - 1))
    np.fill_diagonal(potentials, 0)
    for value, w in zip(values, counts.T.astype(float), strict=True):
        expected = math.log(w @ potentials @ w / (w.sum() ** 2 - (w * w).sum()))
        assert float(value) == pytest.approx(expected, rel=1e-10)


def test_torch_gives_the_same_value_and_a_gradient(rng):
    x = rng.normal(size=(12, 4))
    rows = torch.from_numpy(x).requires_grad_()
    assert float(uniformity(rows).detach()) == pytest.approx(float(uniformity(x)), rel=1e-12)
    assert torch.autograd.gradcheck(lambda r: uniformity(r, check=False), (rows,))
    assert torch.autograd.gradcheck(lambda r: uniformity(r, t=40.0, check=False), (rows,))


def test_joint_is_the_value_of_the_pooled_rows(rng):
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(13, 4)) + 1
    pooled = np.concatenate([x, y])
    assert float(joint_uniformity(x, y)) == pytest.approx(float(uniformity(pooled)), rel=1e-12)
    assert float(joint_uniformity(x, y, t=1.0)) == pytest.approx(by_loops(pooled, 1.0), rel=1e-10)
    counts = rng.integers(1, 4, size=(33, 3)).astype(np.uint8)
    together = uniformity(pooled, weights=counts)
    assert np.allclose(joint_uniformity(x, y, weights=(counts[:20], counts[20:])), together)


def test_messages(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="t must be a finite number above 0, but it is 0"):
        uniformity(x, t=0)
    with pytest.raises(ValueError, match="t must be"):
        joint_uniformity(x, x, t=math.inf)
    with pytest.raises(ValueError, match="batch_size must be at least 2, but it is 1"):
        uniformity(x, batch_size=1)
    with pytest.raises(ValueError, match="give one of them"):
        uniformity(x, batch_size=2, weights=np.ones((5, 2)))
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        uniformity(x[:1])
    with pytest.raises(ValueError, match="row 3 is all zeros"):
        uniformity(x * (np.arange(5) != 3)[:, None])
    with pytest.raises(ValueError, match="weights must have shape"):
        uniformity(x, weights=np.ones((4, 2)))
    assert np.isfinite(float(uniformity(x * (np.arange(5) != 3)[:, None], check=False)))

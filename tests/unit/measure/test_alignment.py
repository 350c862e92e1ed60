import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure import alignment, alignment_noise, alignment_per_pair, pair_distance, relative_alignment


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def pairs(rng):
    x = rng.normal(size=(1100, 5))
    return x, x + rng.normal(size=x.shape)


@pytest.mark.parametrize("power", [1.0, 2.0, 3.5])
def test_equals_the_definition(pairs, power):
    x, y = pairs
    distances = np.array([np.linalg.norm(a - b) for a, b in zip(unit(x), unit(y), strict=True)])
    assert np.allclose(alignment_per_pair(x, y, power=power), distances**power)
    assert float(alignment(x, y, power=power)) == pytest.approx((distances**power).mean())
    assert float(pair_distance(x, y)) == pytest.approx(distances.mean())


def test_golden_values_on_clip(coco):
    assert float(alignment(coco["image"], coco["text"])) == pytest.approx(1.38016, abs=1e-4)
    assert float(alignment(coco["image_random_init"], coco["text_random_init"])) == pytest.approx(1.94294, abs=1e-4)
    noise = float(alignment_noise(coco["image"], coco["text"]))
    assert noise == pytest.approx(1.38016 - 0.72480, abs=1e-4)


def test_noise_is_the_spread_of_the_gaps(pairs):
    x, y = pairs
    gaps = unit(x) - unit(y)
    assert float(alignment_noise(x, y)) == pytest.approx(((gaps - gaps.mean(axis=0)) ** 2).sum(axis=1).mean())


def test_relative_alignment_equals_a_double_loop(rng):
    x, y = rng.normal(size=(1100, 3)), rng.normal(size=(1100, 3))
    squares = ((unit(x)[:, None] - unit(y)[None]) ** 2).sum(axis=2)
    positive = np.diag(squares).copy()
    np.fill_diagonal(squares, np.inf)
    assert float(relative_alignment(x, y)) == pytest.approx((positive / squares.min(axis=1)).mean(), rel=1e-6)


def test_weights_are_repeated_pairs(pairs, rng):
    x, y = pairs
    counts = rng.integers(3, size=(1100, 3)).astype(np.uint8)
    for quantity in (alignment, pair_distance, alignment_noise):
        for value, column in zip(quantity(x, y, weights=counts), counts.T, strict=True):
            assert float(value) == pytest.approx(float(quantity(np.repeat(x, column, 0), np.repeat(y, column, 0))))
    ratios = relative_alignment(x, y, weights=np.ones((1100, 2)))
    assert np.allclose(ratios, relative_alignment(x, y))


def test_torch_gives_the_same_value_and_a_gradient(rng):
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    tensors = torch.from_numpy(x).requires_grad_(), torch.from_numpy(y).requires_grad_()
    for quantity in (alignment, pair_distance, alignment_noise, relative_alignment):
        assert float(quantity(*tensors).detach()) == pytest.approx(float(quantity(x, y)), rel=1e-12)
        assert torch.autograd.gradcheck(lambda a, b, f=quantity: f(a, b, check=False), tensors)


def test_messages(rng):
    x = rng.normal(size=(4, 3))
    with pytest.raises(ValueError, match="pair row by row, but they have 4 and 3 rows"):
        alignment(x, x[:3])
    with pytest.raises(ValueError, match="power must be above 0, but it is 0"):
        alignment(x, x, power=0)
    with pytest.raises(ValueError, match="row 1 is all zeros"):
        alignment(x, x * (np.arange(4) != 1)[:, None])
    with pytest.raises(DegenerateError, match="coincides with a row of x"):
        relative_alignment(x[[0, 0]], x[[0, 0]])
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        relative_alignment(x[:1], x[:1])


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5])
def test_the_gradient_of_a_pair_that_coincides_is_zero(rng, power):
    y = torch.tensor(rng.normal(size=(5, 3)))
    x = y.clone()
    x[0] += 1
    x.requires_grad_()
    alignment(x, y, power=power).backward()
    assert torch.isfinite(x.grad).all()
    assert torch.equal(x.grad[1:], torch.zeros(4, 3, dtype=torch.float64))
    assert x.grad[0].abs().max() > 0


def test_pairs_of_one_item_are_no_negatives(rng):
    images, items = rng.normal(size=(300, 4)), np.repeat(np.arange(300), 5)
    x, y = images[items], images[items] + 0.1 * rng.normal(size=(1500, 4))
    squares = ((unit(x)[:, None] - unit(y)[None]) ** 2).sum(axis=2)
    positive = np.diag(squares).copy()
    squares[items[:, None] == items] = np.inf
    found = float(relative_alignment(x, y, items=items))
    assert found == pytest.approx((positive / squares.min(axis=1)).mean(), rel=1e-6)
    assert found < 0.5 * float(relative_alignment(x, y))
    with pytest.raises(ValueError, match="items must have one id for each of the 1500 pairs"):
        relative_alignment(x, y, items=items[:4])
    with pytest.raises(DegenerateError, match="all pairs are of one item"):
        relative_alignment(x, y, items=np.zeros(1500))

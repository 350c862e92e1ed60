"""Energy of the gap in the span of a group."""

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.gap_span_energy import gap_span_energy, gap_span_energy_reference, side_rows
from crossgap.measure.gap_vector import gap_vector


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("k", "image", "text"), [(10, 0.103, 0.130), (100, 0.323, 0.310), (300, 0.490, 0.542)])
def test_golden(coco, k, image, text):
    x, y = coco["image"], coco["text"]
    assert gap_span_energy(x, y, components=k) == pytest.approx(image, abs=1e-3)
    assert gap_span_energy(x, y, components=k, of="y") == pytest.approx(text, abs=1e-3)
    assert gap_span_energy_reference(x, y, components=k) == pytest.approx(k / 512)


def test_golden_by_share_of_variance(coco):
    x, y = coco["image"], coco["text"]
    assert gap_span_energy(x, y, variance=0.99) == gap_span_energy(x, y, components=296)
    assert gap_span_energy_reference(x, y, variance=0.99) == 296 / 512
    assert gap_span_energy(x, y) == gap_span_energy(x, y, components=10)
    assert gap_span_energy(x, y, variance=0.9, of="y") == pytest.approx(0.3436, abs=1e-4)


@pytest.mark.parametrize("of", ["x", "y"])
@pytest.mark.parametrize("k", [1, 3])
def test_equals_a_plain_projection(of, k, rng):
    x, y = rng.normal(size=(1100, 4)) + 1, rng.normal(size=(40, 4)) * [1, 2, 3, 4]
    g = gap_vector(x, y)
    _, vectors = np.linalg.eigh(np.cov(unit(x if of == "x" else y).T))
    expected = ((vectors[:, ::-1][:, :k].T @ g) ** 2).sum() / (g @ g)
    assert gap_span_energy(x, y, components=k, of=of) == pytest.approx(expected)
    tensors = gap_span_energy(torch.from_numpy(x), torch.from_numpy(y), components=k, of=of, check=False)
    assert tensors.dtype == torch.float64
    assert float(tensors) == pytest.approx(expected)
    reference = gap_span_energy_reference(torch.from_numpy(x), torch.from_numpy(y), components=k, of=of)
    assert float(reference) == k / 4


def test_the_default_is_ten_or_what_there_is(rng):
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(3, 4)) + 1
    assert gap_span_energy(x, y) == pytest.approx(1.0)
    assert gap_span_energy_reference(x, y) == 1.0
    assert gap_span_energy_reference(x, y, of="y") == 0.5


def test_weights_move_the_gap_alone(rng):
    x, y = rng.normal(size=(20, 4)) + 1, rng.normal(size=(20, 4))
    weights = rng.integers(0, 3, size=(20, 3))
    result = gap_span_energy(x, y, components=2, weights=weights)
    _, vectors = np.linalg.eigh(np.cov(unit(x).T))
    gaps = gap_vector(x, y, weights=weights)
    assert result == pytest.approx(((gaps @ vectors[:, 2:]) ** 2).sum(axis=1) / (gaps**2).sum(axis=1))


def test_gradients(rng):
    x, y = (torch.tensor(rng.normal(size=(8, 3)), requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(lambda a, b: gap_span_energy(a, b, components=1, check=False), (x, y))


def test_messages(rng):
    x, y = rng.normal(size=(3, 5)), rng.normal(size=(8, 5))
    for quantity in (gap_span_energy, gap_span_energy_reference):
        with pytest.raises(ValueError, match="components and variance were both given"):
            quantity(x, y, components=2, variance=0.9)
        with pytest.raises(ValueError, match="variance must lie between 0 and 1, but it is 2"):
            quantity(x, y, variance=2)
        for k in (0, 6):
            with pytest.raises(ValueError, match=f"components must lie between 1 and the dimension, 5, but it is {k}"):
                quantity(x, y, components=k)
        with pytest.raises(DegenerateError, match="x has 3 rows, which span at most 2 dimensions"):
            quantity(x, y, components=3)
        with pytest.raises(ValueError, match="of must be 'x' or 'y', but it is 'image'"):
            quantity(x, y, of="image")
        with pytest.raises(DegenerateError, match="all rows of y have one and the same direction"):
            quantity(x, np.ones((4, 5)), of="y")
        with pytest.raises(DegenerateError, match="x must have at least 2 rows"):
            quantity(x[:1], y)
        with pytest.raises(ValueError, match="share one space"):
            quantity(x, y[:, :2])
    with pytest.raises(DegenerateError, match="the means of x and y coincide"):
        gap_span_energy(x, x.copy(), components=1)
    assert side_rows(x, y, "y") is y

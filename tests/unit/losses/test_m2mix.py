"""The mix term of m2-mix."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.clip import clip_loss
from crossgap.losses.geodesic_mixup import mixing_coefficient
from crossgap.losses.m2mix import m2mix_loss


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def golden_rows(coco, n):
    chosen = coco["image"][:n], coco["text"][:n]
    return [torch.from_numpy(rows / np.linalg.norm(rows, axis=1, keepdims=True)) for rows in chosen]


def cross_entropy(logits):
    """Mean over rows of minus the log of the softmax at the diagonal, by loops."""
    n = len(logits)
    return sum(math.log(sum(math.exp(v) for v in logits[i])) - logits[i][i] for i in range(n)) / n


def arc(a, b, c):
    angle = math.acos(a @ b)
    return (math.sin(c * angle) * a + math.sin((1 - c) * angle) * b) / math.sin(angle)


@pytest.mark.parametrize(("n", "value"), [(64, 12.7034725), (500, 17.0337119)])
def test_golden(coco, n, value):
    x, y = golden_rows(coco, n)
    assert m2mix_loss(x, y, 1 / 0.07, mixing=0.5).item() == pytest.approx(value, rel=1e-8)
    assert m2mix_loss(x, y, 100.0, mix_scale=1 / 0.07, mixing=0.5).item() == pytest.approx(value, rel=1e-8)
    assert m2mix_loss(x.float(), y.float(), 1 / 0.07, mixing=0.5).item() == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("c", [0.0, 0.2, 0.8, 1.0])
def test_is_the_sum_of_two_cross_entropies(c):
    x, y = pairs()
    mixed = np.array([arc(a, b, c) for a, b in zip(x, y, strict=True)])
    images, texts = np.empty((5, 5)), np.empty((5, 5))
    for i in range(5):
        for j in range(5):
            images[i, j] = 6 * x[i] @ (y[j] if i == j else mixed[j])
            texts[i, j] = 6 * (x[i] @ y[i] if i == j else y[i] @ mixed[j])
    wanted = cross_entropy(images) + cross_entropy(texts)
    value = m2mix_loss(torch.from_numpy(x), torch.from_numpy(y), 6.0, mixing=c).item()
    assert value == pytest.approx(wanted)


def test_twice_clip_for_equal_modalities():
    x, _ = map(torch.from_numpy, pairs())
    assert m2mix_loss(x, x, 5.0, mixing=0.3).item() == pytest.approx(2 * clip_loss(x, x, 5.0).item())


def test_feels_the_gap_where_clip_does_not():
    x, _ = pairs(n=6, d=8)
    near, far = [np.hstack([x, np.full((6, 1), height)]) for height in (0.0, 2.0)]
    far, opposite = far / np.linalg.norm(far, axis=1)[:, None], np.hstack([x, np.full((6, 1), -2.0)])
    opposite /= np.linalg.norm(opposite, axis=1)[:, None]
    near, far, opposite = map(torch.from_numpy, (near, far, opposite))
    # the cosines of matched less unmatched rows are the same for equal and for opposite heights
    assert clip_loss(far, opposite, 10.0).item() == pytest.approx(clip_loss(far, far, 10.0).item())
    assert m2mix_loss(far, opposite, 10.0, mixing=0.5) > m2mix_loss(far, far, 10.0, mixing=0.5) + 1


def test_coefficient_is_drawn_from_the_generator():
    x, y = map(torch.from_numpy, pairs())
    drawn = m2mix_loss(x, y, 5.0, beta=2.0, generator=torch.Generator().manual_seed(4))
    c = mixing_coefficient(beta=2.0, generator=torch.Generator().manual_seed(4))
    assert drawn == m2mix_loss(x, y, 5.0, mixing=c)
    assert drawn != m2mix_loss(x, y, 5.0, beta=0.5, generator=torch.Generator().manual_seed(4))


def test_a_given_coefficient_goes_before_the_generator():
    x, y = map(torch.from_numpy, pairs())
    generator = torch.Generator().manual_seed(4)
    before = generator.get_state()
    assert m2mix_loss(x, y, 5.0, mixing=0.1, generator=generator) == m2mix_loss(x, y, 5.0, mixing=0.1)
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "mixing or generator must be given"),
        ({"mixing": -0.1}, "mixing must be a finite number of at least 0 and at most 1"),
        ({"mixing": 0.5, "mix_scale": 0.0}, "logit_scale must be a finite number above 0"),
    ],
)
def test_errors(options, message):
    x, y = map(torch.from_numpy, pairs())
    with pytest.raises(ValueError, match=message):
        m2mix_loss(x, y, 5.0, **options)

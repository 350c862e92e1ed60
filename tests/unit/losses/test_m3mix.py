"""The mixes within the modalities, and their sum with m2-mix."""

import math

import numpy as np
import pytest
import torch

from crossgap.losses.geodesic_mixup import mixing_coefficient
from crossgap.losses.m2mix import m2mix_loss
from crossgap.losses.m3mix import both_mix_loss, image_mix_loss, m3mix_loss, text_mix_loss

TERMS = (m2mix_loss, image_mix_loss, text_mix_loss, both_mix_loss)
WEIGHTS = ("cross_weight", "image_weight", "text_weight", "both_weight")


def pairs(n=5, d=4, seed=0, count=2):
    rng = np.random.default_rng(seed)
    drawn = rng.standard_normal((count, n, d))
    return drawn / np.linalg.norm(drawn, axis=2, keepdims=True)


def arc(a, b, c):
    angle = math.acos(a @ b)
    return (math.sin(c * angle) * a + math.sin((1 - c) * angle) * b) / math.sin(angle)


def reversed_mix(rows, c):
    n = len(rows)
    return np.array([rows[i] if i == n - 1 - i else arc(rows[i], rows[n - 1 - i], c) for i in range(n)])


def soft_cross_entropy(logits, labels):
    total = 0.0
    for row, label in zip(logits, labels, strict=True):
        log_sum = math.log(sum(math.exp(v) for v in row))
        total -= sum(weight * (value - log_sum) for weight, value in zip(label, row, strict=True))
    return total / len(logits)


@pytest.mark.parametrize("n", [4, 5])
@pytest.mark.parametrize("c", [0.2, 0.5, 0.9])
def test_terms_are_cross_entropies_with_two_labels(n, c):
    x, y = pairs(n=n)
    s = 6.0
    mixed_x, mixed_y = reversed_mix(x, c), reversed_mix(y, c)
    labels = c * np.eye(n) + (1 - c) * np.eye(n)[::-1]
    both = np.eye(n) + np.eye(n)[::-1]
    wanted = [
        [soft_cross_entropy(s * a @ b.T, label), soft_cross_entropy(s * b @ a.T, label.T)]
        for a, b, label in ((mixed_x, y, labels), (x, mixed_y, labels), (mixed_x, mixed_y, both))
    ]
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    for loss, (forth, back) in zip(TERMS[1:], wanted, strict=True):
        assert loss(x, y, s, mixing=c).item() == pytest.approx((forth + back) / 2)


def test_floor_is_the_entropy_of_the_labels():
    """Mixed rows that agree with both of their answers by the labels' odds reach the entropy of the labels."""
    x = torch.eye(2, dtype=torch.float64)
    s, c = 100.0, 0.5
    assert image_mix_loss(x, x, s, mixing=c).item() == pytest.approx(math.log(2))
    assert both_mix_loss(x, x, s, mixing=c).item() == pytest.approx(2 * math.log(2))


def test_sum_of_the_weighted_terms():
    x, y = map(torch.from_numpy, pairs())
    weights = dict(zip(WEIGHTS, (0.5, 0.25, 2.0, 1.0), strict=True))
    wanted = sum(
        weight * term(x, y, 9.0, mixing=0.3).item() for weight, term in zip(weights.values(), TERMS, strict=True)
    )
    assert m3mix_loss(x, y, 9.0, mixing=0.3, **weights).item() == pytest.approx(wanted)


def test_default_weights():
    x, y = map(torch.from_numpy, pairs())
    weights = dict(zip(WEIGHTS, (0.01, 0.05, 0.05, 0.1), strict=True))
    assert m3mix_loss(x, y, 9.0, mixing=0.3) == m3mix_loss(x, y, 9.0, mixing=0.3, **weights)


def test_own_scale_of_the_cross_term():
    x, y = map(torch.from_numpy, pairs())
    change = (m3mix_loss(x, y, 9.0, mixing=0.3, mix_scale=2.0) - m3mix_loss(x, y, 9.0, mixing=0.3)).item()
    wanted = 0.01 * (m2mix_loss(x, y, 2.0, mixing=0.3) - m2mix_loss(x, y, 9.0, mixing=0.3)).item()
    assert change == pytest.approx(wanted)


@pytest.mark.parametrize("loss", TERMS[1:])
def test_terms_draw_their_coefficient(loss):
    x, y = map(torch.from_numpy, pairs())
    c = mixing_coefficient(beta=0.7, generator=torch.Generator().manual_seed(2))
    drawn = loss(x, y, 5.0, beta=0.7, generator=torch.Generator().manual_seed(2))
    assert drawn == loss(x, y, 5.0, mixing=c)


def test_each_term_has_its_own_coefficient_whatever_the_weights():
    x, y = map(torch.from_numpy, pairs())
    generator = torch.Generator().manual_seed(2)
    coefficients = [mixing_coefficient(generator=generator) for _ in range(4)]
    for number, (name, term) in enumerate(zip(WEIGHTS, TERMS, strict=True)):
        weights = dict.fromkeys(WEIGHTS, 0.0) | {name: 1.0}
        drawn = m3mix_loss(x, y, 5.0, generator=torch.Generator().manual_seed(2), **weights)
        assert drawn.item() == pytest.approx(term(x, y, 5.0, mixing=coefficients[number]).item())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict.fromkeys(WEIGHTS, 0.0), "must be above 0, but all are 0"),
        ({"image_weight": -1}, "image_weight must be a finite number of at least 0"),
        ({"mixing": None}, "mixing or generator must be given"),
    ],
)
def test_errors(options, message):
    x, y = map(torch.from_numpy, pairs())
    with pytest.raises(ValueError, match=message):
        m3mix_loss(x, y, 5.0, **{"mixing": 0.5, **options})

"""The parts of the distance: an exact identity, no part negative, and each part what it is called."""

import numpy as np
import pytest

from crossgap.errors import DegenerateError
from crossgap.explain.gap_parts import gap_parts
from crossgap.measure import alignment, alignment_noise, centroid_distance

NAMES = ("offset", "spectrum", "directions", "details")


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T


@pytest.fixture
def pairs(rng):
    shared = rng.normal(size=(300, 12))
    x = shared + 0.5 * rng.normal(size=shared.shape) + 1.0
    return x, shared * np.linspace(0.4, 2.0, 12) + 0.5 * rng.normal(size=shared.shape) - 0.5


def test_the_parts_by_plain_matrices(pairs):
    x, y = map(unit, pairs)
    parts = gap_parts(*pairs)
    n = len(x)
    cov_x, cov_y = ((rows - rows.mean(0)).T @ (rows - rows.mean(0)) / n for rows in (x, y))
    cross = (x - x.mean(0)).T @ (y - y.mean(0)) / n
    a, b = (np.linalg.eigvalsh(matrix)[::-1] for matrix in (cov_x, cov_y))
    common = np.linalg.svd(root(cov_x) @ root(cov_y), compute_uv=False).sum()
    total = 0.0
    for i in range(n):
        total += sum((x[i, k] - y[i, k]) ** 2 for k in range(12)) / n
    assert parts.total == pytest.approx(total, abs=1e-12)
    assert parts.offset == pytest.approx(np.sum((x.mean(0) - y.mean(0)) ** 2), abs=1e-12)
    assert parts.spectrum == pytest.approx(np.sum((np.sqrt(a) - np.sqrt(b)) ** 2), abs=1e-9)
    assert parts.directions == pytest.approx(2 * (np.sum(np.sqrt(a * b)) - common), abs=1e-9)
    assert parts.details == pytest.approx(2 * (common - np.trace(cross)), abs=1e-9)


def test_nothing_is_left_over_and_nothing_is_negative(pairs, rng):
    for x, y in (pairs, pairs[::-1], (pairs[0], pairs[1][rng.permutation(300)]), (pairs[0], pairs[0])):
        parts = gap_parts(x, y)
        values = [float(getattr(parts, name)) for name in NAMES]
        assert sum(values) == pytest.approx(float(parts.total), abs=1e-12)
        assert min(values) >= 0
        assert parts.covariance == parts.spectrum + parts.directions
        assert parts.noise == pytest.approx(float(alignment_noise(x, y)), abs=1e-12)


def test_a_pure_offset_is_offset_only():
    angles = np.linspace(0, 2 * np.pi, 9)[:-1]
    ring = np.stack([np.cos(angles), np.sin(angles), np.zeros(8)], axis=1)
    parts = gap_parts(ring + [0, 0, 1.0], ring - [0, 0, 1.0])
    assert parts.offset == pytest.approx(2.0)
    assert parts.noise == pytest.approx(0.0, abs=1e-12)


def test_shuffled_partners_are_details_only(pairs, rng):
    x = pairs[0]
    parts = gap_parts(x, x[rng.permutation(len(x))])
    assert parts.offset == pytest.approx(0.0, abs=1e-12)
    assert parts.covariance == pytest.approx(0.0, abs=1e-9)
    assert parts.details == pytest.approx(float(parts.total), abs=1e-9)


def test_a_rotation_makes_directions_and_no_spectrum(pairs, rng):
    x = unit(pairs[0]) - unit(pairs[0]).mean(0)
    rotation = np.linalg.qr(rng.normal(size=(12, 12)))[0]
    before, after = gap_parts(unit(x), unit(x)), gap_parts(unit(x), unit(x) @ rotation)
    assert before.total == pytest.approx(0.0, abs=1e-12)
    assert after.spectrum == pytest.approx(0.0, abs=1e-9)
    assert after.directions > 0.01


def test_a_narrower_group_makes_a_spectrum(rng):
    base = rng.normal(size=(200, 4)) * [1.0, 1.0, 0.2, 0.2]
    parts = gap_parts(base + [0, 0, 0, 3.0], 0.2 * base + [0, 0, 0, 3.0])
    assert parts.spectrum > 0.5 * float(parts.noise)


def test_a_group_of_one_point_has_a_spectrum_and_no_details(rng):
    spread = rng.normal(size=(50, 3)) + 2.0
    parts = gap_parts(np.ones((50, 3)), spread)
    assert parts.directions == pytest.approx(0.0, abs=1e-9)
    assert parts.details == pytest.approx(0.0, abs=1e-9)
    assert parts.spectrum == pytest.approx(float(parts.total - parts.offset), abs=1e-9)


def test_it_needs_no_pairs_but_for_total_and_details(pairs, rng):
    x, y = pairs
    order = rng.permutation(len(x))
    parts, mixed = gap_parts(x, y), gap_parts(x, y[order])
    for name in ("offset", "spectrum", "directions"):
        assert getattr(mixed, name) == pytest.approx(float(getattr(parts, name)), abs=1e-9)
    assert mixed.details > parts.details


def test_weights_of_one_give_the_plain_values(pairs, rng):
    weights = np.concatenate([np.ones((300, 1), np.uint8), rng.poisson(1, size=(300, 5)).astype(np.uint8)], axis=1)
    plain, weighted = gap_parts(*pairs), gap_parts(*pairs, weights=weights)
    for name in ("total", *NAMES):
        assert getattr(weighted, name).shape == (6,)
        assert getattr(weighted, name)[0] == pytest.approx(float(getattr(plain, name)), abs=1e-9)
    for column in range(6):
        taken = [np.repeat(rows, weights[:, column], axis=0) for rows in pairs]
        assert weighted.total[column] == pytest.approx(float(alignment(*taken)))
        assert weighted.offset[column] == pytest.approx(float(centroid_distance(*taken, squared=True)))
        exact = gap_parts(*taken)
        assert weighted.covariance[column] == pytest.approx(float(exact.covariance), rel=0.2)


def test_refusals(pairs):
    x, y = pairs
    with pytest.raises(ValueError, match="300"):
        gap_parts(x, y[:20])
    with pytest.raises(DegenerateError, match="at least 2"):
        gap_parts(x[:1], y[:1])
    broken = x.copy()
    broken[7] = 0
    with pytest.raises(ValueError, match="row 7"):
        gap_parts(broken, y)
    gap_parts(broken, y, check=False)


def test_mg500(coco):
    parts = gap_parts(coco["image"], coco["text"])
    assert parts.total == pytest.approx(1.38016, abs=1e-5)
    assert parts.offset == pytest.approx(0.72480, abs=1e-5)
    assert parts.offset / parts.total == pytest.approx(0.5252, abs=1e-4)
    assert parts.covariance * 500 / 499 == pytest.approx(0.3804, abs=1e-4)
    assert parts.spectrum / parts.total < 0.002

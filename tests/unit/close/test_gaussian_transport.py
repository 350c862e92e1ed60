"""C5, Gaussian optimal transport: mean and covariance exactly, and the least distance of all maps that do so."""

import numpy as np
import pytest

from crossgap import measure
from crossgap.close.coral import Coral
from crossgap.close.gaussian_transport import GaussianTransport

GROUPS = np.array(["image"] * 60 + ["text"] * 40)


@pytest.fixture
def rows(rng):
    return np.concatenate([rng.normal(size=(60, 4)) * [1, 2, 3, 1] + 1, rng.normal(size=(40, 4)) * [2, 1, 1, 3] - 1])


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def test_mean_and_covariance_become_the_target_s(rows):
    closer = GaussianTransport(target="text", shrinkage=0.0, renormalise=False)
    moved = closer.fit_transform(rows, groups=GROUPS)
    text = _unit(rows)[60:]
    np.testing.assert_allclose(moved[60:], text, atol=1e-15)
    np.testing.assert_allclose(moved[:60].mean(axis=0), text.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(np.cov(moved[:60].T), np.cov(text.T), atol=1e-10)


def test_the_matrix_is_symmetric_positive_and_the_formula(rows):
    from scipy.linalg import inv, sqrtm

    closer = GaussianTransport(shrinkage=0.1).fit(rows, groups=GROUPS)
    shrunk = {}
    for name in ("image", "text"):
        S = np.cov(_unit(rows)[name == GROUPS].T)
        shrunk[name] = 0.9 * S + 0.1 * np.trace(S) / 4 * np.eye(4)
    root = sqrtm(shrunk["text"])
    A = inv(root) @ sqrtm(root @ shrunk["image"] @ root) @ inv(root)
    found = closer.matrices_["text"]
    np.testing.assert_allclose(found, A, atol=1e-8)
    np.testing.assert_allclose(found, found.T, atol=1e-12)
    assert np.linalg.eigvalsh(found).min() > 0
    np.testing.assert_allclose(found @ shrunk["text"] @ found, shrunk["image"], atol=1e-10)


def test_rows_move_by_the_frechet_distance_and_less_than_under_coral(rows):
    unit, options = _unit(rows), {"target": "text", "shrinkage": 0.0, "renormalise": False}
    steps = [
        closer.fit_transform(rows, groups=GROUPS)[:60] - unit[:60]
        for closer in (GaussianTransport(**options), Coral(**options))
    ]
    offset = steps[0].mean(axis=0)
    shape = sum(v @ v for v in steps[0] - offset) / 59  # denominator n - 1, as the covariance
    assert offset @ offset == pytest.approx(float(measure.frechet_mean_part(unit[:60], unit[60:])))
    assert shape == pytest.approx(float(measure.frechet_covariance_part(unit[:60], unit[60:])))
    assert (steps[0] ** 2).sum() < (steps[1] ** 2).sum()


def test_full_shrinkage_scales_by_the_ratio_of_the_spreads(rows):
    closer = GaussianTransport(shrinkage=1.0).fit(rows, groups=GROUPS)
    unit = _unit(rows)
    ratio = np.trace(np.cov(unit[:60].T)) / np.trace(np.cov(unit[60:].T))
    np.testing.assert_allclose(closer.matrices_["text"], np.sqrt(ratio) * np.eye(4), atol=1e-10)


def test_forth_and_back_is_the_identity(rows):
    there = GaussianTransport(target="image").fit(rows, groups=GROUPS).matrices_["text"]
    back = GaussianTransport(target="text").fit(rows, groups=GROUPS).matrices_["image"]
    np.testing.assert_allclose(there @ back, np.eye(4), atol=1e-9)


def test_figures_on_real_pairs(judged):
    """Measured bounds: pairs end closer and recall higher than under CORAL (0.348/0.260; 0.116/0.232)."""
    inside, outside = judged(GaussianTransport())
    np.testing.assert_allclose(inside, [0.0400, 0.7723, 0.402, 0.332], atol=2e-3)
    np.testing.assert_allclose(outside, [0.087, 0.678, 0.296, 0.376], atol=5e-3)

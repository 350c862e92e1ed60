"""C5, CORAL: covariances agree exactly; means as asked; real pairs."""

import numpy as np
import pytest

from crossgap.close.coral import Coral
from crossgap.errors import DegenerateError

GROUPS = np.array(["image"] * 60 + ["text"] * 40 + ["audio"] * 50)


@pytest.fixture
def rows(rng):
    scales = ([1, 2, 3, 1], [2, 1, 1, 3], [1, 1, 4, 1])
    return np.concatenate(
        [rng.normal(size=(n, 4)) * s + s[::-1] for n, s in zip((60, 40, 50), np.array(scales), strict=True)]
    )


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def test_covariances_and_means_become_the_target_s(rows):
    moved = Coral(target="text", shrinkage=0.0, renormalise=False).fit_transform(rows, groups=GROUPS)
    text = _unit(rows)[GROUPS == "text"]
    np.testing.assert_allclose(moved[GROUPS == "text"], text, atol=1e-15)
    for name in ("image", "audio"):
        np.testing.assert_allclose(np.cov(moved[name == GROUPS].T), np.cov(text.T), atol=1e-10)
        np.testing.assert_allclose(moved[name == GROUPS].mean(axis=0), text.mean(axis=0), atol=1e-10)


def test_it_is_the_product_of_two_roots(rows):
    closer = Coral(shrinkage=0.2).fit(rows, groups=GROUPS)
    roots = {}
    for name in ("image", "text"):
        S = np.cov(_unit(rows)[name == GROUPS].T)
        values, vectors = np.linalg.eigh(0.8 * S + 0.2 * np.trace(S) / 4 * np.eye(4))
        roots[name] = [(vectors * values**power) @ vectors.T for power in (0.5, -0.5)]
    assert closer.target_ == "image"
    np.testing.assert_allclose(closer.matrices_["text"], roots["image"][0] @ roots["text"][1], atol=1e-10)


def test_means_stay_where_covariances_alone_are_asked_for(rows):
    moved = Coral(shrinkage=0.0, match_means=False, renormalise=False).fit_transform(rows, groups=GROUPS)
    unit = _unit(rows)
    for name in ("text", "audio"):
        np.testing.assert_allclose(moved[name == GROUPS].mean(axis=0), unit[name == GROUPS].mean(axis=0), atol=1e-10)
        np.testing.assert_allclose(np.cov(moved[name == GROUPS].T), np.cov(unit[GROUPS == "image"].T), atol=1e-10)


def test_the_source_needs_an_inverse_and_the_target_does_not(rows):
    groups = np.array(["image"] * 60 + ["text"] * 3)
    moved = Coral(target="text", shrinkage=0.0, renormalise=False).fit_transform(rows[:63], groups=groups)
    np.testing.assert_allclose(np.cov(moved[:60].T), np.cov(moved[60:].T), atol=1e-10)
    with pytest.raises(DegenerateError, match="text must have a covariance that can be inverted"):
        Coral(shrinkage=0.0).fit(rows[:63], groups=groups)


def test_figures_on_real_pairs(judged):
    """Measured bounds; the offset that all rows share makes recall fall, out-of-sample by more."""
    inside, outside = judged(Coral())
    np.testing.assert_allclose(inside, [0.0750, 0.7517, 0.348, 0.260], atol=2e-3)
    np.testing.assert_allclose(outside, [0.120, 0.613, 0.116, 0.232], atol=5e-3)
    inside, _ = judged(Coral(match_means=False))
    assert inside[0] > 0.85

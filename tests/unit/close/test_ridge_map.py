"""C6, ridge maps: scikit-learn's Ridge, the exact low-rank minimum, the identity prior, real pairs."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from crossgap.close.ridge_map import RidgeMap
from crossgap.errors import DegenerateError

GROUPS = np.repeat(["image", "text"], 50)


@pytest.fixture
def pairs(rng):
    y = rng.normal(size=(50, 5)) + 1
    x = y @ rng.normal(size=(5, 5)) + rng.normal(size=(50, 5))
    return x / np.linalg.norm(x, axis=1)[:, None], y / np.linalg.norm(y, axis=1)[:, None]


def _fit(pairs, **options):
    return RidgeMap(**options).fit(np.concatenate(pairs), groups=GROUPS)


@pytest.mark.parametrize("centre", [True, False])
def test_it_is_scikit_learn_s_ridge(pairs, centre):
    x, y = pairs
    closer = _fit(pairs, alpha=0.7, towards_identity=False, centre=centre, renormalise=False)
    ridge = Ridge(alpha=0.7, fit_intercept=centre).fit(y, x)
    np.testing.assert_allclose(closer.matrices_["text"], ridge.coef_, atol=1e-10)
    np.testing.assert_allclose(closer.move(y, "text"), ridge.predict(y), atol=1e-10)


def test_towards_the_identity_it_is_ridge_on_the_difference(pairs):
    x, y = pairs
    closer = _fit(pairs, alpha=0.7, renormalise=False)
    ridge = Ridge(alpha=0.7).fit(y, x - y)
    np.testing.assert_allclose(closer.matrices_["text"], np.eye(5) + ridge.coef_, atol=1e-10)
    np.testing.assert_allclose(closer.move(y, "text"), y + ridge.predict(y), atol=1e-10)


def test_a_large_penalty_leaves_the_identity_or_the_mean(pairs):
    x, y = pairs
    kept = _fit(pairs, alpha=1e9, renormalise=False).move(y, "text")
    np.testing.assert_allclose(kept, y - y.mean(0) + x.mean(0), atol=1e-6)
    lost = _fit(pairs, alpha=1e9, towards_identity=False, renormalise=False).move(y, "text")
    np.testing.assert_allclose(lost, np.tile(x.mean(0), (50, 1)), atol=1e-6)


@pytest.mark.parametrize("towards_identity", [True, False])
def test_the_low_rank_map_is_the_exact_minimum(pairs, rng, towards_identity):
    x, y = pairs[0] - pairs[0].mean(0), pairs[1] - pairs[1].mean(0)
    base = np.eye(5) if towards_identity else np.zeros((5, 5))

    def loss(A):
        return ((x - y @ A.T) ** 2).sum() + 2.0 * ((A - base) ** 2).sum()

    full = _fit(pairs, alpha=2.0, towards_identity=towards_identity).matrices_["text"] - base
    low = _fit(pairs, alpha=2.0, rank=2, towards_identity=towards_identity).matrices_["text"] - base
    assert np.linalg.matrix_rank(low, tol=1e-9) == 2
    dropped = np.linalg.eigvalsh(full @ (y.T @ y + 2.0 * np.eye(5)) @ full.T)[:3]
    assert loss(base + low) == pytest.approx(loss(base + full) + dropped.sum())
    left, values, right = np.linalg.svd(full)
    assert loss(base + low) < loss(base + (left[:, :2] * values[:2]) @ right[:2])
    for _ in range(20):
        left, values, right = np.linalg.svd(low + 0.05 * rng.normal(size=(5, 5)))
        assert loss(base + low) < loss(base + (left[:, :2] * values[:2]) @ right[:2])
    whole = _fit(pairs, alpha=2.0, rank=5, towards_identity=towards_identity).matrices_["text"]
    np.testing.assert_allclose(whole, base + full, atol=1e-12)


def test_without_the_mean_every_group_is_centred(pairs):
    x, y = pairs
    closer = _fit(pairs, add_mean_back=False, renormalise=False)
    np.testing.assert_allclose(closer.move(x, "image"), x - x.mean(0), atol=1e-12)
    with_mean = _fit(pairs, renormalise=False).move(y, "text")
    np.testing.assert_allclose(closer.move(y, "text"), with_mean - x.mean(0), atol=1e-12)


def test_several_captions_an_image_all_count(pairs):
    x, y = pairs
    X, groups = np.concatenate([x[:25], y]), ["image"] * 25 + ["text"] * 50
    items = np.concatenate([np.arange(25), np.arange(25), np.arange(25)])
    closer = RidgeMap(towards_identity=False).fit(X, groups=groups, items=items)
    ridge = Ridge(alpha=1.0).fit(y, np.concatenate([x[:25], x[:25]]))
    np.testing.assert_allclose(closer.matrices_["text"], ridge.coef_, atol=1e-10)
    assert closer.pairs_ == {"text": 50}


def test_what_cannot_be_is_refused(pairs):
    for wrong in (-1.0, np.inf):
        with pytest.raises(ValueError, match="alpha must be a finite number of at least 0"):
            _fit(pairs, alpha=wrong)
    for wrong in (0, 6, 1.5):
        with pytest.raises(ValueError, match="rank must be a whole number from 1 to the 5 dimensions"):
            _fit(pairs, rank=wrong)
    few = [part[:4] for part in pairs]
    words = "Ridge|text must vary in all 5 dimensions for a map without penalty, but its 4 rows with a partner do not"
    with (
        pytest.warns(UserWarning, match="RidgeMap is fitted on 4 pairs in 5 dimensions"),
        pytest.raises(DegenerateError, match=words),
    ):
        RidgeMap(alpha=0.0).fit(np.concatenate(few), groups=["image"] * 4 + ["text"] * 4)


def test_figures_on_real_pairs(judged):
    """Measured bounds: the identity keeps recall out-of-sample that plain ridge loses (before: 0.642/0.596)."""
    inside, outside = judged(RidgeMap())
    np.testing.assert_allclose(inside, [0.0908, 0.8438, 0.848, 0.606], atol=2e-3)
    np.testing.assert_allclose(outside, [0.080, 0.756, 0.478, 0.388], atol=5e-3)
    inside, outside = judged(RidgeMap(towards_identity=False))
    np.testing.assert_allclose(inside, [0.1667, 0.8743, 0.884, 0.440], atol=2e-3)
    np.testing.assert_allclose(outside, [0.197, 0.800, 0.324, 0.114], atol=5e-3)


def test_an_infinite_rank_is_refused(rng):
    X = rng.normal(size=(40, 4))
    with pytest.raises(
        ValueError, match="rank must be a whole number from 1 to the 4 dimensions, or None, but it is inf"
    ):
        RidgeMap(rank=float("inf")).fit(X, groups=["image"] * 20 + ["text"] * 20)

"""C5, whitening: the covariance becomes the identity; a plain computation; real pairs; scikit-learn's checks."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from crossgap.close.affine_step import AffineStep
from crossgap.close.standardisation import Standardisation
from crossgap.close.whitening import Whitening
from crossgap.errors import DegenerateError

GROUPS = np.array(["image"] * 60 + ["text"] * 40)


@pytest.fixture
def rows(rng):
    return np.concatenate([rng.normal(size=(60, 5)) * np.arange(1, 6) + 2, rng.normal(size=(40, 5)) - 1])


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1)[:, None]


@parametrize_with_checks([Whitening(), Whitening(joint=True), Whitening(shrinkage="ledoit-wolf")])
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


def test_without_shrinkage_the_covariance_of_each_group_is_the_identity(rows):
    moved = Whitening(shrinkage=0.0, renormalise=False).fit_transform(rows, groups=GROUPS)
    for name in ("image", "text"):
        own = moved[name == GROUPS]
        np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-9)
        np.testing.assert_allclose(np.cov(own.T), np.eye(5), atol=1e-9)


def test_joint_whitening_is_one_map_and_makes_the_pooled_covariance_the_identity(rows):
    closer = Whitening(shrinkage=0.0, joint=True, renormalise=False)
    moved = closer.fit_transform(rows, groups=GROUPS)
    np.testing.assert_array_equal(closer.matrices_["image"], closer.matrices_["text"])
    image, text = moved[GROUPS == "image"], moved[GROUPS == "text"]
    np.testing.assert_allclose(image.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose((59 * np.cov(image.T) + 39 * np.cov(text.T)) / 98, np.eye(5), atol=1e-9)
    assert not np.allclose(np.cov(image.T), np.eye(5), atol=0.05)


def test_it_is_a_plain_computation(rows):
    moved = Whitening(shrinkage=0.25).fit_transform(rows, groups=GROUPS)
    for name in ("image", "text"):
        unit = _unit(rows[name == GROUPS])
        mean = sum(unit) / len(unit)
        S = sum(np.outer(v - mean, v - mean) for v in unit) / (len(unit) - 1)
        S = 0.75 * S + 0.25 * np.trace(S) / 5 * np.eye(5)
        values, vectors = np.linalg.eigh(S)
        root = sum(np.outer(v, v) / np.sqrt(value) for value, v in zip(values, vectors.T, strict=True))
        expected = [root @ (v - mean) / np.linalg.norm(root @ (v - mean)) for v in unit]
        np.testing.assert_allclose(moved[name == GROUPS], expected, atol=1e-10)


def test_full_shrinkage_takes_only_the_mean(rows):
    from crossgap.close.mean_removal import MeanRemoval

    np.testing.assert_allclose(Whitening(shrinkage=1.0).fit_transform(rows), MeanRemoval().fit_transform(rows))


def test_on_axes_without_correlation_it_is_standardisation():
    X = np.array([[0.6, 0.8, 0.0], [-0.6, 0.8, 0.0], [0.0, 0.6, 0.8], [0.0, 0.6, -0.8]] * 4)
    moved = Whitening(shrinkage=0.0).fit_transform(X)
    np.testing.assert_allclose(moved, Standardisation(epsilon=1e-15).fit_transform(X), atol=1e-9)


def test_directions_are_dropped(rows):
    closer = Whitening(shrinkage=0.0, directions=2, renormalise=False)
    image = closer.fit_transform(rows, groups=GROUPS)[GROUPS == "image"]
    values = np.linalg.eigvalsh(np.cov(image.T))
    np.testing.assert_allclose(values, [0, 0, 0, 1, 1], atol=1e-9)
    assert closer.directions_ == {"image": 2, "text": 2}
    leading = np.linalg.eigh(np.cov(_unit(rows[GROUPS == "image"]).T))[1][:, -2:]
    np.testing.assert_allclose(image @ leading @ leading.T, image, atol=1e-9)


def test_a_share_of_the_variance_chooses_the_directions(rows):
    unit = _unit(rows)
    shares = np.cumsum(np.linalg.eigvalsh(np.cov(unit.T))[::-1])
    closer = Whitening(directions=0.8).fit(rows)
    assert closer.directions_ == {"rows": 1 + int(np.sum(shares / shares[-1] < 0.8))}
    few = Whitening(shrinkage=0.0, directions=2).fit(rows[:4])  # truncation needs no full rank
    assert few.directions_ == {"rows": 2}


def test_what_cannot_be_is_refused(rows):
    for wrong in (0, -1, 2.5, True):
        with pytest.raises(ValueError, match="directions must be a whole number of at least 1, a share"):
            Whitening(directions=wrong).fit(rows)
    with pytest.raises(
        DegenerateError, match=r"must vary in at least 5 directions, but its 4 rows .* vary in 3 of 5 dim.*; ask"
    ):
        Whitening(directions=5).fit(rows[:4])
    with pytest.raises(DegenerateError, match="must have rows that differ"):
        Whitening().fit(np.ones((4, 3)))


def test_float32_in_float32_out_and_one_affine_step(rows):
    closer = Whitening().fit(rows, groups=GROUPS)
    moved = closer.transform(rows, groups=GROUPS)
    narrow = closer.transform(rows.astype(np.float32), groups=GROUPS)
    assert narrow.dtype == np.float32
    np.testing.assert_allclose(narrow, moved, atol=1e-5)
    (step,) = closer.steps("text")
    assert isinstance(step, AffineStep)
    np.testing.assert_allclose(step.apply(_unit(rows[60:])), moved[60:])


def test_row_order_does_not_matter(rows, rng):
    order = rng.permutation(100)
    a, b = Whitening().fit(rows, groups=GROUPS), Whitening().fit(rows[order], groups=GROUPS[order])
    np.testing.assert_allclose(a.transform(rows, groups=GROUPS), b.transform(rows, groups=GROUPS), atol=1e-10)


def test_figures_on_real_pairs(judged):
    """Measured bounds: whitening closes the gap, and loses recall against mean removal (0.542/0.500; 0.638/0.618)."""
    inside, outside = judged(Whitening(shrinkage=0.3))
    np.testing.assert_allclose(inside, [0.0134, 0.1931, 0.502, 0.492], atol=2e-3)
    np.testing.assert_allclose(outside, [0.108, 0.180, 0.536, 0.538], atol=5e-3)
    inside, outside = judged(Whitening(joint=True, shrinkage="ledoit-wolf"))
    np.testing.assert_allclose(inside, [0.0143, 0.0722, 0.338, 0.322], atol=2e-3)
    np.testing.assert_allclose(outside, [0.110, 0.134, 0.420, 0.398], atol=5e-3)


def test_directions_that_are_no_number_or_just_below_all(rng):
    X = rng.normal(size=(60, 4))
    for odd in (float("inf"), float("nan"), "2"):
        with pytest.raises(ValueError, match=f"directions must be a whole number .*, but it is {odd!r}"):
            Whitening(directions=odd).fit(X)
    assert Whitening(directions=1 - 1e-16).fit(X).directions_ == {"rows": 4}

"""C4: closed forms, constant coordinates, batches."""

import numpy as np
import pytest

from crossgap.close.standardisation import Standardisation


def test_every_coordinate_has_mean_0_and_deviation_1(rng):
    X = rng.normal(size=(40, 5)) * np.array([1, 2, 3, 4, 5]) + 1
    groups = np.repeat(["a", "b"], 20)
    moved = Standardisation(renormalise=False).fit(X, groups=groups).transform(X, groups=groups)
    for name in "ab":
        part = moved[groups == name]
        np.testing.assert_allclose(part.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(part.std(axis=0, ddof=1), 1, atol=1e-4)
    unit = Standardisation().fit(X, groups=groups).transform(X, groups=groups)
    np.testing.assert_allclose(unit, moved / np.linalg.norm(moved, axis=1)[:, None])


def test_epsilon_is_added_to_the_deviation(rng):
    X = rng.normal(size=(10, 3))
    unit = X / np.linalg.norm(X, axis=1)[:, None]
    moved = Standardisation(epsilon=0.5, renormalise=False).fit(X).transform(X)
    np.testing.assert_allclose(moved, (unit - unit.mean(axis=0)) / (unit.std(axis=0, ddof=1) + 0.5))


def test_a_constant_coordinate_stays_finite():
    X = np.array([[0.0, 1.0, 1.0], [0.0, 1.0, -1.0], [0.0, -1.0, 1.0]])
    assert np.isfinite(Standardisation().fit(X).transform(X)).all()


def test_batches_give_what_one_fit_gives(rng):
    X, groups = rng.normal(size=(40, 4)) + 1, np.array(["a", "b"] * 20)
    parts = Standardisation()
    for first in range(0, 40, 9):
        parts.partial_fit(X[first : first + 9], groups=groups[first : first + 9])
    whole = Standardisation().fit(X, groups=groups)
    np.testing.assert_allclose(parts.deviations_["b"], whole.deviations_["b"], rtol=1e-12)


def test_epsilon_must_be_above_zero(rng):
    with pytest.raises(ValueError, match=r"epsilon must be above 0, but it is 0\.0"):
        Standardisation(epsilon=0.0).fit(rng.normal(size=(4, 3)))

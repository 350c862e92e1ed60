"""Shrunk covariances: spectra, powers, Ledoit-Wolf, batches, and what cannot be inverted."""

import warnings

import numpy as np
import pytest
from sklearn.covariance import LedoitWolf
from sklearn.exceptions import NotFittedError

from crossgap.close.covariance_closer import Spectrum, check_shrinkage
from crossgap.close.gaussian_transport import GaussianTransport
from crossgap.close.whitening import Whitening
from crossgap.errors import DegenerateError


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1)[:, None]


def test_powers_are_those_of_the_shrunk_matrix(rng):
    S = np.cov(rng.normal(size=(30, 4)).T)
    shrunk = 0.7 * S + 0.3 * np.trace(S) / 4 * np.eye(4)
    spectrum = Spectrum.of(S, 0.3, name="x", rows=30)
    np.testing.assert_allclose(spectrum.power(1.0), shrunk, atol=1e-12)
    np.testing.assert_allclose(spectrum.power(0.5) @ spectrum.power(0.5), shrunk, atol=1e-12)
    np.testing.assert_allclose(spectrum.power(-1.0), np.linalg.inv(shrunk), atol=1e-12)
    assert spectrum.rank == 4


def test_leading_directions_by_number_and_by_share():
    spectrum = Spectrum.of(np.diag([1.0, 6.0, 3.0, 0.0]), 0.5, name="x", rows=9)
    np.testing.assert_allclose(spectrum.values, [4.25, 2.75, 1.75, 1.25])
    assert [len(spectrum.leading(share).values) for share in (0.1, 0.59, 0.61, 0.89, 0.91)] == [1, 1, 2, 2, 3]
    np.testing.assert_allclose(spectrum.leading(2).power(1.0), np.diag([0, 4.25, 2.75, 0]))
    with pytest.raises(
        DegenerateError,
        match=r"x must vary in at least 4 directions, but its 9 rows .* vary in 3 of 4 dimensions; ask for",
    ):
        spectrum.leading(4)


def test_a_covariance_of_zero_is_refused():
    with pytest.raises(DegenerateError, match=r"text must have rows that differ, but all 5 point one way"):
        Spectrum.of(np.zeros((2, 2)), 0.1, name="text", rows=5)


@pytest.mark.parametrize("shrinkage", [-0.1, 1.1, np.nan, "lw", None, True])
def test_shrinkage_out_of_range_is_refused(rng, shrinkage):
    with pytest.raises(ValueError, match="shrinkage must be a number from 0 to 1 or 'ledoit-wolf'"):
        Whitening(shrinkage=shrinkage).fit(rng.normal(size=(9, 2)))


def test_the_name_and_the_choice_are_said_as_they_are():
    with pytest.raises(ValueError, match="rho must be a number from 0 to 1, but it is 'ledoit-wolf'"):
        check_shrinkage("ledoit-wolf", name="rho", estimated=False)
    check_shrinkage(np.float32(0.5))


def test_ledoit_wolf_is_that_of_scikit_learn(rng):
    X, groups = rng.normal(size=(50, 6)) * np.arange(1, 7) + 2, ["a"] * 20 + ["b"] * 30
    closer = Whitening(shrinkage="ledoit-wolf").fit(X, groups=groups)
    unit = _unit(X)
    assert closer.shrinkages_["a"] == pytest.approx(LedoitWolf().fit(unit[:20]).shrinkage_)
    assert closer.shrinkages_["b"] == pytest.approx(LedoitWolf().fit(unit[20:]).shrinkage_)
    joint = Whitening(shrinkage="ledoit-wolf", joint=True).fit(X, groups=groups)
    centred = np.concatenate([unit[:20] - unit[:20].mean(0), unit[20:] - unit[20:].mean(0)])
    expected = LedoitWolf(assume_centered=True).fit(centred).shrinkage_
    assert joint.shrinkages_ == {"a": pytest.approx(expected), "b": pytest.approx(expected)}


def test_batches_give_what_one_fit_gives_and_ledoit_wolf_takes_none(rng):
    X, groups = rng.normal(size=(90, 4)) + 1, np.array(["a", "b", "c"] * 30)
    for closer in (Whitening(shrinkage=0.0), Whitening(joint=True), GaussianTransport()):
        whole = {name: closer.fit(X, groups=groups).matrices_.get(name) for name in "abc"}
        parts = type(closer)(**closer.get_params())
        for first in range(0, 90, 7):
            parts.partial_fit(X[first : first + 7], groups=groups[first : first + 7])
        for name, matrix in whole.items():
            if matrix is not None:
                np.testing.assert_allclose(parts.matrices_[name], matrix, rtol=1e-9)
    closer = Whitening(shrinkage="ledoit-wolf")
    assert not hasattr(closer, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit") as raised:
        closer.partial_fit(X)
    assert "needs a number for shrinkage" in str(raised.value.__cause__)


def test_batches_wait_for_rows_enough_where_nothing_is_shrunk(rng):
    X = rng.normal(size=(40, 4)) + 1
    closer = Whitening(shrinkage=0.0).partial_fit(X[:4])
    with pytest.raises(NotFittedError):
        closer.transform(X)
    closer.partial_fit(X[4:])
    np.testing.assert_allclose(closer.matrices_["rows"], Whitening(shrinkage=0.0).fit(X).matrices_["rows"])


def test_a_singular_covariance_is_refused_with_the_way_out(rng):
    X = rng.normal(size=(12, 8)) + 1
    words = r"b must have a covariance that can be inverted, but its 4 rows \(n_samples=4\) vary in 3 of 8 dimensions; "
    with pytest.raises(DegenerateError, match=words + "shrink it"):
        Whitening(shrinkage=0.0).fit(X, groups=["a"] * 8 + ["b"] * 4)
    flat = np.concatenate([_unit(rng.normal(size=(60, 2))), np.zeros((60, 1))], axis=1)
    with pytest.raises(DegenerateError, match=r"its 60 rows \(n_samples=60\) vary in 2 of 3 dimensions"):
        Whitening(shrinkage=0.0).fit(flat)
    with pytest.raises(DegenerateError, match=r"all groups .* its 9 rows \(n_samples=9\) vary in 7 of 8"):
        Whitening(shrinkage=0.0, joint=True).fit(X[:9], groups=["a"] * 5 + ["b"] * 4)


def test_few_rows_without_shrinkage_are_warned_of(rng):
    X, groups = rng.normal(size=(40, 4)) + 1, ["a"] * 25 + ["b"] * 15
    with pytest.warns(UserWarning, match=r"b: 15 rows for a covariance in 4 dimensions are fewer than 20 \(5 d\)"):
        GaussianTransport(shrinkage=0.0).fit(X, groups=groups)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        GaussianTransport(shrinkage=0.01).fit(X, groups=groups)
        Whitening(shrinkage=0.0, directions=2).fit(X, groups=groups)
        Whitening(shrinkage=0.0, joint=True).fit(X, groups=groups)

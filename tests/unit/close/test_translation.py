"""C1: closed forms, the values of the specification, one side and two, lengths and shares."""

import numpy as np
import pytest

from crossgap import measure
from crossgap.close.translation import Translation
from crossgap.errors import DegenerateError


@pytest.fixture
def groups_of_rows(rng):
    X = np.concatenate([rng.normal(size=(8, 4)) + 1, rng.normal(size=(5, 4)) - 1])
    return X, ["image"] * 8 + ["text"] * 5


def _unit(rows):
    return rows / np.linalg.norm(rows, axis=1)[:, None]


@pytest.mark.parametrize("strength", [-1.0, 0.0, 0.5, 1.0])
def test_two_sided_it_is_a_plain_loop(groups_of_rows, strength):
    X, groups = groups_of_rows
    moved = Translation(strength=strength).fit(X, groups=groups).transform(X, groups=groups)
    x, y = _unit(X[:8]), _unit(X[8:])
    g = x.mean(axis=0) - y.mean(axis=0)
    np.testing.assert_allclose(moved[:8], _unit(x - strength * g / 2))
    np.testing.assert_allclose(moved[8:], _unit(y + strength * g / 2))


def test_an_absolute_length_is_half_on_each_side(groups_of_rows):
    X, groups = groups_of_rows
    x, y = _unit(X[:8]), _unit(X[8:])
    g = x.mean(axis=0) - y.mean(axis=0)
    u = g / np.linalg.norm(g)
    moved = Translation(length=0.3).fit(X, groups=groups).transform(X, groups=groups)
    np.testing.assert_allclose(moved[:8], _unit(x - 0.15 * u))
    np.testing.assert_allclose(moved[8:], _unit(y + 0.15 * u))


def test_one_sided_the_target_stays(groups_of_rows):
    X, groups = groups_of_rows
    x, y = _unit(X[:8]), _unit(X[8:])
    g = x.mean(axis=0) - y.mean(axis=0)
    moved = Translation(target="image").fit(X, groups=groups).transform(X, groups=groups)
    np.testing.assert_allclose(moved[:8], x)
    np.testing.assert_allclose(moved[8:], _unit(y + g))
    moved = Translation(target="text", length=0.2).fit(X, groups=groups).transform(X, groups=groups)
    np.testing.assert_allclose(moved[:8], _unit(x - 0.2 * g / np.linalg.norm(g)))


def test_three_groups_meet_in_the_mean_of_their_means(rng):
    X, groups = rng.normal(size=(30, 4)) + np.repeat(np.eye(4)[:3], 10, axis=0), np.repeat(list("abc"), 10)
    closer = Translation(renormalise=False).fit(X, groups=groups)
    moved = closer.transform(X, groups=groups)
    centre = np.mean([_unit(X[groups == name]).mean(axis=0) for name in "abc"], axis=0)
    for name in "abc":
        np.testing.assert_allclose(moved[groups == name].mean(axis=0), centre, atol=1e-12)


def test_values_of_the_specification_on_real_pairs(coco):
    """C1 of the specification: at full strength the gap is gone, and so is much of the retrieval."""
    X, groups = np.concatenate([coco["image"], coco["text"]]), ["image"] * 500 + ["text"] * 500
    moved = Translation().fit(X, groups=groups).transform(X, groups=groups)
    x, y = moved[:500], moved[500:]
    assert float(measure.centroid_distance(x, y)) == pytest.approx(0.008, abs=1e-3)
    assert float(measure.recall_at_k(x, y, k=1)) == pytest.approx(0.358)
    assert float(measure.recall_at_k(y, x, k=1)) == pytest.approx(0.366)


def test_batches_give_what_one_fit_gives(groups_of_rows):
    X, groups = groups_of_rows
    parts = Translation().partial_fit(X[:9], groups=groups[:9]).partial_fit(X[9:], groups=groups[9:])
    whole = Translation().fit(X, groups=groups)
    np.testing.assert_allclose(parts.transform(X, groups=groups), whole.transform(X, groups=groups))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "audio"}, "target must be one of the groups image, text, but it is 'audio'"),
        ({"strength": np.nan}, "strength must be finite, but it is nan"),
        ({"length": np.inf}, "length must be finite, but it is inf"),
    ],
)
def test_what_is_refused(groups_of_rows, options, message):
    X, groups = groups_of_rows
    with pytest.raises(ValueError, match=message):
        Translation(**options).fit(X, groups=groups)


def test_a_length_needs_two_groups_that_lie_apart(groups_of_rows):
    X, _ = groups_of_rows
    with pytest.raises(ValueError, match="length must go with exactly two groups, but there are 3"):
        Translation(length=1.0).fit(X[:12], groups=list("abc") * 4)
    same = np.tile(np.eye(4)[:2], (2, 1))
    with pytest.raises(DegenerateError, match="the means of both groups coincide"):
        Translation(length=1.0).fit(same, groups=["a", "a", "b", "b"])

"""Steps of linear closers: whose they are, and how a file names their arrays."""

import numpy as np
import pytest

from crossgap.close.affine_step import AffineStep
from crossgap.close.corruption import Corruption
from crossgap.close.linear_steps import linear_steps, linear_steps_of, pack_steps, unpack_steps
from crossgap.close.mean_removal import MeanRemoval
from crossgap.geometry.rows import unit_rows


@pytest.fixture
def two(rng):
    return MeanRemoval().fit(rng.normal(size=(4, 3)), groups=["image", "image", "text", "text"])


def test_the_steps_are_the_closer(linear_closer, pairs):
    steps = linear_steps(linear_closer)
    assert list(steps) == ["image", "text"]
    for group, own in steps.items():
        rows = unit_rows(pairs.of(group))
        for step in own:
            rows = step.apply(rows)
        np.testing.assert_allclose(rows, linear_closer.move(pairs.of(group), group), rtol=0, atol=1e-12)


def test_one_group(two, rng):
    assert linear_steps_of(two, "text")[0] == "text"
    assert linear_steps_of(MeanRemoval().fit(rng.normal(size=(4, 3))), None)[0] == "rows"
    with pytest.raises(ValueError, match="group must be named, since the closer moves image, text in different ways"):
        linear_steps_of(two, None)
    with pytest.raises(ValueError, match="group must be one of image, text, but it is 'audio'"):
        linear_steps_of(two, "audio")


def test_what_has_no_steps(rng):
    with pytest.raises(TypeError, match=r"closer must move rows by matrices and offsets .* Corruption does not"):
        linear_steps(Corruption().fit(rng.normal(size=(4, 3))))
    with pytest.raises(ValueError, match="MeanRemoval must be fitted before it is saved or exported"):
        linear_steps(MeanRemoval())


def test_what_is_held_already_is_named(rng):
    mean, matrix, basis = rng.normal(size=3), rng.normal(size=(3, 3)), np.eye(3)[:1]
    steps = {
        "a": (AffineStep(offset=-mean), AffineStep(removed=basis.copy(), renormalise=False)),
        "b": (AffineStep(matrix=matrix, offset=mean), AffineStep(matrix=mean, offset=np.zeros(3), appended=np.ones(1))),
        "c": (),
    }
    held = {"mean": mean, "basis": basis}
    packed, added = pack_steps(steps, held)
    names = [[tuple(step.values())[:5] for step in packed[group]] for group in "abc"]
    assert list(packed["a"][0]) == ["matrix", "removed", "offset", "appended", "sign", "renormalise"]
    assert names == [
        [(None, None, "mean", None, -1), (None, "basis", None, None, 1)],
        [("steps.b.0.matrix", None, "mean", None, 1), ("mean", None, "steps.b.1.offset", "steps.b.1.appended", 1)],
        [],
    ]
    assert set(added) == {"steps.b.0.matrix", "steps.b.1.offset", "steps.b.1.appended"}
    used: set[str] = set()
    found = unpack_steps(packed, {**held, **added}, used)
    assert used == {*held, *added}
    rows = rng.normal(size=(5, 3))
    for group in "abc":
        assert len(found[group]) == len(steps[group])
        for one, other in zip(found[group], steps[group], strict=True):
            np.testing.assert_array_equal(one.apply(rows), other.apply(rows))


def test_matrices_of_groups_that_are_equal_are_held_once(rng):
    matrix = rng.normal(size=(3, 3))
    packed, added = pack_steps({"a": (AffineStep(matrix=matrix),), "b": (AffineStep(matrix=matrix.copy()),)}, {})
    assert list(added) == ["steps.a.0.matrix"]
    assert packed["b"][0]["matrix"] == "steps.a.0.matrix"

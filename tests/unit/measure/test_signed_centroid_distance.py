"""The signed centroid distance: the size of the plain one, the side along a direction."""

import numpy as np
import pytest
import torch

from crossgap.measure import centroid_distance, gap_vector
from crossgap.measure.signed_centroid_distance import signed_centroid_distance


@pytest.fixture
def groups(rng):
    return rng.normal(size=(30, 6)) + 1.0, rng.normal(size=(20, 6)) - 0.5


def test_along_its_own_gap_it_is_the_centroid_distance(groups):
    x, y = groups
    own = gap_vector(x, y)
    assert signed_centroid_distance(x, y, direction=own) == centroid_distance(x, y)
    assert signed_centroid_distance(y, x, direction=own) == -centroid_distance(x, y)


def test_a_plain_loop(groups):
    x, y = groups
    direction = np.array([1.0, -2.0, 0.0, 0.5, 0.0, 3.0])
    gap = np.zeros(6)
    for rows, sign in ((x, 1.0), (y, -1.0)):
        for row in rows:
            gap += sign * row / np.sqrt(sum(value * value for value in row)) / len(rows)
    side = sum(a * b for a, b in zip(gap, direction, strict=True))
    expected = np.copysign(np.sqrt(sum(value * value for value in gap)), side)
    assert signed_centroid_distance(x, y, direction=direction) == pytest.approx(expected, abs=1e-14)


def test_it_passes_through_zero_as_groups_change_sides():
    y = np.array([[1.0, 0.0]])
    values = []
    for angle in (1.0, 0.0, -1.0):
        x = np.array([[np.cos(angle), np.sin(angle)]])
        values.append(float(signed_centroid_distance(x, y, direction=[0.0, 2.0])))
    assert values[0] == -values[2] > 0
    assert values[1] == 0


def test_the_length_of_the_direction_does_not_matter(groups):
    x, y = groups
    direction = np.arange(6.0)
    assert signed_centroid_distance(x, y, direction=direction) == signed_centroid_distance(
        x, y, direction=7 * direction
    )


def test_a_gap_at_right_angles_counts_as_on_the_original_side():
    x, y = np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0]])
    assert signed_centroid_distance(x, y, direction=[0.0, 1.0]) == 2.0


def test_weights(groups, rng):
    x, y = groups
    direction = gap_vector(x, y)
    weights = rng.integers(0, 3, size=(30, 4)), rng.integers(0, 3, size=(20, 4))
    found = signed_centroid_distance(x, y, direction=direction, weights=weights)
    for column in range(4):
        taken = [np.repeat(rows, counts[:, column], axis=0) for rows, counts in zip(groups, weights, strict=True)]
        assert found[column] == pytest.approx(float(signed_centroid_distance(*taken, direction=direction)))


def test_torch_gives_the_same_and_a_gradient(groups):
    x, y = (torch.from_numpy(rows).requires_grad_() for rows in groups)
    direction = gap_vector(x, y)
    found = signed_centroid_distance(y, x, direction=direction)
    assert found.item() == pytest.approx(-float(centroid_distance(*groups)))
    found.backward()
    assert float(x.grad.abs().sum()) > 0


def test_refusals(groups):
    x, y = groups
    with pytest.raises(ValueError, match=r"one number for each of the 6 dimensions, but its shape is \(5,\)"):
        signed_centroid_distance(x, y, direction=np.ones(5))
    for bad in (np.zeros(6), np.full(6, np.nan), np.full(6, np.inf)):
        with pytest.raises(ValueError, match="direction must be finite and longer than 0"):
            signed_centroid_distance(x, y, direction=bad)
    x[3] = 0
    with pytest.raises(ValueError, match="row 3"):
        signed_centroid_distance(x, y, direction=np.ones(6))


def test_mg500(coco):
    """Liang et al.: the side changes once the groups are moved past each other; the size is that of A1."""
    x, y = coco["image"], coco["text"]
    own = gap_vector(x, y)
    assert signed_centroid_distance(x, y, direction=own) == pytest.approx(0.85135, abs=1e-5)
    unit = own / np.linalg.norm(own)
    far = [rows / np.linalg.norm(rows, axis=1, keepdims=True) + s * unit for rows, s in ((x, -1.0), (y, 1.0))]
    assert signed_centroid_distance(*far, direction=own) == pytest.approx(-float(centroid_distance(*far)))

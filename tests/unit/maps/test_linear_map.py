import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.maps import linear_map
from crossgap.measure import centroid_distance


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.fixture
def groups(rng):
    """Three groups of different sizes, each with an offset and a skewed direction of its own."""
    skewed = rng.exponential(size=(90, 1)) * rng.normal(size=6)
    rows = rng.normal(size=(90, 6)) * 0.3 + skewed
    return rows[:20] + rng.normal(size=6), rows[20:50] + rng.normal(size=6), rows[50:] + rng.normal(size=6)


def by_hand(groups):
    """The definition for two groups in plain NumPy, up to the sign of the second axis."""
    x, y = map(unit, groups)
    gap = x.mean(axis=0) - y.mean(axis=0)
    first = gap / np.linalg.norm(gap)
    centred = [rows - rows.mean(axis=0) for rows in (x, y)]
    within = sum(sum(np.outer(row, row) for row in rows) / len(rows) for rows in centred) / 2
    beside = np.eye(len(first)) - np.outer(first, first)
    second = np.linalg.eigh(beside @ within @ beside)[1][:, -1]
    return first, second, within


def test_equals_plain_numpy(groups):
    x, y, _ = groups
    first, second, within = by_hand((x, y))
    found = linear_map(x, y)
    assert found.axis_names == ("gap", "first within-group component")
    np.testing.assert_allclose(found.axes[0], first, atol=1e-12)
    np.testing.assert_allclose(np.abs(found.axes[1] @ second), 1, atol=1e-12)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(2), atol=1e-12)
    origin = (unit(x).mean(axis=0) + unit(y).mean(axis=0)) / 2
    for rows, placed in zip((x, y), found.coordinates, strict=True):
        np.testing.assert_allclose(placed, (unit(rows) - origin) @ found.axes.T, atol=1e-12)
    assert found.within_shares == pytest.approx(
        [first @ within @ first / np.trace(within)] + [second @ within @ second / np.trace(within)]
    )


def test_centroids_are_centroid_distance_apart(groups):
    x, y, _ = groups
    found = linear_map(x, y)
    means = [placed.mean(axis=0) for placed in found.coordinates]
    np.testing.assert_allclose(found.centroids, means, atol=1e-12)
    assert found.centroids[0, 0] - found.centroids[1, 0] == pytest.approx(float(centroid_distance(x, y)))
    assert found.centroids[:, 1].tolist() == [0, 0]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shares_are_those_of_the_map(groups, count):
    """Mean square of the coordinates over that of the rows, every group counting the same."""
    found = linear_map(*groups[:count])
    squares = np.mean([np.mean(placed**2, axis=0) for placed in found.coordinates], axis=0)
    total = np.mean([np.mean(np.sum((unit(rows) - found.origin) ** 2, axis=1)) for rows in groups[:count]])
    assert found.shares == pytest.approx(squares / total)
    assert sum(found.shares) <= 1


def test_one_group_gives_its_principal_components(groups):
    found = linear_map(groups[0])
    assert found.axis_names == ("first within-group component", "second within-group component")
    x = unit(groups[0])
    _, _, directions = np.linalg.svd(x - x.mean(axis=0))
    np.testing.assert_allclose(np.abs(np.sum(found.axes * directions[:2], axis=1)), 1, atol=1e-12)
    assert found.shares == pytest.approx(found.within_shares)


def test_three_groups_lie_as_far_apart_as_in_the_space(groups):
    found = linear_map(*groups)
    assert found.axis_names == ("first centroid component", "second centroid component")
    for a, b in ((0, 1), (0, 2), (1, 2)):
        apart = np.linalg.norm(found.centroids[a] - found.centroids[b])
        assert apart == pytest.approx(float(centroid_distance(groups[a], groups[b])))


def test_four_groups_show_the_principal_plane_of_the_means(groups, rng):
    groups = (*groups, rng.normal(size=(9, 6)) + rng.normal(size=6))
    found = linear_map(*groups)
    means = np.stack([unit(rows).mean(axis=0) for rows in groups])
    lengths = np.linalg.svd(means - means.mean(axis=0))[1]
    np.testing.assert_allclose(np.linalg.norm(found.centroids, axis=0), lengths[:2], atol=1e-12)


def test_means_on_a_line_leave_an_axis_to_the_groups():
    corners = np.array([[0.6, 0.8, 0.0], [0.6, -0.8, 0.0]])
    found = linear_map(corners, -corners, corners[::-1])
    assert found.axis_names == ("first centroid component", "first within-group component")
    np.testing.assert_allclose(np.abs(found.axes), [[1, 0, 0], [0, 1, 0]], atol=1e-12)


def test_a_closed_gap_leaves_both_axes_to_the_groups():
    corners = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [0.0, -0.6, -0.8]])
    found = linear_map(corners, corners[::-1])
    assert found.axis_names == ("first within-group component", "second within-group component")
    assert not found.centroids.any()


def test_groups_count_the_same_whatever_their_size(groups):
    x, y, _ = groups
    once, often = linear_map(x, y), linear_map(x, np.concatenate([y] * 5))
    np.testing.assert_allclose(once.axes, often.axes, atol=1e-9)
    assert once.shares == pytest.approx(often.shares)


def test_signs_are_those_of_the_data(groups):
    """The first group lies on the right, the longer tail up; so the axes turn with the rows and do not flip."""
    x, y, _ = groups
    found = linear_map(x, y)
    assert found.centroids[0, 0] > 0
    assert sum(np.mean(placed[:, 1] ** 3) for placed in found.coordinates) > 0
    swapped = linear_map(y, x)
    np.testing.assert_allclose(swapped.axes, [-found.axes[0], found.axes[1]], atol=1e-9)
    turned = linear_map(*(rows @ -np.eye(6) for rows in (x, y)))
    np.testing.assert_allclose(turned.axes, -found.axes, atol=1e-9)


def test_without_a_tail_the_largest_coordinate_decides():
    corners = np.array([[0.6, 0.0, 0.8], [0.6, 0.0, -0.8]])
    assert linear_map(corners, -corners).axes[1].round(9).tolist() == [0, 0, 1]


def test_other_rows_are_placed_on_the_same_axes(groups):
    found = linear_map(*groups[:2])
    np.testing.assert_array_equal(found.place(groups[1]), found.coordinates[1])
    expected = (unit(groups[2]) - found.origin) @ found.axes.T
    np.testing.assert_allclose(found.place(groups[2]), expected, atol=1e-12)
    with pytest.raises(ValueError, match="rows must have 6 dimensions as those the map was fitted on, but they have 4"):
        found.place(np.ones((3, 4)))


def test_distances_on_the_map_are_never_longer(groups):
    x, y, _ = groups
    found = linear_map(x, y)
    there = np.linalg.norm(unit(x)[:, None] - unit(y)[None], axis=2)
    here = np.linalg.norm(found.coordinates[0][:, None] - found.coordinates[1][None], axis=2)
    assert (here <= there + 1e-12).all()


def test_single_rows_and_torch(groups):
    x, y, _ = groups
    alone = linear_map(x, y[:1])
    assert alone.coordinates[1].tolist() == [pytest.approx(alone.centroids[1].tolist())]
    found = linear_map(torch.tensor(x), torch.tensor(y))
    assert isinstance(found.coordinates[0], np.ndarray)
    np.testing.assert_allclose(found.coordinates[0], linear_map(x, y).coordinates[0], atol=1e-12)


def test_golden_values_on_clip(coco):
    found = linear_map(coco["image"], coco["text"])
    assert np.diff(found.centroids[::-1, 0])[0] == pytest.approx(0.851352, abs=1e-6)
    assert found.shares == pytest.approx((0.280052, 0.056736), abs=1e-5)
    assert found.within_shares == pytest.approx((0.005819, 0.078347), abs=1e-5)


def test_refusals(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="needs the rows of at least one group, but none was given"):
        linear_map()
    with pytest.raises(ValueError, match="x and y must share one space"):
        linear_map(x, rng.normal(size=(5, 4)))
    with pytest.raises(ValueError, match="x must have at least two dimensions for a map, but it has one"):
        linear_map(x[:, :1], x[:, :1])
    with pytest.raises(ValueError, match=r"groups\[2\] must be finite, but row 1"):
        linear_map(x, x, np.array([[1.0, 0, 0], [np.nan, 0, 0]]))
    with pytest.raises(ValueError, match="y must have rows of a length above zero, but row 0"):
        linear_map(x, np.zeros((2, 3)))
    many = np.repeat(rng.normal(size=(1, 7)), 3000, axis=0).astype(np.float32)  # the mean is not quite theirs
    for groups in ((x[:1], -x[:1]), (x[:1],), (np.array([[1.0, 0.0], [-1.0, 0.0]]),), (many,), (many, -many)):
        with pytest.raises(DegenerateError, match="vary in no direction beside the first axis of the map"):
            linear_map(*groups)


def test_check_is_about_zero_rows(rng):
    x = rng.normal(size=(5, 3))
    x[2] = 0
    with pytest.raises(ValueError, match="row 2 is all zeros"):
        linear_map(x)
    assert np.isfinite(linear_map(x, check=False).coordinates[0]).all()

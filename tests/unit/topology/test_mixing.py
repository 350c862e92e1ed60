from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import pdist, squareform

from crossgap import topology
from crossgap.errors import DegenerateError

UNSCALED = {"unit": False}


def _tree(rows):
    """Edges and lengths from the full matrix; rows are all different."""
    found = minimum_spanning_tree(squareform(pdist(rows))).tocoo()
    return np.stack([found.row, found.col], axis=1), found.data


def _counts_of_all_labellings(edges, total, n):
    counts = []
    for chosen in combinations(range(total), n):
        of_x = np.isin(np.arange(total), chosen)
        counts.append(int((of_x[edges[:, 0]] != of_x[edges[:, 1]]).sum()))
    return np.array(counts)


@pytest.mark.parametrize(("n", "m"), [(1, 2), (2, 2), (2, 5), (4, 4), (6, 3)])
def test_z_score_and_chance_are_those_of_all_labellings(rng, n, m):
    x, y = rng.normal(size=(n, 2)), rng.normal(size=(m, 2))
    edges, _ = _tree(np.concatenate([x, y]))
    counts = _counts_of_all_labellings(edges, n + m, n)
    here = int(((edges < n).sum(axis=1) == 1).sum())
    assert topology.cross_edge_share(x, y, **UNSCALED) == here / (n + m - 1)
    assert topology.cross_edge_share_by_chance(n, m) == pytest.approx(counts.mean() / (n + m - 1))
    if counts.std() > 0:
        expected = (here - counts.mean()) / counts.std()
        assert topology.friedman_rafsky_z_score(x, y, **UNSCALED) == pytest.approx(expected)
    p_value = topology.friedman_rafsky_p_value(x, y, permutations=20_000, **UNSCALED)
    assert abs(p_value - (counts <= here).mean()) < 0.02


def test_numbers_from_the_full_matrix(rng):
    x, y = rng.normal(size=(60, 5)), rng.normal(size=(40, 5)) + 1.0
    rows = np.concatenate([x, y])
    edges, lengths = _tree(rows / np.linalg.norm(rows, axis=1, keepdims=True))
    crosses = (edges < 60).sum(axis=1) == 1
    found = topology.mixing_scores(x, y)
    assert found.cross_edge_share == crosses.mean()
    assert found.longest_merge_ratio == pytest.approx(lengths[crosses].max() / np.median(lengths[~crosses]))


def test_the_record_holds_what_the_functions_give(rng):
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(20, 3)) + 0.5
    for unit in (True, False):
        found = topology.mixing_scores(x, y, permutations=99, seed=5, unit=unit)
        assert found.cross_edge_share == topology.cross_edge_share(x, y, unit=unit)
        assert found.cross_edge_share_by_chance == topology.cross_edge_share_by_chance(30, 20)
        assert found.friedman_rafsky_z_score == topology.friedman_rafsky_z_score(x, y, unit=unit)
        assert found.longest_merge_ratio == topology.longest_merge_ratio(x, y, unit=unit)
        assert found.friedman_rafsky_p_value == topology.friedman_rafsky_p_value(
            x, y, permutations=99, seed=5, unit=unit
        )
        assert (found.permutations, found.seed) == (99, 5)
        assert topology.mixing_scores(y, x, unit=unit).friedman_rafsky_z_score == pytest.approx(
            found.friedman_rafsky_z_score
        )
    assert topology.mixing_scores(x, y, unit=True) != topology.mixing_scores(x, y, unit=False)


def test_samples_of_one_distribution_have_standard_normal_scores(rng):
    scores = [topology.friedman_rafsky_z_score(*rng.normal(size=(2, 60, 8))) for _ in range(200)]
    assert abs(np.mean(scores)) < 0.25
    assert 0.85 < np.std(scores) < 1.15


def test_a_gap_leaves_one_edge_and_a_wider_one_a_larger_ratio(rng):
    x, y = rng.normal(size=(2, 80, 6))
    ratios = []
    for gap in (20.0, 40.0):
        found = topology.mixing_scores(x, y + gap, **UNSCALED)
        assert found.cross_edge_share == 1 / 159
        assert found.friedman_rafsky_z_score < -8
        assert found.friedman_rafsky_p_value == 1 / 1001
        ratios.append(found.longest_merge_ratio)
    assert 1.8 < ratios[1] / ratios[0] < 2.3


def test_repeated_rows_leave_the_ratio_as_it_is(rng):
    x, y = rng.normal(size=(2, 40, 4))
    repeated = topology.longest_merge_ratio(np.repeat(x, 5, axis=0), y)
    assert repeated == pytest.approx(topology.longest_merge_ratio(x, y))


def test_matched_pairs_mix_more_than_chance(rng):
    x = rng.normal(size=(80, 6))
    found = topology.mixing_scores(x, x + 1e-3 * rng.normal(size=x.shape))
    assert found.cross_edge_share > 0.6
    assert found.friedman_rafsky_z_score > 3
    assert found.friedman_rafsky_p_value > 0.99


def test_real_pairs_join_by_one_edge(coco):
    found = topology.mixing_scores(coco["image"], coco["text"])
    assert found.cross_edge_share == 1 / 999
    assert round(found.longest_merge_ratio, 2) == 1.76
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (coco["image"], coco["text"]))
    assert round(topology.cross_edge_share(x - x.mean(axis=0), y - y.mean(axis=0)), 3) == 0.034


def test_rows_that_repeat_but_for_rounding_are_no_usual_distance(rng):
    """Nine scaled copies of each row of x: unit rows that differ in their last bits, and edges of 1e-16 or 1e-8."""
    few, y = rng.normal(size=(2, 12, 4))
    expected = topology.longest_merge_ratio(few, y)
    for dtype, tolerance in ((np.float64, 1e-12), (np.float32, 1e-5)):
        many = np.concatenate([few * scale for scale in np.linspace(0.3, 3.1, 9)]).astype(dtype)
        assert topology.longest_merge_ratio(many, y.astype(dtype)) == pytest.approx(expected, rel=tolerance)
        moved = [(rows / np.linalg.norm(rows, axis=1, keepdims=True) * 1e3).astype(dtype) for rows in (many, y)]
        assert topology.longest_merge_ratio(*moved, unit=False) == pytest.approx(expected, rel=10 * tolerance)


def test_seed_and_permutations_matter(rng):
    x, y = rng.normal(size=(2, 40, 3))
    first, again, other, more = (
        topology.friedman_rafsky_p_value(x, y, permutations=n, seed=seed)
        for n, seed in ((200, 0), (200, 0), (200, 1), (201, 0))
    )
    assert first == again != other
    assert first != more


def test_numbers_without_a_value_are_none_in_the_record_and_errors_alone():
    x, y = np.array([[0.0]]), np.array([[1.0]])
    found = topology.mixing_scores(x, y, **UNSCALED)
    assert found.friedman_rafsky_z_score is None
    assert found.longest_merge_ratio is None
    assert found.cross_edge_share == 1.0
    assert found.friedman_rafsky_p_value == 1.0
    with pytest.raises(DegenerateError, match="x and y with 1 and 1 rows have a tree on which every labelling"):
        topology.friedman_rafsky_z_score(x, y, **UNSCALED)
    for rows, others in ((x, y), (np.ones((5, 2)), -np.ones((5, 2)))):
        with pytest.raises(DegenerateError, match="no edge of the joint tree within a group is longer than 0"):
            topology.longest_merge_ratio(rows, others, **UNSCALED)
    star = np.array([[0.0, 0.0], [1.0, 0.0], [-0.6, 0.8], [-0.6, -0.8]])  # the middle one and three about it
    assert topology.mixing_scores(star[:2], star[2:], **UNSCALED).friedman_rafsky_z_score is None


def test_messages():
    x, y = np.ones((3, 2)), np.ones((4, 2))
    with pytest.raises(ValueError, match="permutations must be at least 1, but it is 0"):
        topology.mixing_scores(x, y, permutations=0)
    with pytest.raises(ValueError, match="permutations must be at least 1, but it is -1"):
        topology.friedman_rafsky_p_value(x, y, permutations=-1)
    with pytest.raises(ValueError, match="n and m must be at least 1, but they are 0 and 4"):
        topology.cross_edge_share_by_chance(0, 4)
    with pytest.raises(ValueError, match="2 and 3 dimensions"):
        topology.cross_edge_share(x, np.ones((4, 3)))
    with pytest.raises(DegenerateError, match="y must have at least one row"):
        topology.cross_edge_share(x, np.ones((0, 2)))
    zero, broken = y.copy(), y.copy()
    zero[2], broken[1, 1] = 0, np.inf
    with pytest.raises(ValueError, match="y must have rows of a length above zero, but row 2"):
        topology.cross_edge_share(x, zero)
    assert topology.cross_edge_share(x, zero, unit=False) >= 0
    assert topology.cross_edge_share(x, zero, check=False) >= 0
    for unit in (True, False):
        with pytest.raises(ValueError, match="y must be finite, but row 1 holds"):
            topology.cross_edge_share(x, broken, unit=unit)


def test_tensors_and_single_precision(rng):
    x, y = rng.normal(size=(2, 50, 4)).astype(np.float32)
    expected = topology.mixing_scores(x.astype(float), y.astype(float))
    assert topology.mixing_scores(x, y).cross_edge_share == expected.cross_edge_share
    assert topology.mixing_scores(torch.tensor(x), torch.tensor(y)) == topology.mixing_scores(x, y)

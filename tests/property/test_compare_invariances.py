"""What each comparison of two spaces ignores, as one table. Every change that a row does not name must be noticed."""

import inspect

import numpy as np
import pytest

from crossgap import compare

# the changes, all of them of x alone where nothing else is said
ROTATE = "a rotation of one space"
MOVE = "one vector added to all rows: a gap"
SCALE = "all rows multiplied by one number"
RESCALE = "each row multiplied by a number of its own"
PAD = "more dimensions, filled with zeros"
STRETCH = "one direction stretched"
REORDER = "the same new order of the rows of both"
MISPAIR = "a new order of the rows of y alone"
SWAP = "x and y change places"

CHANGES = (ROTATE, MOVE, SCALE, RESCALE, PAD, STRETCH, REORDER, MISPAIR, SWAP)
POSE = {ROTATE, SCALE, PAD, REORDER, SWAP}

#   quantity, options                                          the changes it ignores
ROWS = [
    (compare.cka, {"debiased": True}, POSE | {RESCALE}),
    (compare.cka, {"debiased": False}, POSE | {RESCALE}),
    (compare.cka, {"debiased": True, "unit": False}, POSE | {MOVE}),  # as the paper has it: blind to any gap
    (compare.cka, {"debiased": False, "unit": False}, POSE | {MOVE}),
    (compare.procrustes_distance, {}, POSE | {RESCALE}),
    (compare.procrustes_distance, {"unit": False}, POSE | {MOVE}),
    (compare.representational_similarity, {}, POSE | {RESCALE}),
    (compare.representational_similarity, {"correlation": "pearson"}, POSE | {RESCALE}),
    (compare.representational_similarity, {"unit": False}, POSE),
    (compare.representational_similarity, {"unit": False, "centre": True}, POSE | {MOVE}),
    (compare.representational_similarity, {"correlation": "pearson", "unit": False, "centre": True}, POSE | {MOVE}),
    (compare.mutual_neighbours, {"k": 5}, POSE | {RESCALE}),
    (compare.cycle_neighbours, {"k": 2}, (POSE | {RESCALE}) - {SWAP}),
    (compare.cknna, {"k": 5}, POSE | {RESCALE}),
]
NOT_IN_THE_TABLE = {
    "mutual_neighbours_per_row": "mutual_neighbours is its mean",
    "representation_cross_barcode": "see test_representation_topology_divergence.py",
    "representation_topology_divergence": "see test_representation_topology_divergence.py",
    "representation_topology_divergence_per_batch": "see test_representation_topology_divergence.py",
}


def data():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(60, 5)) * np.linspace(2.0, 0.5, 5) + [1.0, 0.5, 0, 0, 0]
    return x, x @ rng.normal(size=(5, 7)) + 1.2 * rng.normal(size=(60, 7)) + 0.5


def changed(change, x, y):
    rng = np.random.default_rng(3)
    n, d = x.shape
    if change == REORDER:
        order = rng.permutation(n)
        return x[order], y[order]
    if change == MISPAIR:
        return x, y[rng.permutation(n)]
    if change == SWAP:
        return y, x
    if change == ROTATE:
        return x @ np.linalg.qr(rng.normal(size=(d, d)))[0], y
    if change == PAD:
        return np.concatenate([x, np.zeros((n, 4))], axis=1), y
    return {
        MOVE: x + [4.0, -3.0, 2.0, 5.0, -6.0],
        SCALE: 3.7 * x,
        RESCALE: x * rng.uniform(0.1, 9, size=(n, 1)),
        STRETCH: x * [1, 1, 1, 1, 4],
    }[change], y


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.replace(" ", "-"))
@pytest.mark.parametrize(
    ("quantity", "options", "ignored"), ROWS, ids=[f"{row[0].__name__}-{'-'.join(map(str, row[1]))}" for row in ROWS]
)
def test_ignores_what_the_table_says_and_notices_the_rest(quantity, options, ignored, change):
    x, y = data()
    before = float(quantity(x, y, **options))
    after = float(quantity(*changed(change, x, y), **options))
    if change in ignored:
        assert after == pytest.approx(before, rel=1e-7, abs=1e-7)
    else:
        assert abs(after - before) > 1e-6


@pytest.mark.parametrize("options", [{"debiased": True}, {"debiased": False}])
def test_cka_is_blind_to_a_gap_that_a_distance_of_centroids_sees(options):
    from crossgap import measure

    x, _ = data()
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    axis = x.mean(axis=0) / np.linalg.norm(x.mean(axis=0))
    far = x - 2 * np.outer(x @ axis, axis)  # the mirror image: the same shape on the other side of the sphere
    assert measure.centroid_distance(x, far) > 0.5
    for quantity, chosen in ((compare.cka, options), (compare.representational_similarity, {})):
        assert quantity(x, far, **chosen) == pytest.approx(1, abs=1e-9)
    assert compare.procrustes_distance(x, far) == pytest.approx(0, abs=1e-6)


def test_every_comparison_is_in_the_table():
    quantities = {name for name in compare.__all__ if inspect.isfunction(getattr(compare, name))}
    assert quantities - {row[0].__name__ for row in ROWS} - set(NOT_IN_THE_TABLE) == set()

"""What each quantity of trees and neighbours ignores, as one table. It must notice every change a row does not name."""

import numpy as np
import pytest

from crossgap import topology

ROTATE = "one rotation of the whole space"
REORDER = "a new order of the rows of x and another of the rows of y"
SWAP = "x and y change places"
RESCALE = "each row multiplied by a number of its own"
SHIFT = "one vector added to all rows as they are given"
DUPLICATE = "every row of both groups twice"
ENLARGE = "all rows multiplied by one number"
CHANGES = (ROTATE, REORDER, SWAP, RESCALE, SHIFT, DUPLICATE, ENLARGE)

UNIT = {ROTATE, REORDER, SWAP, RESCALE, ENLARGE}
AS_GIVEN = {ROTATE, REORDER, SWAP, SHIFT}
NO_LENGTHS = AS_GIVEN | {ENLARGE}  # of rows as given: ratios and orders of distances

#   quantity                                  the changes it ignores on unit rows, and on rows as given
ROWS = {
    topology.component_deaths: (UNIT, AS_GIVEN),
    topology.cross_edge_share: (UNIT, NO_LENGTHS),
    topology.friedman_rafsky_z_score: (UNIT, NO_LENGTHS),
    topology.friedman_rafsky_p_value: (UNIT - {REORDER, SWAP}, NO_LENGTHS - {REORDER, SWAP}),  # shuffles go by number
    topology.longest_merge_ratio: (UNIT | {DUPLICATE}, NO_LENGTHS | {DUPLICATE}),
    topology.neighbour_purity: (UNIT, NO_LENGTHS),
    topology.modality_silhouette: (UNIT, NO_LENGTHS),
}


def _data():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(40, 5)) + [1.0, 0.5, 0, 0, 0]
    return x, rng.normal(size=(40, 5)) + [0.7, 0.5, 0, -0.4, 0]


def _changed(change, x, y):
    rng = np.random.default_rng(3)
    if change == ROTATE:
        rotation = np.linalg.qr(rng.normal(size=(5, 5)))[0]
        return x @ rotation, y @ rotation
    if change == REORDER:
        return rng.permutation(x), rng.permutation(y)
    if change == SWAP:
        return y, x
    if change == RESCALE:
        return x * rng.uniform(0.1, 9, size=(40, 1)), y * rng.uniform(0.1, 9, size=(40, 1))
    if change == SHIFT:
        return x + [4.0, -3.0, 2.0, 5.0, -6.0], y + [4.0, -3.0, 2.0, 5.0, -6.0]
    if change == ENLARGE:
        return 3.0 * x, 3.0 * y
    return np.concatenate([x, x]), np.concatenate([y, y])


def _value(quantity, x, y, unit):
    if quantity is topology.component_deaths:
        return float(quantity(np.concatenate([x, y]), unit=unit).mean())
    return float(quantity(x, y, unit=unit))


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("quantity", ROWS, ids=lambda quantity: quantity.__name__)
def test_ignores_what_the_table_says_and_notices_the_rest(quantity, change, unit):
    x, y = _data()
    before, after = _value(quantity, x, y, unit), _value(quantity, *_changed(change, x, y), unit)
    if change in ROWS[quantity][0 if unit else 1]:
        assert after == pytest.approx(before, rel=1e-9, abs=1e-9)
    else:
        assert abs(after - before) > 1e-6

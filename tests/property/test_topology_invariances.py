"""What each quantity of bars ignores, as one table. Every change that a row does not name must be noticed."""

import numpy as np
import pytest

from crossgap import compare, topology

# the changes
ROTATE = "one rotation of the whole space"
ROTATE_ONE = "a rotation of y alone"
REORDER = "the same new order of the rows of both clouds"
MISPAIR = "a new order of the rows of y alone"
SWAP = "x and y change places"
SCALE = "all rows multiplied by one number"
SCALE_ONE = "all rows of y multiplied by one number"
RESCALE = "each row multiplied by a number of its own"
SHIFT = "one vector added to all rows"
SHIFT_ONE = "one vector added to the rows of y"

EACH_ROW = {SCALE, SCALE_ONE, RESCALE}  # of directions
ANY_ORDER = {REORDER, MISPAIR}
OF_X = {ROTATE, ROTATE_ONE, SCALE_ONE, SHIFT_ONE} | ANY_ORDER  # the shape of x alone
OF_BOTH = {ROTATE, ROTATE_ONE, SWAP} | ANY_ORDER  # of two shapes, wherever they lie
ONE_SPACE = {ROTATE} | ANY_ORDER  # of two clouds where they lie
SAME_ITEMS = {ROTATE, ROTATE_ONE, REORDER, SWAP}  # of two representations


def bars(rows, *, unit=True):
    return topology.persistence_diagrams(rows, unit=unit).diagrams[1]


def of_bars(quantity, **options):
    """A quantity of the loops of x."""
    return lambda x, y: quantity(bars(x, **options))


def between_bars(quantity):
    """A distance between the loops of x and of y, of directions."""
    return lambda x, y: quantity(bars(x), bars(y))


#   name                                    quantity, the changes it ignores
ROWS = {
    "total_persistence": (of_bars(topology.total_persistence), OF_X | EACH_ROW),
    "total_persistence, raw": (of_bars(topology.total_persistence, unit=False), OF_X | {SHIFT}),
    "longest_bar": (of_bars(topology.longest_bar), OF_X | EACH_ROW),
    "persistence_entropy": (of_bars(topology.persistence_entropy), OF_X | EACH_ROW),
    "persistence_entropy, raw": (of_bars(topology.persistence_entropy, unit=False), OF_X | {SHIFT, SCALE}),
    "betti_curve": (
        of_bars(lambda found: topology.betti_curve(found, np.linspace(0, 2, 101)) @ np.arange(101.0)),
        OF_X | EACH_ROW,
    ),
    "persistence_summaries": (
        lambda x, y: topology.persistence_summaries(x).mean[0].total_squared_persistence,
        OF_X | EACH_ROW,
    ),
    "bottleneck_distance": (between_bars(topology.bottleneck_distance), OF_BOTH | EACH_ROW),
    "diagram_wasserstein_distance": (between_bars(topology.diagram_wasserstein_distance), OF_BOTH | EACH_ROW),
    "sliced_diagram_distance": (between_bars(topology.sliced_diagram_distance), OF_BOTH | EACH_ROW),
    "landscape_distance": (between_bars(topology.landscape_distance), OF_BOTH | EACH_ROW),
    "cross_barcode": (
        lambda x, y: topology.total_persistence(topology.cross_barcode(x, y)),
        ONE_SPACE | EACH_ROW,
    ),
    "cross_barcode, raw": (
        lambda x, y: topology.total_persistence(topology.cross_barcode(x, y, unit=False)),
        ONE_SPACE | {SHIFT},
    ),
    "manifold_topology_divergence": (topology.manifold_topology_divergence, ONE_SPACE | EACH_ROW),
    "representation_topology_divergence": (
        compare.representation_topology_divergence,
        SAME_ITEMS | {SCALE, SCALE_ONE, SHIFT, SHIFT_ONE},
    ),
    "representation_topology_divergence, unit": (
        lambda x, y: compare.representation_topology_divergence(x, y, unit=True),
        SAME_ITEMS | EACH_ROW,
    ),
    "representation_cross_barcode": (
        lambda x, y: topology.total_persistence(compare.representation_cross_barcode(x, y)),
        {ROTATE, ROTATE_ONE, REORDER, SCALE, SCALE_ONE, SHIFT, SHIFT_ONE},
    ),
}
CHANGES = [ROTATE, ROTATE_ONE, REORDER, MISPAIR, SWAP, SCALE, SCALE_ONE, RESCALE, SHIFT, SHIFT_ONE]


def data():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(36, 4)) + [0.6, 0, 0, 0]
    return x, 0.7 * x + 0.5 * rng.normal(size=x.shape) - [0, 0.8, 0, 0]


def changed(change, x, y):
    rng = np.random.default_rng(3)
    turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    order = rng.permutation(len(x))
    away = np.array([0.4, 0.7, -0.3, 0.2])
    lengths = rng.uniform(0.1, 9, size=(2, len(x), 1))
    return {
        ROTATE: lambda: (x @ turn, y @ turn),
        ROTATE_ONE: lambda: (x, y @ turn),
        REORDER: lambda: (x[order], y[order]),
        MISPAIR: lambda: (x, y[order]),
        SWAP: lambda: (y, x),
        SCALE: lambda: (3 * x, 3 * y),
        SCALE_ONE: lambda: (x, 3 * y),
        RESCALE: lambda: (x * lengths[0], y * lengths[1]),
        SHIFT: lambda: (x + away, y + away),
        SHIFT_ONE: lambda: (x, y + away),
    }[change]()


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", list(ROWS))
def test_a_quantity_ignores_what_the_table_says_and_nothing_else(name, change):
    pytest.importorskip("gudhi")
    quantity, ignored = ROWS[name]
    before, after = quantity(*data()), quantity(*changed(change, *data()))
    if change in ignored:
        assert after == pytest.approx(before, rel=1e-9, abs=1e-9)
    else:
        assert abs(after - before) > 1e-4 * max(1, abs(before))

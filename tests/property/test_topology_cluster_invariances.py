"""One table for what is said of clusters: which changes of the rows each quantity ignores; it must notice the rest."""

import numpy as np
import pytest

from crossgap.topology import (
    cluster_purity,
    find_clusters,
    local_dimensions,
    modality_entropy,
    pairs_in_one_cluster,
)

ROTATE, REORDER, MISPAIR, SWAP, RESCALE, SHIFT = "rotate", "reorder", "mispair", "swap", "rescale", "shift x"


def labels(x, y):
    return find_clusters(x, y).by_group()


def purity(x, y):
    found = find_clusters(x, y)
    return cluster_purity(found.labels, found.groups())


def entropy(x, y):
    found = find_clusters(x, y)
    return modality_entropy(found.labels, found.groups())


def shared(x, y):
    return pairs_in_one_cluster(*labels(x, y))


def local(quantity):
    def of_the_clusters(x, y):
        a, b = labels(x, y)
        found = local_dimensions(x, y, x_labels=a, y_labels=b).clusters
        return sum(getattr(cluster.x, quantity) * cluster.x.n for cluster in found if cluster.x is not None)

    return of_the_clusters


def recall(x, y):
    a, b = labels(x, y)
    found = local_dimensions(x, y, x_labels=a, y_labels=b).clusters
    sizes = np.bincount(a[a >= 0], minlength=len(found))
    return sum((cluster.recall_x_to_y or 0.0) * sizes[cluster.cluster] ** 2 for cluster in found)


#   quantity                                    the changes it ignores; every other change must be noticed
ROWS = [
    ("cluster_purity", purity, {ROTATE, REORDER, MISPAIR, SWAP, RESCALE}),
    ("modality_entropy", entropy, {ROTATE, REORDER, MISPAIR, SWAP, RESCALE}),
    ("pairs_in_one_cluster", shared, {ROTATE, REORDER, SWAP, RESCALE}),
    ("local participation_ratio", local("participation_ratio"), {ROTATE, REORDER, MISPAIR, RESCALE}),
    ("local entropy_rank", local("entropy_rank"), {ROTATE, REORDER, MISPAIR, RESCALE}),
    ("local recall", recall, {ROTATE, REORDER, RESCALE}),
]


def data():
    """Nine bunches of both modalities, with a small gap that leaves some of them together."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(9), 30)
    spread = np.where(np.arange(12) < 7, 0.4, 0.1)
    shared = (2.5 * np.linalg.qr(rng.normal(size=(12, 9)))[0].T)[truth] + spread * rng.normal(size=(270, 12))
    x, y = (shared + 0.12 * rng.normal(size=shared.shape) for _ in range(2))
    x[truth < 4] += [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3.0]
    y[truth == 8] *= 1 + 0.2 * np.arange(12)
    return x, y


def changed(change, x, y):
    rng = np.random.default_rng(1)
    if change == ROTATE:
        rotation = np.linalg.qr(rng.normal(size=(12, 12)))[0]
        return x @ rotation, y @ rotation
    if change == REORDER:
        order = rng.permutation(len(x))
        return x[order], y[order]
    if change == MISPAIR:
        return x, y[rng.permutation(len(y))]
    if change == SWAP:
        return y, x
    if change == RESCALE:
        return x * rng.uniform(0.1, 9, size=(len(x), 1)), y * rng.uniform(0.1, 9, size=(len(y), 1))
    return x + np.r_[np.zeros(11), 4.0], y


@pytest.mark.parametrize("change", [ROTATE, REORDER, MISPAIR, SWAP, RESCALE, SHIFT])
@pytest.mark.parametrize(("name", "quantity", "ignored"), ROWS, ids=[name for name, *_ in ROWS])
def test_ignores_what_the_table_says_and_notices_the_rest(name, quantity, ignored, change):
    x, y = data()
    before, after = quantity(x, y), quantity(*changed(change, x, y))
    if change in ignored:
        assert after == pytest.approx(before, rel=1e-7, abs=1e-7)
    else:
        assert abs(after - before) > 1e-4

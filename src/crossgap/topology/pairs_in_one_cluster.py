"""A24: how often the two rows of a pair fall in one cluster."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.topology.cluster_purity import checked_labels

__all__ = ["pairs_in_one_cluster", "pairs_in_one_cluster_by_chance"]


def pairs_in_one_cluster(x_labels: Any, y_labels: Any) -> float:
    """Share of pairs whose two rows are in one cluster.

    Formula::

        mean_i [ c(x_i) = c(y_i), none of them noise ]

    How to read it: range [0, 1]; 0 behind a gap that keeps all clusters of one modality apart from those of the other,
    near 1 where a pair is closer than clusters are. Beside it stands what chance gives
    (``pairs_in_one_cluster_by_chance``): two large clusters hold half of all pairs by chance alone.

    Parameters
    ----------
    x_labels, y_labels
        The cluster of the two rows of each pair (n,); below 0 for noise.

    Raises
    ------
    TypeError
        If the labels are not whole numbers.
    ValueError
        If the two differ in length.
    DegenerateError
        If there are no pairs.

    Notes
    -----
    Cost: n comparisons. A pair with a row that is noise counts as apart.

    References
    ----------
    Defined here, from the protocol of Aziz and Rahim, arXiv 2405.18867, which judges by eye.

    Examples
    --------
    >>> pairs_in_one_cluster([0, 0, 1, -1], [0, 1, 1, -1])
    0.5
    """
    x, y = _pair(x_labels, y_labels)
    return float(np.mean((x == y) & (x >= 0)))


def pairs_in_one_cluster_by_chance(x_labels: Any, y_labels: Any, *, mixed: bool = False) -> float:
    """Share of pairs in one cluster that is expected when the pairs are shuffled, or the modalities too.

    Formula::

        shuffled pairs    sum_c a_c b_c / n^2                          (a_c, b_c rows of x and of y in cluster c)
        mixed             sum_c (a_c + b_c)(a_c + b_c - 1) / (2 n (2 n - 1))

    How to read it: the first is 0 behind a gap, so that already one shared pair is more than chance; the second is what
    the same cluster sizes would give without a gap and without pairs, so that a value below it tells of a gap.

    Parameters
    ----------
    x_labels, y_labels
        As in ``pairs_in_one_cluster``.
    mixed
        Shuffle the labels over the rows of both modalities, and not only the pairs.

    Raises
    ------
    TypeError, ValueError, DegenerateError
        As in ``pairs_in_one_cluster``.

    Notes
    -----
    Cost: n. Exact expectations, nothing is drawn. Noise is never together, as in the value itself.

    References
    ----------
    Defined here.

    Examples
    --------
    Two clusters with one row of each modality in both.

    >>> pairs_in_one_cluster_by_chance([0, 1], [0, 1])
    0.5
    >>> round(pairs_in_one_cluster_by_chance([0, 1], [0, 1], mixed=True), 4)  # 1 of the 3 other rows
    0.3333
    """
    x, y = _pair(x_labels, y_labels)
    clusters = 1 + max(int(x.max()), int(y.max()), 0)
    a, b = (np.bincount(labels[labels >= 0], minlength=clusters).astype(np.float64) for labels in (x, y))
    n = len(x)
    return float((a + b) @ (a + b - 1) / (2 * n * (2 * n - 1)) if mixed else a @ b / n**2)


def _pair(x_labels: Any, y_labels: Any) -> tuple[np.ndarray, np.ndarray]:
    x, y = checked_labels(x_labels, "x_labels"), checked_labels(y_labels, "y_labels")
    if len(x) != len(y):
        raise ValueError(
            f"x_labels and y_labels must pair one by one, but there are {len(x)} and {len(y)}; give those of pairs."
        )
    if len(x) == 0:
        raise DegenerateError("there are no pairs, so none is in one cluster; give the labels of at least one pair.")
    return x, y

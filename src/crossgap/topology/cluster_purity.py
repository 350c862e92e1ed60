"""A24: how far each cluster holds one modality alone."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError

__all__ = ["cluster_counts", "cluster_purity"]


def cluster_counts(labels: Any, groups: Any) -> np.ndarray:
    """Rows of each group in each cluster (clusters, groups); noise, labels below 0, is left out.

    How to read it: a line for each cluster in the order of the labels, a column for each group in the order of the
    groups' names; groups of which no row is in a cluster keep their column.

    Parameters
    ----------
    labels
        The cluster of each row (n,), whole numbers; below 0 for noise.
    groups
        The group of each row (n,), numbers or names.

    Raises
    ------
    TypeError
        If the labels are not whole numbers.
    ValueError
        If labels and groups are not two lists of one length.
    DegenerateError
        If all rows are noise.

    References
    ----------
    Defined here.

    Examples
    --------
    >>> cluster_counts([0, 0, 1, 1, -1], ["image", "text", "text", "text", "image"]).tolist()
    [[1, 1], [0, 2]]
    """
    labels, groups = checked_labels(labels), np.asarray(groups)
    if groups.shape != labels.shape:
        raise ValueError(
            f"groups must be one for each of the {len(labels)} labels, but their shape is {groups.shape}; give a list."
        )
    kept = labels >= 0
    if not kept.any():
        raise DegenerateError("all rows are noise, so there is no cluster; find clusters with a fallback.")
    names, columns = np.unique(groups, return_inverse=True)
    clusters, lines = np.unique(labels[kept], return_inverse=True)
    cells = np.bincount(lines * len(names) + columns[kept], minlength=len(clusters) * len(names))
    return cells.reshape(len(clusters), len(names))


def checked_labels(labels: Any, name: str = "labels") -> np.ndarray:
    """Return cluster labels as an array of whole numbers."""
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(f"{name} must be one for each row, but their shape is {labels.shape}; give a list.")
    if labels.dtype.kind not in "iu":
        raise TypeError(
            f"{name} must be whole numbers, below 0 for noise, but their dtype is {labels.dtype}; number the clusters."
        )
    return labels


def cluster_purity(labels: Any, groups: Any) -> float:
    """Share of the clustered rows that belong to the group with most rows in their cluster.

    Formula::

        sum_c max_g n_cg / sum_c n_c        (n_cg rows of group g in cluster c; noise is left out)

    How to read it: 1 when each cluster holds one modality alone, as CLIP's do; the share of the largest group (1/2 for
    two equal ones) when every cluster holds the same mixture, and somewhat above it by chance where clusters are small.
    It sees only which side of a gap a row is on, not how wide the gap is, and no pairs.

    Parameters
    ----------
    labels, groups
        As in ``cluster_counts``; the groups are as a rule the modalities.

    Raises
    ------
    TypeError, ValueError, DegenerateError
        As in ``cluster_counts``.

    Notes
    -----
    Cost: one sort of n labels. Say the share of noise beside it.

    References
    ----------
    Manning, Raghavan, Schütze, *Introduction to Information Retrieval*, 2008, section 16.3 (purity).

    Examples
    --------
    One mixed cluster of two rows and one pure of two; the noise row does not count.

    >>> cluster_purity([0, 0, 1, 1, -1], ["image", "text", "text", "text", "image"])
    0.75
    """
    counts = cluster_counts(labels, groups)
    return float(counts.max(axis=1).sum() / counts.sum())

"""A24: the silhouette of two modalities as if they were two clusters."""

import numpy as np

from crossgap.geometry.rows import BLOCK_ROWS, Rows, as_numpy, unit_rows
from crossgap.topology.pooled_rows import pooled_rows

__all__ = ["modality_silhouette", "modality_silhouette_per_row"]


def modality_silhouette(x: Rows, y: Rows, *, unit: bool = True, check: bool = True) -> float:
    """Mean silhouette of all rows, with the two groups as the clusters.

    Formula::

        mean over all n + m rows of (b_i - a_i) / max(a_i, b_i)
        a_i: mean distance to the other rows of its group;  b_i: mean distance to the rows of the other group

    How to read it: range [-1, 1]. By chance it is 0 on average: rows are as near to the other group as to their own. In
    many dimensions distances are alike, so a gap that separates all rows may give no more than 0.1 to 0.3; 1 needs
    groups that are points. Below 0, rows lie nearer to the other group. Unlike ``neighbour_purity`` it grows with the
    width of a gap.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d), at least 2 each; pairs are not needed.
    unit
        Bring rows to length 1 first, so that distances are chordal; False takes them as they are, as for a map.
    check
        Refuse non-finite rows, and with ``unit`` rows of zeros.

    Returns
    -------
    A Python float.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or a row is not finite, or with ``unit`` zero.
    DegenerateError
        If a group has fewer than two rows.

    Notes
    -----
    Cost: (n + m)^2 d flops in float64, in blocks, over all rows. Where groups differ in size the larger one counts
    more; ``modality_silhouette_per_row`` gives the rows of each. Distances are Euclidean; with squared or cosine
    distances, as some tools take, values are larger.

    References
    ----------
    Rousseeuw, *Silhouettes*, Journal of Computational and Applied Mathematics 20 (1987), section 2.

    Examples
    --------
    Each row is 1 from its like; those at 0 and 5 are 4.5 from the other group, those at 1 and 4 are 3.5.

    >>> x, y = np.array([[0.0], [1.0]]), np.array([[4.0], [5.0]])
    >>> round(modality_silhouette(x, y, unit=False), 4)  # (3.5 / 4.5 + 2.5 / 3.5) / 2
    0.746
    """
    return float(np.concatenate(modality_silhouette_per_row(x, y, unit=unit, check=check)).mean())


def modality_silhouette_per_row(
    x: Rows, y: Rows, *, unit: bool = True, check: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Silhouette of each row, with the two groups as the clusters.

    Formula::

        (b_i - a_i) / max(a_i, b_i)        (a_i, b_i as in ``modality_silhouette``; 0 where both are 0)

    How to read it: as ``modality_silhouette``, whose terms these are; rows below 0 lie nearer to the other group.

    Parameters
    ----------
    x, y, unit, check
        As in ``modality_silhouette``.

    Returns
    -------
    Two NumPy arrays in float64, of the rows of x (n,) and of y (m,).

    Raises
    ------
    ValueError, DegenerateError
        As in ``modality_silhouette``.

    Notes
    -----
    Cost: as ``modality_silhouette``.

    References
    ----------
    Rousseeuw, *Silhouettes*, Journal of Computational and Applied Mathematics 20 (1987), section 2.

    Examples
    --------
    >>> x, y = np.array([[0.0], [1.0]]), np.array([[4.0], [5.0]])
    >>> modality_silhouette_per_row(x, y, unit=False)[0].round(4).tolist()
    [0.7778, 0.7143]
    """
    rows = as_numpy(pooled_rows(x, y, least=2, unit=unit, check=check), np.float64)
    n, m = int(x.shape[0]), int(y.shape[0])
    of = np.zeros((n + m, 2))
    of[:n, 0] = of[n:, 1] = 1.0
    sums = _distance_sums(unit_rows(rows, check=False) if unit else rows, of)
    own, other = (sums * of).sum(axis=1), (sums * (1.0 - of)).sum(axis=1)
    a = own / (of @ [n - 1, m - 1])
    b = other / (of @ [m, n])
    larger = np.maximum(a, b)
    values = np.where(larger > 0, (b - a) / np.where(larger > 0, larger, 1.0), 0.0)
    return values[:n], values[n:]


def _distance_sums(rows: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Sum of the distances of each row to the rows of each group (N, groups), in blocks on and above the diagonal."""
    rows = rows - rows.mean(axis=0)
    squares = np.vecdot(rows, rows)
    sums = np.zeros(of.shape)
    for start in range(0, len(rows), BLOCK_ROWS):
        here = slice(start, start + BLOCK_ROWS)
        for first in range(start, len(rows), BLOCK_ROWS):
            there = slice(first, first + BLOCK_ROWS)
            distances = squares[here, None] + squares[there] - 2.0 * (rows[here] @ rows[there].T)
            distances = np.sqrt(np.maximum(distances, 0.0, out=distances), out=distances)
            if first == start:
                np.fill_diagonal(distances, 0.0)
            else:
                sums[there] += distances.T @ of[here]
            sums[here] += distances @ of[there]
    return sums

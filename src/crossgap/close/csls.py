"""C10: cross-domain similarity local scaling, a correction of scores against hubs and against a favoured modality."""

import numpy as np

from crossgap.geometry.neighbours import nearest_rows
from crossgap.geometry.rows import Rows, check_lengths, check_rows, check_same_dimension
from crossgap.geometry.score_offsets import cosine_matrix

__all__ = ["csls_offsets", "csls_scores"]


def csls_scores(queries: Rows, gallery: Rows, bank: Rows, *, k: int = 10, check: bool = True) -> np.ndarray:
    """Correct each cosine by how crowded the neighbourhoods of its two rows are.

    Formula::

        CSLS_ij = 2 cos(q_i, g_j) - r_i - r_j
        r_i: mean cosine of q_i with its k nearest gallery rows
        r_j: mean cosine of g_j with its k nearest rows of the bank

    How to read it: range [-4, 4], higher is nearer; only the order within a query matters. A gallery row that is near
    to many queries (a hub, or any row of the queries' own modality in a mixed corpus) has a large r_j and falls back.

    Parameters
    ----------
    queries, gallery
        Rows (n, d) and (m, d).
    bank
        Rows (b, d) of the kind of the queries, to learn r_j from: earlier queries, or a calibration half. Give
        ``bank=queries`` to use the test queries themselves, which looks at the test set: record it.
    k
        Length of the neighbourhoods, between 1 and the rows of the gallery and of the bank.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    Scores (n, m) in float64.

    Raises
    ------
    ValueError
        If ``k`` is out of range, dimensions differ, or a row is zero or not finite.

    Notes
    -----
    Cost: 2 (n + b) m d flops, and the result in memory. r_j is one number for each gallery row: ``csls_offsets`` gives
    r_j / 2, which can be stored as one more coordinate. r_i moves all scores of a query alike.

    References
    ----------
    Conneau et al., *Word translation without parallel data*, ICLR 2018, arXiv 1710.04087, section 2.3.

    Examples
    --------
    The first gallery row is near to the whole bank, so the second wins.

    >>> gallery = np.array([[1.0, 0.0], [0.6, 0.8]])
    >>> bank = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> csls_scores(np.array([[0.8, 0.6]]), gallery, bank, k=1).round(2).tolist()
    [[-0.36, 0.36]]
    """
    scores = cosine_matrix(queries, gallery, check=check)
    offsets = csls_offsets(gallery, bank, k=k, check=check)
    if not 1 <= k <= scores.shape[1]:
        raise ValueError(
            f"k must lie between 1 and the {scores.shape[1]} rows of the gallery, but it is {k}; choose a smaller k."
        )
    nearest = np.partition(scores, scores.shape[1] - k, axis=1)[:, scores.shape[1] - k :]
    return 2 * (scores - offsets) - nearest.mean(axis=1)[:, None]


def csls_offsets(
    gallery: Rows, bank: Rows, *, k: int = 10, leave_out_self: bool = False, check: bool = True
) -> np.ndarray:
    """Return r_j / 2 for each gallery row: rank by cos(q, g_j) minus it, and the order is that of CSLS.

    Formula::

        offset_j = (1/2) mean of the k highest cosines of g_j with the rows of the bank

    How to read it: range [-1/2, 1/2]; the larger, the more the row is held back. Stored as one more coordinate of the
    gallery rows (with 1 in every query), it makes a plain index of inner products search by CSLS; for cosines see
    ``crossgap.geometry.score_offsets.rows_with_offsets``.

    Parameters
    ----------
    gallery, bank, k, check
        As in ``csls_scores``.
    leave_out_self
        Row i of the bank is row i of the gallery, and is no neighbour of it.

    Returns
    -------
    Numbers (m,) in float64.

    Raises
    ------
    ValueError
        As in ``csls_scores``.

    Notes
    -----
    Cost: 2 b m d flops in blocks.

    References
    ----------
    As ``csls_scores``.

    Examples
    --------
    >>> csls_offsets(np.eye(2), np.array([[1.0, 0.0], [0.6, 0.8]]), k=1).tolist()
    [0.5, 0.4]
    """
    check_rows(gallery, "gallery")
    b, _ = check_rows(bank, "bank")
    check_same_dimension(gallery, bank, ("gallery", "bank"))
    if not 1 <= k <= b - leave_out_self:
        raise ValueError(
            f"k must lie between 1 and the {b - leave_out_self} rows of the bank, but it is {k}; choose a smaller k, "
            f"or give a larger bank."
        )
    if check:
        check_lengths(gallery, "gallery")
        check_lengths(bank, "bank")
    return nearest_rows(gallery, bank, k, leave_out_self=leave_out_self, check=False).cosines.mean(axis=1) / 2

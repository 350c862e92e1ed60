"""C10: Sinkhorn-normalised scores, which give every gallery row the same share of the queries."""

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import Rows, check_lengths, check_rows, check_same_dimension
from crossgap.geometry.score_offsets import check_temperature, cosine_matrix, log_sum_exp

__all__ = ["sinkhorn_offsets", "sinkhorn_scores"]


def sinkhorn_scores(
    queries: Rows,
    gallery: Rows,
    bank: Rows,
    *,
    temperature: float = 0.05,
    iterations: int = 1000,
    tolerance: float = 1e-6,
    check: bool = True,
) -> np.ndarray:
    """Correct the cosines so that the bank, shared out over the gallery, fills every row alike.

    Formula::

        P_bj = exp((cos(b, g_j) - f_b - o_j) / T),   sum_j P_bj = 1 for each b,   sum_b P_bj = b/m for each j
        s_ij = cos(q_i, g_j) - o_j

    How to read it: in the unit of the cosine; only the order within a query matters. After one half-step o_j is the
    offset of the inverted softmax; the balance goes on until rows and columns both add up. It presumes that every
    gallery row is wanted equally often: right for a gallery of one partner each, wrong where most rows answer nothing.

    Parameters
    ----------
    queries, gallery
        Rows (n, d) and (m, d).
    bank
        Rows (b, d) of the kind of the queries: earlier queries, or a calibration half. ``bank=queries`` balances the
        test queries themselves, which looks at the test set: record it.
    temperature
        T, the weight of the entropy. Smaller is closer to one exact assignment, and slower.
    iterations, tolerance
        Most updates, and the change of the offsets at which they have settled.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    Scores (n, m) in float64.

    Raises
    ------
    ValueError
        If ``temperature``, ``iterations`` or ``tolerance`` is not above 0, dimensions differ, or a row is zero or not
        finite.
    DegenerateError
        If the offsets have not settled after ``iterations``.

    Notes
    -----
    Cost: 2 (n + b) m d flops and 2 b m exponentials an update; the cosines of bank and gallery in memory. The
    correction is one number for each gallery row, ``sinkhorn_offsets``, so it carries over to new queries.

    References
    ----------
    Sinkhorn and Knopp, *Concerning nonnegative matrices and doubly stochastic matrices*, 1967; Cuturi, *Sinkhorn
    Distances*, NIPS 2013, arXiv 1306.0895.

    Examples
    --------
    Both rows of the bank prefer the first gallery row; the offsets make it as dear as the second.

    >>> gallery, bank = np.array([[1.0, 0.0], [0.6, 0.8]]), np.array([[1.0, 0.0], [0.8, 0.6]])
    >>> scores = sinkhorn_scores(bank, gallery, bank, temperature=0.1)
    >>> scores.argmax(axis=1).tolist()
    [0, 1]
    """
    scores = cosine_matrix(queries, gallery, check=check)
    return scores - sinkhorn_offsets(
        gallery, bank, temperature=temperature, iterations=iterations, tolerance=tolerance, check=check
    )


def sinkhorn_offsets(
    gallery: Rows,
    bank: Rows,
    *,
    temperature: float = 0.05,
    iterations: int = 1000,
    tolerance: float = 1e-6,
    leave_out_self: bool = False,
    check: bool = True,
) -> np.ndarray:
    """Return o_j for each gallery row: rank by cos(q, g_j) minus it.

    Formula::

        o_j = T log( (m/b) sum_b exp((cos(b, g_j) - f_b) / T) ),   f_b = T log sum_j exp((cos(b, g_j) - o_j) / T)

    How to read it: a price; rows that many queries want cost more. The mean of the prices is 0. Stored as one more
    coordinate of the gallery rows (with 1 in every query), it makes a plain index of inner products search by
    Sinkhorn's scores; for cosines see ``crossgap.geometry.score_offsets.rows_with_offsets``.

    Parameters
    ----------
    gallery, bank, temperature, iterations, tolerance, check
        As in ``sinkhorn_scores``.
    leave_out_self
        Row i of the bank is row i of the gallery, and none of it goes there.

    Returns
    -------
    Numbers (m,) in float64.

    Raises
    ------
    ValueError, DegenerateError
        As in ``sinkhorn_scores``.

    Notes
    -----
    Cost: 2 b m d flops, b m numbers in memory, and 2 b m exponentials an update.

    References
    ----------
    As ``sinkhorn_scores``.

    Examples
    --------
    >>> sinkhorn_offsets(np.eye(2), np.eye(2), temperature=0.1).round(9).tolist()
    [0.0, 0.0]
    """
    check_temperature(temperature)
    if iterations < 1 or not tolerance > 0:
        raise ValueError(
            f"iterations must be at least 1 and tolerance above 0, but they are {iterations} and {tolerance}; 1000 and "
            f"1e-6 are usual."
        )
    m, _ = check_rows(gallery, "gallery", least=1 + leave_out_self)
    b, _ = check_rows(bank, "bank", least=1 + leave_out_self)
    check_same_dimension(gallery, bank, ("gallery", "bank"))
    if check:
        check_lengths(gallery, "gallery")
        check_lengths(bank, "bank")
    logits = cosine_matrix(bank, gallery, check=False) / temperature
    if leave_out_self:
        same = np.arange(min(b, m))
        logits[same, same] = -np.inf
    offsets, change = np.zeros(m), np.inf
    for _ in range(iterations):
        received = log_sum_exp(logits - log_sum_exp(logits - offsets, axis=1)[:, None], axis=0)
        new = received - received.mean()
        change = float(np.abs(new - offsets).max())
        offsets = new
        if temperature * change <= tolerance:
            return temperature * offsets
    raise DegenerateError(
        f"the offsets still change by {temperature * change:.1e} after {iterations} iterations at temperature = "
        f"{temperature}; give a larger temperature or more iterations."
    )

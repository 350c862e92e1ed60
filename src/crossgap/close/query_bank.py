"""C10: query bank normalisation (QB-Norm) with the dynamic inverted softmax."""

import numpy as np

from crossgap.close.inverted_softmax import inverted_softmax_offsets
from crossgap.geometry.neighbours import nearest_rows
from crossgap.geometry.rows import Rows, check_lengths, check_rows, check_same_dimension
from crossgap.geometry.score_offsets import check_temperature, cosine_matrix

__all__ = ["activation_set", "query_bank_scores"]


def query_bank_scores(
    queries: Rows, gallery: Rows, bank: Rows, *, temperature: float = 0.05, k: int = 1, check: bool = True
) -> np.ndarray:
    """Correct the scores by the inverted softmax, but only of queries whose best row is known to be a hub.

    Formula::

        s_ij = cos(q_i, g_j) - T log sum_b exp(cos(b, g_j) / T)   if argmax_l cos(q_i, g_l) is in A
        s_ij = cos(q_i, g_j)                                     otherwise
        A = { j : g_j is among the k gallery rows nearest to some row of the bank }

    How to read it: in the unit of the cosine; only the order within a query matters, and scores of two queries do not
    compare. A query that runs into no row of the activation set A keeps its order exactly, so a bank that does not fit
    the queries does little harm, unlike with the plain inverted softmax.

    Parameters
    ----------
    queries, gallery
        Rows (n, d) and (m, d).
    bank
        Rows (b, d) of the kind of the queries, such as training queries; the paper uses no test queries.
        ``bank=queries`` looks at the test set: record it.
    temperature
        T, the reciprocal of the paper's inverse temperature beta = 20.
    k
        How many rows each row of the bank puts into A; the paper uses 1.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    Scores (n, m) in float64.

    Raises
    ------
    ValueError
        If ``temperature`` is not above 0, ``k`` is out of range, dimensions differ, or a row is zero or not finite.

    Notes
    -----
    Cost: 2 (n + 2 b) m d flops and b m exponentials, and the result in memory. The choice is made anew for each query,
    so unlike CSLS and the inverted softmax it is no one number for each gallery row: an index needs a second search.
    The paper's code gives the exponentials of the corrected scores; the order of each query is the same.

    References
    ----------
    Bogolin et al., *Cross Modal Retrieval with Querybank Normalisation*, CVPR 2022, arXiv 2112.12777, section 3.

    Examples
    --------
    The first query's best row is in the activation set; that of the second is not, so its cosines stay.

    >>> gallery = np.array([[1.0, 0.0], [0.6, 0.8]])
    >>> queries = np.array([[0.96, 0.28], [0.6, 0.8]])
    >>> query_bank_scores(queries, gallery, np.array([[1.0, 0.0]]), temperature=0.1).round(2).tolist()
    [[-0.04, 0.2], [0.6, 1.0]]
    """
    check_temperature(temperature)
    scores = cosine_matrix(queries, gallery, check=check)
    active = activation_set(gallery, bank, k=k, check=check)
    corrected = active[scores.argmax(axis=1)]
    offsets = inverted_softmax_offsets(gallery, bank, temperature=temperature, check=False)
    return np.where(corrected[:, None], scores - offsets, scores)


def activation_set(
    gallery: Rows, bank: Rows, *, k: int = 1, leave_out_self: bool = False, check: bool = True
) -> np.ndarray:
    """Return which gallery rows some query of the bank has among its k nearest: (m,) of True and False.

    How to read it: a query whose nearest row is marked is one for ``query_bank_scores`` to correct.

    Parameters
    ----------
    gallery, bank, k, check
        As in ``query_bank_scores``.
    leave_out_self
        Row i of the bank is row i of the gallery, and does not find itself.

    Raises
    ------
    ValueError
        As in ``query_bank_scores``.

    Notes
    -----
    Cost: 2 b m d flops in blocks.

    References
    ----------
    As ``query_bank_scores``.

    Examples
    --------
    >>> activation_set(np.eye(3), np.array([[1.0, 0.1, 0.0]])).tolist()
    [True, False, False]
    """
    m, _ = check_rows(gallery, "gallery")
    check_rows(bank, "bank")
    check_same_dimension(gallery, bank, ("gallery", "bank"))
    if not 1 <= k <= m - leave_out_self:
        raise ValueError(
            f"k must lie between 1 and the {m - leave_out_self} gallery rows that the bank can find, but it is {k}; "
            f"choose a smaller k."
        )
    if check:
        check_lengths(gallery, "gallery")
        check_lengths(bank, "bank")
    found = nearest_rows(bank, gallery, k, leave_out_self=leave_out_self, check=False).rows
    active = np.zeros(m, dtype=bool)
    active[found] = True
    return active

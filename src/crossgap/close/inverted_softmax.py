"""C10: the inverted softmax, which asks how likely a gallery row would choose the query among a bank of queries."""

import numpy as np

from crossgap.geometry.rows import Rows, check_rows, check_same_dimension
from crossgap.geometry.score_offsets import check_temperature, cosine_matrix, log_sums

__all__ = ["inverted_softmax_offsets", "inverted_softmax_scores"]


def inverted_softmax_scores(
    queries: Rows, gallery: Rows, bank: Rows, *, temperature: float = 0.05, check: bool = True
) -> np.ndarray:
    """Correct each cosine by how well its gallery row suits a bank of queries.

    Formula::

        s_ij = T log( exp(cos(q_i, g_j) / T) / sum_b exp(cos(b, g_j) / T) )
             = cos(q_i, g_j) - T log sum_b exp(cos(b, g_j) / T),        b over the bank, T the temperature

    How to read it: in the unit of the cosine; only the order within a query matters. exp(s_ij / T) is the probability
    with which row j picks query i out of the bank, where i is in it. A row that suits every query falls back.

    Parameters
    ----------
    queries, gallery
        Rows (n, d) and (m, d).
    bank
        Rows (b, d) of the kind of the queries: earlier queries, or a calibration half. Give ``bank=queries`` to use the
        test queries themselves, as the paper does, which looks at the test set: record it.
    temperature
        T. Small: only the nearest of the bank counts; large: all count alike.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    Scores (n, m) in float64.

    Raises
    ------
    ValueError
        If ``temperature`` is not above 0, dimensions differ, or a row is zero or not finite.

    Notes
    -----
    Cost: 2 (n + b) m d flops and b m exponentials, and the result in memory. The correction is one number for each
    gallery row, ``inverted_softmax_offsets``. The paper normalises the probabilities of each query to sum 1 as well,
    which moves no order; here the logarithm is kept, so that nothing underflows.

    References
    ----------
    Smith et al., *Offline bilingual word vectors, orthogonal transformations and the inverted softmax*, ICLR 2017,
    arXiv 1702.03859.

    Examples
    --------
    The first gallery row suits the whole bank.

    >>> gallery = np.array([[1.0, 0.0], [0.6, 0.8]])
    >>> bank = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> inverted_softmax_scores(np.array([[0.8, 0.6]]), gallery, bank, temperature=0.1).round(3).tolist()
    [[-0.269, 0.291]]
    """
    check_temperature(temperature)
    scores = cosine_matrix(queries, gallery, check=check)
    return scores - inverted_softmax_offsets(gallery, bank, temperature=temperature, check=check)


def inverted_softmax_offsets(
    gallery: Rows, bank: Rows, *, temperature: float = 0.05, leave_out_self: bool = False, check: bool = True
) -> np.ndarray:
    """Return T log sum_b exp(cos(b, g_j) / T) for each gallery row: rank by cos(q, g_j) minus it.

    Formula::

        offset_j = T log sum over the bank of exp(cos(b, g_j) / T)

    How to read it: between the highest cosine with the bank and that plus T log b. Stored as one more coordinate of the
    gallery rows (with 1 in every query), it makes a plain index of inner products search by the inverted softmax; for
    cosines see ``crossgap.geometry.score_offsets.rows_with_offsets``.

    Parameters
    ----------
    gallery, bank, temperature, check
        As in ``inverted_softmax_scores``.
    leave_out_self
        Row i of the bank is row i of the gallery, and does not count for it.

    Returns
    -------
    Numbers (m,) in float64.

    Raises
    ------
    ValueError
        As in ``inverted_softmax_scores``, and if the bank holds nothing but the row itself.

    Notes
    -----
    Cost: 2 b m d flops and b m exponentials, in blocks.

    References
    ----------
    As ``inverted_softmax_scores``.

    Examples
    --------
    >>> inverted_softmax_offsets(np.eye(2), np.eye(2)[:1], temperature=0.1).round(9).tolist()
    [1.0, 0.0]
    """
    check_temperature(temperature)
    check_rows(gallery, "gallery")
    check_rows(bank, "bank", least=1 + leave_out_self)
    check_same_dimension(gallery, bank, ("gallery", "bank"))
    return temperature * log_sums(gallery, bank, temperature, leave_out_self=leave_out_self, check=check)

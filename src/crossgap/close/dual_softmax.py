"""C10: dual softmax, which wants query and gallery row to choose each other."""

import numpy as np

from crossgap.close.inverted_softmax import inverted_softmax_offsets
from crossgap.geometry.rows import Rows
from crossgap.geometry.score_offsets import check_temperature, cosine_matrix, log_sum_exp

__all__ = ["dual_softmax_scores"]


def dual_softmax_scores(
    queries: Rows, gallery: Rows, bank: Rows, *, temperature: float = 0.05, check: bool = True
) -> np.ndarray:
    """Multiply the probability that the query picks the row with the probability that the row picks the query.

    Formula::

        s_ij = T log( p(j | i) p(i | j) )
        p(j | i) = exp(cos(q_i, g_j) / T) / sum over the gallery of exp(cos(q_i, g_l) / T)
        p(i | j) = exp(cos(q_i, g_j) / T) / sum over the bank of exp(cos(b, g_j) / T)

    How to read it: in the unit of the cosine; only the order within a query matters, and that is the order of the
    cosine less *half* of the inverted softmax' offset. CSLS has means over neighbours in place of the log sums.

    Parameters
    ----------
    queries, gallery, bank, temperature, check
        As in ``inverted_softmax_scores``.

    Returns
    -------
    Scores (n, m) in float64.

    Raises
    ------
    ValueError
        As in ``inverted_softmax_scores``.

    Notes
    -----
    Cost: 2 (n + b) m d flops and (n + b) m exponentials, and the result in memory. For an index: half of
    ``inverted_softmax_offsets``. Cheng et al. multiply the cosine itself with p(i | j), the bank being the test
    queries; where cosines are negative, as after mean removal, that turns the order round, so both factors are
    probabilities here.

    References
    ----------
    Cheng et al., *Improving Video-Text Retrieval by Multi-Stream Corpus Alignment and Dual Softmax Loss*, 2021,
    arXiv 2109.04290; Rocco et al., *Neighbourhood Consensus Networks*, NeurIPS 2018 (both factors as probabilities).

    Examples
    --------
    >>> gallery = np.array([[1.0, 0.0], [0.6, 0.8]])
    >>> bank = np.array([[1.0, 0.0], [1.0, 0.0]])
    >>> scores = dual_softmax_scores(np.array([[0.8, 0.6]]), gallery, bank, temperature=0.1)
    >>> round(float(scores[0, 1] - scores[0, 0]), 9)  # 2 (0.96 - 0.8) + (1 - 0.6)
    0.72
    """
    check_temperature(temperature)
    scores = cosine_matrix(queries, gallery, check=check)
    offsets = inverted_softmax_offsets(gallery, bank, temperature=temperature, check=check)
    own = temperature * log_sum_exp(scores / temperature, axis=1)
    return 2 * scores - offsets - own[:, None]

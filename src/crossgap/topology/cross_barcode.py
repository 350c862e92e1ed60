"""A23: the shape that one cloud has and another, in the same space, has not."""

import numpy as np

from crossgap.geometry.rows import Rows, check_same_dimension
from crossgap.topology.distance_matrix import distance_matrix, spread_rows
from crossgap.topology.persistence import check_degree, rips_bars

__all__ = ["cross_barcode", "cross_bars"]


def cross_barcode(p: Rows, q: Rows, *, degree: int = 1, unit: bool = True) -> np.ndarray:
    """Bars of the cloud ``p`` once the cloud ``q`` is filled in: what ``p`` has and ``q`` has not.

    Formula::

        Rips bars of the rows of p and q together, with all distances between rows of q set to 0

    How to read it: no bars where every row of ``p`` is also one of ``q``. Degree 0: rows of ``p`` far from ``q``, bar
    by bar the edges by which they join it. Degree 1: places where ``p`` closes a loop or bridges a space that ``q``
    leaves open. Not symmetric: shape of ``q`` that ``p`` lacks shows in ``cross_barcode(q, p)``. Unlike RTD it needs
    one space and no pairs, and it sees a gap between the clouds.

    Parameters
    ----------
    p, q
        Rows (n, d) and (m, d) in one space.
    degree
        0, 1 or 2. Degree 0 works without extras; 1 and 2 need gudhi (``crossgap[topology]``).
    unit
        Take chordal distances, those of the rows at length 1; else Euclidean distances of the rows as they are.

    Returns
    -------
    Bars (bars, 2), sorted by birth, then death; bars of length 0 are left out.

    Raises
    ------
    ValueError
        If ``degree`` is out of range, the clouds differ in dimension, or a row is zero (with ``unit``) or not finite.
    MissingExtraError
        If ``degree`` is above 0 and gudhi is not installed.

    Notes
    -----
    Cost: Rips bars of n + m rows, all taken; ``manifold_topology_divergence`` samples. The roles are those of the
    paper. A recipe that sets the distances between rows of ``p`` to 0 instead gives ``cross_barcode(q, p)``.

    References
    ----------
    Barannikov et al., *Manifold Topology Divergence: a Framework for Comparing Data Manifolds*, NeurIPS 2021, arXiv
    2106.04024, section 2.

    Examples
    --------
    One row of ``p`` is in ``q``, the other 1 away from its nearest there.

    >>> p, q = np.array([[0.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 0.0], [5.0, 0.0]])
    >>> cross_barcode(p, q, degree=0, unit=False).tolist()
    [[0.0, 1.0]]
    """
    check_degree(degree)
    p_rows, q_rows = spread_rows(p, "p", unit=unit, least=1), spread_rows(q, "q", unit=unit, least=1)
    check_same_dimension(p, q, ("p", "q"))
    return cross_bars(p_rows, q_rows, degree)


def cross_bars(p: np.ndarray, q: np.ndarray, degree: int) -> np.ndarray:
    """Return the bars of checked rows."""
    distances = distance_matrix(np.concatenate([q, p]))
    distances[: len(q), : len(q)] = 0
    return rips_bars(distances, [degree])[0]

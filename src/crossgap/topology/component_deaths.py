"""A23: where the components of a growing cloud merge, which is its persistent homology in dimension 0."""

import numpy as np

from crossgap.geometry.minimum_spanning_tree import minimum_spanning_tree
from crossgap.geometry.rows import Rows, check_rows

__all__ = ["component_deaths"]


def component_deaths(x: Rows, *, unit: bool = True, check: bool = True) -> np.ndarray:
    """Distances at which components of one group of rows merge: the deaths of persistent homology in dimension 0.

    Formula::

        the n - 1 edge lengths of the minimum spanning tree of |x_i - x_j|, in ascending order

    How to read it: every row is a component of its own at distance 0, and joins another at a death; the last one never
    dies and is not listed. Many small deaths and one long last one are two clusters far apart; deaths of one size are
    an even cloud. Lengths of unit rows lie in [0, 2]. It sees no loops (dimension 1) and no pairs.

    Parameters
    ----------
    x
        Rows (n, d), n at least 2.
    unit
        Bring rows to length 1 first, so that distances are chordal; False takes them as they are, as for a map.
    check
        Refuse non-finite rows, and with ``unit`` rows of zeros.

    Returns
    -------
    A NumPy array (n - 1,) in float64.

    Raises
    ------
    ValueError
        If a row is not finite, or with ``unit`` zero.
    DegenerateError
        If ``x`` has fewer than two rows.

    Notes
    -----
    Exact: equal to single linkage, without the matrix of all distances. Cost: n^2 d flops and some more where clusters
    lie far apart. A death is the distance itself, as in Vietoris-Rips filtrations of ripser and gudhi; conventions with
    balls of a radius have half of it.

    References
    ----------
    Edelsbrunner and Harer, *Computational Topology*, 2010, sections VII.1 and VII.2; Gower and Ross, *Minimum spanning
    trees and single linkage cluster analysis*, Applied Statistics 18 (1969).

    Examples
    --------
    Points at 0, 1, 4 and 6 on a line.

    >>> component_deaths(np.array([[0.0], [1.0], [4.0], [6.0]]), unit=False).tolist()
    [1.0, 2.0, 3.0]
    """
    check_rows(x, "x", least=2)
    return minimum_spanning_tree(x, unit=unit, check=check)[1]

"""A23: how many holes are open at each distance."""

import numpy as np

from crossgap.topology.diagram import check_diagram

__all__ = ["betti_curve"]


def betti_curve(diagram: np.ndarray, thresholds: np.ndarray, *, endless: int = 0) -> np.ndarray:
    """Number of bars alive at each of some distances.

    Formula::

        beta(t) = # bars with b <= t < d, plus ``endless``

    How to read it: a count at each distance. In degree 0 with ``endless=1`` it is the number of clusters when rows
    nearer than t hang together, from n at 0 down to 1. A late plateau at 2 is a cloud of two parts.

    Parameters
    ----------
    diagram
        Bars (bars, 2), birth and death.
    thresholds
        Distances (m,), in any order.
    endless
        Bars that never end, which diagrams here leave out: 1 in degree 0, else 0.

    Returns
    -------
    Counts (m,), int64.

    Raises
    ------
    ValueError
        If ``endless`` is negative, ``thresholds`` is not one row of finite numbers, or ``diagram`` is none.

    Notes
    -----
    Cost: two sorts. Its integral over t is ``total_persistence``.

    References
    ----------
    Edelsbrunner and Harer, *Computational Topology*, 2010, chapter VII.1 (persistent Betti numbers).

    Examples
    --------
    >>> betti_curve(np.array([[0.0, 1.0], [0.0, 3.0]]), np.array([0.0, 1.0, 2.0, 3.0]), endless=1).tolist()
    [3, 2, 2, 1]
    """
    diagram = check_diagram(diagram)
    thresholds = np.asarray(thresholds, dtype=np.float64)
    if thresholds.ndim != 1 or not np.isfinite(thresholds).all():
        raise ValueError(
            f"thresholds must be one row of finite numbers, but their shape is {thresholds.shape}"
            f"{'' if thresholds.ndim != 1 else ' and one is not finite'}; numpy.linspace(0, 2, 101) spans unit rows."
        )
    if endless < 0:
        raise ValueError(f"endless must not be negative, but it is {endless}; it is 1 in degree 0, else 0.")
    born = np.searchsorted(np.sort(diagram[:, 0]), thresholds, side="right")
    dead = np.searchsorted(np.sort(diagram[:, 1]), thresholds, side="right")
    return born - dead + endless

"""A23: how far the worst matched bar of two diagrams must move."""

import numpy as np

from crossgap.topology.diagram import check_diagram

__all__ = ["bottleneck_distance"]


def bottleneck_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Bottleneck distance of two persistence diagrams.

    Formula::

        min over matchings of a and b, bars left over going to the diagonal, of the largest move
        move of a bar to a bar: max(|b - b'|, |d - d'|);   to the diagonal: (d - b) / 2

    How to read it: range [0, inf), in units of distance; 0 for equal diagrams. It sees only the worst bar, and is
    stable: moving every row by at most e moves it by at most 2 e. Compare clouds of one size.

    Parameters
    ----------
    a, b
        Bars (bars, 2), birth and death; either may have none.

    Returns
    -------
    A float, exact.

    Raises
    ------
    ValueError
        If an array is no diagram or has a bar that never ends.

    Notes
    -----
    Cost: a n x m matrix of moves and a bisection over its entries, a matching at each step; under a second for 1,000
    bars each. A bar longer than twice the distance must be matched, and by the theorem of Mendelsohn and Dulmage it is
    enough to match those of a and those of b one side at a time.

    References
    ----------
    Cohen-Steiner, Edelsbrunner, Harer, *Stability of Persistence Diagrams*, 2007; Edelsbrunner and Harer,
    *Computational Topology*, 2010, section VIII.4.

    Examples
    --------
    The long bars match at 0.5; the short one goes to the diagonal at 0.1.

    >>> bottleneck_distance(np.array([[0.0, 4.0], [1.0, 1.2]]), np.array([[0.5, 4.0]]))
    0.5
    """
    a, b = check_diagram(a, "a"), check_diagram(b, "b")
    moves = np.abs(a[:, None, :] - b[None, :, :]).max(axis=2)
    a_heights, b_heights = (a[:, 1] - a[:, 0]) / 2, (b[:, 1] - b[:, 0]) / 2
    answers = np.unique(np.concatenate([[0.0], moves.ravel(), a_heights, b_heights]))
    low, high = 0, len(answers) - 1  # the last always does
    while low < high:
        middle = (low + high) // 2
        near = moves <= answers[middle]
        if _all_matched(near[a_heights > answers[middle]]) and _all_matched(near[:, b_heights > answers[middle]].T):
            high = middle
        else:
            low = middle + 1
    return float(answers[low])


def _all_matched(near: np.ndarray) -> bool:
    """Whether every row can have a column of its own."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    if not len(near):
        return True
    if near.shape[1] < len(near) or not near.any(axis=1).all():
        return False
    return bool((maximum_bipartite_matching(csr_array(near), perm_type="column") >= 0).all())

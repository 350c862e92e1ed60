"""A23: a Wasserstein distance of diagrams that needs no matching."""

import numpy as np

from crossgap.topology.diagram import check_diagram

__all__ = ["sliced_diagram_distance"]


def sliced_diagram_distance(a: np.ndarray, b: np.ndarray, *, directions: int = 50) -> float:
    """Sliced Wasserstein distance of two persistence diagrams.

    Formula::

        mean over directions u of the half circle of W₁(<a ∪ D(b), u>, <b ∪ D(a), u>)
        D(.): the nearest points of the diagonal;   W₁ on the line: sum of |differences| of sorted values

    How to read it: range [0, inf), in units of distance; 0 for equal diagrams. Within constant factors of
    ``diagram_wasserstein_distance`` of order 1 with Euclidean moves, and much faster for many bars. A sum, so it grows
    with the number of bars.

    Parameters
    ----------
    a, b
        Bars (bars, 2), birth and death; either may have none.
    directions
        Directions, evenly spaced; 50 come within half a percent of many.

    Returns
    -------
    A float. The same for the same input: nothing is drawn at random.

    Raises
    ------
    ValueError
        If ``directions`` is below 1, or an array is no diagram or has a bar that never ends.

    Notes
    -----
    Cost: ``directions`` sorts of n + m numbers.

    References
    ----------
    Carrière, Cuturi, Oudot, *Sliced Wasserstein Kernel for Persistence Diagrams*, ICML 2017, arXiv 1706.03358,
    definition 3.1.

    Examples
    --------
    One bar of length 2 against none: |sin - cos| for the distance to its image on the diagonal, on average √2 · 2/π.

    >>> round(sliced_diagram_distance(np.array([[0.0, 2.0]]), np.empty((0, 2)), directions=10_000), 4)
    0.9003
    """
    if directions < 1:
        raise ValueError(f"directions must be at least 1, but it is {directions}; 50 are usual.")
    a, b = check_diagram(a, "a"), check_diagram(b, "b")
    angles = (np.arange(directions) + 0.5) / directions * np.pi - np.pi / 2
    ways = np.stack([np.cos(angles), np.sin(angles)])
    left = np.sort(np.concatenate([a, _on_the_diagonal(b)]) @ ways, axis=0)
    right = np.sort(np.concatenate([b, _on_the_diagonal(a)]) @ ways, axis=0)
    return float(np.abs(left - right).sum() / directions)


def _on_the_diagonal(bars: np.ndarray) -> np.ndarray:
    return np.repeat(bars.mean(axis=1, keepdims=True), 2, axis=1)

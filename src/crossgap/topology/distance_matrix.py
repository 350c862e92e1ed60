"""Distances between rows as one matrix, for quantities that need them all at once."""

import numpy as np

from crossgap.geometry.rows import Rows, as_numpy, check_finite, check_rows, unit_rows

__all__ = ["check_distances", "distance_matrix", "spread_rows"]


def spread_rows(x: Rows, name: str = "x", *, unit: bool = True, least: int = 2) -> np.ndarray:
    """Return rows as a float64 NumPy array, of length 1 with ``unit``, checked to be finite (and not zero)."""
    check_rows(x, name, least=least)
    rows = as_numpy(x, np.float64)
    if unit:
        return np.asarray(unit_rows(rows, name=name))
    check_finite(rows, name)
    return rows


def distance_matrix(rows: np.ndarray) -> np.ndarray:
    """Return all Euclidean distances (n, n), symmetric to the bit; of unit rows these are chordal distances."""
    from scipy.spatial.distance import pdist, squareform

    return squareform(pdist(rows))


def check_distances(distances: np.ndarray, name: str = "distances") -> np.ndarray:
    """Return a matrix of distances in float64, or say in one sentence why it is none."""
    distances = np.asarray(distances, dtype=np.float64)
    if distances.ndim != 2 or distances.shape[0] != distances.shape[1] or not len(distances):
        raise ValueError(
            f"{name} must have shape (n, n), the distance of every row to every row, but its shape is "
            f"{distances.shape}; scipy.spatial.distance.squareform makes it from a condensed list."
        )
    if not np.isfinite(distances).all() or distances.min() < 0:
        raise ValueError(f"{name} must be finite and not negative, but an entry is not; drop such rows.")
    if distances.diagonal().any() or not np.array_equal(distances, distances.T):
        raise ValueError(
            f"{name} must be symmetric with zeros on the diagonal, but it is not; "
            f"rounding is mended by numpy.maximum(m, m.T) and numpy.fill_diagonal(m, 0)."
        )
    return distances

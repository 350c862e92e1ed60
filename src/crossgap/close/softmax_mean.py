"""The mean of a bank of rows, weighted by how near each of them is: in blocks, so that n x m numbers never exist.

Memory projection and the out-of-sample formula of the spectral method are both this mean.
"""

import numpy as np

from crossgap.geometry.neighbours import nearest_rows
from crossgap.geometry.similarity import similarity_blocks

__all__ = ["softmax_mean"]

_CHUNK = 4096


def softmax_mean(
    rows: np.ndarray, keys: np.ndarray, values: np.ndarray, *, temperature: float, neighbours: int | None = None
) -> np.ndarray:
    """Return for each row the mean of ``values`` under the softmax of its cosines with ``keys``.

    Formula::

        p_i = sum_j w_ij values_j,   w_ij = exp(rows_i . keys_j / T) / sum_j exp(rows_i . keys_j / T)

    Parameters
    ----------
    rows, keys
        Unit rows (n, d) and (m, d).
    values
        Rows (m, k), row j of which belongs to key j.
    temperature
        T, above 0; infinity weighs all the same.
    neighbours
        Only so many keys of highest cosine count; None: all.

    Returns
    -------
    Means (n, k) in the type of ``rows``, not renormalised.

    Notes
    -----
    Cost: 2 n m (d + k) flops over all keys, 2 n m d over the nearest. The largest exponent of each row is taken out as
    blocks come, so that a small T does not under- or overflow.
    """
    means = np.empty((len(rows), values.shape[1]), rows.dtype)
    for first in range(0, len(rows), _CHUNK):
        chunk = rows[first : first + _CHUNK]
        if neighbours is None:
            means[first : first + _CHUNK] = _over_all(chunk, keys, values, temperature)
        else:
            means[first : first + _CHUNK] = _over_nearest(chunk, keys, values, temperature, neighbours)
    return means


def _over_all(rows: np.ndarray, keys: np.ndarray, values: np.ndarray, temperature: float) -> np.ndarray:
    highest = np.full(len(rows), -np.inf)
    weight = np.zeros(len(rows))
    total = np.zeros((len(rows), values.shape[1]))
    for part, columns, scores in similarity_blocks(rows, keys, check=False):
        scores /= scores.dtype.type(temperature)
        top = np.maximum(highest[part], scores.max(axis=1))
        keep = np.exp(highest[part] - top)
        scores -= top[:, None].astype(scores.dtype)
        np.exp(scores, out=scores)
        weight[part] = weight[part] * keep + scores.sum(axis=1, dtype=np.float64)
        total[part] *= keep[:, None]
        total[part] += scores @ values[columns]
        highest[part] = top
    return total / weight[:, None]


def _over_nearest(
    rows: np.ndarray, keys: np.ndarray, values: np.ndarray, temperature: float, neighbours: int
) -> np.ndarray:
    from scipy.sparse import csr_array

    found = nearest_rows(rows, keys, neighbours, check=False)
    weights = np.exp((found.cosines - found.cosines[:, :1]) / temperature)
    weights /= weights.sum(axis=1, keepdims=True)
    starts = np.arange(0, weights.size + 1, neighbours)
    return csr_array((weights.ravel(), found.rows.ravel(), starts), shape=(len(rows), len(keys))) @ values

"""A1: how far apart the means of two modalities lie, the plainest number for the modality gap."""

from typing import Any

import numpy as np

from crossgap.geometry.matches import matched_rows
from crossgap.geometry.means import mean_unit_row, root_of_square, weighted_mean, weights_like, wide
from crossgap.geometry.ranks import match_cosines
from crossgap.geometry.rows import (
    Array,
    Rows,
    check_rows,
    check_same_dimension,
    group_weights,
    namespace,
    unit_blocks,
)
from crossgap.measure.certainty import permutes_pairs
from crossgap.measure.gap_vector import gap_vector, group_means

__all__ = ["centroid_cosine", "centroid_distance", "centroid_distance_floor", "centroid_distance_p_value"]

_LABEL_BYTES = 200_000_000


def centroid_distance(
    x: Rows, y: Rows, *, squared: bool = False, raw: bool = False, weights: Any = None, check: bool = True
) -> Array:
    """Distance between the means of the unit rows of two groups, the length of the gap vector.

    Formula::

        D = |m_x - m_y|,   m_x = mean of x_i / |x_i|   (the means are not renormalised)

    How to read it: range [0, 2]; 0 when the centres coincide, 2 when each group is one point and the two are
    opposite. OpenAI's CLIP on COCO gives about 0.82. It sees offsets only: two groups that differ in shape but share
    their centre have distance 0, and so have two spheres one inside the other. Finite samples of one and the same
    distribution have a distance above 0: compare with ``centroid_distance_floor``, or test it with
    ``centroid_distance_p_value``.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d); pairs are not needed. Rows are brought to length 1.
    squared
        Return D^2, range [0, 4].
    raw
        Use the rows as they are, not brought to length 1: then D has the unit of the rows and no upper bound.
    weights
        Weightings for a bootstrap: (n, b) for both groups or a tuple of two; then the result is (b,).
    check
        Refuse zero and non-finite rows; this reads each row's length, so a training step may switch it off.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch, with gradient 0 at distance 0.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or a row is zero or not finite.

    Notes
    -----
    Cost: one pass, O((n + m) d); a file larger than memory streams. Ignores a rotation of both groups, row order and
    which rows pair. Departs from the text of the source, which prints a squared norm with range 0 to 2 and tabulates
    the plain norm (erratum 1).

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, section 3.1; introduced by Liang et al., *Mind
    the Gap*, NeurIPS 2022, arXiv 2203.02053, section 4.2.

    Examples
    --------
    Means (1/2, 1/2) and (-1, 0) differ by (3/2, 1/2).

    >>> x, y = np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([[-1.0, 0.0]])
    >>> round(float(centroid_distance(x, y, squared=True)), 6)
    2.5
    """
    gap = gap_vector(x, y, raw=raw, weights=weights, check=check)
    xp = namespace(gap)
    square = xp.sum(gap * gap, axis=-1)
    return square if squared else root_of_square(square)


def centroid_cosine(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Cosine between the means of two groups: their angle, whatever the spread of each group.

    Formula::

        cos(m_x, m_y) = m_x . m_y / (|m_x| |m_y|)

    How to read it: range [-1, 1]; 1 when both centres lie in one direction. Unlike ``centroid_distance`` it does not
    shrink when a group spreads out. It is noise when a group has no mean direction (see ``resultant_length``).

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d); pairs are not needed.
    weights, check
        As in ``centroid_distance``.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or a row is zero or not finite.

    Notes
    -----
    Cost: one pass, O((n + m) d).

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053.

    Examples
    --------
    >>> x, y = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0]])
    >>> round(float(centroid_cosine(x, y)), 6)
    0.707107
    """
    a, b = group_means(x, y, weights=weights, check=check)
    xp = namespace(a)
    lengths = xp.sqrt(xp.sum(a * a, axis=-1) * xp.sum(b * b, axis=-1))
    return xp.sum(a * b, axis=-1) / xp.clip(lengths, 1e-300, None)


def centroid_distance_floor(
    x: Rows, y: Rows, *, x_items: Any = None, y_items: Any = None, weights: Any = None, check: bool = True
) -> Array:
    """Centroid distance that two samples of these sizes show even when there is no gap.

    Formula::

        sqrt((1 - |m_x|^2) / n + (1 - |m_y|^2) / m)                  rows of distinct items
        sum over items of |sum over the item's rows of (x_i - m_x)|^2 / n^2      for the first term, given x_items

    How to read it: a centroid distance near this value is no evidence of a gap. It is the root of the expected square,
    since 1 - |m|^2 is the variance of unit rows about their mean. 5,000 rows without a mean direction: 0.02. Rows of
    one item lie near each other, so 1,000 rows of 20 items may show as high a floor as 20 rows: give their ids.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d).
    x_items, y_items
        Item ids of the rows, equal where two rows are of one item. None: each row of the group is an item.
    weights, check
        Weightings with one count for all rows of an item, as ``bootstrap_weights`` gives; otherwise as in
        ``centroid_distance``.

    Raises
    ------
    ValueError
        If the groups differ in dimension, ids are not one for each row, or a row is zero or not finite.

    Notes
    -----
    Cost: one pass, O((n + m) d); with ids, two passes and O(d) for each pair of rows of one item. Items of x that are
    also items of y are taken as independent.

    References
    ----------
    Defined here, from the variance of a mean of clusters; no paper states it.

    Examples
    --------
    Two rows at right angles: |m|^2 = 1/2, so the floor is sqrt(1/4 + 1/4).

    >>> x = np.eye(2)
    >>> round(float(centroid_distance_floor(x, x)), 6)
    0.707107
    """
    means = group_means(x, y, weights=weights, check=check)
    xp = namespace(means[0])
    square: Any = 0.0
    both = group_weights(weights, x.shape[0], y.shape[0])
    for rows, mean, items, counts in zip((x, y), means, (x_items, y_items), both, strict=True):
        spread = 1.0 - xp.sum(mean * mean, axis=-1) if items is None else _spread_of_items(rows, mean, items, counts)
        square = square + spread / rows.shape[0]
    return root_of_square(xp.clip(square, 0.0, None))


def centroid_distance_p_value(
    x: Rows,
    y: Rows,
    *,
    permutations: int = 500,
    paired: bool | None = None,
    seed: int = 0,
    check: bool = True,
) -> float:
    """Probability of a centroid distance at least this large if both groups came from one distribution.

    Formula::

        p = (1 + #{D* >= D}) / (1 + permutations)
        D* = |mean_i s_i (x_i - y_i)|, s_i = 1 or -1 at random        paired: x_i and y_i change places or not
        D* = |m_x* - m_y*|                                            not paired: labels x and y dealt anew

    How to read it: small p, the centres differ; it cannot fall below 1 / (1 + permutations). With some hundred rows of
    any model with a gap it is as small as it can be: it says that an offset exists, not that it matters.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d). Rows are brought to length 1.
    permutations
        Number of random relabellings.
    paired
        Swap x_i and y_i at random within pairs (True), or deal all rows out again (False). None: True where n = m,
        since rows of one item are not independent.
    seed
        Seed of the relabellings.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A plain float.

    Raises
    ------
    ValueError
        If ``permutations`` is below 1, ``paired`` is asked for and the sizes differ, the groups differ in dimension,
        or a row is zero or not finite.

    Notes
    -----
    Cost: 2 (n + m) d permutations flops (half of that where paired), in float64. Pairs are one pass. Otherwise one
    byte is held for each row and permutation; above 200 MB of them the permutations are done in several passes, with
    the same result. Several rows of one item are dealt apart, so p is then too small: give one row an item.

    References
    ----------
    Phipson and Smyth, *Permutation p-values should never be zero*, 2010; the distance is that of Liang et al., *Mind
    the Gap*, NeurIPS 2022, arXiv 2203.02053.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> centroid_distance_p_value(x + 1, x - 1, permutations=99), centroid_distance_p_value(x, x, permutations=99)
    (0.01, 1.0)
    """
    n, _ = check_rows(x, "x")
    m, _ = check_rows(y, "y")
    check_same_dimension(x, y)
    if permutes_pairs(n, m, permutations, paired):
        distances = _swapped_distances(x, y, permutations, seed, check)
    else:
        distances = _dealt_distances(x, y, permutations, seed, check)
    reached = np.count_nonzero(distances[1:] >= distances[0] * (1 - 1e-12))
    return float(1 + reached) / (1 + permutations)


def _swapped_distances(x: Rows, y: Rows, permutations: int, seed: int, check: bool) -> np.ndarray:
    """Distances under random signs of the pairs' differences, (1 + permutations,); number 0 is the true one."""
    rng = np.random.default_rng(seed)
    total: Any = 0.0
    for (rows, a), (_, b) in zip(
        unit_blocks(x, name="x", check=check), unit_blocks(y, name="y", check=check), strict=True
    ):
        difference = wide(_held(a)) - wide(_held(b))
        signs = np.ones((rows.stop - rows.start, 1 + permutations), np.int8)
        signs[:, 1:] -= 2 * rng.integers(2, size=(len(signs), permutations), dtype=np.int8)
        total = total + weights_like(signs, difference).T @ difference
    return _lengths(total / x.shape[0])


def _dealt_distances(x: Rows, y: Rows, permutations: int, seed: int, check: bool) -> np.ndarray:
    """Distances under labels dealt anew, (1 + permutations,); number 0 is that of the true labels."""
    n, m = int(x.shape[0]), int(y.shape[0])
    rng = np.random.default_rng(seed)
    true = np.concatenate([np.ones(n, np.int8), np.zeros(m, np.int8)])
    at_once = max(1, _LABEL_BYTES // (n + m))
    found = []
    for first in range(0, 1 + permutations, at_once):
        labels = np.empty((n + m, min(at_once, 1 + permutations - first)), np.int8)
        for column in range(labels.shape[1]):
            labels[:, column] = true if first + column == 0 else rng.permutation(true)
        chosen: Any = 0.0  # the sum of the rows that are labelled x, under each column
        pooled: Any = 0.0
        for name, group, start in (("x", x, 0), ("y", y, n)):
            for rows, block in unit_blocks(group, name=name, check=check and first == 0):
                block = wide(_held(block))
                chosen = chosen + weights_like(labels[start + rows.start : start + rows.stop], block).T @ block
                pooled = pooled + namespace(block).sum(block, axis=0)
        found.append(_lengths(chosen / n - (pooled - chosen) / m))
    return np.concatenate(found)


def _held(block: Array) -> Array:
    return block.detach() if hasattr(block, "detach") else block


def _lengths(vectors: Array) -> np.ndarray:
    xp = namespace(vectors)
    lengths = xp.sqrt(xp.sum(vectors * vectors, axis=-1))
    return lengths if isinstance(lengths, np.ndarray) else lengths.cpu().numpy()


def _spread_of_items(x: Rows, mean: Array, items: Any, weights: np.ndarray | None) -> Array:
    """Sum over pairs of rows of one item of (x_i - m) . (x_j - m), over n: 1 - |m|^2 where each row is an item.

    That is the mean over rows i, of k_i rows of their item, of the sum over j of x_i . x_j - 2 k_i x_i . m + k_i |m|^2.
    """
    n = int(x.shape[0])
    rows, others = matched_rows(n, n, items, items)
    sizes = np.bincount(rows, minlength=n)
    cosines = match_cosines(x, x, (rows, others), check=False)
    xp = namespace(cosines)
    ends = xp.cumulative_sum(cosines, include_initial=True)[np.cumsum(np.concatenate([[0], sizes]))]
    by_row = ends[1:] - ends[:-1]  # matches come in the order of the rows
    by_size = sizes[:, None].astype(np.float32) * (1 if weights is None else weights.astype(np.float32))
    mean_by_size = mean_unit_row(x, weights=by_size, check=False)
    size = weighted_mean(weights_like(sizes, by_row), weights)
    centred = xp.sum(mean * mean, axis=-1) - 2.0 * xp.sum(mean * mean_by_size, axis=-1)
    return weighted_mean(by_row, weights) + size * (centred[0] if weights is None else centred)

"""A5: how far matched rows lie apart."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import same_item
from crossgap.geometry.means import root_of_square, weighted_mean, weights_like, wide
from crossgap.geometry.rows import Array, Rows, check_pair, namespace, unit_blocks
from crossgap.geometry.similarity import similarity_blocks
from crossgap.measure.gap_vector import gap_vector

__all__ = ["alignment", "alignment_noise", "alignment_per_pair", "pair_distance", "relative_alignment"]


def alignment_per_pair(x: Rows, y: Rows, *, power: float = 2.0, check: bool = True) -> Array:
    """Distance of each matched pair of unit rows, to a power: |x_i - y_i|^power, (n,).

    How to read it: range [0, 2^power]; 0 for a pair that coincides. ``alignment`` is its mean.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other.
    power
        Exponent of the distance, above 0.
    check
        Refuse zero and non-finite rows.

    Raises
    ------
    ValueError
        If the shapes differ, ``power`` is not above 0, or a row is zero or not finite.

    References
    ----------
    Wang and Isola, ICML 2020, arXiv 2005.10242, section 4.1.1.

    Examples
    --------
    >>> alignment_per_pair(np.eye(2), np.array([[1.0, 0.0], [0.0, -1.0]])).tolist()
    [0.0, 4.0]
    """
    check_pair(x, y)
    if not power > 0:
        raise ValueError(f"power must be above 0, but it is {power}; the papers use 2.")
    parts = []
    for (_, a), (_, b) in zip(
        unit_blocks(x, name="x", check=check), unit_blocks(y, name="y", check=check), strict=True
    ):
        difference = wide(a) - wide(b)
        xp = namespace(a)
        squares = xp.sum(difference * difference, axis=-1)
        parts.append(squares if power == 2 else root_of_square(squares, power))
    return namespace(x).concat(parts)


def alignment(x: Rows, y: Rows, *, power: float = 2.0, weights: Any = None, check: bool = True) -> Array:
    """Mean distance of matched pairs, to a power.

    Formula::

        A = mean_i |x_i - y_i|^power        (unit rows; power 2 gives 2 - 2 mean cos)

    How to read it: lower is better aligned; range [0, 4] for power 2, and 2 for pairs at right angles. CLIP on COCO
    gives about 1.4. It falls when a gap closes even if no pair is found better than before: read it with
    ``recall_at_k``.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other.
    power
        Exponent of the distance, above 0. The papers use 2; 1 is the mean distance, ``pair_distance``.
    weights
        Weightings (n, b) of the pairs for a bootstrap; then the result is (b,).
    check
        Refuse zero and non-finite rows; switch off inside a training step.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch.

    Raises
    ------
    ValueError
        If the shapes differ, ``power`` is not above 0, or a row is zero or not finite.

    Notes
    -----
    Cost: one pass, O(n d); files larger than memory stream. Ignores a rotation of both groups and the order of pairs.

    References
    ----------
    Wang and Isola, ICML 2020, arXiv 2005.10242, section 4.1.1; Fahim, Murphy, Fyshe, arXiv 2405.18570, section 4.

    Examples
    --------
    >>> float(alignment(np.eye(2), np.array([[1.0, 0.0], [0.0, -1.0]])))
    2.0
    """
    return weighted_mean(alignment_per_pair(x, y, power=power, check=check), weights)


def pair_distance(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Mean distance of matched pairs, not squared, the instance-level gap L2I.

    Formula::

        L2I = mean_i |x_i - y_i|        (unit rows)

    How to read it: range [0, 2]; never below ``centroid_distance`` (L2M), and equal to it only where every pair
    differs by the same vector.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other.
    weights, check
        As in ``alignment``.

    Raises
    ------
    ValueError
        If the shapes differ, or a row is zero or not finite.

    References
    ----------
    Schrodi et al., *Two Effects, One Trigger*, ICLR 2025, arXiv 2404.07983.

    Examples
    --------
    >>> float(pair_distance(np.eye(2), np.array([[1.0, 0.0], [0.0, -1.0]])))
    1.0
    """
    return alignment(x, y, power=1.0, weights=weights, check=check)


def alignment_noise(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """What is left of the mean squared pair distance once the constant offset is taken out.

    Formula::

        A - |m_x - m_y|^2 = mean_i |g_i - g|^2,   g_i = x_i - y_i,  g = mean_i g_i        (unit rows)

    How to read it: range [0, 4]; 0 when every pair differs by one and the same vector, so that a translation would
    close the gap. About half of CLIP's squared pair distance is this noise.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other.
    weights, check
        As in ``alignment``.

    Raises
    ------
    ValueError
        If the shapes differ, or a row is zero or not finite.

    References
    ----------
    Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, proposition 1.

    Examples
    --------
    Both pairs differ by (1, -1): nothing but offset.

    >>> x, y = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    >>> float(alignment_noise(x, y))
    0.0
    """
    total = alignment(x, y, weights=weights, check=check)
    gap = gap_vector(x, y, weights=weights, check=check)
    xp = namespace(gap)
    return xp.clip(total - xp.sum(gap * gap, axis=-1), 0.0, None)


def relative_alignment(x: Rows, y: Rows, *, items: Any = None, weights: Any = None, check: bool = True) -> Array:
    """Mean ratio of a pair's squared distance to that of its nearest unmatched row.

    Formula::

        mean_i |x_i - y_i|^2 / min_j |x_i - y_j|^2        (unit rows; j over the pairs of other items)

    How to read it: below 1 the match is nearer than the nearest wrong row; 0 is perfect, and there is no upper bound.
    It looks from x to y only; swap the arguments for the other direction.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other, n at least 2.
    items
        Item ids of the n pairs: pairs of one item (a picture and its five captions) are no negatives of each other.
        None: each pair is an item.
    weights, check
        As in ``alignment``.

    Raises
    ------
    ValueError
        If the shapes differ, ``items`` are not one for each pair, or a row is zero or not finite.
    DegenerateError
        If there are fewer than two pairs or items, or an unmatched row of y coincides with a row of x.

    Notes
    -----
    Cost: 2 n^2 d flops, in blocks.

    References
    ----------
    Oh et al., *Geodesic Multi-Modal Mixup*, NeurIPS 2023, arXiv 2203.03897.

    Examples
    --------
    Pairs at squared distance 0 and 4, each with its nearest wrong row at 2.

    >>> float(relative_alignment(np.eye(2), np.array([[1.0, 0.0], [0.0, -1.0]])))
    1.0
    """
    check_pair(x, y, least=2)
    items = check_pair_items(items, int(x.shape[0]))
    xp = namespace(x)
    positives = alignment_per_pair(x, y, check=check)
    nearest: dict[int, Array] = {}
    for rows, columns, block in similarity_blocks(x, y, check=False):
        same = same_item(items, rows, columns)
        if same is not None:
            block = block - 8.0 * weights_like(same, block)
        best = xp.max(block, axis=1)
        nearest[rows.start] = xp.maximum(nearest[rows.start], best) if rows.start in nearest else best
    negatives = 2.0 - 2.0 * wide(xp.concat([nearest[start] for start in sorted(nearest)]))
    if not bool(xp.all(negatives > 1e-7)):
        raise DegenerateError(
            "an unmatched row of y coincides with a row of x, so its ratio has no value; drop duplicates first."
        )
    return weighted_mean(positives / negatives, weights)


def check_pair_items(items: Any, n: int) -> np.ndarray | None:
    """Number the items of n pairs, of which there must be two, so that each pair has a negative."""
    if items is None:
        return None
    items = np.asarray(items)
    if items.shape != (n,):
        raise ValueError(f"items must have one id for each of the {n} pairs, but their shape is {items.shape}.")
    found, codes = np.unique(items, return_inverse=True)
    if len(found) < 2:
        raise DegenerateError("all pairs are of one item, so none has a negative; give pairs of two items or more.")
    return codes

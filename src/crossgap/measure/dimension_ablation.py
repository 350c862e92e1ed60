"""A20: what the few coordinates that carry the gap do to retrieval."""

import dataclasses
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import matched_rows
from crossgap.geometry.means import weighted_mean
from crossgap.geometry.ranks import match_ranks
from crossgap.geometry.rows import (
    Array,
    Rows,
    check_pair,
    check_rows,
    check_same_dimension,
    materialise,
    namespace,
    row_weights,
    take_rows,
    unit_blocks,
    unit_rows,
)
from crossgap.measure.centroid_distance import centroid_distance
from crossgap.measure.gap_vector import gap_vector

__all__ = ["DimensionAblation", "dimension_ablation", "neighbourhood_test"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class DimensionAblation:
    """Gap and recall@1 after the m coordinates with most of the gap are removed, m = 0, 1, ...

    ``removed`` lists the coordinates in the order in which they go; ``gap[m]``, ``recall_x_to_y[m]`` and
    ``recall_y_to_x[m]`` hold the values with the first m of them gone, so they are one longer.
    """

    removed: tuple[int, ...]
    gap: tuple[float, ...]
    recall_x_to_y: tuple[float, ...]
    recall_y_to_x: tuple[float, ...]


def dimension_ablation(
    x: Rows, y: Rows, *, most: int = 20, x_items: Any = None, y_items: Any = None, check: bool = True
) -> DimensionAblation:
    """Gap and retrieval while the coordinates that carry the gap are removed one after the other.

    Formula::

        g = m_x - m_y;  coordinates by falling |g_k|;  for m = 0 ... most: drop the first m, bring rows to length 1,
        then centroid distance, and recall@1 from x to y and from y to x

    How to read it: gap in [0, 2], recall in [0, 1]. In CLIP two or three coordinates carry most of the gap, so the gap
    falls at once. If recall falls with it, these coordinates carried meaning too; if it stays, they are a pure offset.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d).
    most
        Number of coordinates to remove in the end, at least 0 and below d.
    x_items, y_items
        Item ids of the rows; rows of one item match, and a query scores if any of its matches comes first. Without ids
        row i matches row i.
    check
        Refuse zero and non-finite rows, also those that a removal leaves without length.

    Returns
    -------
    A ``DimensionAblation`` of plain numbers.

    Raises
    ------
    ValueError
        If ``most`` is below 0 or not below d, the groups differ in dimension, ids are given for one side only or are
        not one for each row, or a row is zero or not finite.
    DegenerateError
        If no row of x matches a row of y.

    Notes
    -----
    Cost: 2 n m d flops for each of the most + 1 steps, and a copy of both groups in memory. Recall@1 has the optimistic
    rank: of equal scores the right one counts as first. Queries without a match are left out. Which coordinates
    there are depends on the basis, so a rotation changes the result.

    References
    ----------
    Schrodi et al., *Two Effects, One Trigger*, ICLR 2025, arXiv 2404.07983, section 4.2.

    Examples
    --------
    The first coordinate alone tells the groups apart, and it hides the pairs.

    >>> x, y = np.array([[9.0, 1.0], [9.0, -1.0]]), np.array([[-9.0, 1.0], [-9.0, -1.0]])
    >>> result = dimension_ablation(x, y, most=1)
    >>> result.removed, round(result.gap[0], 3), result.gap[1]
    ((0,), 1.988, 0.0)
    """
    n, d = check_rows(x, "x")
    m, _ = check_rows(y, "y")
    check_same_dimension(x, y)
    if not 0 <= most < d:
        raise ValueError(f"most must be at least 0 and below the {d} dimensions, but it is {most}; 20 is usual.")
    matches = matched_rows(n, m, x_items, y_items)
    if not len(matches[0]):
        raise DegenerateError(
            f"no row of x ({n} rows) matches a row of y ({m} rows); give x_items and y_items that share ids, "
            f"or groups of one size that pair row by row."
        )
    gap = _numpy(gap_vector(x, y, check=check))
    order = np.argsort(-np.abs(gap), kind="stable")
    a, b = (_numpy(unit_rows(materialise(rows), check=False)) for rows in (x, y))
    gaps, forth, back = [], [], []
    for gone in range(most + 1):
        keep = np.sort(order[gone:])
        left, right = np.ascontiguousarray(a[:, keep]), np.ascontiguousarray(b[:, keep])
        gaps.append(float(centroid_distance(left, right, check=check)))
        ranks = match_ranks(left, right, matches, check=False)
        forth.append(_share_found(ranks.x_rows, ranks.y_for_x))
        back.append(_share_found(ranks.y_rows, ranks.x_for_y))
    return DimensionAblation(
        removed=tuple(int(k) for k in order[:most]),
        gap=tuple(gaps),
        recall_x_to_y=tuple(forth),
        recall_y_to_x=tuple(back),
    )


def neighbourhood_test(
    x: Rows, y: Rows, *, anchors: int = 500, seed: int = 0, weights: Any = None, check: bool = True
) -> Array:
    """How differently the two modalities rank the same items by similarity.

    Formula::

        mean over anchors i of (1 - tau_i) / 2,
        tau_i: Kendall's tau-b between cos(x_i, x_j) and cos(y_i, y_j) over all j != i

    How to read it: range [0, 1]; 0 when both modalities order all neighbours alike, 0.5 when the orders have nothing
    in common. It is the share of pairs of neighbours whose order differs. It compares shapes within each modality and
    is blind to the gap between them.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other, n at least 3. For classes give one row for each
        class: the mean image and the prompt.
    anchors
        Most rows to rank from; where n is larger, so many are drawn, without replacement. Each is ranked against all
        rows.
    seed
        Seed of the draw of anchors.
    weights
        Weightings (n, b) of the anchors for a bootstrap, their neighbours held; then the result is (b,).
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library. Not differentiable.

    Raises
    ------
    ValueError
        If the shapes differ, ``anchors`` is below 1, or a row is zero or not finite.
    DegenerateError
        If there are fewer than three pairs, or all neighbours of an anchor are equally similar to it.

    Notes
    -----
    Cost: O(n d + n log n) for each anchor. Ignores rotation and the lengths of rows, of either group on its own.

    References
    ----------
    Schrodi et al., *Two Effects, One Trigger*, ICLR 2025, arXiv 2404.07983, section 4.2 (Kendall distance).

    Examples
    --------
    The same three points, rotated by a right angle in the second modality.

    >>> x = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> y = np.stack([-x[:, 1], x[:, 0]], axis=1)
    >>> float(neighbourhood_test(x, y))
    0.0
    """
    from scipy.stats import kendalltau

    n, _ = check_pair(x, y, least=3)
    if anchors < 1:
        raise ValueError(f"anchors must be at least 1, but there are {anchors}; 500 is a good number.")
    weights = row_weights(weights, n)
    rng = np.random.default_rng(seed)
    chosen = np.arange(n) if n <= anchors else np.sort(rng.choice(n, anchors, replace=False))
    like_x, like_y = _cosines_from(x, chosen, "x", check), _cosines_from(y, chosen, "y", check)
    values = np.empty(len(chosen))
    others = np.ones(n, dtype=bool)
    for number, row in enumerate(chosen):
        others[row] = False
        a, b = like_x[number][others], like_y[number][others]
        if a.min() == a.max() or b.min() == b.max():
            raise DegenerateError(f"all neighbours of row {row} are equally similar to it, so they have no order.")
        tau: Any = kendalltau(a, b)[0]
        values[number] = (1.0 - tau) / 2.0
        others[row] = True
    xp = namespace(x)
    return xp.asarray(weighted_mean(values, None if weights is None else weights[chosen]), dtype=xp.float64)


def _cosines_from(x: Rows, chosen: np.ndarray, name: str, check: bool) -> np.ndarray:
    """Cosines of the chosen rows with all rows, (chosen, n)."""
    anchors = unit_rows(take_rows(x, chosen), name=name, check=False)
    return np.concatenate([_numpy(anchors @ block.T) for _, block in unit_blocks(x, name=name, check=check)], axis=1)


def _share_found(queries: np.ndarray, ranks: np.ndarray) -> float:
    """Share of the queries of which some match has rank 0."""
    return len(np.unique(queries[ranks == 0])) / len(np.unique(queries))


def _numpy(values: Array) -> np.ndarray:
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()

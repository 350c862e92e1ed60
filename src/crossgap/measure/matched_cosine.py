"""A14: how alike the two rows of a matched pair are."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import matched_rows
from crossgap.geometry.means import weighted_mean, wide
from crossgap.geometry.ranks import match_cosines
from crossgap.geometry.rows import Array, Rows, check_rows, check_same_dimension, group_weights, namespace, unit_blocks

__all__ = ["matched_cosine", "matched_cosine_per_pair"]


def matched_cosine_per_pair(x: Rows, y: Rows, *, x_items: Any = None, y_items: Any = None, check: bool = True) -> Array:
    """Cosine of each matched pair, (p,), in the order of the rows of x, then of y.

    How to read it: range [-1, 1]; 1 for a pair that points one way. ``matched_cosine`` is its mean. The pairs at the
    low end are the first to look at when captions may be wrong.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d).
    x_items, y_items
        Item ids of the rows; rows of one item match, so five captions of an image give five pairs. Without ids row i
        matches row i.
    check
        Refuse zero and non-finite rows.

    Raises
    ------
    ValueError
        If the groups differ in dimension, ids are given for one side only or are not one for each row, or a row is
        zero or not finite.
    DegenerateError
        If no row of x matches a row of y.

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053.

    Examples
    --------
    >>> matched_cosine_per_pair(np.eye(2), np.array([[1.0, 0.0], [0.0, -1.0]])).tolist()
    [1.0, -1.0]
    """
    matches = _matches(x, y, x_items, y_items)
    return _cosines(x, y, matches, by_position=x_items is None, check=check)


def matched_cosine(
    x: Rows, y: Rows, *, x_items: Any = None, y_items: Any = None, weights: Any = None, check: bool = True
) -> Array:
    """Mean cosine of matched pairs.

    Formula::

        mean_{(i,j) matched} cos(x_i, y_j)        (for pairs this is 1 - alignment / 2)

    How to read it: range [-1, 1]; higher is better aligned. CLIP on COCO gives about 0.3, which is **normal** and not
    the sign of a bad model: what counts is how far it lies above ``unmatched_cosine``. Models differ, so a threshold
    on cosines does not carry over from one to another.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d).
    x_items, y_items
        Item ids of the rows; rows of one item match, so five captions of an image give five pairs. Without ids row i
        matches row i.
    weights
        Weightings for a bootstrap over items: (n, b) for both groups or a tuple of two, with one weight for all rows
        of an item; then the result is (b,).
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch.

    Raises
    ------
    ValueError
        If the groups differ in dimension, ids are given for one side only or are not one for each row, matched rows
        carry different weights, or a row is zero or not finite.
    DegenerateError
        If no row of x matches a row of y.

    Notes
    -----
    Cost: one pass, O(p d) for p pairs; files larger than memory stream. Ignores a rotation of both groups, the order
    of pairs and the lengths of rows.

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053.

    Examples
    --------
    >>> float(matched_cosine(np.eye(2), np.array([[1.0, 0.0], [1.0, 0.0]])))
    0.5
    """
    matches = _matches(x, y, x_items, y_items)
    values = _cosines(x, y, matches, by_position=x_items is None, check=check)
    if weights is None:
        return weighted_mean(values)
    a, b = group_weights(weights, x.shape[0], y.shape[0])
    if a is None or b is None or not _equal_weights(a, b, matches):
        raise ValueError(
            "matched rows must carry equal weights, but some differ; draw the weights for items, not for rows: "
            "crossgap.measure.bootstrap_weights(items)[item_of_row]."
        )
    return weighted_mean(values, a[matches[0]])


def _equal_weights(a: np.ndarray, b: np.ndarray, matches: tuple[np.ndarray, np.ndarray]) -> bool:
    """Compare the weights of matched rows, some thousand rows at a time."""
    parts = (slice(first, first + 8192) for first in range(0, len(matches[0]), 8192))
    return all(np.array_equal(a[matches[0][part]], b[matches[1][part]]) for part in parts)


def _matches(x: Rows, y: Rows, x_items: Any, y_items: Any) -> tuple[np.ndarray, np.ndarray]:
    n, _ = check_rows(x, "x")
    m, _ = check_rows(y, "y")
    check_same_dimension(x, y)
    matches = matched_rows(n, m, x_items, y_items)
    if not len(matches[0]):
        raise DegenerateError(
            f"no row of x ({n} rows) matches a row of y ({m} rows); give x_items and y_items that share ids, "
            f"or groups of one size that pair row by row."
        )
    return matches


def _cosines(x: Rows, y: Rows, matches: tuple[np.ndarray, np.ndarray], *, by_position: bool, check: bool) -> Array:
    if not by_position:
        return match_cosines(x, y, matches, check=check)
    parts = []
    for (_, a), (_, b) in zip(
        unit_blocks(x, name="x", check=check), unit_blocks(y, name="y", check=check), strict=True
    ):
        parts.append(namespace(a).sum(wide(a) * wide(b), axis=-1))
    return namespace(x).concat(parts)

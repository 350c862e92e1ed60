"""A20: how far matched pairs lie apart, measured against the spread within each modality."""

from typing import Any

from crossgap.geometry.rows import Array, Rows, check_rows, check_same_dimension, group_weights, namespace
from crossgap.measure.matched_cosine import matched_cosine
from crossgap.measure.within_cosine import within_cosine

__all__ = ["relative_modality_gap"]

_LEAST = 1e-3


def relative_modality_gap(
    x: Rows, y: Rows, *, x_items: Any = None, y_items: Any = None, weights: Any = None, check: bool = True
) -> Array:
    """Distance of matched pairs relative to the spread within the modalities (RMG).

    Formula::

        RMG = d_pair / (d_pair + (d_xx + d_yy) / 2),   d(u, v) = (1 - cos(u, v)) / 2
        d_pair: mean over matched pairs;  d_xx, d_yy: means over distinct rows of one group

    How to read it: range (0, 1]; near 0 a pair coincides; 0.5 when the two rows of a pair lie as far apart as two
    random rows of one modality; above 0.5 a row is on average nearer to a stranger of its own modality than to its
    match. CLIP on COCO gives about 0.6. Unlike ``centroid_distance`` it does not shrink when the whole space does.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d), at least 2 each. Rows of one group count once each: give each image once, with item
        ids, and not once for each of its captions.
    x_items, y_items
        Item ids of the rows; d_pair runs over all pairs of one item, so an image with five captions counts five times
        there. Without ids row i matches row i.
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
        If a group has fewer than two rows, or nothing matches.

    Notes
    -----
    Cost: O((n + m + p) d) for p matched pairs, by the mean rows; files larger than memory stream. A d_pair of 0 or
    less (pairs that coincide, up to rounding) counts as 0.001, as in the source's code. Captions of one image count as
    distinct rows in d_yy, as there. Ignores a rotation of both groups and the order of pairs.

    References
    ----------
    Schrodi et al., *Two Effects, One Trigger*, ICLR 2025, arXiv 2404.07983, section 4.1.

    Examples
    --------
    Pairs, images and texts are all at right angles.

    >>> x, y = np.eye(4)[:2], np.eye(4)[2:]
    >>> float(relative_modality_gap(x, y))
    0.5
    """
    n, _ = check_rows(x, "x", least=2)
    m, _ = check_rows(y, "y", least=2)
    check_same_dimension(x, y)
    a, b = group_weights(weights, n, m) if weights is not None else (None, None)
    within_x, within_y = within_cosine(x, weights=a, check=check), within_cosine(y, weights=b, check=check)
    pairs = (1.0 - matched_cosine(x, y, x_items=x_items, y_items=y_items, weights=weights, check=False)) / 2.0
    xp = namespace(pairs)
    pairs = xp.where(pairs > 0, pairs, xp.full_like(pairs, _LEAST))
    return pairs / (pairs + ((1.0 - within_x) / 2.0 + (1.0 - within_y) / 2.0) / 2.0)

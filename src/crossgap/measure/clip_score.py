"""D8: CLIPScore, how well a caption fits its picture by their cosine."""

from typing import Any

import numpy as np

from crossgap.geometry.matches import matched_rows
from crossgap.geometry.means import weighted_mean
from crossgap.geometry.rows import Array, Rows, group_weights, namespace
from crossgap.measure.matched_cosine import matched_cosine_per_pair

__all__ = ["clip_score", "clip_score_per_pair"]

_SCALE = 2.5


def clip_score(
    x: Rows, y: Rows, *, x_items: Any = None, y_items: Any = None, weights: Any = None, check: bool = True
) -> Array:
    """Mean CLIPScore of matched pairs: pictures and the captions that describe them, no references needed.

    Formula::

        CLIPScore = mean_{(i,j) matched} 2.5 max(cos(x_i, y_j), 0)

    How to read it: range [0, 2.5], higher is better; the factor spreads the usual values over [0, 1]. With CLIP
    ViT-B/32 good captions of COCO have about 0.75. Values of two models do not compare, nor do those before and after
    a gap is closed: any map of the rows moves all cosines.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d): pictures and captions, in either order.
    x_items, y_items
        Item ids of the rows; rows of one item match. Without ids row i matches row i.
    weights
        Weightings for a bootstrap over items: (n, b) for both groups or a tuple of two, with one weight for all rows
        of an item; then the result is (b,).
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch where the cosine is positive.

    Raises
    ------
    ValueError
        If the groups differ in dimension, ids are given for one side only or are not one for each row, matched rows
        carry different weights, or a row is zero or not finite.
    DegenerateError
        If no row of x matches a row of y.

    Notes
    -----
    The paper puts "A photo depicts" before each caption when it embeds it. Cost: one pass, O(p d) for p pairs. Ignores
    a rotation of both groups, the order of pairs and the lengths of rows.

    References
    ----------
    Hessel et al., *CLIPScore: A Reference-free Evaluation Metric for Image Captioning*, EMNLP 2021, arXiv 2104.08718.

    Examples
    --------
    >>> float(clip_score(np.eye(2), np.array([[0.6, 0.8], [0.0, -1.0]])))  # cosines 0.6 and -1
    0.75
    """
    values = clip_score_per_pair(x, y, x_items=x_items, y_items=y_items, check=check)
    if weights is None:
        return weighted_mean(values)
    x_rows, y_rows = matched_rows(x.shape[0], y.shape[0], x_items, y_items)
    a, b = group_weights(weights, x.shape[0], y.shape[0])
    if a is None or b is None or not np.array_equal(a[x_rows], b[y_rows]):
        raise ValueError(
            "matched rows must carry equal weights, but some differ; draw the weights for items, not for rows: "
            "crossgap.measure.bootstrap_weights(items)[item_of_row]."
        )
    return weighted_mean(values, a[x_rows])


def clip_score_per_pair(x: Rows, y: Rows, *, x_items: Any = None, y_items: Any = None, check: bool = True) -> Array:
    """CLIPScore of each matched pair, (p,), in the order of the rows of x, then of y.

    How to read it: range [0, 2.5]; 0 where the cosine is not positive. ``clip_score`` is its mean.

    Parameters
    ----------
    x, y, x_items, y_items, check
        As in ``clip_score``.

    Raises
    ------
    ValueError, DegenerateError
        As ``clip_score``.

    References
    ----------
    Hessel et al., *CLIPScore: A Reference-free Evaluation Metric for Image Captioning*, EMNLP 2021, arXiv 2104.08718.

    Examples
    --------
    >>> clip_score_per_pair(np.eye(2), np.array([[0.6, 0.8], [0.0, -1.0]])).tolist()
    [1.5, 0.0]
    """
    cosines = matched_cosine_per_pair(x, y, x_items=x_items, y_items=y_items, check=check)
    return _SCALE * namespace(cosines).clip(cosines, 0.0, None)

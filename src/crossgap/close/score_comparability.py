"""Whether one score threshold can serve all pairs: how often a match across groups outscores strangers of any kind."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import join_items
from crossgap.geometry.ranks import match_cosines
from crossgap.geometry.rows import check_rows, check_same_dimension
from crossgap.geometry.similarity import similarity_blocks

__all__ = ["match_auroc_per_pair"]


_COSINES = ((0.0, 1.0),) * 3


def match_auroc_per_pair(
    x: Any, y: Any, *, x_items: Any, y_items: Any, scales: tuple[tuple[float, float], ...] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """For each matched pair the share of stranger pairs that it outscores: rows of x (p,), and the shares (p,).

    Formula::

        share_p = P( cos(u, v) < cos(x_p, y_p) ),   u, v any two rows of different items, of one group or of both

    How to read it: the mean is the area under the ROC curve of one threshold on all scores of a mixed index: 1 where
    every match scores above every stranger, whatever their groups, and 0.5 where the threshold tells nothing. A gap
    puts strangers of one modality above the matches across, so CLIP gives about 0.5 although its retrieval across is
    good.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d).
    x_items, y_items
        Item ids of the rows: equal id, a match.
    scales
        Mean and deviation by which cosines are standardised, within x, within y and across; None: plain cosines.

    Raises
    ------
    ValueError
        If the groups differ in dimension.
    DegenerateError
        If nothing matches, or there are no strangers.

    Notes
    -----
    Cost: (n + m)^2 d flops and a binary search for each score. A tie counts one half.

    References
    ----------
    Defined here; the area under a ROC curve as a probability: Hanley and McNeil, *The meaning and use of the area under
    a receiver operating characteristic (ROC) curve*, Radiology 1982.

    Examples
    --------
    Images and texts lie apart: a match scores 0, below the strangers of one group at 0.6, level with those across.

    >>> x, y = np.array([[1.0, 0, 0, 0], [0.6, 0.8, 0, 0]]), np.array([[0, 0, 1.0, 0], [0, 0, 0.6, 0.8]])
    >>> match_auroc_per_pair(x, y, x_items=[1, 2], y_items=[1, 2])[1].tolist()
    [0.25, 0.25]
    """
    check_rows(x, "x")
    check_rows(y, "y")
    check_same_dimension(x, y)
    x_items, y_items = np.asarray(x_items), np.asarray(y_items)
    matches = join_items(x_items, y_items)
    if not len(matches[0]):
        raise DegenerateError("nothing matches, so there is no score of a match; give item ids that match.")
    scales = _COSINES if scales is None else scales
    scores = (match_cosines(x, y, matches) - scales[2][0]) / scales[2][1]
    levels = np.unique(scores)
    slack = 8 * float(np.finfo(x.dtype).eps) / min(deviation for _, deviation in scales)
    edges = np.stack([levels - slack, levels + slack], axis=1)
    counts = np.zeros((2, len(levels) + 1))
    total = 0
    kinds = ((x, None, x_items, x_items), (y, None, y_items, y_items), (x, y, x_items, y_items))
    for (a, b, a_items, b_items), (mean, deviation) in zip(kinds, scales, strict=True):
        for rows, columns, block in similarity_blocks(a, b, check=False):
            stranger = a_items[rows, None] != b_items[None, columns]
            if b is None and rows == columns:
                stranger &= np.arange(rows.start, rows.stop)[:, None] < np.arange(columns.start, columns.stop)[None, :]
            found = (block[stranger].astype(np.float64) - mean) / deviation
            total += len(found)
            for side in (0, 1):  # surely below a level, and not surely above it
                counts[side] += np.bincount(
                    np.searchsorted(edges[:, side], found, side="right"), minlength=len(levels) + 1
                )
    if not total:
        raise DegenerateError("all rows are of one item, so there are no strangers; give more items.")
    below = np.cumsum(counts, axis=1)[:, :-1].mean(axis=0) / total
    return matches[0], below[np.searchsorted(levels, scores)]

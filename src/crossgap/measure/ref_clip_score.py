"""D8: RefCLIPScore, CLIPScore that also looks at reference captions."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import join_items
from crossgap.geometry.means import weighted_mean
from crossgap.geometry.ranks import match_cosines
from crossgap.geometry.rows import Array, Rows, check_rows, check_same_dimension, is_numpy, materialise, row_weights
from crossgap.measure.clip_score import clip_score_per_pair

__all__ = ["ref_clip_score", "ref_clip_score_per_item"]


def ref_clip_score(
    images: Rows,
    candidates: Rows,
    references: Rows,
    *,
    items: Any = None,
    reference_items: Any = None,
    weights: Any = None,
    check: bool = True,
) -> float | np.ndarray:
    """Mean of ``ref_clip_score_per_item``.

    How to read it: range [0, 1.43), higher is better. As for ``clip_score``, values of two models do not compare.

    Parameters
    ----------
    images, candidates, references, items, reference_items, check
        As in ``ref_clip_score_per_item``.
    weights
        Weightings of the items (n, b) for a bootstrap; then the result is (b,).

    Returns
    -------
    A float, or an array (b,) of NumPy.

    Raises
    ------
    ValueError, DegenerateError
        As ``ref_clip_score_per_item``; ValueError also if the weights are not one for each candidate.

    References
    ----------
    Hessel et al., *CLIPScore: A Reference-free Evaluation Metric for Image Captioning*, EMNLP 2021, arXiv 2104.08718.

    Examples
    --------
    >>> ref_clip_score(np.eye(2), np.eye(2), np.array([[1.0, 0.0], [0.0, -1.0]])) == (2 * 2.5 / 3.5 + 0) / 2
    True
    """
    values = ref_clip_score_per_item(
        images, candidates, references, items=items, reference_items=reference_items, check=check
    )
    if weights is None:
        return float(values.mean())
    return np.asarray(weighted_mean(values, row_weights(weights, len(values))))


def ref_clip_score_per_item(
    images: Rows,
    candidates: Rows,
    references: Rows,
    *,
    items: Any = None,
    reference_items: Any = None,
    check: bool = True,
) -> np.ndarray:
    """RefCLIPScore of each candidate caption, (n,).

    Formula::

        a = 2.5 max(cos(image, candidate), 0)                          (CLIPScore, with its factor)
        b = max(max over references r of cos(candidate, r), 0)         (no factor)
        RefCLIPScore = 2 a b / (a + b), and 0 where both are 0

    How to read it: range [0, 1.43) (5 / 3.5 where all cosines are 1); high only where the caption fits the picture
    *and* is like some reference.

    Parameters
    ----------
    images, candidates
        Rows (n, d): row i of the one is the picture of the caption in row i of the other.
    references
        Rows (m, d) of reference captions.
    items, reference_items
        Item ids of the n candidates and of the m references; references of the candidate's item are its own. Without
        ids row i is the one reference of candidate i.
    check
        Refuse zero and non-finite rows.

    Raises
    ------
    ValueError
        If sizes or dimensions do not fit, ids are given for one side only, or a row is zero or not finite.
    DegenerateError
        If a candidate has no reference.

    Notes
    -----
    The authors' code leaves out the maximum with 0 in b, which no pair of their captions reaches. Cost: one pass,
    O((n + p) d) for p pairs of a candidate and a reference. Ignores a rotation of all three groups, the order of items
    and the lengths of rows.

    References
    ----------
    Hessel et al., *CLIPScore: A Reference-free Evaluation Metric for Image Captioning*, EMNLP 2021, arXiv 2104.08718,
    section 3.

    Examples
    --------
    >>> references = np.array([[1.0, 0.0], [0.6, 0.8], [1.0, 0.0]])
    >>> found = ref_clip_score_per_item(np.eye(2), np.eye(2), references, items=[0, 1], reference_items=[0, 1, 1])
    >>> found.round(4).tolist()  # 2 * 2.5 * 1 / 3.5 and 2 * 2.5 * 0.8 / 3.3
    [1.4286, 1.2121]
    """
    sizes = [check_rows(rows, name)[0] for rows, name in ((images, "images"), (candidates, "candidates"))]
    m, _ = check_rows(references, "references")
    check_same_dimension(candidates, references, ("candidates", "references"))
    n = sizes[1]
    if sizes[0] != n:
        raise ValueError(
            f"images and candidates must pair row by row, but there are {sizes[0]} and {n} rows; give one picture for "
            f"each caption."
        )
    rows = _references_of(n, m, items, reference_items)
    cosines = _numbers(match_cosines(materialise(candidates), materialise(references), rows, check=check))
    best = np.zeros(n)
    np.maximum.at(best, rows[0], cosines)
    fit = _numbers(clip_score_per_pair(images, candidates, check=check))
    total = fit + best
    return np.divide(2 * fit * best, total, out=np.zeros(n), where=total > 0)


def _references_of(n: int, m: int, items: Any, reference_items: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return every (candidate, reference) of one item."""
    if (items is None) != (reference_items is None):
        raise ValueError(
            "item ids must be given for candidates and references or for neither, but they were given for one; give "
            "items and reference_items."
        )
    if items is None:
        if n != m:
            raise ValueError(
                f"without ids each candidate has one reference, but there are {n} candidates and {m} references; give "
                f"items and reference_items."
            )
        return np.arange(n), np.arange(n)
    items, reference_items = np.asarray(items), np.asarray(reference_items)
    for ids, name, size in ((items, "items", n), (reference_items, "reference_items", m)):
        if ids.shape != (size,):
            raise ValueError(f"{name} must hold one id a row, {size} in all, but its shape is {ids.shape}; give all.")
    rows = join_items(items, reference_items)
    alone = np.setdiff1d(np.arange(n), rows[0])
    if len(alone):
        raise DegenerateError(
            f"each candidate must have a reference, but item {items[alone[0]]!s} has none; add one or leave it out."
        )
    return rows


def _numbers(values: Array) -> np.ndarray:
    return values if is_numpy(values) else np.asarray(values.detach().cpu())

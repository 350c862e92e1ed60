"""A17: whether the rows of one group can be labelled by the mean rows of the labels in another group."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.matches import join_items
from crossgap.geometry.rows import check_rows, check_same_dimension, unit_rows

__all__ = ["label_hits_per_query"]

_TINY = 1e-12


def label_hits_per_query(
    queries: Any,
    gallery: Any,
    *,
    query_labels: Sequence[str | None],
    gallery_labels: Sequence[str | None],
    query_items: Any = None,
    gallery_items: Any = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Classify rows by the nearest class vector: rows of the queries that have a class (q,), and whether each is right.

    Formula::

        w_c = norm(mean of the unit rows of the gallery with label c),   right_i = [ argmax_c x_i . w_c is its label ]

    How to read it: the mean of the second is the accuracy, 1 / classes by chance. With one row for each prompt of a
    class this is zero-shot classification with a prompt ensemble. A query's own item takes no part in the class
    vectors: its caption would give the answer away.

    Parameters
    ----------
    queries, gallery
        Rows (n, d) and (m, d).
    query_labels, gallery_labels
        One label a row; None where it is unknown. Such rows take no part.
    query_items, gallery_items
        Item ids of the rows; without ids no row of one group shows an item of the other.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or labels or ids are not one a row.
    DegenerateError
        If fewer than two labels have a class vector, or no query has a label with one: labels that name items, and
        not classes, are of no use here.

    References
    ----------
    Radford et al., *Learning Transferable Visual Models From Natural Language Supervision*, ICML 2021, section 3.1.4.

    Examples
    --------
    >>> queries, gallery = np.array([[1.0, 0.2], [0.1, 1.0]]), np.eye(2)
    >>> rows, right = label_hits_per_query(queries, gallery, query_labels=["a", "a"], gallery_labels=["a", "b"])
    >>> rows.tolist(), right.tolist()
    ([0, 1], [True, False])
    """
    n, _ = check_rows(queries, "queries")
    m, _ = check_rows(gallery, "gallery")
    check_same_dimension(queries, gallery, ("queries", "gallery"))
    for name, labels, size in (("query_labels", query_labels, n), ("gallery_labels", gallery_labels, m)):
        if len(labels) != size:
            raise ValueError(f"{name} must be one for each of the {size} rows, but there are {len(labels)}.")
    classes = sorted({label for label in gallery_labels if label is not None})
    number = {label: place for place, label in enumerate(classes)}
    truth = np.array([-1 if label is None else number.get(label, -1) for label in query_labels])
    of_gallery = np.array([-1 if label is None else number[label] for label in gallery_labels])
    if len(classes) < 2 or not (truth >= 0).any():
        raise DegenerateError(
            f"zero-shot classification needs at least two labels that both groups hold, but the gallery has "
            f"{len(classes)}, of which {len(set(truth[truth >= 0].tolist()))} occur among the queries."
        )
    x, y = unit_rows(queries, name="queries"), unit_rows(gallery, name="gallery")
    labelled = np.flatnonzero(of_gallery >= 0)
    sums, counts = np.zeros((len(classes), x.shape[1])), np.bincount(of_gallery[labelled], minlength=len(classes))
    np.add.at(sums, of_gallery[labelled], y[labelled].astype(np.float64))
    scores = (x @ (sums / _lengths(sums)[:, None]).T.astype(x.dtype)).astype(np.float64)
    _leave_own_items_out(scores, x, y, sums, counts, of_gallery, query_items, gallery_items)
    answered = np.flatnonzero(truth >= 0)
    answered = answered[np.isfinite(scores[answered, truth[answered]])]
    if not len(answered) or np.isfinite(scores[answered]).sum(axis=1).max() < 2:
        raise DegenerateError("no label is shared by rows of different items, so labels here name items, not classes.")
    return answered, scores[answered].argmax(axis=1) == truth[answered]


def _leave_own_items_out(
    scores: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    sums: np.ndarray,
    counts: np.ndarray,
    of_gallery: np.ndarray,
    query_items: Any,
    gallery_items: Any,
) -> None:
    """Score queries anew against the classes that hold rows of their own item; -inf where nothing else is in one."""
    if query_items is None or gallery_items is None:
        return
    i, j = join_items(np.asarray(query_items), np.asarray(gallery_items))
    known = of_gallery[j] >= 0
    i, j = i[known], j[known]
    cells, place = np.unique(np.stack([i, of_gallery[j]]), axis=1, return_inverse=True)
    place = place.reshape(-1)
    rows, classes = cells
    own = np.zeros((len(rows), x.shape[1]))
    np.add.at(own, place, y[j].astype(np.float64))
    left = sums[classes] - own
    alone = np.bincount(place, minlength=len(rows)) == counts[classes]
    scores[rows, classes] = np.where(alone, -np.inf, np.vecdot(x[rows].astype(np.float64), left) / _lengths(left))


def _lengths(rows: np.ndarray) -> np.ndarray:
    return np.maximum(np.sqrt(np.vecdot(rows, rows)), _TINY)

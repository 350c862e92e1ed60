"""Scores of queries and gallery in one matrix, and corrections of them that are one number for each gallery row.

    cos(query_i, gallery_j) - offset_j   ==   a plain search with one more coordinate in every row

A correction of that form needs no code where the search runs: the number is stored with the row.
"""

from typing import Any

import numpy as np

from crossgap.geometry.rows import Rows, as_numpy, check_rows, check_same_dimension, unit_rows
from crossgap.geometry.similarity import similarity_blocks

__all__ = ["check_temperature", "cosine_matrix", "log_sum_exp", "log_sums", "rows_with_offsets"]


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not a finite number above 0."""
    if not 0 < temperature < float("inf"):
        raise ValueError(f"temperature must be a finite number above 0, but it is {temperature}; 0.05 is usual.")


def cosine_matrix(queries: Rows, gallery: Rows, *, check: bool = True) -> np.ndarray:
    """Return all cosines (n, m) in float64; memory is that of the result and a few blocks."""
    n, _ = check_rows(queries, "queries")
    m, _ = check_rows(gallery, "gallery")
    check_same_dimension(queries, gallery, ("queries", "gallery"))
    scores = np.empty((n, m))
    for rows, columns, block in similarity_blocks(queries, gallery, names=("queries", "gallery"), check=check):
        scores[rows, columns] = _block_as_numpy(block)
    return scores


def log_sum_exp(values: np.ndarray, *, axis: int) -> np.ndarray:
    """Log of the sum of exponentials along an axis, without overflow; a slice of minus infinities gives that."""
    highest = values.max(axis=axis, keepdims=True)
    highest = np.where(np.isfinite(highest), highest, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(values - highest).sum(axis=axis)) + np.squeeze(highest, axis=axis)


def log_sums(
    gallery: Rows,
    bank: Rows,
    temperature: float,
    *,
    leave_out_self: bool = False,
    names: tuple[str, str] = ("gallery", "bank"),
    check: bool = True,
) -> np.ndarray:
    """Log of sum_b exp(cos(g_j, b) / temperature) over the rows of a bank, for each row of the gallery (m,).

    With ``leave_out_self`` row i of the bank is row i of the gallery, and does not count for it. Blocked; summed in the
    log domain, so that a small temperature does not overflow. Cost: 2 n m d flops and n m exponentials.
    """
    sums = np.full(gallery.shape[0], -np.inf)
    for rows, columns, block in similarity_blocks(gallery, bank, names=names, check=check):
        block = np.asarray(_block_as_numpy(block), dtype=np.float64) / temperature
        if leave_out_self:
            same = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
            block[same - rows.start, same - columns.start] = -np.inf
        sums[rows] = np.logaddexp(sums[rows], log_sum_exp(block, axis=1))
    return sums


def rows_with_offsets(queries: Rows, gallery: Rows, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows whose cosines rank the gallery by cos(q_i, g_j) - offsets[j], both (., d + 2) in float64.

    One more coordinate holds 1 on the query's side and the negative offset on the gallery's; another fills the gallery
    rows up to one length, so that dividing by lengths moves all scores of a query alike. An index of inner products
    needs only the first of the two.

    Examples
    --------
    The offset puts the farther row first.

    >>> q, g = rows_with_offsets(np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], [0.8, 0.6]]), np.array([0.5, 0.0]))
    >>> np.argsort(-(g @ q[0])).tolist(), np.vecdot(g, g).round(4).tolist()
    ([1, 0], [1.0625, 1.0625])
    """
    offsets = np.asarray(offsets, dtype=np.float64)
    if offsets.shape != (gallery.shape[0],):
        raise ValueError(
            f"offsets must hold one number for each of the {gallery.shape[0]} gallery rows, but their shape is "
            f"{offsets.shape}."
        )
    offsets = offsets - (offsets.min() + offsets.max()) / 2
    filler = np.sqrt(np.max(offsets**2) - offsets**2)
    q, g = (unit_rows(as_numpy(x, np.float64), name=name) for x, name in ((queries, "queries"), (gallery, "gallery")))
    return (
        np.column_stack([q, np.ones(len(q)), np.zeros(len(q))]),
        np.column_stack([g, -offsets, filler]),
    )


def _block_as_numpy(block: Any) -> np.ndarray:
    return block if isinstance(block, np.ndarray) else block.detach().cpu().numpy()

"""A22: whether two spaces order all pairs of items alike (representational similarity analysis)."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from crossgap.compare.aligned_rows import check_aligned
from crossgap.errors import DegenerateError
from crossgap.geometry.means import mean_row, mean_unit_row, squared_weight_sums, weights_like, wide
from crossgap.geometry.rows import (
    Array,
    Rows,
    as_numpy,
    check_finite,
    check_lengths,
    check_same_dimension,
    row_weights,
    take_rows,
    unit_rows,
)

__all__ = ["representational_similarity"]

_BLOCK = 512  # rows of a triangle that are worked on at once
MATRICES = ("x-y", "x-cross", "y-cross")


def representational_similarity(
    x: Rows,
    y: Rows,
    *,
    correlation: str = "spearman",
    matrices: str = "x-y",
    unit: bool = True,
    centre: bool = False,
    rows: int | None = 2048,
    seed: int = 0,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Correlation of the similarities within one space with those within the other, over all pairs of items.

    Formula::

        corr_{i > j} (x_i . x_j,  y_i . y_j)        (of unit rows)
        "x-cross": corr (x_i . x_j, x_i . y_j)        "y-cross": corr (y_i . y_j, x_i . y_j)

    How to read it: range [-1, 1]; 1 when both spaces order (or, for Pearson, space) all pairs alike, 0 when knowing
    one says nothing of the other. CLIP on 500 COCO pairs, image against text: 0.30 (Spearman), 0.37 (Pearson). All
    pairs count the same, so it says little of close neighbours: see ``mutual_neighbours``. **It is blind to the gap**
    in that each space is compared with itself: rotating either changes nothing, and with ``centre`` neither does
    moving it.

    Parameters
    ----------
    x, y
        Rows (n, d1) and (n, d2), row i of both the same item; the dimensions may differ for "x-y" only.
    correlation
        "spearman" compares ranks (ties get their mean), "pearson" the values.
    matrices
        "x-y" compares X X^T with Y Y^T; "x-cross" X X^T and "y-cross" Y Y^T with X Y^T, whose entry (i, j) is that of
        image i with text j where i > j, as training runs log it. These two need one shared space.
    unit
        Divide each row by its length first. False takes the rows as they are.
    centre
        Then take the mean of all rows away: without it the common direction of a space weighs in every product.
    rows
        Where there are more rows, so many are drawn, without replacement. None takes all.
    seed
        Seed of the draw.
    weights
        Weightings (n, b) for a bootstrap, the draw and the ranks held; then the result is (b,). A row never pairs with
        its own copies.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library. Not differentiable.

    Raises
    ------
    ValueError
        If the numbers of rows differ, an option is unknown or out of range, or a row is zero or not finite.
    DegenerateError
        If there are fewer than three rows, or all pairs of one space are equally similar.

    Notes
    -----
    Cost: for m rows drawn, m^2 (d1 + d2) flops and two sorts of m^2 / 2 numbers, about two seconds for m = 2,048; some
    30 m^2 bytes, 120 MiB for 2,048. With b weightings 10 m^2 b flops more; a replicate without spread has the value 0.

    References
    ----------
    Kriegeskorte, Mur, Bandettini, *Representational similarity analysis*, Frontiers in Systems Neuroscience 2008; the
    three comparisons: Fahim, Murphy, Fyshe, arXiv 2405.18570 (logged by their code).

    Examples
    --------
    Cosines of the pairs (1, 0), (2, 0), (2, 1): 0.8, 0, 0.6 in x, and the same in a rotated copy.

    >>> x = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]])
    >>> round(float(representational_similarity(x, x[:, ::-1])), 6)
    1.0
    >>> float(representational_similarity(x, x[[1, 0, 2]]))  # 0.8, 0.6, 0: ranks 3 1 2 and 3 2 1
    0.5
    """
    n = check_aligned(x, y, least=3)
    if correlation not in ("spearman", "pearson"):
        raise ValueError(f"correlation must be 'spearman' or 'pearson', but it is {correlation!r}; choose one.")
    if matrices not in MATRICES:
        raise ValueError(
            f"matrices must be one of {', '.join(map(repr, MATRICES))}, but it is {matrices!r}; choose one."
        )
    if matrices != "x-y":
        check_same_dimension(x, y)
    if rows is not None and rows < 3:
        raise ValueError(f"rows must be at least 3, but it is {rows}; None takes all.")
    weights = row_weights(weights, n)
    chosen = np.arange(n)
    if rows is not None and n > rows:
        chosen = np.sort(np.random.default_rng(seed).choice(n, rows, replace=False))
    a, b = _chosen_rows(x, chosen, unit, centre, "x", check), _chosen_rows(y, chosen, unit, centre, "y", check)
    sides = {"x-y": ((a, a), (b, b)), "x-cross": ((a, a), (a, b)), "y-cross": ((b, b), (a, b))}[matrices]
    triangles = [_centred(_lower_triangle(*pair), correlation) for pair in sides]
    if weights is None:
        value = np.dot(*triangles) / np.sqrt(np.dot(triangles[0], triangles[0]) * np.dot(triangles[1], triangles[1]))
        return weights_like(np.clip(value, -1.0, 1.0), wide(x[:1]))
    return weights_like(_weighted(triangles[0], triangles[1], weights[chosen].astype(np.float64)), wide(x[:1]))


def _chosen_rows(x: Rows, chosen: np.ndarray, unit: bool, centre: bool, name: str, check: bool) -> np.ndarray:
    if check and unit:
        check_lengths(x, name)
    elif check:
        check_finite(x, name)
    rows = wide(take_rows(x, chosen))
    rows = unit_rows(rows, check=False) if unit else rows
    mean = 0.0 if not centre else wide(mean_unit_row(x, check=False) if unit else mean_row(x))
    return as_numpy(rows - mean)


def _lower_triangle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products of a_i and b_j for i > j, row by row."""
    n = len(a)
    found = np.empty(n * (n - 1) // 2)
    for start in range(0, n, _BLOCK):
        block = a[start : start + _BLOCK] @ b[: start + _BLOCK].T
        for i in range(start, min(start + _BLOCK, n)):
            found[i * (i - 1) // 2 : i * (i + 1) // 2] = block[i - start, :i]
    return found


def _centred(values: np.ndarray, correlation: str) -> np.ndarray:
    """Values or their ranks, less the mean."""
    if np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        raise DegenerateError("all pairs of rows of one space are equally similar; give rows that vary.")
    if correlation == "spearman":
        from scipy.stats import rankdata

        values = rankdata(values)
    return values - values.mean()


def _triangle_blocks(triangles: list[np.ndarray], n: int) -> Iterator[tuple[slice, list[np.ndarray]]]:
    for start in range(0, n, _BLOCK):
        rows = slice(start, min(start + _BLOCK, n))
        blocks = [np.zeros((rows.stop - start, rows.stop)) for _ in triangles]
        for i in range(start, rows.stop):
            for block, triangle in zip(blocks, triangles, strict=True):
                block[i - start, :i] = triangle[i * (i - 1) // 2 : i * (i + 1) // 2]
        yield rows, blocks


def _weighted(a: np.ndarray, b: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Pearson correlation of pairs i > j that count w_i w_j, (b,)."""
    totals = np.zeros((5, w.shape[1]))
    for rows, (first, second) in _triangle_blocks([a, b], len(w)):
        parts = (first, second, first * second, first * first, second * second)
        for place, part in enumerate(parts):
            totals[place] += (w[rows] * (part @ w[: rows.stop])).sum(axis=0)
    pairs = (w.sum(axis=0) ** 2 - squared_weight_sums(w)) / 2.0
    sums = totals / np.maximum(pairs, 1.0)
    variances = (sums[3] - sums[0] ** 2) * (sums[4] - sums[1] ** 2)
    found = variances > 0
    return np.where(found, (sums[2] - sums[0] * sums[1]) / np.sqrt(np.where(found, variances, 1.0)), 0.0)

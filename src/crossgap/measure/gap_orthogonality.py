"""A7: at what angle the gap stands to the differences within a modality."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import weights_like, wide
from crossgap.geometry.rows import Array, Rows, check_rows, check_same_dimension, group_weights, namespace, unit_blocks
from crossgap.geometry.similarity import similarity_blocks
from crossgap.measure.gap_energy_ratio import check_gap
from crossgap.measure.gap_span_energy import side_rows
from crossgap.measure.gap_vector import gap_vector
from crossgap.measure.participation_ratio import participation_ratio

__all__ = ["gap_orthogonality", "gap_orthogonality_reference"]

_SAME_ROW = 1e-6  # squared distance below which the direction of a difference is rounding


def gap_orthogonality(x: Rows, y: Rows, *, of: str = "x", weights: Any = None, check: bool = True) -> Array:
    """Root mean square cosine between the gap and the differences of two rows of one group.

    Formula::

        sqrt( mean_{a<b} cos(x_a - x_b, g)^2 ),   g = m_x - m_y        (unit rows)

    How to read it: range [0, 1]; 0 where the gap is at right angles to every difference. Compare it with
    ``gap_orthogonality_reference``: 1/sqrt(d) for a gap in a random direction of the space, 1/sqrt(PR) for one in a
    random direction of the group's own span. CLIP on COCO: 0.068 (image) against 0.044 and 0.153.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d); pairs are not needed.
    of
        Whose differences: "x" or "y".
    weights
        Weightings for a bootstrap: (n, b) for both groups or a tuple of two; then the result is (b,). A row never meets
        its own copies.
    check
        Refuse zero and non-finite rows and a gap of length zero.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch.

    Raises
    ------
    ValueError
        If ``of`` is neither "x" nor "y", the groups differ in dimension, or a row is zero or not finite.
    DegenerateError
        If the group has fewer than two different rows, or the means coincide.

    Notes
    -----
    Cost: n^2 d flops over all pairs, in blocks. Pairs of rows nearer than 0.001 have no direction and are left out.
    Ignores a rotation of both groups, row order and which rows pair. Departs from the source, which averages the cosine
    itself over consecutive rows: those numerators telescope, so that mean is zero for any data (erratum 16).

    References
    ----------
    The claim that it tests is proposition 1 of Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv
    2401.08567; the quantity is defined here.

    Examples
    --------
    The difference (0, 1.6) has cosine 1/sqrt(1.36) with the gap (0.6, -1).

    >>> x, y = np.array([[0.6, 0.8], [0.6, -0.8]]), np.array([[0.0, 1.0]])
    >>> round(float(gap_orthogonality(x, y)), 6)
    0.857493
    """
    n, m = check_rows(x, "x")[0], check_rows(y, "y")[0]
    check_same_dimension(x, y)
    group = side_rows(x, y, of)
    check_rows(group, of, least=2)
    if weights is None:
        gap = gap_vector(x, y, check=check)[None, :]
        own = np.ones((int(group.shape[0]), 1))
    else:
        gap = gap_vector(x, y, weights=weights, check=check)
        own = np.asarray(group_weights(weights, n, m)[0 if of == "x" else 1])
    if check:
        check_gap(gap)
    xp = namespace(gap)
    direction = gap / xp.sqrt(xp.sum(gap * gap, axis=-1))[:, None]
    along = xp.concat([wide(block) @ direction.T for _, block in unit_blocks(group, name=of, check=False)])
    along = along - xp.mean(along, axis=0)
    counts = weights_like(own, along)
    total: Any = 0.0
    pairs: Any = 0.0
    for rows, columns, block in similarity_blocks(group, names=(of, of), check=False):
        squares = 2.0 - 2.0 * wide(block)
        apart = squares > _SAME_ROW
        if rows == columns:
            apart = xp.astype(apart, xp.float64) * (1.0 - xp.eye(squares.shape[0], dtype=xp.float64, device=gap.device))
            apart = apart > 0
        inverse = xp.where(apart, 1.0 / xp.where(apart, squares, xp.ones_like(squares)), xp.zeros_like(squares))
        w, p = counts[rows], along[rows]
        v, q = counts[columns], along[columns]
        part = (
            xp.sum(w * p * p * (inverse @ v), axis=0)
            - 2.0 * xp.sum(w * p * (inverse @ (v * q)), axis=0)
            + xp.sum(w * (inverse @ (v * q * q)), axis=0)
        )
        half = 0.5 if rows == columns else 1.0
        total = total + half * part
        pairs = pairs + half * xp.sum(w * (xp.astype(apart, xp.float64) @ v), axis=0)
    if not bool(xp.all(pairs > 0)):
        raise DegenerateError(
            f"all rows of {of} have one and the same direction, so they have no difference; give others."
        )
    result = xp.sqrt(xp.clip(total / pairs, 1e-300, 1.0))
    return result[0] if weights is None else result


def gap_orthogonality_reference(x: Rows, y: Rows, *, of: str = "x", within: str = "space", check: bool = True) -> Array:
    """Value of ``gap_orthogonality`` that a gap in a random direction has.

    Formula::

        within="space"   1 / sqrt(d)
        within="span"    1 / sqrt(PR),   PR = participation ratio of the group's covariance

    How to read it: a value near 1/sqrt(d) means that the gap knows nothing of the group's spread; one near 1/sqrt(PR)
    means that it lies in the group's own span, just like a difference of two rows.

    Parameters
    ----------
    x, y, of, check
        As in ``gap_orthogonality``.
    within
        "space" for a random direction of the whole space, "span" for one of the group's own span.

    Raises
    ------
    ValueError
        If ``of`` or ``within`` is unknown, the groups differ in dimension, or a row is zero or not finite.
    DegenerateError
        With "span", if the group has fewer than two different rows.

    References
    ----------
    Defined here (erratum 16).

    Examples
    --------
    >>> float(gap_orthogonality_reference(np.eye(4), -np.eye(4)))
    0.5
    """
    _, d = check_rows(x, "x")
    check_rows(y, "y")
    check_same_dimension(x, y)
    group = side_rows(x, y, of)
    if within not in ("space", "span"):
        raise ValueError(f"within must be 'space' or 'span', but it is {within!r}; give one of them.")
    if within == "span":
        return participation_ratio(group, check=check) ** -0.5
    xp = namespace(x)
    return xp.asarray(d**-0.5, dtype=xp.float64)[()]

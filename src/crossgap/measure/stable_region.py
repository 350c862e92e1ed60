"""A19: which anchors the contrastive loss has stopped moving."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.geometry.matches import same_item
from crossgap.geometry.means import weighted_mean, weights_like, wide
from crossgap.geometry.ranks import match_cosines
from crossgap.geometry.rows import Array, Rows, check_pair, namespace
from crossgap.geometry.similarity import similarity_blocks
from crossgap.measure.alignment import check_pair_items

__all__ = ["StableRegion", "stable_region", "stable_region_per_anchor", "stable_region_width"]


@dataclass(frozen=True, kw_only=True, eq=False)
class StableRegion:
    """Where each anchor stands; all arrays (n,), in float64, of the library of the rows.

    Parameters
    ----------
    margin
        Cosine of the anchor with its match less that with its nearest negative, in [-2, 2].
    hard_negatives
        Effective number of hard negatives, between 1 and n - 1.
    threshold
        Least margin at which the anchor's loss is ``delta`` or less, given its negatives.
    inside
        Whether the margin reaches the threshold.
    """

    margin: Array
    hard_negatives: Array
    threshold: Array
    inside: Array


def stable_region(
    x: Rows,
    y: Rows,
    *,
    temperature: float = 0.01,
    delta: float = 0.01,
    items: Any = None,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Share of anchors whose contrastive loss is so small that training leaves them where they are.

    Formula::

        mean_i [ r_i >= T ln(o_i / (e^delta - 1)) ]        which is:  loss of anchor i <= delta
        r_i = s_ii - max_{j != i} s_ij                     (margin)
        o_i = sum_{j != i} exp((s_ij - max_{j != i} s_ij) / T)        (effective number of hard negatives)

    with s_ij the cosine of x_i and y_j and T the temperature; j != i stands for the pairs j of other items.

    How to read it: range [0, 1]; near 1 the loss is spent, and what gap and alignment noise are left will stay. The
    lower the temperature, the smaller the margin that suffices: a gap can outlive a loss of zero. Anchors are the rows
    of ``x``; swap the arguments for the other direction of the loss.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other, n at least 2.
    temperature
        That of the model, 1 / logit scale; CLIP ends at 0.01.
    delta
        Loss of one anchor, in nats, below which it counts as at rest.
    items
        Item ids of the n pairs: pairs of one item (a picture and its five captions) are no negatives of each other.
        None: each pair is an item.
    weights
        Weightings (n, b) of the anchors for a bootstrap, the negatives kept; then the result is (b,).
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; a count, so it has no gradient.

    Raises
    ------
    ValueError
        If the shapes differ, ``temperature`` or ``delta`` is not above 0, ``items`` are not one for each pair, or a
        row is zero or not finite.
    DegenerateError
        If there are fewer than two pairs or items.

    Notes
    -----
    Cost: 2 n^2 d flops and n^2 exponentials, in blocks of a few MiB, summed in the log domain. The negatives are all
    rows of ``y`` of other items: with more rows there are more of them than in a training batch, so the share falls as
    n grows.
    Ignores a rotation of both groups and the order of pairs.

    References
    ----------
    Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, lemmas 3 and 4.

    Examples
    --------
    Both anchors have margin 1 - 0; at temperature 1 the loss is ln(1 + 1/e) = 0.31.

    >>> float(stable_region(np.eye(2), np.eye(2))), float(stable_region(np.eye(2), np.eye(2), temperature=1.0))
    (1.0, 0.0)
    """
    found = stable_region_per_anchor(x, y, temperature=temperature, delta=delta, items=items, check=check)
    return weighted_mean(wide(found.inside), weights)


def stable_region_per_anchor(
    x: Rows, y: Rows, *, temperature: float = 0.01, delta: float = 0.01, items: Any = None, check: bool = True
) -> StableRegion:
    """Margin, effective number of hard negatives and threshold of every anchor.

    How to read it: ``stable_region`` is the mean of ``inside``. Many effective negatives at a low temperature mean
    near-duplicates among the rows of ``y``.

    Parameters
    ----------
    x, y, temperature, delta, items, check
        As in ``stable_region``.

    Raises
    ------
    ValueError, DegenerateError
        As in ``stable_region``.

    References
    ----------
    As ``stable_region``.

    Examples
    --------
    Each anchor has one negative, at cosine 0: margin 1, threshold 0.01 ln(1 / 0.01005) = 0.046.

    >>> found = stable_region_per_anchor(np.eye(2), np.eye(2))
    >>> found.margin.tolist(), found.hard_negatives.tolist(), found.threshold.round(3).tolist()
    ([1.0, 1.0], [1.0, 1.0], [0.046, 0.046])
    """
    n, _ = check_pair(x, y, least=2)
    _check_positive(temperature, delta)
    items = check_pair_items(items, n)
    xp = namespace(x)
    anchors = np.arange(n)
    positives = match_cosines(x, y, (anchors, anchors), check=check)
    found: dict[int, tuple[Array, Array]] = {}
    for rows, columns, block in similarity_blocks(x, y, check=False):
        same = same_item(items, rows, columns)
        negative = 1.0 if same is None else weights_like(~same, block)
        if same is not None:
            block = block - 8.0 * (1.0 - negative)
        highest = xp.max(block, axis=1)
        before = found.get(rows.start)
        if before is not None:
            highest = xp.maximum(highest, before[0])
        total = wide(xp.sum(negative * xp.exp((block - highest[:, None]) / temperature), axis=1))
        if before is not None:
            total = total + before[1] * xp.exp(wide(before[0] - highest) / temperature)
        found[rows.start] = highest, total
    ordered = [found[start] for start in sorted(found)]
    margin = positives - wide(xp.concat([highest for highest, _ in ordered]))
    hard_negatives = xp.clip(xp.concat([total for _, total in ordered]), 1.0, n - 1.0)
    threshold = temperature * (xp.log(hard_negatives) - float(np.log(np.expm1(delta))))
    return StableRegion(margin=margin, hard_negatives=hard_negatives, threshold=threshold, inside=margin >= threshold)


def stable_region_width(n: int, temperature: float, delta: float = 0.01, *, necessary: bool = False) -> float:
    """Margin at which the loss of an anchor among ``n`` rows is ``delta`` or less, whatever its negatives.

    Formula::

        T ln((n - 1) / (e^delta - 1))        sufficient for every configuration: all n - 1 negatives equally hard
        T ln(1 / (e^delta - 1))              necessary in every configuration: one hard negative

    How to read it: a margin of cosines cannot exceed 2, so **above 2 the region is unattainable**: the loss never
    falls to ``delta`` for sure, and keeps pulling. A small width means that training stops early.

    Parameters
    ----------
    n
        Rows in a batch, at least 2: n - 1 negatives.
    temperature
        1 / logit scale.
    delta
        Loss of one anchor, in nats, that counts as at rest.
    necessary
        Give the necessary margin instead of the sufficient one.

    Raises
    ------
    ValueError
        If ``n`` is below 2, or ``temperature`` or ``delta`` is not above 0.

    References
    ----------
    Zhang, Sui, Yeung-Levy, arXiv 2401.08567, lemmas 3 and 4.

    Examples
    --------
    >>> round(stable_region_width(64, 0.01), 3), round(stable_region_width(64, 0.01, necessary=True), 3)
    (0.087, 0.046)
    >>> stable_region_width(64, 0.5) > 2
    True
    """
    if n < 2:
        raise ValueError(f"n must be at least 2, but it is {n}; an anchor needs a negative.")
    _check_positive(temperature, delta)
    return float(temperature * np.log((1 if necessary else n - 1) / np.expm1(delta)))


def _check_positive(temperature: float, delta: float) -> None:
    for name, value in (("temperature", temperature), ("delta", delta)):
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} must be a finite number above 0, but it is {value}; 0.01 is usual.")

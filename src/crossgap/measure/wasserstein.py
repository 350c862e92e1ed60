"""A21: the cheapest way to carry one group onto the other, and whether it finds the true pairs."""

from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.means import weighted_mean, wide
from crossgap.geometry.rows import (
    Array,
    Rows,
    check_pair,
    check_rows,
    check_same_dimension,
    group_weights,
    materialise,
    namespace,
    row_weights,
    unit_rows,
)
from crossgap.measure.alignment import alignment

__all__ = ["matching_cost_ratio", "optimal_partner_share", "sinkhorn_distance", "wasserstein"]

_MOST_ROWS = 2000
_MOST_SINKHORN_ROWS = 5000
_SETTLED = 1e-6  # mean change of a potential; the value is off by about its square over eps


def wasserstein(x: Rows, y: Rows, *, squared: bool = False, weights: Any = None, check: bool = True) -> Array:
    """Exact 2-Wasserstein distance of the unit rows of two groups of one size, by optimal assignment.

    Formula::

        W₂² = min over one-to-one assignments s of mean_i |x_i - y_s(i)|²

    How to read it: range [0, 2]; 0 for equal sets. Not below ``centroid_distance``, and not above the root of
    ``alignment``, which is the cost of the true pairing. Two samples of one distribution lie far apart in many
    dimensions: compare with two halves of one group. Subtract each group's mean first to see what is no offset.

    Parameters
    ----------
    x, y
        Rows (n, d), n at most 2,000. Which rows pair makes no difference.
    squared
        Return W₂², the mean squared distance moved.
    weights
        Weightings for a bootstrap: (n, b) for both groups or a tuple of two; then the result is (b,), exact to first
        order and a lower bound: each row weighs in with its dual price, which is held.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch, with the assignment held.

    Raises
    ------
    ValueError
        If the groups differ in size or dimension, there are more than 2,000 rows, or a row is zero or not finite.

    Notes
    -----
    Cost: n² numbers in memory and up to O(n³) steps, about a second for 2,000 rows. For more rows, or groups of
    different sizes, use ``sliced_wasserstein`` or ``sinkhorn_distance``. Ignores a rotation of both groups.

    References
    ----------
    Peyré and Cuturi, *Computational Optimal Transport*, 2019, arXiv 1803.00567, sections 2.2 and 2.5.

    Examples
    --------
    One set in two orders.

    >>> float(wasserstein(np.eye(3), np.eye(3)[::-1]))
    0.0
    """
    n, _ = _check_assignment(x, y)
    partner, a, b, xp = _assign(x, y, check)
    cost = xp.sum((a - xp.take(b, _index(partner, b), axis=0)) ** 2, axis=-1)
    if weights is None:
        value = xp.mean(cost)
        return value if squared else xp.sqrt(value)
    x_weights, y_weights = group_weights(weights, n, n)
    x_price, y_price = _prices(_costs(a, b), partner)
    value = np.maximum(weighted_mean(x_price, x_weights) + weighted_mean(y_price, y_weights), 0.0)
    return xp.asarray(value if squared else np.sqrt(value), dtype=xp.float64)


def optimal_partner_share(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Share of pairs that the cheapest one-to-one assignment puts together.

    Formula::

        #{i: s(i) = i} / n,   s the assignment of least sum of |x_i - y_s(i)|²

    How to read it: range [0, 1]; 1 when geometry alone recovers every pair, 1/n at random. It is retrieval in which
    each row may be taken once, so it forgives hubs; it does not change when one group is moved by a constant vector
    (on raw rows), so a gap alone does not lower it.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other, n at most 2,000.
    weights
        Weightings (n, b) of the pairs for a bootstrap, the assignment held; then the result is (b,).
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library. Not differentiable.

    Raises
    ------
    ValueError
        If the shapes differ, there are more than 2,000 rows, or a row is zero or not finite.

    Notes
    -----
    Cost: that of ``wasserstein``. Among equally cheap assignments one is chosen.

    References
    ----------
    Defined here, from the assignment in Peyré and Cuturi, *Computational Optimal Transport*, 2019, section 2.2.

    Examples
    --------
    Two of three rows have moved to each other's place.

    >>> round(float(optimal_partner_share(np.eye(3), np.eye(3)[[1, 0, 2]])), 6)
    0.333333
    """
    n, _ = _check_assignment(x, y)
    partner, _, _, xp = _assign(x, y, check)
    hits = (partner == np.arange(n)).astype(np.float64)
    return xp.asarray(weighted_mean(hits, weights), dtype=xp.float64)


def matching_cost_ratio(x: Rows, y: Rows, *, weights: Any = None, check: bool = True) -> Array:
    """Cost of the cheapest assignment over that of the true pairing.

    Formula::

        W₂² / A,   A = alignment = mean_i |x_i - y_i|²

    How to read it: range [0, 1]; 1 when no assignment is cheaper than the true pairs, so that what separates the pairs
    also separates the distributions; small when rows of the right kind are near, but not the right ones.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other, n at most 2,000.
    weights
        Weightings (n, b) of the pairs for a bootstrap; then the result is (b,), as in ``wasserstein``.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch, with the assignment held.

    Raises
    ------
    ValueError
        If the shapes differ, there are more than 2,000 rows, or a row is zero or not finite.
    DegenerateError
        If every pair coincides.

    Notes
    -----
    Cost: that of ``wasserstein``.

    References
    ----------
    Defined here, from the assignment in Peyré and Cuturi, *Computational Optimal Transport*, 2019, section 2.2.

    Examples
    --------
    True pairs at squared distance 2, 2 and 0; a cheaper assignment costs nothing.

    >>> float(matching_cost_ratio(np.eye(3), np.eye(3)[[1, 0, 2]]))
    0.0
    """
    n, _ = _check_assignment(x, y)
    row_weights(weights, n)
    total = alignment(x, y, weights=weights, check=check)
    if not bool(namespace(x).all(total > 1e-12)):
        raise DegenerateError("every pair of x and y coincides, so there is no cost to compare; drop exact copies.")
    return wasserstein(x, y, squared=True, weights=weights, check=False) / total


def sinkhorn_distance(
    x: Rows,
    y: Rows,
    *,
    regularisation: float = 0.05,
    iterations: int = 2000,
    squared: bool = False,
    weights: Any = None,
    check: bool = True,
) -> Array:
    """Debiased entropic 2-Wasserstein distance of the unit rows of two groups.

    Formula::

        S² = OT(x, y) - OT(x, x) / 2 - OT(y, y) / 2
        OT(x, y) = min over couplings P of sum P_ij |x_i - y_j|² + eps KL(P | uniform)

    How to read it: range [0, 2]; 0 for equal sets. Near ``wasserstein`` for small eps, the centroid distance for
    large eps. It has less bias from small samples than the exact distance.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d), at most 5,000 each; neither pairs nor equal sizes are needed.
    regularisation
        eps, above 0, in the unit of squared distances (0 to 4). Smaller is closer to the exact distance and slower.
    iterations
        Most rounds of updates.
    squared
        Return S².
    weights
        Weightings for a bootstrap: (n, b) for both groups or a tuple of two; then the result is (b,), exact to first
        order: each row weighs in with its potential, which is held.
    check
        Refuse zero and non-finite rows.

    Returns
    -------
    A float64 scalar of the arrays' own library; differentiable on torch.

    Raises
    ------
    ValueError
        If the groups differ in dimension, there are more than 5,000 rows, ``regularisation`` is not above 0, a row is
        zero or not finite, or the potentials still change by 1e-6 on average after ``iterations``.

    Notes
    -----
    Cost: n m numbers in memory and O(n m) exponentials an update, some tens of updates for eps = 0.05. Summed in the
    log domain, so small eps does not underflow. Ignores a rotation of both groups, row order and which rows pair.

    References
    ----------
    Feydy et al., *Interpolating between Optimal Transport and MMD using Sinkhorn Divergences*, AISTATS 2019,
    arXiv 1810.08278; Cuturi, *Sinkhorn Distances*, NeurIPS 2013, arXiv 1306.0895.

    Examples
    --------
    Two opposite points.

    >>> x = np.array([[1.0, 0.0]])
    >>> float(sinkhorn_distance(x, -x))
    2.0
    """
    n, _ = check_rows(x, "x")
    m, _ = check_rows(y, "y")
    check_same_dimension(x, y)
    if max(n, m) > _MOST_SINKHORN_ROWS:
        raise ValueError(
            f"x and y must have at most {_MOST_SINKHORN_ROWS:,} rows each here, but they have {n:,} and {m:,}; "
            f"give a sample of rows, or use crossgap.measure.sliced_wasserstein."
        )
    if not 0 < regularisation < float("inf"):
        raise ValueError(f"regularisation must be a finite number above 0, but it is {regularisation}; 0.05 is usual.")
    xp = namespace(x)
    a = wide(unit_rows(materialise(x), name="x", check=check))
    b = wide(unit_rows(materialise(y), name="y", check=check))
    settings = (regularisation, iterations)
    f, g = _potentials(_costs(a, b), *settings)
    f = f - _own_potential(_costs(a, a), *settings)
    g = g - _own_potential(_costs(b, b), *settings)
    if weights is None:
        value = xp.mean(f) + xp.mean(g)
    else:
        x_weights, y_weights = group_weights(weights, n, m)
        value = weighted_mean(f, x_weights) + weighted_mean(g, y_weights)
    value = xp.clip(value, 0.0, None)
    return value if squared else xp.sqrt(value)


def _check_assignment(x: Rows, y: Rows) -> tuple[int, int]:
    n, d = check_pair(x, y)
    if n > _MOST_ROWS:
        raise ValueError(
            f"an exact assignment takes at most {_MOST_ROWS:,} rows, but x and y have {n:,}; give a sample of pairs, "
            f"or use crossgap.measure.sliced_wasserstein."
        )
    return n, d


def _costs(a: Array, b: Array) -> Array:
    """Squared distances (n, m) of unit rows."""
    return namespace(a).clip(2.0 - 2.0 * (a @ b.T), 0.0, None)


def _assign(x: Rows, y: Rows, check: bool) -> tuple[np.ndarray, Array, Array, Any]:
    """The row of y that each row of x goes to, and the unit rows in float64."""
    from scipy.optimize import linear_sum_assignment

    a = wide(unit_rows(materialise(x), name="x", check=check))
    b = wide(unit_rows(materialise(y), name="y", check=check))
    return linear_sum_assignment(_numpy(_costs(a, b)))[1], a, b, namespace(a)


def _numpy(values: Array) -> np.ndarray:
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()


def _index(partner: np.ndarray, like: Array) -> Any:
    return partner if isinstance(like, np.ndarray) else namespace(like).asarray(partner, device=like.device)


def _prices(costs: Array, partner: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Dual prices f, g with f_i + g_j <= cost_ij, and equality for partners: shortest paths between rows of y.

    The mean of the paths from all rows and of those to all rows, so that neither group is preferred.
    """
    costs = _numpy(costs)[:, partner]
    extra = costs - np.diag(costs)[:, None]  # what row i pays more for the partner of row k
    low, high = np.zeros(len(extra)), np.zeros(len(extra))
    for _ in range(len(extra)):
        lower = np.minimum(low, (low[:, None] + extra).min(axis=0))
        higher = np.maximum(high, (high[None, :] - extra).max(axis=1))
        settled = max(np.abs(lower - low).max(), np.abs(higher - high).max()) < 1e-12
        low, high = lower, higher
        if settled:
            break
    y_price = (low + high) / 2.0
    x_price = np.diag(costs) - y_price
    back = np.empty_like(y_price)
    back[partner] = y_price
    return x_price, back


def _potentials(costs: Array, eps: float, iterations: int) -> tuple[Array, Array]:
    """Sinkhorn potentials of OT(x, y); the last update is differentiable and carries the whole gradient."""
    held = _held(costs)
    xp = namespace(held)
    f, g = xp.zeros_like(held[:, 0]), xp.zeros_like(held[0])
    for _ in range(iterations):
        f = _soft_minimum(held - g, eps)
        new = _soft_minimum(held.T - f, eps)
        change = float(xp.mean(xp.abs(new - g)))
        g = new
        if change < _SETTLED:
            return _soft_minimum(costs - g, eps), g
    raise ValueError(_unsettled(eps, iterations))


def _own_potential(costs: Array, eps: float, iterations: int) -> Array:
    """The one potential of OT(x, x), by averaged updates, which settle in few rounds."""
    held = _held(costs)
    xp = namespace(held)
    f = xp.zeros_like(held[0])
    for _ in range(iterations):
        new = 0.5 * (f + _soft_minimum(held - f, eps))
        change = float(xp.mean(xp.abs(new - f)))
        f = new
        if change < _SETTLED:
            return 0.5 * (f + _soft_minimum(costs - f, eps))
    raise ValueError(_unsettled(eps, iterations))


def _unsettled(eps: float, iterations: int) -> str:
    return (
        f"the potentials have not settled after {iterations} iterations at regularisation = {eps}; "
        f"raise the regularisation or the iterations."
    )


def _held(values: Array) -> Array:
    return values if isinstance(values, np.ndarray) else values.detach()


def _soft_minimum(values: Array, eps: float) -> Array:
    """-eps log mean exp(-values / eps) along each row."""
    xp = namespace(values)
    scaled = values / -eps
    largest = xp.max(scaled, axis=1)
    return -eps * (largest + xp.log(xp.mean(xp.exp(scaled - largest[:, None]), axis=1)))

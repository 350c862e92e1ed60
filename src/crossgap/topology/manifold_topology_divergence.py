"""A23: how much shape one cloud has that another, in the same space, has not, in one number."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from crossgap.geometry.rows import Rows, check_same_dimension
from crossgap.topology.cross_barcode import cross_bars
from crossgap.topology.distance_matrix import spread_rows
from crossgap.topology.persistence import check_degree
from crossgap.topology.persistence_summaries import total_persistence

__all__ = ["manifold_topology_divergence", "manifold_topology_divergence_per_batch"]


def manifold_topology_divergence(
    p: Rows,
    q: Rows,
    *,
    degree: int = 1,
    p_rows: int = 200,
    q_rows: int = 400,
    batches: int = 10,
    unit: bool = True,
    seed: int = 0,
    progress: Callable[[Sequence[Any], Callable[[Any], str]], Iterable[Any]] | None = None,
) -> float:
    """MTop-Div: total length of the bars that ``p`` has and ``q`` has not, as the mean over random sub-samples.

    Formula::

        mean over batches of sum of bar lengths of cross_barcode(p', q'),   p' and q' drawn from p and q

    How to read it: range [0, inf), in units of distance; 0 if every row of ``p`` is also in ``q``. Not symmetric: read
    both directions, or their mean. The value grows with ``p_rows`` and falls with ``q_rows``, so compare at one size
    only, best with two halves of one group as the floor. It sees a gap, but a gap between two clusters that are far and
    tight adds bars of degree 0, not of degree 1.

    Parameters
    ----------
    p, q, degree, unit
        As in ``cross_barcode``.
    p_rows, q_rows
        Rows drawn from each cloud for a batch; all where there are no more.
    batches
        Sub-samples. Where all rows of both fit there is one.
    seed
        Seed of the sub-samples.
    progress
        Called as ``progress(steps, label)``, gives the steps back one by one; None for silence.

    Returns
    -------
    A float; ``manifold_topology_divergence_per_batch`` gives the values it is the mean of.

    Raises
    ------
    ValueError
        If an option is out of range, the clouds differ in dimension, or a row is zero (with ``unit``) or not finite.
    MissingExtraError
        If ``degree`` is above 0 and gudhi is not installed.

    Notes
    -----
    Cost: ``batches`` times the bars of ``p_rows + q_rows`` rows, 0.2 s each on CLIP rows at these sizes. The paper
    takes thousands of rows on a GPU; values at other sizes are other numbers.

    References
    ----------
    Barannikov et al., *Manifold Topology Divergence: a Framework for Comparing Data Manifolds*, NeurIPS 2021, arXiv
    2106.04024, section 2.3.

    Examples
    --------
    One row of ``p`` is in ``q``, the other 1 away from its nearest there.

    >>> p, q = np.array([[0.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 0.0], [5.0, 0.0]])
    >>> manifold_topology_divergence(p, q, degree=0, unit=False)
    1.0
    """
    values = manifold_topology_divergence_per_batch(
        p, q, degree=degree, p_rows=p_rows, q_rows=q_rows, batches=batches, unit=unit, seed=seed, progress=progress
    )
    return float(values.mean())


def manifold_topology_divergence_per_batch(
    p: Rows,
    q: Rows,
    *,
    degree: int = 1,
    p_rows: int = 200,
    q_rows: int = 400,
    batches: int = 10,
    unit: bool = True,
    seed: int = 0,
    progress: Callable[[Sequence[Any], Callable[[Any], str]], Iterable[Any]] | None = None,
) -> np.ndarray:
    """MTop-Div of each sub-sample.

    Formula::

        as ``manifold_topology_divergence``, before the mean

    How to read it: the spread tells how far sampling moves the value.

    Parameters
    ----------
    p, q, degree, p_rows, q_rows, batches, unit, seed, progress
        As in ``manifold_topology_divergence``.

    Returns
    -------
    Values (batches,), or (1,) where all rows of both clouds fit.

    Raises
    ------
    ValueError, MissingExtraError
        As in ``manifold_topology_divergence``.

    Notes
    -----
    Cost: as ``manifold_topology_divergence``.

    References
    ----------
    As ``manifold_topology_divergence``.

    Examples
    --------
    >>> manifold_topology_divergence_per_batch(np.eye(3), np.eye(3), degree=0).tolist()
    [0.0]
    """
    check_degree(degree)
    for name, number in (("p_rows", p_rows), ("q_rows", q_rows), ("batches", batches)):
        if number < 1:
            raise ValueError(f"{name} must be at least 1, but it is {number}; p_rows=200, q_rows=400, batches=10 do.")
    clouds = spread_rows(p, "p", unit=unit, least=1), spread_rows(q, "q", unit=unit, least=1)
    check_same_dimension(p, q, ("p", "q"))
    generator = np.random.default_rng(seed)
    all_of_them = len(clouds[0]) <= p_rows and len(clouds[1]) <= q_rows
    steps: Iterable[Any] = range(1 if all_of_them else batches)
    if progress is not None:
        steps = progress(list(steps), lambda step: f"cross-barcode {step + 1}")
    values = []
    for _ in steps:
        taken = [
            rows if len(rows) <= size else rows[generator.choice(len(rows), size, replace=False)]
            for rows, size in zip(clouds, (p_rows, q_rows), strict=True)
        ]
        values.append(total_persistence(cross_bars(taken[0], taken[1], degree)))
    return np.array(values)

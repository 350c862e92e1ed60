"""A23: how differently two representations of the same items hang together."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import Rows
from crossgap.topology.distance_matrix import distance_matrix, spread_rows
from crossgap.topology.persistence import rips_bars
from crossgap.topology.persistence_summaries import total_persistence

__all__ = [
    "representation_cross_barcode",
    "representation_topology_divergence",
    "representation_topology_divergence_per_batch",
]

_QUANTILE = 0.9
_FIRST, _EARLY = 0.05, 0.25  # collapse edges where this share of v lies below the first distances of w
_SAME = 1e-6  # distances below this share of their mean count as 0


def representation_topology_divergence(
    x: Rows,
    y: Rows,
    *,
    rows: int = 500,
    batches: int = 10,
    degree: int = 1,
    unit: bool = False,
    seed: int = 0,
    progress: Callable[[Sequence[Any], Callable[[Any], str]], Iterable[Any]] | None = None,
) -> float:
    """RTD: how differently two representations of the same items hang together, over all scales.

    Formula::

        w, v = distances of the items in x and in y, each matrix divided by its 0.9 quantile
        RTD(x, y) = sum of the lengths of the bars of degree 1 of the pair Rips(w) in Rips(min(w, v))
        value = mean over batches of (RTD(x, y) + RTD(y, x)) / 2

    How to read it: range [0, inf), no unit; 0 exactly for equal clouds. Two independent uniform clouds in the plane
    give 35.6. A bar is a set of items that hangs together in one representation at a smaller distance than in
    the other. It does not change when a cloud is rotated, moved or scaled, so it is blind to a modality gap that is a
    translation. It grows with ``rows``: compare at one number of rows.

    Parameters
    ----------
    x, y
        Rows (n, d) and (n, e), row i of both the same item; the dimensions may differ.
    rows
        Items in a batch, drawn without replacement; all where there are no more.
    batches
        Batches to average over. Where all items fit there is one.
    degree
        1, or 2 (for some 50 rows).
    unit
        Bring rows to length 1 first. The paper takes them as they are.
    seed
        Seed of the batches.
    progress
        Called as ``progress(steps, label)``, gives the steps back one by one; None for silence.

    Returns
    -------
    A float; ``representation_topology_divergence_per_batch`` gives the values it is the mean of.

    Raises
    ------
    ValueError
        If an option is out of range, the clouds differ in rows, or a row is not finite (or zero, with ``unit``).
    DegenerateError
        If there are fewer than two rows, or more than nine tenths of the pairs of items of a cloud coincide.
    MissingExtraError
        If gudhi is not installed.

    Notes
    -----
    Cost: bars of 2 N + 1 points for N ``rows``, twice a batch: about a second and 200 MB a direction at 500 rows.
    Where one cloud is crowded and the other is not (a network before training), half a minute, after removing edges
    that change no bar. The graph is that of the paper, with the two copies of the items joined one way only and a
    point over the copy that has w. A shorter recipe sets the distances within that copy to 0 and joins the copies
    both ways, without the point; its bars of degree 1 are the same, at about twice the cost, but those of degree 2
    are not. Distances below one millionth of their mean count as 0. The quantile is over the whole matrix, diagonal
    included.

    References
    ----------
    Barannikov, Trofimov, Balabin, Burnaev, *Representation Topology Divergence: A Method for Comparing Neural Network
    Representations*, ICML 2022, arXiv 2201.00058, section 2.

    Examples
    --------
    The middle item is nearer to the first in x, to the last in y; scaled, the last joins at 2/3 in x alone and at 1/3
    in both together, and so for the first in y: a bar of length 1/3 each way.

    >>> x, y = np.array([[0.0], [1.0], [3.0]]), np.array([[0.0], [2.0], [3.0]])
    >>> round(representation_topology_divergence(x, y), 4)
    0.3333
    """
    values = representation_topology_divergence_per_batch(
        x, y, rows=rows, batches=batches, degree=degree, unit=unit, seed=seed, progress=progress
    )
    return float(values.mean())


def representation_topology_divergence_per_batch(
    x: Rows,
    y: Rows,
    *,
    rows: int = 500,
    batches: int = 10,
    degree: int = 1,
    unit: bool = False,
    seed: int = 0,
    progress: Callable[[Sequence[Any], Callable[[Any], str]], Iterable[Any]] | None = None,
) -> np.ndarray:
    """RTD of each batch of items.

    Formula::

        as ``representation_topology_divergence``, before the mean over batches

    How to read it: the spread tells how far sampling moves the value.

    Parameters
    ----------
    x, y, rows, batches, degree, unit, seed, progress
        As in ``representation_topology_divergence``.

    Returns
    -------
    Values (batches,), or (1,) where all items fit.

    Raises
    ------
    ValueError, DegenerateError, MissingExtraError
        As in ``representation_topology_divergence``.

    Notes
    -----
    Cost: as ``representation_topology_divergence``.

    References
    ----------
    As ``representation_topology_divergence``.

    Examples
    --------
    >>> representation_topology_divergence_per_batch(np.eye(3), 2 * np.eye(3)).tolist()
    [0.0]
    """
    _check_degree(degree)
    if rows < 2:
        raise ValueError(f"rows must be at least 2, but it is {rows}; 500 is usual.")
    if batches < 1:
        raise ValueError(f"batches must be at least 1, but it is {batches}; 10 are usual.")
    a, b = _clouds(x, y, unit)
    generator = np.random.default_rng(seed)
    steps: Iterable[Any] = range(batches if len(a) > rows else 1)
    if progress is not None:
        steps = progress(list(steps), lambda step: f"representation topology divergence, batch {step + 1}")
    values = []
    for _ in steps:
        items = generator.choice(len(a), rows, replace=False) if len(a) > rows else np.arange(len(a))
        w, v = _scaled_distances(a[items], "x"), _scaled_distances(b[items], "y")
        values.append(sum(total_persistence(_bars(*pair, degree)) for pair in ((w, v), (v, w))) / 2)
    return np.array(values)


def representation_cross_barcode(x: Rows, y: Rows, *, degree: int = 1, unit: bool = False) -> np.ndarray:
    """R-Cross-Barcode: the bars that RTD adds up, in one direction and for all rows.

    Formula::

        bars of the pair Rips(w) in Rips(min(w, v)),   w, v as in ``representation_topology_divergence``

    How to read it: a bar (b, d) of degree 1 is a set of items that is joined at b in one of the two representations
    together but only at d in ``x`` alone. No bars where nothing is nearer in ``y`` than in ``x``, after scaling.

    Parameters
    ----------
    x, y, degree, unit
        As in ``representation_topology_divergence``.

    Returns
    -------
    Bars (bars, 2), sorted by birth, then death.

    Raises
    ------
    ValueError, DegenerateError, MissingExtraError
        As in ``representation_topology_divergence``.

    Notes
    -----
    Cost: half of one batch of ``representation_topology_divergence``, at all n rows: memory grows as n³, so sample
    first where n is above 1,000. Not symmetric.

    References
    ----------
    Barannikov et al., ICML 2022, arXiv 2201.00058, section 2.

    Examples
    --------
    >>> representation_cross_barcode(np.eye(3), 2 * np.eye(3)).tolist()
    []
    """
    _check_degree(degree)
    a, b = _clouds(x, y, unit)
    return _bars(_scaled_distances(a, "x"), _scaled_distances(b, "y"), degree)


def _check_degree(degree: int) -> None:
    if degree not in (1, 2):
        raise ValueError(f"degree must be 1 or 2, but it is {degree}; 1 is usual, and 0 has no bars.")


def _clouds(x: Rows, y: Rows, unit: bool) -> tuple[np.ndarray, np.ndarray]:
    a, b = spread_rows(x, "x", unit=unit), spread_rows(y, "y", unit=unit)
    if len(a) != len(b):
        raise ValueError(
            f"x and y must hold the same items row by row, but they have {len(a)} and {len(b)} rows; align them first: "
            f"crossgap.Embeddings.from_arrays(..., items=...).pairs(...)."
        )
    return a, b


def _scaled_distances(rows: np.ndarray, name: str) -> np.ndarray:
    distances = distance_matrix(rows)
    scale = np.quantile(distances, _QUANTILE)
    if not scale > 0:
        raise DegenerateError(
            f"more than nine tenths of the pairs of rows of {name} coincide, so its distances have no scale; "
            f"drop duplicates first."
        )
    return distances / scale


def _bars(w: np.ndarray, v: np.ndarray, degree: int) -> np.ndarray:
    """Bars of Rips(min(w, v)) relative to Rips(w): of min(w, v) with a cone over a copy of w."""
    n = len(w)
    order = np.argsort(-w.max(axis=1), kind="stable")  # the most central row last: its copy sees all, so all ends there
    w, v = w[np.ix_(order, order)], v[np.ix_(order, order)]
    one_way = np.where(np.tri(n, k=-1, dtype=bool), np.inf, w)
    graph = np.full((2 * n + 1, 2 * n + 1), np.inf)
    graph[:n, :n], graph[n:-1, n:-1] = w, np.minimum(w, v)
    graph[n:-1, :n], graph[:n, n:-1] = one_way, one_way.T
    graph[-1, :n], graph[:n, -1], graph[-1, -1] = 0, 0, 0
    graph[graph < _SAME * w.mean()] = 0
    early = float((v < np.quantile(w, _FIRST + 1 / n)).mean())  # 1/n: the diagonal
    return rips_bars(graph, [degree], collapse=early > _EARLY)[0]

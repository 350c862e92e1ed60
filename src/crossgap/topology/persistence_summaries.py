"""A23: one number of a persistence diagram: how much, how long, how even; and its spread over sub-samples."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from crossgap.geometry.rows import Rows
from crossgap.topology.diagram import bar_lengths
from crossgap.topology.distance_matrix import spread_rows
from crossgap.topology.persistence import check_degree, diagrams_of_rows, usual_rows
from crossgap.topology.row_sample import check_sampling

__all__ = [
    "DiagramSummary",
    "PersistenceSummaries",
    "long_bar_count",
    "longest_bar",
    "persistence_entropy",
    "persistence_summaries",
    "total_persistence",
]


@dataclass(frozen=True, kw_only=True)
class DiagramSummary:
    """All numbers of one diagram, or their mean or standard deviation over sub-samples."""

    bars: float
    total_persistence: float
    total_squared_persistence: float
    longest_bar: float
    persistence_entropy: float
    long_bar_count: float


@dataclass(frozen=True, kw_only=True)
class PersistenceSummaries:
    """Summaries of the diagrams of degree 0, 1, ... of one cloud, and how they were sampled."""

    mean: tuple[DiagramSummary, ...]
    """One for each degree: the mean over the sub-samples."""
    sd: tuple[DiagramSummary, ...] | None
    """The standard deviation over the sub-samples; None where all rows were taken, so there is one diagram."""
    repeats: int
    """Sub-samples taken; 1 where all rows were taken."""
    n: int
    """Rows in each diagram."""
    sampled_from: int
    """Rows that were given."""
    sampling: str
    """How the rows were chosen: ``"all"``, ``"maxmin"`` or ``"random"``."""
    seed: int | None
    """Seed of the choice; None where all rows were taken."""


def total_persistence(diagram: np.ndarray, *, power: float = 1.0) -> float:
    """Sum of the lengths of all bars, each to a power.

    Formula::

        sum over bars (d - b)^power

    How to read it: range [0, inf), in units of distance to the power. With power 1 many short bars (noise) weigh as
    much as few long ones; power 2 favours the long. It grows with the number of rows: compare at one size.

    Parameters
    ----------
    diagram
        Bars (bars, 2), birth and death.
    power
        Above 0; 1 and 2 are usual.

    Returns
    -------
    A float; 0 for no bars.

    Raises
    ------
    ValueError
        If ``power`` is not above 0, or ``diagram`` is none or has a bar that never ends.

    Notes
    -----
    Cost: one pass. In degree 0 and power 1 it is the length of the minimum spanning tree.

    References
    ----------
    Cohen-Steiner, Edelsbrunner, Harer, Mileyko, *Lipschitz Functions Have L_p-Stable Persistence*, 2010, section 2.

    Examples
    --------
    >>> total_persistence(np.array([[0.0, 1.0], [1.0, 3.0]])), total_persistence(np.array([[1.0, 3.0]]), power=2)
    (3.0, 4.0)
    """
    if not 0 < power < float("inf"):
        raise ValueError(f"power must be a finite number above 0, but it is {power}; 1 and 2 are usual.")
    return float((bar_lengths(diagram) ** power).sum())


def longest_bar(diagram: np.ndarray) -> float:
    """Length of the longest bar.

    Formula::

        max over bars (d - b)

    How to read it: range [0, inf), in units of distance. In degree 0 it is the last merge, which is large where a cloud
    falls into two far parts; in degree 1 the most persistent loop. It says nothing of how many there are.

    Parameters
    ----------
    diagram
        Bars (bars, 2), birth and death.

    Returns
    -------
    A float; 0 for no bars.

    Raises
    ------
    ValueError
        If ``diagram`` is none or has a bar that never ends.

    Notes
    -----
    Cost: one pass.

    References
    ----------
    Edelsbrunner and Harer, *Computational Topology*, 2010, chapter VII.

    Examples
    --------
    >>> longest_bar(np.array([[0.0, 1.0], [1.0, 3.0]]))
    2.0
    """
    return float(bar_lengths(diagram).max(initial=0.0))


def persistence_entropy(diagram: np.ndarray) -> float:
    """Entropy of the shares of the bars in the total length.

    Formula::

        - sum over bars p log p,   p = (d - b) / sum (d - b)

    How to read it: range [0, log(bars)], in nats. Log(bars) when all bars are equally long, near 0 when one bar
    outweighs the rest, which is clear shape. It does not change with the scale of the distances.

    Parameters
    ----------
    diagram
        Bars (bars, 2), birth and death.

    Returns
    -------
    A float; 0 for no bar and for one.

    Raises
    ------
    ValueError
        If ``diagram`` is none or has a bar that never ends.

    Notes
    -----
    Cost: one pass. Natural logarithm; some authors take base 2.

    References
    ----------
    Atienza, González-Díaz, Soriano-Trigueros, *On the Stability of Persistent Entropy*, 2020, arXiv 1803.08304.

    Examples
    --------
    Two bars of equal length: log 2.

    >>> round(persistence_entropy(np.array([[0.0, 1.0], [2.0, 3.0]])), 4)
    0.6931
    """
    lengths = bar_lengths(diagram)
    lengths = lengths[lengths > 0]
    if len(lengths) < 2:
        return 0.0
    shares = lengths / lengths.sum()
    return float(-(shares * np.log(shares)).sum())


def long_bar_count(diagram: np.ndarray, *, quantile: float = 0.976, reference: np.ndarray | None = None) -> int:
    """Number of bars longer than a quantile of the lengths of a reference diagram.

    Formula::

        # bars with d - b > q,   q = quantile of the lengths of the reference

    How to read it: a count. Against a reference, about (1 - quantile) x bars means no more long bars than there.
    Without one a diagram is held against itself, and the count then says little beyond the number of bars (2.4 % of
    them).

    Parameters
    ----------
    diagram
        Bars (bars, 2), birth and death.
    quantile
        Between 0 and 1.
    reference
        Bars (bars, 2) whose lengths set the threshold, for example of another model or of noise of the same size;
        None for ``diagram`` itself.

    Returns
    -------
    An int; 0 for no bars.

    Raises
    ------
    ValueError
        If ``quantile`` is out of range, the reference has no bars, or an array is no diagram.

    Notes
    -----
    Cost: one sort. The quantile is interpolated between lengths.

    References
    ----------
    Defined here; the level 0.976 is about the mean plus two standard deviations of a normal law.

    Examples
    --------
    >>> bars = np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 5.0]])
    >>> long_bar_count(bars), long_bar_count(bars, reference=np.array([[0.0, 0.5]]))
    (1, 3)
    """
    if not 0 <= quantile <= 1:
        raise ValueError(f"quantile must lie between 0 and 1, but it is {quantile}; 0.976 is usual.")
    lengths = bar_lengths(diagram)
    against = lengths if reference is None else bar_lengths(reference, "reference")
    if not len(lengths):
        return 0
    if not len(against):
        raise ValueError("reference must have at least one bar, but it has none; leave it out or give another diagram.")
    return int((lengths > np.quantile(against, quantile)).sum())


def persistence_summaries(
    x: Rows,
    *,
    degree: int = 1,
    most_rows: int | None = None,
    sampling: str = "maxmin",
    repeats: int = 10,
    unit: bool = True,
    seed: int = 0,
    progress: Callable[[Sequence[Any], Callable[[Any], str]], Iterable[Any]] | None = None,
) -> PersistenceSummaries:
    """Summaries of the persistence diagrams of a cloud, as mean and standard deviation over sub-samples.

    Formula::

        for each of ``repeats`` samples of ``most_rows`` rows: persistence_diagrams, then each summary of each degree

    How to read it: each field as the function of its name (``total_squared_persistence`` is ``total_persistence`` with
    power 2). Where all rows fit there is one diagram and no standard deviation. The deviation tells how far sampling
    moves the number, not how far another data set would.

    Parameters
    ----------
    x, degree, most_rows, sampling, unit, seed
        As in ``persistence_diagrams``.
    repeats
        Sub-samples, at least 2.
    progress
        Called as ``progress(steps, label)``, gives the steps back one by one; None for silence.

    Returns
    -------
    ``PersistenceSummaries``.

    Raises
    ------
    ValueError, DegenerateError, MissingExtraError
        As in ``persistence_diagrams``; ValueError too if ``repeats`` is below 2.

    Notes
    -----
    Cost: ``repeats`` times ``persistence_diagrams``.

    References
    ----------
    As the functions named by the fields.

    Examples
    --------
    >>> found = persistence_summaries(np.eye(3), degree=0)
    >>> found.mean[0].bars, round(found.mean[0].longest_bar, 4), found.sd
    (2.0, 1.4142, None)
    """
    check_degree(degree)
    check_sampling(sampling)
    if repeats < 2:
        raise ValueError(f"repeats must be at least 2, but it is {repeats}; 10 is usual.")
    rows = spread_rows(x, unit=unit)
    size = usual_rows(degree) if most_rows is None else most_rows
    if size < 2:
        raise ValueError(f"most_rows must be at least 2, but it is {most_rows}; 500 is usual.")
    generator = np.random.default_rng(seed)
    steps: Iterable[Any] = range(repeats if len(rows) > size else 1)
    if progress is not None:
        steps = progress(list(steps), lambda step: f"persistence diagrams of sub-sample {step + 1}")
    found = [diagrams_of_rows(rows, degree, size, sampling, generator, seed) for _ in steps]
    values = np.array([[astuple(_summary(diagram)) for diagram in each.diagrams] for each in found])
    moved = values - values[0]  # so that equal values have a deviation of exactly 0
    return PersistenceSummaries(
        mean=_as_summaries(values[0] + moved.mean(axis=0)),
        sd=_as_summaries(moved.std(axis=0, ddof=1)) if len(found) > 1 else None,
        repeats=len(found),
        n=found[0].n,
        sampled_from=found[0].sampled_from,
        sampling=found[0].sampling,
        seed=found[0].seed,
    )


def _summary(diagram: np.ndarray) -> DiagramSummary:
    return DiagramSummary(
        bars=float(len(diagram)),
        total_persistence=total_persistence(diagram),
        total_squared_persistence=total_persistence(diagram, power=2),
        longest_bar=longest_bar(diagram),
        persistence_entropy=persistence_entropy(diagram),
        long_bar_count=float(long_bar_count(diagram)),
    )


def _as_summaries(values: np.ndarray) -> tuple[DiagramSummary, ...]:
    names = list(DiagramSummary.__dataclass_fields__)
    return tuple(DiagramSummary(**dict(zip(names, map(float, row), strict=True))) for row in values)

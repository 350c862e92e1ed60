"""A23: the bars of a cloud of rows: its clusters, loops and hollows, and at which distance each comes and goes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossgap.errors import MissingExtraError
from crossgap.geometry.minimum_spanning_tree import minimum_spanning_tree
from crossgap.geometry.rows import Rows
from crossgap.topology.distance_matrix import check_distances, distance_matrix, spread_rows
from crossgap.topology.row_sample import check_sampling, row_sample

__all__ = [
    "PersistenceDiagrams",
    "diagrams_of_rows",
    "persistence_diagrams",
    "persistence_diagrams_of_distances",
    "rips_bars",
    "usual_rows",
]

_MOST_DEGREE = 2


@dataclass(frozen=True, kw_only=True)
class PersistenceDiagrams:
    """The bars of degree 0, 1, ... of one cloud, and which rows they are of."""

    diagrams: tuple[np.ndarray, ...]
    """One array (bars, 2) for each degree: the distance at which a bar is born and at which it dies, in that order."""
    n: int
    """Rows the bars are of."""
    sampled_from: int
    """Rows that were given; equal to ``n`` where all were taken."""
    sampling: str
    """How the rows were chosen: ``"all"``, ``"maxmin"`` or ``"random"``."""
    seed: int | None
    """Seed of the choice; None where all rows were taken."""


def persistence_diagrams(
    x: Rows,
    *,
    degree: int = 1,
    most_rows: int | None = None,
    sampling: str = "maxmin",
    unit: bool = True,
    seed: int = 0,
) -> PersistenceDiagrams:
    """Persistence diagrams of the Vietoris-Rips complex of the rows, degree 0 up to ``degree``.

    Formula::

        complex at t = all sets of rows whose distances are all <= t
        bar (b, d) of degree k = a k-dimensional hole that opens at t = b and is filled at t = d

    How to read it: degree 0 tells when clusters merge (all are born at 0; the deaths are the edges of the minimum
    spanning tree), degree 1 loops, degree 2 hollows. Long bars are shape, many short ones are noise. A diagram depends
    on the number of rows: compare at one size. It sees no position, no rotation and no names of rows, so it is blind
    to a gap between two groups unless it is taken of both together.

    Parameters
    ----------
    x
        Rows (n, d), at least 2.
    degree
        Highest degree: 0, 1 or 2. Degree 0 works without extras; 1 and 2 need gudhi (``crossgap[topology]``).
    most_rows
        More rows than this are sampled. None for 500, or 100 for degree 2, whose cost is far higher. To take all rows
        give their number.
    sampling
        ``"maxmin"``, which adds the farthest row each time, or ``"random"``.
    unit
        Take chordal distances, those of the rows at length 1; else Euclidean distances of the rows as they are.
    seed
        Seed of the sample.

    Returns
    -------
    ``PersistenceDiagrams``, bars sorted by birth, then death. Bars of length 0 and the one bar of degree 0 that never
    ends are left out.

    Raises
    ------
    ValueError
        If an option is out of range, or a row is zero (with ``unit``) or not finite.
    DegenerateError
        If ``x`` has fewer than two rows.
    MissingExtraError
        If ``degree`` is above 0 and gudhi is not installed.

    Notes
    -----
    Cost: degree 0 n² d steps, and memory for the rows alone. Degree 1 takes 0.1 s for 500 CLIP rows and 1 s and 200 MB
    for 1,000, but the time depends on the data: on pure noise in 512 dimensions, where all distances are alike, 300
    rows take 7 s and 400 rows 40 s and 700 MB. Degree 2 on such noise takes a second for 100 rows and 11 s for 150.
    Distances beyond the enclosing radius (the least of each row's farthest distance) are dropped, since nothing changes
    there. Coefficients are of the field with two elements. A sample is an estimate: ``persistence_summaries`` repeats
    it.

    References
    ----------
    Edelsbrunner and Harer, *Computational Topology*, 2010, chapters III.2 and VII; Bauer, *Ripser*, 2021, arXiv
    1908.02518; the GUDHI project, gudhi.inria.fr.

    Examples
    --------
    A square on the circle: three merges at its side; one loop from the side to the diagonal.

    >>> square = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> persistence_diagrams(square, degree=0).diagrams[0].round(4).tolist()
    [[0.0, 1.4142], [0.0, 1.4142], [0.0, 1.4142]]
    """
    check_degree(degree)
    check_sampling(sampling)
    rows = spread_rows(x, unit=unit)
    size = usual_rows(degree) if most_rows is None else most_rows
    if size < 2:
        raise ValueError(f"most_rows must be at least 2, but it is {most_rows}; 500 is usual.")
    return diagrams_of_rows(rows, degree, size, sampling, np.random.default_rng(seed), seed)


def persistence_diagrams_of_distances(distances: np.ndarray, *, degree: int = 1) -> PersistenceDiagrams:
    """Persistence diagrams of the Vietoris-Rips complex of a matrix of distances.

    Formula::

        as ``persistence_diagrams``, with distances (n, n) given; the triangle inequality need not hold

    How to read it: as ``persistence_diagrams``. All rows of the matrix are taken.

    Parameters
    ----------
    distances
        Symmetric matrix (n, n) with zeros on its diagonal.
    degree
        Highest degree: 0, 1 or 2. Degree 0 works without extras; 1 and 2 need gudhi (``crossgap[topology]``).

    Returns
    -------
    ``PersistenceDiagrams``.

    Raises
    ------
    ValueError
        If ``degree`` is out of range, or the matrix is not square, finite, symmetric and zero on its diagonal.
    MissingExtraError
        If ``degree`` is above 0 and gudhi is not installed.

    Notes
    -----
    Cost: as ``persistence_diagrams``.

    References
    ----------
    Edelsbrunner and Harer, *Computational Topology*, 2010, chapters III.2 and VII.

    Examples
    --------
    >>> persistence_diagrams_of_distances(np.array([[0.0, 3.0], [3.0, 0.0]]), degree=0).diagrams[0].tolist()
    [[0.0, 3.0]]
    """
    check_degree(degree)
    distances = check_distances(distances)
    diagrams = rips_bars(distances, range(degree + 1))
    return PersistenceDiagrams(
        diagrams=tuple(diagrams), n=len(distances), sampled_from=len(distances), sampling="all", seed=None
    )


def check_degree(degree: int) -> None:
    """Refuse a degree that is not 0, 1 or 2."""
    if degree not in range(_MOST_DEGREE + 1):
        raise ValueError(f"degree must be 0, 1 or 2, but it is {degree}; higher ones are out of reach in memory.")


def usual_rows(degree: int) -> int:
    """Return the number of rows up to which a diagram of this degree takes seconds."""
    return 500 if degree < 2 else 100


def diagrams_of_rows(
    rows: np.ndarray, degree: int, size: int, sampling: str, generator: np.random.Generator, seed: int
) -> PersistenceDiagrams:
    """Return the diagrams of checked rows, of a sample of ``size`` where there are more."""
    all_of_them = len(rows) <= size
    taken = rows if all_of_them else rows[row_sample(rows, size, sampling=sampling, generator=generator)]
    diagrams = [_bars_from_zero(minimum_spanning_tree(taken, unit=False)[1])]
    if degree > 0:
        diagrams += rips_bars(distance_matrix(taken), range(1, degree + 1))
    return PersistenceDiagrams(
        diagrams=tuple(diagrams),
        n=len(taken),
        sampled_from=len(rows),
        sampling="all" if all_of_them else sampling,
        seed=None if all_of_them else seed,
    )


def rips_bars(distances: np.ndarray, degrees: Sequence[int], *, collapse: bool = False) -> list[np.ndarray]:
    """Return the bars (bars, 2) of each of the degrees; infinite entries of the matrix are edges that never come.

    At least one row must have no infinite entry, so that every bar ends (but for one of degree 0, left out). With
    ``collapse`` edges that change no bar are removed first, which takes long but helps where most of them are such.

    Raises
    ------
    MissingExtraError
        If a degree is above 0 and gudhi is not installed.
    """
    higher = [degree for degree in degrees if degree > 0]
    found = dict(zip(higher, _engine_bars(distances, higher, collapse), strict=True)) if higher else {}
    if 0 in degrees:
        found[0] = _bars_from_zero(_tree_lengths(distances))
    return [found[degree] for degree in degrees]


def _engine_bars(distances: np.ndarray, degrees: list[int], collapse: bool) -> list[np.ndarray]:
    try:
        from gudhi.sklearn import RipsPersistence
    except ImportError as error:
        raise MissingExtraError(
            "bars of degree 1 and 2 need gudhi, which is not installed; install it: pip install 'crossgap[topology]' "
            "(degree 0 works without)."
        ) from error

    engine = RipsPersistence(
        homology_dimensions=degrees,
        threshold=float(distances.max(axis=1).min()),  # the enclosing radius
        input_type="full distance matrix",
        num_collapses=int(collapse),
        homology_coeff_field=2,
    )
    return [_sorted_bars(np.asarray(bars, dtype=np.float64)) for bars in engine.fit_transform([distances])[0]]


def _tree_lengths(distances: np.ndarray) -> np.ndarray:
    """Lengths of the minimum spanning tree of a matrix of distances, one row joining at a time."""
    nearest, lengths = distances[0].copy(), np.empty(len(distances) - 1)
    nearest[0] = np.inf
    joined = np.zeros(len(distances), bool)
    joined[0] = True
    for number in range(len(lengths)):
        last = int(nearest.argmin())
        lengths[number], joined[last] = nearest[last], True
        np.minimum(nearest, distances[last], out=nearest)
        nearest[joined] = np.inf
    return lengths


def _bars_from_zero(deaths: np.ndarray) -> np.ndarray:
    return _sorted_bars(np.stack([np.zeros(len(deaths)), deaths], axis=1))


def _sorted_bars(bars: np.ndarray) -> np.ndarray:
    bars = bars[bars[:, 1] > bars[:, 0]]
    bars = bars[np.lexsort((bars[:, 1], bars[:, 0]))]
    bars.flags.writeable = False
    return bars

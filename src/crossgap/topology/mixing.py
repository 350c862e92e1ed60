"""A23: how far two groups mix, from the minimum spanning tree of all their rows: the test of Friedman and Rafsky."""

from dataclasses import dataclass

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.minimum_spanning_tree import minimum_spanning_tree
from crossgap.geometry.rows import Rows, as_numpy
from crossgap.topology.pooled_rows import pooled_rows

__all__ = [
    "MixingScores",
    "cross_edge_share",
    "cross_edge_share_by_chance",
    "friedman_rafsky_p_value",
    "friedman_rafsky_z_score",
    "longest_merge_ratio",
    "mixing_scores",
]

_ROUNDING = 8.0  # units in the last place, of the longest row, up to which two rows coincide


@dataclass(frozen=True, kw_only=True)
class MixingScores:
    """All mixing numbers of one tree; each is the value of the function of its name.

    A number that has no value is None: the z score where every labelling has the same share, the ratio where no edge
    within the groups is longer than 0.
    """

    cross_edge_share: float
    cross_edge_share_by_chance: float
    friedman_rafsky_z_score: float | None
    friedman_rafsky_p_value: float
    longest_merge_ratio: float | None
    permutations: int
    seed: int


def cross_edge_share(x: Rows, y: Rows, *, unit: bool = True, check: bool = True) -> float:
    """Share of the edges of the joint minimum spanning tree that join a row of ``x`` to a row of ``y``.

    Formula::

        R / (N - 1),   R = #{edges (a, b) of the tree of [x; y] with a in x and b in y}        (N = n + m)

    How to read it: near 0 when the groups are apart (1 / (N - 1) is the least, since a tree is connected), near
    ``cross_edge_share_by_chance`` (1/2 for groups of one size) when they are samples of one distribution. Above it,
    rows have neighbours of the other group more often than of their own, as matched pairs without a gap do. CLIP on 500
    COCO pairs has the least, one edge of 999, and still 0.034 without the groups' means. It does not see how wide a gap
    is; for that read ``longest_merge_ratio``.

    Parameters
    ----------
    x, y
        Rows (n, d) and (m, d); pairs are not needed.
    unit
        Bring rows to length 1 first, so that distances are chordal; False takes them as they are, as for a map.
    check
        Refuse non-finite rows, and with ``unit`` rows of zeros.

    Returns
    -------
    A Python float.

    Raises
    ------
    ValueError
        If the groups differ in dimension, or a row is not finite, or with ``unit`` zero.

    Notes
    -----
    Cost: N^2 d flops and some more where clusters lie far apart. The paper counts runs, R + 1. Of rows that coincide
    all hang on the first, and the rows of x stand first: groups that share many rows exactly are better told apart by
    ``neighbour_purity``.

    References
    ----------
    Friedman and Rafsky, *Multivariate generalizations of the Wald-Wolfowitz and Smirnov two-sample tests*, Annals of
    Statistics 7 (1979), section 3.

    Examples
    --------
    Points of x at 0 and 2, of y at 1 and 5: edges 0-1, 1-2 and 2-5, all three between the groups.

    >>> cross_edge_share(np.array([[0.0], [2.0]]), np.array([[1.0], [5.0]]), unit=False)
    1.0
    """
    crosses, _, _, _ = _joint_tree(x, y, unit, check)
    return float(crosses.mean())


def cross_edge_share_by_chance(n: int, m: int) -> float:
    """Share of edges between the groups that a random labelling of any tree has on average.

    Formula::

        2 n m / (N (N - 1))        (N = n + m rows, n of them in x)

    How to read it: the value of ``cross_edge_share`` that says the groups are mixed; slightly above 1/2 for two groups
    of one size, and less the more they differ in size.

    Parameters
    ----------
    n, m
        Numbers of rows, at least 1 each.

    Raises
    ------
    ValueError
        If a group has no rows.

    References
    ----------
    Friedman and Rafsky, Annals of Statistics 7 (1979), section 3.

    Examples
    --------
    >>> cross_edge_share_by_chance(1, 1)
    1.0
    """
    if min(n, m) < 1:
        raise ValueError(f"n and m must be at least 1, but they are {n} and {m}; give the sizes of the two groups.")
    return 2.0 * n * m / ((n + m) * (n + m - 1))


def friedman_rafsky_z_score(x: Rows, y: Rows, *, unit: bool = True, check: bool = True) -> float:
    """How many standard deviations the number of edges between the groups lies from that of random labels.

    Formula::

        z = (R - E R) / sqrt(Var R)             (labels shuffled, the tree with its degrees d_i held; N = n + m)
        E R   = 2 n m / N
        Var R = E R + 2 C p + ((N - 1)(N - 2) - 2 C) q - (E R)^2
        C     = 1/2 sum_i d_i (d_i - 1),  p = n m / (N (N - 1)),  q = 4 n (n - 1) m (m - 1) / (N (N-1) (N-2) (N-3))

    How to read it: near 0 (about a standard normal number) when both groups are samples of one distribution, below -3
    when they are apart, above 3 when rows prefer the other group, as matched pairs without a gap do. It grows with the
    square root of the number of rows, so compare at one size, or read ``cross_edge_share``.

    Parameters
    ----------
    x, y, unit, check
        As in ``cross_edge_share``.

    Raises
    ------
    ValueError
        As in ``cross_edge_share``.
    DegenerateError
        If every labelling has the same number of edges between the groups, as with one row in each.

    Notes
    -----
    Cost: as ``cross_edge_share``. The moments are exact, conditional on the tree: C counts pairs of edges that share a
    row, which both join the groups with probability p; other pairs of edges do with probability q.

    References
    ----------
    Friedman and Rafsky, Annals of Statistics 7 (1979), section 3, where the moments stand in another form.

    Examples
    --------
    A path of four rows, x x y y: R is 1, of mean 2 and variance 2/3.

    >>> z = friedman_rafsky_z_score(np.array([[0.0], [1.0]]), np.array([[3.0], [4.0]]), unit=False)
    >>> round(z, 4)  # -1 / sqrt(2/3)
    -1.2247
    """
    crosses, edges, _, n = _joint_tree(x, y, unit, check)
    z_score = _z_score(crosses, edges, n)
    if z_score is None:
        raise DegenerateError(
            f"x and y with {n} and {len(edges) + 1 - n} rows have a tree on which every labelling has the same share; "
            f"give more vectors."
        )
    return z_score


def friedman_rafsky_p_value(
    x: Rows, y: Rows, *, permutations: int = 1000, seed: int = 0, unit: bool = True, check: bool = True
) -> float:
    """Share of random labellings of the tree with as few edges between the groups as there are, or fewer.

    Formula::

        p = (1 + #{shuffles with R' <= R}) / (1 + permutations)        (the tree held, labels shuffled)

    How to read it: below 0.05, the groups are not samples of one distribution but lie apart; near 1, rows prefer the
    other group. The least value is 1 / (1 + permutations). It is the test without the normal approximation behind the
    z score, and like that says nothing of the size of a gap: thousands of rows make any gap significant.

    Parameters
    ----------
    x, y, unit, check
        As in ``cross_edge_share``.
    permutations
        Number of shuffles, at least 1.
    seed
        Seed of the shuffles.

    Raises
    ------
    ValueError
        If ``permutations`` is below 1, or as in ``cross_edge_share``.

    Notes
    -----
    Cost: as ``cross_edge_share``, and N for each shuffle. Matched pairs are not independent rows, so on pairs the test
    is of labels, not of samples.

    References
    ----------
    Friedman and Rafsky, Annals of Statistics 7 (1979), section 3; for the 1 in the formula Phipson and Smyth,
    Statistical Applications in Genetics and Molecular Biology 9 (2010), article 39.

    Examples
    --------
    One row each: the only labelling.

    >>> friedman_rafsky_p_value(np.array([[0.0]]), np.array([[1.0]]), unit=False)
    1.0
    """
    _check_permutations(permutations)
    crosses, edges, _, n = _joint_tree(x, y, unit, check)
    return _p_value(crosses, edges, n, permutations, seed)


def longest_merge_ratio(x: Rows, y: Rows, *, unit: bool = True, check: bool = True) -> float:
    """Longest edge between the groups, in units of the median edge within them.

    Formula::

        max{length of edges of the joint tree between x and y} / median{length > 0 of edges within x or within y}

    How to read it: where a gap leaves few edges between the groups (``cross_edge_share``) it is the width of the gap,
    in distances of near rows: 1.8 for CLIP on 500 COCO pairs, over a single edge. Where many edges join the groups one
    outlier may decide it: 1.6 for the two halves of those images.

    Parameters
    ----------
    x, y, unit, check
        As in ``cross_edge_share``.

    Raises
    ------
    ValueError
        As in ``cross_edge_share``.
    DegenerateError
        If no edge within a group is longer than 0.

    Notes
    -----
    Cost: as ``cross_edge_share``. Edges of length 0, which join repeated rows such as an image with five captions, are
    left out of the median, and so are those that are no longer than rounding.

    References
    ----------
    Defined here.

    Examples
    --------
    Edges of length 1 and 1 within the groups, and of 2 between them.

    >>> longest_merge_ratio(np.array([[0.0], [1.0]]), np.array([[3.0], [4.0]]), unit=False)
    2.0
    """
    crosses, _, lengths, _ = _joint_tree(x, y, unit, check)
    ratio = _merge_ratio(crosses, lengths)
    if ratio is None:
        raise DegenerateError(
            "no edge of the joint tree within a group is longer than 0, so that there is no usual distance to compare "
            "with; give more vectors."
        )
    return ratio


def mixing_scores(
    x: Rows, y: Rows, *, permutations: int = 1000, seed: int = 0, unit: bool = True, check: bool = True
) -> MixingScores:
    """All mixing numbers of two groups, from one tree.

    How to read it: a share of edges near its value by chance says mixed, near 0 says apart; the z score and the p value
    say how sure that is, the ratio how wide the gap is.

    Parameters
    ----------
    x, y, unit, check
        As in ``cross_edge_share``.
    permutations, seed
        As in ``friedman_rafsky_p_value``.

    Returns
    -------
    A ``MixingScores``; a number without a value is None.

    Raises
    ------
    ValueError
        As in ``friedman_rafsky_p_value``.

    Notes
    -----
    Cost: one tree, N^2 d flops and some more where clusters lie far apart.

    References
    ----------
    Friedman and Rafsky, Annals of Statistics 7 (1979).

    Examples
    --------
    >>> found = mixing_scores(np.array([[0.0], [1.0]]), np.array([[3.0], [4.0]]), unit=False)
    >>> round(found.cross_edge_share, 4), round(found.cross_edge_share_by_chance, 4), found.longest_merge_ratio
    (0.3333, 0.6667, 2.0)
    """
    _check_permutations(permutations)
    crosses, edges, lengths, n = _joint_tree(x, y, unit, check)
    return MixingScores(
        cross_edge_share=float(crosses.mean()),
        cross_edge_share_by_chance=cross_edge_share_by_chance(n, len(edges) + 1 - n),
        friedman_rafsky_z_score=_z_score(crosses, edges, n),
        friedman_rafsky_p_value=_p_value(crosses, edges, n, permutations, seed),
        longest_merge_ratio=_merge_ratio(crosses, lengths),
        permutations=permutations,
        seed=seed,
    )


def _check_permutations(permutations: int) -> None:
    if permutations < 1:
        raise ValueError(f"permutations must be at least 1, but it is {permutations}; 1000 is usual.")


def _joint_tree(x: Rows, y: Rows, unit: bool, check: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Return which edges join the groups (N - 1,), the edges (N - 1, 2), their lengths, and the number of rows of x.

    The length of an edge between rows that coincide up to the rounding of their type is 0.
    """
    rows = as_numpy(pooled_rows(x, y, unit=unit, check=check))
    edges, lengths = minimum_spanning_tree(rows, unit=unit, check=False)
    reach = 1.0 if unit else float(np.abs(rows).max()) * np.sqrt(rows.shape[1])
    lengths = np.where(lengths > _ROUNDING * np.finfo(rows.dtype).eps * reach, lengths, 0.0)
    n = int(x.shape[0])
    return (edges[:, 0] < n) != (edges[:, 1] < n), edges, lengths, n


def _z_score(crosses: np.ndarray, edges: np.ndarray, n: int) -> float | None:
    total = len(edges) + 1
    m = total - n
    degrees = np.bincount(edges.ravel(), minlength=total)
    sharing = float((degrees * (degrees - 1)).sum())  # ordered pairs of edges with a row in common
    others = (total - 1) * (total - 2) - sharing
    mean = 2.0 * n * m / total
    both = n * m / (total * (total - 1))
    variance = mean + sharing * both - mean**2
    if others:
        apart = total * (total - 1) * (total - 2) * (total - 3)
        variance += others * 4.0 * n * (n - 1) * m * (m - 1) / apart
    if variance <= 1e-9 * mean:
        return None
    return float((np.count_nonzero(crosses) - mean) / np.sqrt(variance))


def _p_value(crosses: np.ndarray, edges: np.ndarray, n: int, permutations: int, seed: int) -> float:
    rng = np.random.default_rng(seed)
    first = np.arange(len(edges) + 1) < n
    found, as_few = np.count_nonzero(crosses), 0
    for _ in range(permutations):
        shuffled = rng.permutation(first)
        as_few += int(np.count_nonzero(shuffled[edges[:, 0]] != shuffled[edges[:, 1]]) <= found)
    return (1 + as_few) / (1 + permutations)


def _merge_ratio(crosses: np.ndarray, lengths: np.ndarray) -> float | None:
    within = lengths[~crosses & (lengths > 0)]
    return float(lengths[crosses].max() / np.median(within)) if len(within) else None

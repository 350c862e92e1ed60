"""A6: the constancy of the gap by the protocol of its first report, on means of groups of pairs."""

from dataclasses import dataclass

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import BLOCK_ROWS, Rows, check_pair, is_numpy, materialise, unit_rows
from crossgap.measure.gap_energy_ratio import check_gap

__all__ = ["GapGroups", "gap_groups"]

_NO_LENGTH = 1e-6  # differences of unit rows shorter than this are rounding in float32


@dataclass(frozen=True, kw_only=True)
class GapGroups:
    """Constancy of the gap over groups of ``group_size`` pairs: means and population standard deviations.

    ``left_out`` counts comparisons of two neighbours one of which has no length, for example two copies of one row.
    """

    pairs: int
    dimension: int
    group_size: int
    groups: int
    n_shuffles: int
    seed: int
    group_length_mean: float
    group_length_std: float
    consecutive_cosine_mean: float
    consecutive_cosine_std: float
    orthogonality_x_mean: float
    orthogonality_x_std: float
    orthogonality_y_mean: float
    orthogonality_y_std: float
    residual_coordinate_mean: float
    residual_direction_mean: float
    residual_direction_std: float
    left_out: int


def gap_groups(
    x: Rows, y: Rows, *, group_size: int = 100, n_shuffles: int = 20, seed: int = 0, check: bool = True
) -> GapGroups:
    """Length and direction of the gap over groups of pairs, and the noise about it, as the C3 paper measures them.

    Formula::

        shuffle the pairs, drop the remainder, h_1, h_2, ... = means of g_i = x_i - y_i over ``group_size`` pairs
        group length         |h_k|                    consecutive cosine   cos(h_k, h_{k+1})
        orthogonality        cos(x_{i+1} - x_i, g),   and the same of y;   g = mean of all g_i
        residual             e_i = g_i - g;           residual direction   cos(e_i, e_{i+1})

    Every statistic is the mean and the standard deviation over all groups or pairs of all shuffles.

    How to read it: the source prints a length of about 0.83, a consecutive cosine of 0.99 and zeros elsewhere, and
    concludes that the gap is a constant vector at right angles to the modalities. **Averaging 100 pairs makes the
    0.99**: with ``group_size=1``, the honest version, CLIP on COCO gives 0.52 (erratum 17). **The orthogonality mean
    is about zero for any data**, since its numerators telescope; only its standard deviation tells anything, compared
    with 1/sqrt(d) and 1/sqrt(PR) (erratum 16, ``gap_orthogonality``). The coordinate mean of residuals is zero by
    construction, up to the dropped remainder.

    Parameters
    ----------
    x, y
        Rows (n, d), row i of one matched with row i of the other, at least two groups of them.
    group_size
        Pairs in a group, at least 1.
    n_shuffles
        Number of random orders of the pairs, at least 1.
    seed
        Seed of the shuffles.
    check
        Refuse zero and non-finite rows and a gap of length zero.

    Raises
    ------
    ValueError
        If ``group_size`` or ``n_shuffles`` is below 1, the shapes differ, or a row is zero or not finite.
    DegenerateError
        If the pairs do not fill two groups, the means coincide, or no two neighbours have a direction to compare (all
        pairs have one gap, or a group's rows coincide).

    Notes
    -----
    Cost: O(n_shuffles n d); x and y are held in memory. Through NumPy on the CPU. Ignores a rotation of both groups.

    References
    ----------
    Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, table 1, with the authors'
    code.

    Examples
    --------
    Gaps (2, 0) and (0, 2): single pairs are at right angles, and their residuals are opposite.

    >>> x, y = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[-1.0, 0.0], [0.0, -1.0]])
    >>> g = gap_groups(x, y, group_size=1, n_shuffles=1)
    >>> g.group_length_mean, g.consecutive_cosine_mean, round(g.residual_direction_mean, 6)
    (2.0, 0.0, -1.0)
    """
    n, d = check_pair(x, y)
    for name, value in (("group_size", group_size), ("n_shuffles", n_shuffles)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, but it is {value}; the paper's code uses 100 pairs a group.")
    groups = n // group_size
    if groups < 2:
        raise DegenerateError(
            f"{n} pairs do not fill two groups of {group_size}; give more pairs or a smaller group_size."
        )
    first, second = _unit(x, "x", check), _unit(y, "y", check)
    gap = first.mean(axis=0, dtype=np.float64) - second.mean(axis=0, dtype=np.float64)
    if check:
        check_gap(gap)
    direction = gap / np.sqrt(gap @ gap)
    residuals = first - second - gap.astype(first.dtype)
    random = np.random.default_rng(seed)
    seen: dict[str, list[np.ndarray]] = {name: [] for name in ("length", "cosine", "x", "y", "residual", "mean")}
    for _ in range(n_shuffles):
        order = random.permutation(n)[: groups * group_size]
        means = gap + _group_means(residuals, order, group_size)
        seen["length"].append(np.linalg.norm(means, axis=1))
        seen["mean"].append(means.mean(axis=1) - gap.mean())
        seen["cosine"].append(_consecutive_cosines(means, np.arange(groups)))
        seen["residual"].append(_consecutive_cosines(residuals, order))
        seen["x"].append(_difference_cosines(first, order, direction))
        seen["y"].append(_difference_cosines(second, order, direction))
    values = {name: np.concatenate(parts) for name, parts in seen.items()}
    compared = n_shuffles * ((groups - 1) + 3 * (groups * group_size - 1))
    for name, meaning in _WHERE_NONE.items():
        if not len(values[name]):
            raise DegenerateError(f"no two neighbours have a direction to compare: {meaning}; give pairs that differ.")
    return GapGroups(
        pairs=n,
        dimension=d,
        group_size=group_size,
        groups=groups,
        n_shuffles=n_shuffles,
        seed=seed,
        group_length_mean=float(values["length"].mean()),
        group_length_std=float(values["length"].std()),
        consecutive_cosine_mean=float(values["cosine"].mean()),
        consecutive_cosine_std=float(values["cosine"].std()),
        orthogonality_x_mean=float(values["x"].mean()),
        orthogonality_x_std=float(values["x"].std()),
        orthogonality_y_mean=float(values["y"].mean()),
        orthogonality_y_std=float(values["y"].std()),
        residual_coordinate_mean=float(values["mean"].mean()),
        residual_direction_mean=float(values["residual"].mean()),
        residual_direction_std=float(values["residual"].std()),
        left_out=compared - sum(len(values[name]) for name in _WHERE_NONE),
    )


_WHERE_NONE = {
    "cosine": "no two groups in a row have a gap",
    "x": "all rows of x coincide",
    "y": "all rows of y coincide",
    "residual": "all pairs have one and the same gap",
}


def _unit(x: Rows, name: str, check: bool) -> np.ndarray:
    rows = materialise(x)
    return unit_rows(rows if is_numpy(rows) else np.asarray(rows.detach().cpu()), name=name, check=check)


def _group_means(rows: np.ndarray, order: np.ndarray, size: int) -> np.ndarray:
    """Means of consecutive groups of ``size`` rows in the given order, in float64."""
    step = size * max(1, BLOCK_ROWS // size)
    parts = []
    for low in range(0, len(order), step):
        block = rows[order[low : low + step]]
        parts.append(block.reshape(-1, size, rows.shape[1]).mean(axis=1, dtype=np.float64))
    return np.concatenate(parts)


def _consecutive_cosines(rows: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Cosine of each row with the next in the given order, where both have a length."""
    parts = []
    for low in range(0, len(order) - 1, BLOCK_ROWS):
        block = rows[order[low : low + BLOCK_ROWS + 1]].astype(np.float64)
        lengths = np.linalg.norm(block, axis=1)
        long = (lengths > _NO_LENGTH)[1:] & (lengths > _NO_LENGTH)[:-1]
        parts.append(np.einsum("ij,ij->i", block[1:], block[:-1])[long] / (lengths[1:] * lengths[:-1])[long])
    return np.concatenate(parts)


def _difference_cosines(rows: np.ndarray, order: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Cosine with ``direction`` of the difference of each row from the one before, in the given order."""
    parts = []
    for low in range(0, len(order) - 1, BLOCK_ROWS):
        differences = np.diff(rows[order[low : low + BLOCK_ROWS + 1]].astype(np.float64), axis=0)
        lengths = np.linalg.norm(differences, axis=1)
        long = lengths > _NO_LENGTH
        parts.append((differences @ direction)[long] / lengths[long])
    return np.concatenate(parts)

"""C3: how large the noise between rows of one item is, measured on a few of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.close.noise_draws import expected_cosine
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import Rows, check_rows, materialise, unit_rows
from crossgap.measure.alignment import alignment_noise
from crossgap.measure.alignment_noise_profile import alignment_noise_profile
from crossgap.measure.certainty import LEAST_ITEMS, bootstrap_interval, bootstrap_weights, interval
from crossgap.measure.participation_ratio import participation_ratio_of

__all__ = ["NoiseEstimate", "estimate_noise"]

_C3_VARIANCE = 0.016
_REPLICATES = 200


@dataclass(frozen=True, kw_only=True)
class NoiseEstimate:
    """Noise between rows of one item.

    Parameters
    ----------
    source
        "items": rows of one group about the mean of their item; "pairs": gaps of pairs about the mean gap.
    items, rows, dimension
        How many items were used (with at least two rows; or pairs), how many rows, and d.
    left_out
        Items with one row only, which say nothing.
    variance
        Mean variance of a coordinate, sigma^2.
    low, high
        The 95 % interval of ``variance`` over items; None for fewer than 10 items.
    participation_ratio
        How many directions share the variance; d for round noise.
    top_over_mean
        Largest eigenvalue of the noise's covariance over the mean one; 1 for round noise.
    expected_cosine
        Between a unit row and the row with Gaussian noise of this variance: the ``target_cosine`` of ``Corruption``.
    usual_over_measured
        How many times the usual 0.016 is above ``variance``.
    """

    source: str
    items: int
    rows: int
    dimension: int
    left_out: int
    variance: float
    low: float | None
    high: float | None
    participation_ratio: float
    top_over_mean: float
    expected_cosine: float
    usual_over_measured: float

    def sentence(self) -> str:
        """Return what was found and what it is for, in words."""
        bounds = "" if self.low is None else f" ({self.low:.2g} to {self.high:.2g})"
        what = "rows of one item" if self.source == "items" else "pairs"
        return (
            f"Noise of {what}: variance {self.variance:.2g}{bounds} a coordinate over {self.items} "
            f"{'items' if self.source == 'items' else 'pairs'}, expected cosine {self.expected_cosine:.2f}, "
            f"{self.participation_ratio:.0f} of {self.dimension} directions. A model of this noise is "
            f"Corruption(variance={self.variance:.2g}); C3's usual 0.016 is {self.usual_over_measured:.0f} times as "
            f"much: a heavy regulariser."
        )


def estimate_noise(rows: Rows, items: Any = None, *, partners: Rows | None = None, seed: int = 0) -> NoiseEstimate:
    """Measure the noise between rows of one item, to choose the variance of ``Corruption`` by.

    Formula::

        from items    sigma^2 = sum_i sum_k |x_ik - mean_k x_ik|^2 / (d sum_i (n_i - 1))
        from pairs    sigma^2 = mean_i |x_i - y_i - g|^2 / d,   g = mean_i (x_i - y_i)

    How to read it: several texts of one picture differ in wording, not in what they are of; their spread is noise that
    a text decoder should bear, and it is measured without a single picture. Pairs add the noise of both sides, so their
    figure is larger. Either is far below the usual 0.016 (500 CLIP pairs: 0.0012), which is no estimate of this noise
    but strong regularisation that also works (erratum 19); start from a value between the two, and choose by the score
    of the task. A participation ratio far below d says that the noise is not round: see ``Corruption`` with
    ``noise="covariance"``.

    Parameters
    ----------
    rows
        Rows (n, d) of one group, several for each item; a few dozen items will do.
    items
        The item of each row. Without ``partners`` it must be given.
    partners
        Rows of another group, row i the partner of row i of ``rows``: then the noise of the pairs is measured, and with
        ``items`` pairs of one item are resampled together.
    seed
        Of the interval's resamples.

    Raises
    ------
    ValueError
        If neither items nor partners are given, they are not one a row, or a row is zero or not finite.
    DegenerateError
        If no item has two rows, or there is no noise at all.

    Notes
    -----
    Cost: n d^2 + 4/3 d^3. The interval resamples whole items.

    References
    ----------
    Nukrai et al., *CapDec*, 2022, and Zhang et al., *Connect, Collapse, Corrupt*, 2024, whose variance this is compared
    with; the estimate is the pooled variance of a one-way layout.

    Examples
    --------
    Two items of two rows each: in both, the rows lie 0.6 from their mean, along the second axis.

    >>> X = np.array([[0.8, 0.6], [0.8, -0.6], [-0.8, 0.6], [-0.8, -0.6]])
    >>> found = estimate_noise(X, ["a", "a", "b", "b"])
    >>> round(found.variance, 3), round(found.participation_ratio, 3)  # (4 x 0.36) / (2 x 2)
    (0.36, 1.0)
    """
    n, d = check_rows(rows, "rows", least=2)
    if partners is not None:
        return _from_pairs(rows, partners, items, seed)
    if items is None:
        raise ValueError(
            "items must say which rows are of one item, but neither items nor partners were given; pass items=, one id "
            "a row, or partners=."
        )
    ids = np.asarray(items)
    if ids.shape != (n,):
        raise ValueError(f"items must hold one id for each of the {n} rows, but its shape is {ids.shape}.")
    kinds, number, sizes = np.unique(ids, return_inverse=True, return_counts=True)
    several = sizes >= 2
    if not several.any():
        raise DegenerateError("no item has two rows, so there is no spread within items; give several rows of each.")
    unit = np.asarray(unit_rows(materialise(rows), name="rows"), dtype=np.float64)
    sums = np.zeros((len(kinds), d))
    np.add.at(sums, number, unit)
    residuals = unit - (sums / sizes[:, None])[number]
    squares = np.bincount(number, weights=np.vecdot(residuals, residuals), minlength=len(kinds))
    freedom = float((sizes - 1).sum())
    low, high = None, None
    if several.sum() >= LEAST_ITEMS:
        counts = bootstrap_weights(int(several.sum()), _REPLICATES, seed=seed).astype(np.float64)
        replicates = (squares[several] @ counts) / ((sizes[several] - 1.0) @ counts) / d
        found = interval(float(squares.sum() / freedom / d), replicates, lowest=0)
        low, high = found.low, found.high
    eigenvalues = np.clip(np.linalg.eigvalsh(residuals.T @ residuals / freedom), 0.0, None)
    variance = float(squares.sum() / freedom / d)
    _check_noise(variance)
    return NoiseEstimate(
        source="items",
        items=int(several.sum()),
        rows=int(sizes[several].sum()),
        dimension=d,
        left_out=int((~several).sum()),
        variance=variance,
        low=low,
        high=high,
        participation_ratio=float(participation_ratio_of(eigenvalues)),
        top_over_mean=float(eigenvalues[-1] / eigenvalues.mean()),
        expected_cosine=expected_cosine(variance, d),
        usual_over_measured=_C3_VARIANCE / variance,
    )


def _from_pairs(x: Rows, y: Rows, items: Any, seed: int) -> NoiseEstimate:
    profile = alignment_noise_profile(x, y)
    low, high = None, None
    if profile.pairs >= LEAST_ITEMS:
        found = bootstrap_interval(alignment_noise, x, y, items=items, replicates=_REPLICATES, seed=seed)
        low, high = found.low / profile.dimension, found.high / profile.dimension
    variance = profile.nu_rms**2
    _check_noise(variance)
    return NoiseEstimate(
        source="pairs",
        items=profile.pairs,
        rows=2 * profile.pairs,
        dimension=profile.dimension,
        left_out=0,
        variance=variance,
        low=low,
        high=high,
        participation_ratio=profile.participation_ratio,
        top_over_mean=profile.top_over_mean,
        expected_cosine=expected_cosine(variance, profile.dimension),
        usual_over_measured=_C3_VARIANCE / variance,
    )


def _check_noise(variance: float) -> None:
    if not variance > 1e-15:
        raise DegenerateError("all rows of each item are alike, so there is no noise to measure; check the items.")

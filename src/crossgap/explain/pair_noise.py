"""A6, A8: how constant the gap is from pair to pair, and what the noise about it looks like (errata 17 to 19)."""

from collections.abc import Iterator

import numpy as np

from crossgap import measure
from crossgap.errors import DegenerateError
from crossgap.explain.finding import Finding
from crossgap.explain.two_groups import TwoGroups
from crossgap.geometry.rows import unit_rows
from crossgap.measure.participation_ratio import participation_ratio_of
from crossgap.results import Measurement, percent, told

__all__ = ["constancy", "noise_shape"]

_PAPERS_GROUP = 100
_CORRUPTION = 0.016**0.5  # a coordinate: what C3, CapDec and ViECap add


def constancy(two: TwoGroups) -> Iterator[Finding]:
    """Say how alike the gaps of two single pairs point, and what averaging makes of it."""
    single = two.of_pairs(measure.gap_constancy, within=(-1.0, 1.0))
    direction = two.of_pairs(measure.gap_direction, within=(-1.0, 1.0))
    evidence = [single, direction]
    averaged = ""
    n = len(two.pairs[0])
    if n >= 2 * _PAPERS_GROUP:
        groups = measure.gap_groups(*two.pairs, group_size=_PAPERS_GROUP, seed=two.seed)
        for name in ("consecutive_cosine_mean", "group_length_mean"):
            evidence.append(two.number(name, getattr(groups, name), group_size=_PAPERS_GROUP))
        averaged = (
            f"; the {groups.consecutive_cosine_mean:.3f} that means over {_PAPERS_GROUP} pairs give is made by the "
            f"averaging"
        )
    yield Finding(
        name="constancy",
        groups=two.names,
        sentence=f"Single pairs do not share one gap vector: the gaps of two pairs have a cosine of {told(single)} "
        f"(1 would be one constant vector){averaged}.",
        value=single.value,
        interval=single.interval,
        evidence=tuple(evidence),
    )


def noise_shape(two: TwoGroups) -> Iterator[Finding]:
    """Say how large the alignment noise is, whether it is round, and how it compares with the corruption of C3."""
    profile = measure.alignment_noise_profile(*two.pairs, seed=two.seed)
    d, n = two.dimension, profile.pairs
    even = 1 / (1 / d + 1 / max(1, n - 1))
    spread = _spread(two)
    yield Finding(
        name="noise_shape",
        groups=two.names,
        sentence=f"The noise between partners is {_roundness(profile.participation_ratio, even)}: it lies in about "
        f"{told(spread, 1)} of {d} directions (participation ratio; round noise of {n} pairs: {even:.0f}), the "
        f"strongest {profile.top_over_mean:.1f} times the mean. Coordinate by coordinate it is {_normality(profile)}, "
        f"with a standard deviation of {profile.nu:.4f}; the corruption of {_CORRUPTION:.4f} that text-only training "
        f"adds is {_CORRUPTION / profile.nu:.1f} times that.",
        value=spread.value,
        interval=spread.interval,
        evidence=(
            spread,
            *(
                two.number(name, getattr(profile, name))
                for name in (
                    *("nu", "nu_rms", "norm_mean", "norm_concentration", "top_over_mean", "isotropy"),
                    *("mean_skew", "mean_excess_kurtosis", "normal_share"),
                )
            ),
        ),
    )


def _spread(two: TwoGroups) -> Measurement:
    """Participation ratio of the noise, under weightings with its principal directions held."""
    x, y = (unit_rows(rows.astype(np.float64)) for rows in two.pairs)
    noise = (x - y) - (x - y).mean(axis=0)
    if noise.shape[1] < 2:
        raise DegenerateError("the noise of vectors with one coordinate has no shape; give longer vectors.")
    along = noise @ np.linalg.eigh(noise.T @ noise)[1]
    weights = np.ones((len(along), 1)) if two.pair_weights is None else two.pair_weights.astype(np.float64)
    count = weights.sum(axis=0)[:, None]
    variances = (weights.T @ along**2 - (weights.T @ along) ** 2 / count) / (count - 1)
    return two.number_of(
        "participation_ratio",
        np.asarray(participation_ratio_of(np.clip(variances, 0.0, None))),
        within=(1.0, float(min(len(along) - 1, two.dimension))),
        of="alignment noise",
    )


def _roundness(ratio: float, even: float) -> str:
    return "about round" if ratio > 0.7 * even else "not round"


def _normality(profile: measure.AlignmentNoiseProfile) -> str:
    close = "close to Gaussian" if profile.normal_share >= 0.9 else "not Gaussian"
    kurtosis = f"excess kurtosis {profile.mean_excess_kurtosis:.2f}"
    return f"{close} ({kurtosis}, Shapiro-Wilk rejects {percent(1 - profile.normal_share)} of them)"

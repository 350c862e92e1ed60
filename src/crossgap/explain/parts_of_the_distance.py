"""A5, A6, A21: what the mean squared distance of partners is made of."""

from collections.abc import Iterator

import numpy as np

from crossgap import measure
from crossgap.errors import DegenerateError
from crossgap.explain.finding import Finding
from crossgap.explain.gap_parts import GapParts, gap_parts
from crossgap.explain.two_groups import TwoGroups
from crossgap.measure.certainty import as_numbers
from crossgap.results import Measurement, percent

__all__ = ["PARTS", "covariance_without_pairs", "parts_of_the_distance"]

PARTS = ("offset", "covariance_mismatch", "details")
_SHARE = (0.0, 1.0)


def parts_of_the_distance(two: TwoGroups) -> Iterator[Finding]:
    """Yield ``offset``, ``covariance_mismatch`` and ``details`` of groups that pair, the largest first."""
    ratio = two.of_pairs(measure.gap_energy_ratio, within=_SHARE)  # refuses pairs that all coincide
    parts = gap_parts(*two.pairs, weights=two.pair_weights)
    parts = GapParts(**{name: np.atleast_1d(part) for name, part in vars(parts).items()})
    found = [_offset(two, parts, ratio), _covariance(two, parts), _details(two, parts)]
    yield from sorted(found, key=lambda finding: -(finding.value or 0.0))


def _offset(two: TwoGroups, parts: GapParts, ratio: Measurement) -> Finding:
    return _finding(
        two,
        "offset",
        parts.offset / parts.total,
        f"of the mean squared distance of partners ({parts.total[0]:.3f}) is one constant offset, the same for all "
        f"pairs; a translation takes it away.",
        (
            ratio,
            _number(two, "alignment", parts.total),
            _number(two, "centroid_distance", np.sqrt(parts.offset)),
            _number(two, "alignment_noise", parts.noise),
        ),
    )


def _covariance(two: TwoGroups, parts: GapParts) -> Finding:
    total = float(parts.total[0])
    chance, evidence = _beyond_chance(two)
    beyond = ""
    if chance is not None:
        beyond = (
            f" The directions of two halves of one group differ too: free of that sampling noise it is about "
            f"{percent(chance / total)}."
        )
    return _finding(
        two,
        "covariance_mismatch",
        parts.covariance / parts.total,
        f"is a mismatch of the two covariances, which no translation mends: {percent(parts.spectrum[0] / total)} the "
        f"sizes of the principal directions (spectrum), {percent(parts.directions[0] / total)} where they "
        f"point.{beyond}",
        (
            _number(two, "spectrum", parts.spectrum),
            _number(two, "directions", parts.directions),
            *evidence,
            *_spectra_correlation(two),
        ),
    )


def _details(two: TwoGroups, parts: GapParts) -> Finding:
    return _finding(
        two,
        "details",
        parts.details / parts.total,
        "is details in which partners differ though the groups have one mean and one covariance: no map that knows no "
        "pairs mends it, and with few rows it is a lower bound.",
        (_number(two, "details", parts.details),),
    )


def covariance_without_pairs(two: TwoGroups) -> Iterator[Finding]:
    """Yield ``covariance_mismatch`` of groups that do not pair: its share of the least distance that partners can have.

    Formula::

        covariance part / (|g|^2 + covariance part)        (parts of the Fréchet distance)
    """
    part, offset = two.of_groups(measure.frechet_covariance_part), two.of_groups(measure.frechet_mean_part)
    whole = (part.value or 0.0) + (offset.value or 0.0)
    if not whole > 1e-12:
        raise DegenerateError("both groups have one mean and one covariance, so there is no distance to split.")
    share = (part.value or 0.0) / whole
    chance, evidence = _beyond_chance(two)
    beyond = "" if chance is None else f" Free of sampling noise the mismatch is about {chance:.3f}."
    yield Finding(
        name="covariance_mismatch",
        groups=two.names,
        sentence=f"No pairs are known, so only a bound can be given: partners lie at a mean squared distance of at "
        f"least {whole:.3f}, of which {percent(1 - share)} is offset and {percent(share)} a mismatch of the two "
        f"covariances.{beyond}",
        value=share,
        evidence=(offset, part, *evidence),
    )


def _finding(
    two: TwoGroups, name: str, shares: np.ndarray, sentence: str, evidence: tuple[Measurement, ...]
) -> Finding:
    bounds = two.bounds(shares, _SHARE)
    told = "" if bounds is None else f" [{100 * bounds[0]:.1f}, {100 * bounds[1]:.1f}]"
    return Finding(
        name=name,
        groups=two.names,
        sentence=f"{percent(float(shares[0]))}{told} {sentence}",
        value=float(shares[0]),
        interval=bounds,
        evidence=evidence,
    )


def _number(two: TwoGroups, name: str, part: np.ndarray) -> Measurement:
    return two.number_of(name, part, within=(0.0, np.inf), pair_count=len(two.pairs[0]))


def _beyond_chance(two: TwoGroups) -> tuple[float | None, tuple[Measurement, ...]]:
    """Mismatch of the covariances of the groups beyond that of two halves of one group, from halves of the items."""
    try:
        (x_a, y_a), (x_b, y_b) = (half.rows for half in two.halves)
    except DegenerateError:
        return None, ()
    across = [float(as_numbers(measure.frechet_covariance_part(*both))) for both in ((x_a, y_b), (x_b, y_a))]
    within = [float(as_numbers(measure.frechet_covariance_part(*both))) for both in ((x_a, x_b), (y_a, y_b))]
    evidence = (
        two.number("frechet_covariance_part", sum(across) / 2, between="a half of each group"),
        two.number("frechet_covariance_part", sum(within) / 2, between="the halves of one group"),
    )
    return max(0.0, (sum(across) - sum(within)) / 2), evidence


def _spectra_correlation(two: TwoGroups) -> tuple[Measurement, ...]:
    try:
        correlation = measure.gap_frame_split(*two.pairs).spectra_correlation
    except DegenerateError:  # the means coincide
        return ()
    return () if correlation is None else (two.number("spectra_correlation", correlation),)

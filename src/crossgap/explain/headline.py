"""Where the gap comes from, in one sentence."""

from collections.abc import Sequence

from crossgap import measure
from crossgap.explain.finding import Finding
from crossgap.explain.two_groups import TwoGroups
from crossgap.results import percent, told

__all__ = ["headline"]

_CHANCE = 1.5  # times the distance that two samples of one distribution have


def headline(two: TwoGroups, findings: Sequence[Finding]) -> Finding:
    """Sum the findings up: the size of the gap, what it is made of, and whether a few coordinates carry it."""
    x, y = two.names
    by_name = {finding.name: finding for finding in findings}
    gap = two.of_groups(measure.centroid_distance, within=(0.0, 2.0))
    floor = two.number(
        "centroid_distance_floor",
        float(measure.centroid_distance_floor(*two.rows, x_items=two.items[0], y_items=two.items[1])),
    )
    size, chance = gap.value or 0.0, floor.value or 0.0
    first = f"{x} and {y} lie {told(gap)} apart (chance alone {chance:.3f})"
    if size <= _CHANCE * chance:
        why = ["no more than two samples of one distribution, so there is no offset to explain"]
    else:
        why = _origin(by_name)
    return Finding(
        name="gap",
        groups=two.names,
        sentence=f"{first}: {'; '.join(why)}." if why else f"{first}.",
        value=size,
        interval=gap.interval,
        evidence=(gap, floor),
    )


_PARTS = {
    "offset": "one constant offset",
    "covariance_mismatch": "a mismatch of the two covariances",
    "details": "details in which partners differ",
}


def _origin(found: dict[str, Finding]) -> list[str]:
    why = []
    parts = [found[name] for name in _PARTS if name in found and found[name].value is not None]
    if len(parts) == len(_PARTS):
        parts.sort(key=lambda finding: -(finding.value or 0.0))
        shares = [f"{percent(part.value or 0.0)} {_PARTS[part.name]}" for part in parts]
        why.append(f"the mean squared distance of partners is {', '.join(shares[:-1])} and {shares[-1]}")
    elif found["covariance_mismatch"].value is not None:
        share = 1 - found["covariance_mismatch"].value
        why.append(
            f"of the distance that can be told without pairs {percent(share)} is one constant offset and "
            f"{percent(1 - share)} {_PARTS['covariance_mismatch']}"
        )
    rogue = found.get("rogue_coordinates")
    if rogue is not None and rogue.value is not None and rogue.evidence:
        m = int(rogue.evidence[0].options["coordinates"])
        d = int(rogue.evidence[0].options["d"])
        if any("removed" in evidence.options for evidence in rogue.evidence):
            why.append(f"{m} of {d} coordinates carry {percent(rogue.value)} of the offset")
    return why

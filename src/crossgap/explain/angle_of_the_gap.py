"""A7: at what angle the offset stands to the directions in which the groups vary (erratum 16)."""

from collections.abc import Iterator

from crossgap import measure
from crossgap.explain.finding import Finding
from crossgap.explain.two_groups import TwoGroups
from crossgap.results import Measurement, percent, with_bounds

__all__ = ["angle_of_the_gap"]

_NOTABLE = 1.5  # times the share of a random direction
_FRAME = 0.9
_FIRST = 10


def angle_of_the_gap(two: TwoGroups) -> Iterator[Finding]:
    """Say whether the offset is at right angles to the data, as the C3 paper has it, against a random direction."""
    k = min(_FIRST, two.dimension, *(len(rows) - 1 for rows in two.rows))
    inside = [two.of_groups(measure.gap_span_energy, within=(0.0, 1.0), components=k, of=side) for side in ("x", "y")]
    angles = [two.of_groups(measure.gap_orthogonality, within=(0.0, 1.0), of=side) for side in ("x", "y")]
    references = [
        two.number(
            "gap_orthogonality_reference",
            float(measure.gap_orthogonality_reference(*two.rows, of=side, within=within)),
            of=side,
            within=within,
        )
        for side in ("x", "y")
        for within in ("space", "span")
    ]
    expected = k / two.dimension
    x, y = two.names
    least = min(found.value or 0.0 for found in inside)
    claim = (
        "The offset is not at right angles to the data"
        if least > _NOTABLE * expected
        else "The offset stands to the data about as a random direction does"
    )
    frame, told = _frame(two)
    yield Finding(
        name="angle_of_the_gap",
        groups=two.names,
        sentence=f"{claim}: the first {k} principal directions hold {percent(inside[0].value or 0)} of it ({x}) and "
        f"{percent(inside[1].value or 0)} ({y}), of a random direction {percent(expected)}{told}. Root mean square "
        f"cosine with differences of two rows: {with_bounds(angles[0].value or 0, angles[0].interval)} ({x}), "
        f"{with_bounds(angles[1].value or 0, angles[1].interval)} ({y}); {references[0].value:.3f} for a random "
        f"direction, {references[1].value:.3f} and {references[3].value:.3f} for one of the groups' own.",
        value=inside[0].value,
        interval=inside[0].interval,
        evidence=(*inside, *angles, *references, *frame),
    )


def _frame(two: TwoGroups) -> tuple[tuple[Measurement, ...], str]:
    """Share of the offset in the directions that hold most of the variance of both groups; nothing without pairs."""
    if two.unpaired is not None:
        return (), ""
    split = measure.gap_frame_split(*two.pairs, energy=_FRAME)
    share = two.number("gap_share_u", split.gap_share_u, energy=_FRAME, rank=split.rank)
    return (share,), (
        f"; the {split.rank} directions with {percent(_FRAME)} of the variance hold {percent(split.gap_share_u)}, of a "
        f"random one {percent(split.share_of_dimensions)}"
    )

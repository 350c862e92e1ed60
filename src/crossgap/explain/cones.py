"""A14: the cones in which the groups lie, from which the offset follows."""

import math
from collections.abc import Iterator

from crossgap import measure
from crossgap.explain.finding import Finding
from crossgap.explain.two_groups import TwoGroups
from crossgap.results import told

__all__ = ["cones"]


def cones(two: TwoGroups) -> Iterator[Finding]:
    """Say how narrow each group is and at what angle the two lie: |g|^2 = |m_x|^2 + |m_y|^2 - 2 |m_x| |m_y| cos."""
    lengths = [two.of_group(measure.resultant_length, side, within=(0.0, 1.0)) for side in (0, 1)]
    cosine = two.of_groups(measure.centroid_cosine, within=(-1.0, 1.0))
    x, y = two.names
    angle = math.degrees(math.acos(min(1.0, max(-1.0, cosine.value or 0.0))))
    narrow = min(length.value or 0.0 for length in lengths) >= 0.3
    shape = "both groups are cones" if narrow else "at least one group is hardly a cone"
    yield Finding(
        name="cones",
        groups=two.names,
        sentence=f"The offset follows from two means: that of {x} is {told(lengths[0])} long and that of {y} "
        f"{told(lengths[1])} (0 spread all round, 1 one point: {shape}), at an angle of {angle:.0f} degrees.",
        value=cosine.value,
        interval=cosine.interval,
        evidence=(*lengths, cosine),
    )

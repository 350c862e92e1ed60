"""A9: how many of its dimensions a group uses."""

from collections.abc import Iterator

from crossgap import measure
from crossgap.explain.finding import Finding
from crossgap.explain.two_groups import TwoGroups
from crossgap.results import told

__all__ = ["dimension_collapse"]

_FEW = 0.3  # of what evenly spread rows would show


def dimension_collapse(two: TwoGroups, side: int) -> Iterator[Finding]:
    """Say over how many directions the rows of one group spread, beside rows that spread evenly."""
    name = two.names[side]
    n, d = two.rows[side].shape
    most = min(n - 1, d)
    even = 1 / (1 / d + 1 / max(1, n - 1))
    ratio = two.of_group(measure.participation_ratio, side, within=(1.0, float(most)))
    counts = [
        two.of_group(measure.effective_dimension, side, within=(1.0, float(most)), quantile=quantile)
        for quantile in (0.9, 0.99)
    ]
    rank = two.of_group(measure.entropy_rank, side, within=(1.0, float(most)))
    bound = f" (of at most {most} with {n} rows)" if n <= d else ""
    if (ratio.value or 0.0) < _FEW * even:
        claim = f"uses few of its {d} dimensions"
    elif n <= d:  # rows that lie in at most n - 1 directions cannot show more
        claim = f"spreads about as far as {n} rows can show, of {d} dimensions"
    else:
        claim = f"uses many of its {d} dimensions"
    yield Finding(
        name="dimension_collapse",
        groups=(name,),
        sentence=f"{name} {claim}: about {told(ratio, 1)} directions "
        f"share its variance (participation ratio; {n} evenly spread rows: {even:.0f}), {counts[0].value:.0f} hold "
        f"90% of it and {counts[1].value:.0f} hold 99%{bound}.",
        value=ratio.value,
        interval=ratio.interval,
        evidence=(ratio, *counts, rank),
    )

"""A19: whether the contrastive loss still pulls at this temperature, or leaves the gap as it is."""

from collections.abc import Iterator

from crossgap import measure
from crossgap.explain.finding import Finding
from crossgap.explain.two_groups import TwoGroups
from crossgap.results import percent

__all__ = ["temperature_and_rest"]

_AT_REST = 0.01


def temperature_and_rest(two: TwoGroups, *, temperature: float) -> Iterator[Finding]:
    """Say which share of the rows the loss leaves in place, and how small a margin suffices for that."""
    forth, back = (
        two.of_pairs(
            measure.stable_region,
            within=(0.0, 1.0),
            turned=turned,
            temperature=temperature,
            delta=_AT_REST,
            items=two.pair_items,
        )
        for turned in (False, True)
    )
    n = len(two.pairs[0])
    widths = [
        two.number(
            "stable_region_width",
            measure.stable_region_width(n, temperature, _AT_REST, necessary=necessary),
            temperature=temperature,
            necessary=necessary,
        )
        for necessary in (False, True)
    ]
    x, y = two.names
    least, enough = widths[1].value or 0.0, widths[0].value or 0.0
    if enough > 2:
        reach = f"no margin can suffice (it would have to reach {enough:.2f}, and 2 is the most), so it keeps pulling"
    else:
        reach = f"a lead of {least:.3f} to {enough:.3f} over the wrong rows suffices, wherever the groups lie"
    rest = sum(found.value or 0.0 for found in (forth, back)) / 2
    so = (
        "so much of the gap that is there would stay in further training"
        if rest >= 0.5
        else "so further training would still move most rows"
    )
    yield Finding(
        name="temperature",
        groups=two.names,
        sentence=f"At temperature {temperature:g} the contrastive loss among {n} pairs is spent (below {_AT_REST:g}) "
        f"on {percent(forth.value or 0.0)} of {x} and {percent(back.value or 0.0)} of {y}, {so}: {reach}. In batches "
        f"smaller than {n} the share is higher.",
        value=forth.value,
        interval=forth.interval,
        evidence=(forth, back, *widths),
    )

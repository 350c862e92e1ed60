"""A15: whether a few rows turn up in everybody's list."""

from collections.abc import Iterator

from crossgap import measure
from crossgap.explain.finding import Finding
from crossgap.explain.two_groups import TwoGroups
from crossgap.results import Measurement, percent, told

__all__ = ["hubs"]

_STRONG = 1.0
_LIST = 10


def hubs(two: TwoGroups) -> Iterator[Finding]:
    """Say how unevenly rows of one group are found by the other, both ways; the finding is the stronger one."""
    k = min(_LIST, *(len(rows) for rows in two.rows))
    skews = [two.of_search(measure.hubness, turned=turned, k=k) for turned in (False, True)]
    scores = [measure.hubness_scores(*two.rows[::step], k=k) for step in (1, -1)]
    others = [
        two.number(name, getattr(score, name), *skew.groups, k=k)
        for score, skew in zip(scores, skews, strict=True)
        for name in ("hubness_gini", "hubness_max", "antihub_share", "top_hub_share")
    ]
    worse = max((0, 1), key=lambda way: skews[way].value or 0.0)
    strength = "A few rows are hubs" if (skews[worse].value or 0.0) > _STRONG else "There are no strong hubs"
    parts = [_told(skew, score) for skew, score in zip(skews, scores, strict=True)]
    yield Finding(
        name="hubness",
        groups=skews[worse].groups,
        sentence=f"{strength} in the top {k}: {'; '.join(parts)}. A translation need not remove hubs.",
        value=skews[worse].value,
        interval=skews[worse].interval,
        evidence=(*skews, *others),
    )


def _told(skew: Measurement, scores: measure.HubnessScores) -> str:
    queries, gallery = skew.groups
    return (
        f"when {queries} searches {gallery} the skewness of how often a row is found is {told(skew, 2)}, and the top "
        f"1% of rows take {percent(scores.top_hub_share)} of the places"
    )

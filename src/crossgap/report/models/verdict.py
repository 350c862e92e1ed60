"""What a comparison says in sentences: each model against the first, one task at a time."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from crossgap.report.models.model_comparison import ModelComparison
from crossgap.results import Measurement, told

__all__ = [
    "BOTH_WAYS",
    "GAP",
    "HEADLINES",
    "NO_INTERVAL",
    "RETRIEVAL",
    "UNCLEAR",
    "Headline",
    "direction",
    "found_of",
    "likeness",
    "outcome",
    "places",
    "summaries",
    "where",
]

GROUP, PAIR, BOTH_WAYS, SEARCH = "each group", "two groups", "queries and a gallery", "queries of a mixed search"
UNCLEAR = "not clearly different"
NO_INTERVAL = "no interval, so not known"


@dataclass(frozen=True, kw_only=True)
class Headline:
    """A quantity by which models are held against each other, and the words for its change."""

    name: str
    label: str
    of: str
    more: str = "higher"
    less: str = "lower"
    way: str = ""  # how to read the number
    options: dict[str, Any] = field(default_factory=dict)


GAP = Headline(
    name="centroid_distance",
    label="gap (centroid distance)",
    of=PAIR,
    more="wider",
    less="narrower",
    way="Centroid distance: 0 where the averages of both groups coincide, 2 where they are opposite.",
)
RETRIEVAL = Headline(
    name="recall_at_k",
    label="recall@1",
    of=BOTH_WAYS,
    options={"k": 1},
    more="better",
    less="worse",
    way="Recall@1: share of queries whose nearest row of the other group is a right answer; 1 is best.",
)
HEADLINES = (
    GAP,
    RETRIEVAL,
    Headline(
        name="ndcg_at_k",
        label="NDCG@10 of a mixed index",
        of=SEARCH,
        more="better",
        less="worse",
        way="Rows of all groups in one index: 1 where all right answers stand first, 0 where the top ten holds none.",
    ),
    Headline(
        name="linear_separability",
        label="linear separability",
        of=PAIR,
        options={"C": 1.0},
        more="easier to tell apart",
        less="harder to tell apart",
        way="How often a linear classifier names the group of a row: 0.5 cannot tell, 1 always can.",
    ),
    Headline(
        name="participation_ratio",
        label="effective dimension (participation ratio)",
        of=GROUP,
        way="How many directions the rows of a group use; at most the dimension of the vectors.",
    ),
    Headline(
        name="uniformity",
        label="uniformity",
        of=GROUP,
        more="less spread",
        less="more spread",
        way="Lower is more evenly spread over the sphere; 0: all rows coincide.",
    ),
    Headline(
        name="alignment",
        label="alignment",
        of=PAIR,
        more="pairs further apart",
        less="pairs closer",
        way="Mean squared distance of matching rows; 0: they coincide.",
    ),
    Headline(
        name="cross_edge_share",
        label="tree edges across groups",
        of=PAIR,
        more="more mixed",
        less="less mixed",
        way="Share of the edges of the minimum spanning tree that join two groups; about 0.5 where groups mix fully.",
    ),
)


def places(comparison: ModelComparison, headline: Headline) -> list[tuple[str, ...]]:
    """Return the groups on which a headline quantity is looked up."""
    groups = list(comparison.settings["groups"])
    pairs = list(itertools.combinations(groups, 2))
    if headline.of == PAIR:
        return [*pairs]
    if headline.of == BOTH_WAYS:
        return [way for pair in pairs for way in (pair, pair[::-1])]
    return [(name,) for name in groups]


def summaries(comparison: ModelComparison) -> Iterator[str]:
    """Say of each further model in one sentence what clearly differs from the first, and what does not."""
    for model in list(comparison.models)[1:]:
        clear, unclear, unknown = [], [], []
        for headline in HEADLINES:
            by_direction = _directions(comparison, model, headline)
            total = sum(map(len, by_direction.values()))
            for words, there in by_direction.items():
                told_places = _shared(headline, there, total)
                if words == UNCLEAR:
                    unclear.append(f"{headline.label}{told_places}")
                elif words == NO_INTERVAL:
                    unknown.append(f"{headline.label}{told_places}")
                else:
                    clear.append(f"{headline.label} {words}{told_places}")
        parts = [
            f"{title}: {'; '.join(found)}"
            for title, found in (
                ("Clearly different", clear),
                ("Not clearly different", unclear),
                ("Without an interval", unknown),
            )
            if found
        ]
        yield f"{model} against {comparison.baseline}. {'. '.join(parts) or 'Nothing was measured of both'}."


def outcome(comparison: ModelComparison, model: str, headline: Headline) -> str:
    """Say in a word how a model differs from the first in one quantity, over all groups; "" where nothing says so."""
    found = set(_directions(comparison, model, headline))
    clear = found & {headline.more, headline.less}
    if not clear:
        return UNCLEAR if UNCLEAR in found else NO_INTERVAL if found else ""
    if len(clear) == 2:
        return f"partly {headline.more}, partly {headline.less}"
    return next(iter(clear)) if found == clear else f"{next(iter(clear))} in part"


def likeness(comparison: ModelComparison) -> Iterator[str]:
    """Say how alike the spaces of each two models are, group by group."""
    groups = comparison.settings["groups"]
    for pair, group in itertools.product(itertools.combinations(comparison.models, 2), groups):
        found = [
            f"{_plain(measurement.name)} {told(measurement)}{_beside(measurement)}"
            for measurement in comparison.similarities
            if tuple(measurement.options["models"]) == pair
            and measurement.groups == (group,)
            and measurement.value is not None
        ]
        if found:
            yield f"Spaces of {pair[0]} and {pair[1]}, {group}: {', '.join(found)}."


def direction(change: Measurement, headline: Headline) -> str:
    """Say which way a change goes, as far as its interval tells."""
    if change.interval is None or change.value is None:
        return NO_INTERVAL
    low, high = change.interval
    if low > 0:
        return headline.more
    return headline.less if high < 0 else UNCLEAR


def found_of(
    comparison: ModelComparison, model: str, headline: Headline, groups: tuple[str, ...]
) -> tuple[Measurement | None, Measurement | None]:
    """Return a headline quantity of a model, and its change against the first."""
    return (
        comparison.find(model, headline.name, *groups, **headline.options),
        comparison.difference(model, headline.name, *groups, **headline.options),
    )


def where(headline: Headline, groups: tuple[str, ...]) -> str:
    """Return groups as they stand beside a headline quantity: "image > text" for image searching text."""
    return (" > " if headline.of == BOTH_WAYS else ", ").join(groups)


def _directions(comparison: ModelComparison, model: str, headline: Headline) -> dict[str, list[tuple[str, ...]]]:
    """Return the groups by which way the quantity changes on them."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for groups in places(comparison, headline):
        change = found_of(comparison, model, headline, groups)[1]
        if change is not None:
            found.setdefault(direction(change, headline), []).append(groups)
    return found


def _shared(headline: Headline, there: list[tuple[str, ...]], total: int) -> str:
    if len(there) == total and headline.of in (PAIR, BOTH_WAYS):
        return "" if total == 1 else " both ways" if headline.of == BOTH_WAYS and total == 2 else " everywhere"
    return f" ({'; '.join(where(headline, groups) for groups in there)})"


def _beside(found: Measurement) -> str:
    """Say what is needed to read a similarity: what chance gives, or of what it is the mean."""
    options = found.options
    if "chance" in options:
        return f" (chance {options['chance']:.3f})"
    if "batches" in options:
        spread = f"{options['lowest']:.3f} to {options['highest']:.3f}"
        return f" (mean of {options['batches']} batches of {options['rows']} rows, {spread})"
    return ""


def _plain(name: str) -> str:
    return name.replace("_", " ").replace("cka", "CKA")

"""What a comparison says in sentences: each model against the first, one task at a time."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from crossgap.report.models.model_comparison import ModelComparison
from crossgap.results import Measurement, told

__all__ = ["BOTH_WAYS", "HEADLINES", "Headline", "direction", "likeness", "places", "sentences", "summaries"]

GROUP, PAIR, BOTH_WAYS, SEARCH = "each group", "two groups", "queries and a gallery", "queries of a mixed search"


@dataclass(frozen=True, kw_only=True)
class Headline:
    """A quantity by which models are held against each other, and the words for its change."""

    name: str
    label: str
    of: str
    more: str = "higher"
    less: str = "lower"
    options: dict[str, Any] = field(default_factory=dict)


HEADLINES = (
    Headline(name="centroid_distance", label="gap (centroid distance)", of=PAIR, more="wider", less="narrower"),
    Headline(
        name="linear_separability",
        label="linear separability",
        of=PAIR,
        options={"C": 1.0},
        more="easier to tell apart",
        less="harder to tell apart",
    ),
    Headline(name="recall_at_k", label="recall@1", of=BOTH_WAYS, options={"k": 1}, more="better", less="worse"),
    Headline(name="ndcg_at_k", label="NDCG@10 of a mixed index", of=SEARCH, more="better", less="worse"),
    Headline(name="participation_ratio", label="effective dimension (participation ratio)", of=GROUP),
    Headline(name="uniformity", label="uniformity", of=GROUP, more="less spread", less="more spread"),
    Headline(name="alignment", label="alignment", of=PAIR, more="pairs further apart", less="pairs closer"),
    Headline(
        name="cross_edge_share",
        label="cross-modal edges of the spanning tree",
        of=PAIR,
        more="more mixed",
        less="less mixed",
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
        clear: dict[str, None] = {}
        unclear: dict[str, None] = {}
        for headline in HEADLINES:
            for groups in places(comparison, headline):
                change = comparison.difference(model, headline.name, *groups, **headline.options)
                if change is None:
                    continue
                if change.interval is not None and (change.interval[0] > 0 or change.interval[1] < 0):
                    clear[f"{_where(headline, groups)} {direction(change, headline)} ({told(change, sign=True)})"] = (
                        None
                    )
                else:
                    unclear[_where(headline, groups)] = None
        parts = [f"Clear changes: {'; '.join(clear)}"] if clear else []
        parts += [f"No clear change: {'; '.join(unclear)}"] if unclear else []
        yield f"{model} against {comparison.baseline}. {'. '.join(parts) or 'Nothing was measured of both'}."


def sentences(comparison: ModelComparison) -> Iterator[str]:
    """Say of each further model how it differs from the first, quantity by quantity."""
    for model in list(comparison.models)[1:]:
        for headline in HEADLINES:
            for groups in places(comparison, headline):
                said = _change(comparison, model, headline, groups)
                if said is not None:
                    yield f"{model} against {comparison.baseline}, {said}"


def likeness(comparison: ModelComparison) -> Iterator[str]:
    """Say how alike the spaces of each two models are, group by group."""
    for pair in itertools.combinations(comparison.models, 2):
        for group in comparison.settings["groups"]:
            found = [
                f"{_plain(measurement.name)} {told(measurement)}"
                + (f" (chance {measurement.options['chance']:.3f})" if "chance" in measurement.options else "")
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
        return "how sure this is cannot be said, without an interval"
    low, high = change.interval
    if low > 0:
        return headline.more
    return headline.less if high < 0 else "not clearly different"


def _change(comparison: ModelComparison, model: str, headline: Headline, groups: tuple[str, ...]) -> str | None:
    now = comparison.find(model, headline.name, *groups, **headline.options)
    before = comparison.find(comparison.baseline, headline.name, *groups, **headline.options)
    change = comparison.difference(model, headline.name, *groups, **headline.options)
    if now is None or before is None or change is None:
        return None
    return (
        f"{_where(headline, groups)}: {told(now)} against {told(before)}, change {told(change, sign=True)}: "
        f"{direction(change, headline)}."
    )


def _where(headline: Headline, groups: tuple[str, ...]) -> str:
    return f"{headline.label}, {(' searching ' if headline.of == BOTH_WAYS else ' and ').join(groups)}"


def _plain(name: str) -> str:
    return name.replace("_", " ").replace("cka", "CKA")

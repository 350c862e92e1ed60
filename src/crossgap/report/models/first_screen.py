"""The first screen of a comparison: which model has the wider gap, which finds better, and how sure that is."""

from collections.abc import Iterator

from crossgap.report.models.model_comparison import ModelComparison
from crossgap.report.models.verdict import (
    GAP,
    NO_INTERVAL,
    RETRIEVAL,
    UNCLEAR,
    Headline,
    direction,
    found_of,
    outcome,
    places,
    where,
)
from crossgap.report.page.blocks import Answer
from crossgap.results import told

__all__ = ["answers", "lead"]

_MOST_SENTENCES = 8


def lead(comparison: ModelComparison) -> str:
    """Say in one sentence how each model differs from the first in gap and retrieval."""
    others = list(comparison.models)[1:]
    if len(others) == 1:
        parts = [f"{word} {_words(outcome(comparison, others[0], one))}" for word, one in _ASKED]
        return f"{others[0]} against {comparison.baseline}: {', '.join(parts)}."
    parts = []
    for word, headline in _ASKED:
        by_outcome: dict[str, list[str]] = {}
        for model in others:
            by_outcome.setdefault(_words(outcome(comparison, model, headline)), []).append(model)
        told_outcomes = [f"{words} in {', '.join(models)}" for words, models in by_outcome.items()]
        parts.append(f"{word} {'; '.join(told_outcomes)}")
    return f"Against {comparison.baseline}: {'. And '.join(parts)}."


def answers(comparison: ModelComparison) -> tuple[Answer, ...]:
    """Answer what a reader comes with."""
    return (
        Answer(
            question="Which model has the wider gap",
            short=_largest(comparison, GAP),
            sentences=(*_numbers(comparison, GAP), "A narrower gap is not better by itself; what is found counts."),
        ),
        Answer(
            question="Which model finds better",
            short=_largest(comparison, RETRIEVAL),
            sentences=tuple(_numbers(comparison, RETRIEVAL)),
        ),
        _certainty(comparison),
    )


_ASKED = (("gap", GAP), ("retrieval", RETRIEVAL))


def _words(found: str) -> str:
    return {"": "not measured of both", NO_INTERVAL: "without an interval"}.get(found, found)


def _largest(comparison: ModelComparison, headline: Headline) -> str:
    """Name the model with the most: of two by the interval of their change, of more by value alone."""
    names = list(comparison.models)
    if len(names) == 2:
        found = outcome(comparison, names[1], headline)
        if found in (headline.more, f"{headline.more} in part"):
            return names[1]
        if found in (headline.less, f"{headline.less} in part"):
            return names[0]
        if found == UNCLEAR:
            return "No clear difference"
        if found not in ("", NO_INTERVAL):
            return "It depends on the groups"
    valued = _values(comparison, headline)
    if not valued:
        return "Not measured"
    best = max(valued, key=lambda name: valued[name])
    ties = [name for name in valued if valued[name] == valued[best]]
    return "No difference" if len(ties) == len(valued) > 1 else f"{best}, by value"


def _values(comparison: ModelComparison, headline: Headline) -> dict[str, float]:
    """Return the mean of a quantity over all groups, of the models that have all of it."""
    found = {}
    for model in comparison.models:
        values = [found_of(comparison, model, headline, groups)[0] for groups in places(comparison, headline)]
        numbers = [one.value for one in values if one is not None and one.value is not None]
        if numbers and len(numbers) == len(values):
            found[model] = sum(numbers) / len(numbers)
    return found


def _numbers(comparison: ModelComparison, headline: Headline) -> Iterator[str]:
    """Yield for each two groups and each model the number and its change; the first few."""
    said = []
    for groups in places(comparison, headline):
        for model in comparison.models:
            found, change = found_of(comparison, model, headline, groups)
            if found is None:
                continue
            baseline = " (baseline)" if model == comparison.baseline else ""
            after = "" if change is None else f", change {told(change, sign=True)}, {direction(change, headline)}"
            value = f"not measured, {str(found.reason).rstrip('.')}" if found.value is None else told(found)
            said.append(f"{where(headline, groups)}, {model}{baseline}: {value}{after}.")
    if not said:
        yield f"{headline.name} was not asked for, or there is one group."
    yield from said[:_MOST_SENTENCES]
    if len(said) > _MOST_SENTENCES:
        yield f"And {len(said) - _MOST_SENTENCES} more, in the tables below."
    yield headline.way


def _certainty(comparison: ModelComparison) -> Answer:
    settings = comparison.settings
    others = list(comparison.models)[1:]
    clear = [
        all(outcome(comparison, model, headline) in (headline.more, headline.less) for model in others)
        for headline in (GAP, RETRIEVAL)
    ]
    if not settings["bootstrap"]:
        short = "No intervals were asked for"
    elif all(change.interval is None for model in others for change in comparison.differences[model]):
        short = "No intervals: too few items"
    elif all(clear):
        short = "Sure of both"
    elif clear[0]:
        short = "Sure of the gap only"
    else:
        short = "Sure of retrieval only" if clear[1] else "Not sure of every change"
    sentences = []
    if settings["bootstrap"]:
        sentences.append(
            f"Brackets are {settings['level']:.0%} intervals from {settings['bootstrap']} resamplings of items; a "
            f"change whose bracket holds 0 is not clear."
        )
    if settings["paired"]:
        sentences.append("Changes are paired: all models were measured on the same items.")
    else:
        sentences.append("The models hold different items, so changes also hold what sets these samples apart.")
    if len(others) > 1:
        sentences.append(f"Only changes against {comparison.baseline} are tested; put another model first to test it.")
    sentences.append("It holds for items like these, and says nothing of other data.")
    return Answer(question="How sure this is", short=short, sentences=tuple(sentences))

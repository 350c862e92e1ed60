"""Real queries with their first answers in a corpus of all groups, before and after a closer."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.close import Closer
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.report.details.closers import closer_candidates
from crossgap.report.details.sampled_rows import SampledRows, sampled_rows
from crossgap.report.details.short_numbers import short
from crossgap.report.details.shown_rows import shown_row
from crossgap.report.details.thumbnails import Thumbnails
from crossgap.report.selection import Settings

__all__ = ["ranking_examples"]

_QUERIES = 5
_ANSWERS = 5
_MOST_FITTED = 1_000  # rows of a group


@dataclass(frozen=True, kw_only=True, eq=False)
class _Order:
    """The corpus in the order of one query: groups, rows and scores, the own row left out."""

    groups: np.ndarray
    rows: np.ndarray
    scores: np.ndarray


def ranking_examples(
    embeddings: Embeddings, settings: Settings, compared: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Search the corpus with five rows of each group, drawn at random; ``compared`` is the entry of ``closers``."""
    try:
        corpus = sampled_rows(embeddings, settings.most_rows, seed=settings.seed, proportional=True, whole_items=True)
    except DegenerateError as error:
        return [{"groups": [name], "reason": str(error)} for name in embeddings]
    names = list(embeddings)
    drawn = {name: _drawn(corpus, name, settings.seed) for name in names}
    closer, name_of_closer, told = _closer(corpus, drawn, settings, compared)
    thumbnails = Thumbnails(len(names) * _QUERIES * (1 + 2 * _ANSWERS))
    before = _orders(corpus, drawn, None)
    after = None if closer is None else _orders(corpus, drawn, closer)
    entries = []
    for name in names:
        places, how = drawn[name]
        left_out = thumbnails.left_out
        examples = [
            _example(corpus, name, place, before[name][i], None if after is None else after[name][i], thumbnails)
            for i, place in enumerate(places)
        ]
        missing = thumbnails.left_out - left_out
        entries.append(
            {
                "queries": name,
                "corpus": corpus.sizes,
                "sampled_from": corpus.sampled_from,
                "k": min(_ANSWERS, sum(corpus.sizes.values()) - 1),
                "closer": name_of_closer,
                "chosen": compared is not None and name_of_closer == compared.get("chosen"),
                "scores": {"before": "cosine", "after": _kind_of_score(closer, name)},
                "how": f"{how} {told}".strip(),
                "notes": [f"{missing} pictures are not shown: they could not be read or made small."] * (missing > 0),
                "examples": examples,
            }
        )
    return entries


def _drawn(corpus: SampledRows, name: str, seed: int) -> tuple[list[int], str]:
    """Draw rows of a group, no two of one item, and say how."""
    items = corpus.embeddings.row_items
    others = [items[other] for other in items if other != name]
    answered = np.isin(items[name], np.concatenate(others)) if others else np.zeros(len(items[name]), dtype=bool)
    usable = np.flatnonzero(answered) if answered.any() else np.arange(len(items[name]))
    position = list(items).index(name)
    order = np.random.default_rng([seed, position]).permutation(usable)
    _, first = np.unique(items[name][order], return_index=True)
    places = order[np.sort(first)][:_QUERIES].tolist()
    kind = " that have a right answer in another group" if answered.any() else ", whose right answers are not known"
    return (
        places,
        f"{len(places)} of the {len(usable):,} rows of {name}{kind}, drawn at random (seed {seed}), none picked.",
    )


def _closer(
    corpus: SampledRows,
    drawn: Mapping[str, tuple[list[int], str]],
    settings: Settings,
    compared: Mapping[str, Any] | None,
) -> tuple[Closer | None, str | None, str]:
    """Fit the closer that was chosen, or the best one tried, without the items of the queries; and say so."""
    if compared is None or compared.get("judged") is None:
        return None, None, ""
    name = compared["judged"]
    items = corpus.embeddings.row_items
    shown = np.concatenate([items[group][places] for group, (places, _) in drawn.items()])
    kept = {group: np.flatnonzero(~np.isin(items[group], shown)) for group in drawn}
    if min(map(len, kept.values())) == 0:
        return None, None, "No closer is shown: nothing is left to fit it on beside these queries."
    others = Embeddings({group: members.take(kept[group]) for group, members in corpus.embeddings.items()})
    try:
        rows = sampled_rows(others, _MOST_FITTED, seed=settings.seed, whole_items=True).embeddings
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the comparison has told them
            closer = closer_candidates()[name].fit_embeddings(rows)
    except (DegenerateError, ValueError) as error:
        return None, None, f"No closer is shown: {str(error).rstrip('.')}."
    sizes = ", ".join(f"{len(group):,} rows of {group_name}" for group_name, group in rows.items())
    told = f"After: {name}, fitted on {sizes}, the items of these queries left out."
    if compared["chosen"] != name:
        told += (
            " It is the best one tried, but not clearly better than none: the choice is to leave the rows as they are."
        )
    return closer, name, told


def _orders(
    corpus: SampledRows, drawn: Mapping[str, tuple[list[int], str]], closer: Closer | None
) -> dict[str, list[_Order]]:
    """Sort the corpus for each query, as ``measure.mixed_search`` does."""
    units = {
        name: unit_rows(rows if closer is None else closer.compared(rows, name), name=name, check=False)
        for name in drawn
        for rows in (corpus.vectors(name),)
    }
    groups = np.repeat(np.arange(len(units)), [len(rows) for rows in units.values()])
    numbers = np.concatenate([np.arange(len(rows)) for rows in units.values()])
    found: dict[str, list[_Order]] = {}
    for position, (name, (places, _)) in enumerate(drawn.items()):
        scales = None if closer is None else closer.scales(name)
        parts = []
        for other, rows in units.items():
            mean, deviation = (0.0, 1.0) if scales is None else scales[other]
            parts.append((units[name][places] @ rows.T - mean) / deviation)
        scores = np.concatenate(parts, axis=1)
        orders = []
        for place, line in zip(places, scores, strict=True):
            order = np.argsort(-line, kind="stable")
            order = order[(groups[order] != position) | (numbers[order] != place)]
            orders.append(_Order(groups=groups[order], rows=numbers[order], scores=line[order]))
        found[name] = orders
    return found


def _example(
    corpus: SampledRows, name: str, place: int, before: _Order, after: _Order | None, thumbnails: Thumbnails
) -> dict[str, Any]:
    items = corpus.embeddings.row_items
    own = items[name][place]
    right = {other: numbers == own for other, numbers in items.items()}
    right[name] = np.where(np.arange(len(items[name])) == place, False, right[name])
    known = any(hits.any() for hits in right.values())
    groups = list(items)
    versions = {"before": before, "after": after}
    return {
        "query": _row(corpus, name, place, thumbnails),
        **_match(corpus, name, place, right),
        **{
            version: None if order is None else _answers(corpus, groups, order, right if known else None, thumbnails)
            for version, order in versions.items()
        },
        "first_right": {
            version: None if order is None or not known else _first_right(groups, order, right)
            for version, order in versions.items()
        },
    }


def _match(corpus: SampledRows, name: str, place: int, right: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Describe a query that has no words of its own by its first right answer that has some."""
    if "text" in _row(corpus, name, place, None):
        return {}
    for other, hits in right.items():
        for hit in np.flatnonzero(hits):
            row = _row(corpus, other, int(hit), None)
            if other != name and "text" in row:
                return {"match": row}
    return {}


def _answers(
    corpus: SampledRows,
    groups: Sequence[str],
    order: _Order,
    right: Mapping[str, np.ndarray] | None,
    thumbnails: Thumbnails,
) -> list[dict[str, Any]]:
    answers = []
    for group, row, score in zip(order.groups[:_ANSWERS], order.rows, order.scores, strict=False):
        name = groups[int(group)]
        answers.append(
            {
                **_row(corpus, name, int(row), thumbnails),
                "score": short(score),
                "right": None if right is None else bool(right[name][row]),
            }
        )
    return answers


def _first_right(groups: Sequence[str], order: _Order, right: Mapping[str, np.ndarray]) -> int:
    """Place of the first right answer, from 1."""
    hits = np.zeros(len(order.rows), dtype=bool)
    for position, name in enumerate(groups):
        here = order.groups == position
        hits[here] = right[name][order.rows[here]]
    return 1 + int(hits.argmax())


def _row(corpus: SampledRows, name: str, place: int, thumbnails: Thumbnails | None) -> dict[str, Any]:
    return shown_row(name, corpus.embeddings[name], place, int(corpus.rows[name][place]), thumbnails)


def _kind_of_score(closer: Closer | None, queries: str) -> str | None:
    if closer is None:
        return None
    return "cosine" if closer.scales(queries) is None else "standardised cosine"

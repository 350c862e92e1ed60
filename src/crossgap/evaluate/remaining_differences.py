"""What tells the groups of a mixed corpus apart, before and after closing, beyond the places that they take."""

from collections.abc import Iterator, Sequence

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.evaluate.corrected_search import Scoring, search_corpus
from crossgap.evaluate.folds import Fold
from crossgap.evaluate.mixed_corpus import MixedCorpus
from crossgap.evaluate.share_causes import ScoreLaw, ShareCauses, score_law, share_causes
from crossgap.geometry.neighbours import nearest_rows
from crossgap.measure.hubness import hubness_of_lists
from crossgap.measure.mixed_search import MixedSearch
from crossgap.measure.resultant_length import resultant_length
from crossgap.results import Measurement

__all__ = ["causes_of_shares", "plain_laws", "shapes", "told_causes"]

_LIST = 10


def plain_laws(folds: Sequence[Fold], corpora: Sequence[MixedCorpus], *, closed: bool) -> list[ScoreLaw]:
    """Measure the cosines of the queries with each group of the corpus, in each fold."""
    return [
        score_law(fold, corpus, closed=closed, scoring=Scoring()) for fold, corpus in zip(folds, corpora, strict=True)
    ]


def shapes(
    folds: Sequence[Fold],
    corpora: Sequence[MixedCorpus],
    laws: Sequence[ScoreLaw],
    searches: Sequence[MixedSearch],
    *,
    closed: bool,
    version: str,
) -> Iterator[Measurement]:
    """Yield what tells the groups of the corpus apart beyond their places: cosines, spread, hubs; means over folds.

    ``searches`` by cosine, not corrected, save the search for hubs.
    """
    name = corpora[0].queries
    for place, group in enumerate(laws[0].names):
        rows = [corpus.vectors(fold, closed=closed)[group] for fold, corpus in zip(folds, corpora, strict=True)]
        values = {
            "cosine_mean": np.mean([law.mean[:, place].mean() for law in laws]),
            "cosine_deviation": np.mean([law.deviation[:, place].mean() for law in laws]),
            "spread": np.mean([1 - float(resultant_length(part)) ** 2 for part in rows]),
        }
        for quantity, value in values.items():
            yield Measurement(name=quantity, groups=(name, group), value=float(value), options={"version": version})
        found = [
            _nearest(fold, corpus, search, part, group, closed=closed)
            for fold, corpus, search, part in zip(folds, corpora, searches, rows, strict=True)
        ]
        yield _hubs(found, rows, (name, group), version)


def _nearest(
    fold: Fold, corpus: MixedCorpus, search: MixedSearch, rows: np.ndarray, group: str, *, closed: bool
) -> np.ndarray:
    """Return the rows of a group that are nearest to each query, from the search where it went by cosine."""
    k = max(1, min(_LIST, len(rows) - 1))
    if search.nearest and search.nearest[search.names.index(group)].shape[1] >= k:
        return search.nearest[search.names.index(group)][:, :k]
    own = group == corpus.own
    return nearest_rows(fold.rows(corpus.queries, closed=closed), rows, k, leave_out_self=own, check=False).rows


def _hubs(
    found: Sequence[np.ndarray], rows: Sequence[np.ndarray], groups: tuple[str, str], version: str
) -> Measurement:
    options = {"version": version}
    try:
        values = [hubness_of_lists(lists, len(part)) for lists, part in zip(found, rows, strict=True)]
    except DegenerateError as error:
        return Measurement(name="hubness", groups=groups, value=None, options=options, reason=str(error))
    return Measurement(name="hubness", groups=groups, value=float(np.mean(values)), options=options)


def causes_of_shares(
    folds: Sequence[Fold],
    corpora: Sequence[MixedCorpus],
    scorings: Sequence[Scoring],
    searches: Sequence[MixedSearch],
    laws: Sequence[ScoreLaw],
    k: int,
) -> list[ShareCauses]:
    """Take the excess of each group apart, after closing; means over folds. ``laws`` are those of the cosines."""
    names = laws[0].names
    found: dict[str, list[ShareCauses]] = {name: [] for name in names}
    for fold, corpus, scoring, search, plain in zip(folds, corpora, scorings, searches, laws, strict=True):
        law = plain
        if not scoring.is_plain:
            corrected = None
            if scoring.active is not None:
                corrected = scoring.corrected(search_corpus(fold, corpus, k=1, closed=True, scoring=Scoring()))
            law = score_law(fold, corpus, closed=True, scoring=scoring, corrected=corrected)
        for name in names:
            found[name].append(share_causes(search, corpus, law, name, k))
    parts = ("right_answers", "level", "spread", "rest")
    return [
        ShareCauses(group=name, **{part: float(np.mean([getattr(cause, part) for cause in causes])) for part in parts})
        for name, causes in found.items()
    ]


def told_causes(name: str, causes: Sequence[ShareCauses], k: int) -> Iterator[Measurement]:
    """Yield the parts of the excess of each group as numbers for the record."""
    for cause in causes:
        for part in ("right_answers", "level", "spread", "rest"):
            yield Measurement(
                name="modality_share_excess_part",
                groups=(name, cause.group),
                value=getattr(cause, part),
                options={"version": "after", "part": part, "k": k},
            )

"""What tells the groups of a mixed corpus apart, before and after closing, beyond the places that they take."""

from collections.abc import Iterator, Sequence

import numpy as np

from crossgap.errors import DegenerateError
from crossgap.evaluate.corrected_search import Scoring, search_corpus
from crossgap.evaluate.folds import Fold
from crossgap.evaluate.mixed_corpus import MixedCorpus
from crossgap.evaluate.share_causes import ShareCauses, score_law, share_causes
from crossgap.measure.hubness import hubness
from crossgap.measure.mixed_search import MixedSearch
from crossgap.measure.resultant_length import resultant_length
from crossgap.results import Measurement

__all__ = ["causes_of_shares", "shapes", "told_causes"]


def shapes(folds: Sequence[Fold], corpora: Sequence[MixedCorpus], name: str, changes: bool) -> Iterator[Measurement]:
    """Yield what tells the groups of the corpus apart beyond their places: cosines, spread, hubs; means over folds."""
    for closed in (False, True) if changes else (False,):
        version = ("after" if closed else "before") if changes else "as is"
        laws = [
            score_law(fold, corpus, closed=closed, scoring=Scoring())
            for fold, corpus in zip(folds, corpora, strict=True)
        ]
        for place, group in enumerate(laws[0].names):
            values = {
                "cosine_mean": np.mean([law.mean[:, place].mean() for law in laws]),
                "cosine_deviation": np.mean([law.deviation[:, place].mean() for law in laws]),
            }
            rows = [corpus.vectors(fold, closed=closed)[group] for fold, corpus in zip(folds, corpora, strict=True)]
            values["spread"] = np.mean([1 - float(resultant_length(part)) ** 2 for part in rows])
            for quantity, value in values.items():
                yield Measurement(name=quantity, groups=(name, group), value=float(value), options={"version": version})
            yield _hubs(folds, corpora, rows, name, group, closed=closed, version=version)


def _hubs(
    folds: Sequence[Fold],
    corpora: Sequence[MixedCorpus],
    rows: Sequence[np.ndarray],
    name: str,
    group: str,
    *,
    closed: bool,
    version: str,
) -> Measurement:
    values = []
    for fold, corpus, part in zip(folds, corpora, rows, strict=True):
        gallery = None if group == corpus.own else part
        neighbours = min(10, len(part) - 1)
        try:
            values.append(float(hubness(fold.rows(name, closed=closed), gallery, k=max(1, neighbours))))
        except DegenerateError as error:
            return Measurement(
                name="hubness", groups=(name, group), value=None, options={"version": version}, reason=str(error)
            )
    return Measurement(name="hubness", groups=(name, group), value=float(np.mean(values)), options={"version": version})


def causes_of_shares(
    folds: Sequence[Fold],
    corpora: Sequence[MixedCorpus],
    scorings: Sequence[Scoring],
    searches: Sequence[MixedSearch],
    names: Sequence[str],
    k: int,
) -> list[ShareCauses]:
    """Take the excess of each group apart, after closing; means over folds."""
    found: dict[str, list[ShareCauses]] = {name: [] for name in names}
    for fold, corpus, scoring, search in zip(folds, corpora, scorings, searches, strict=True):
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

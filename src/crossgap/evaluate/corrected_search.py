"""A search over a mixed corpus, by cosine or by a corrected score."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from crossgap.close.csls import csls_offsets
from crossgap.close.inverted_softmax import inverted_softmax_offsets
from crossgap.close.query_bank import activation_set
from crossgap.close.score_standardisation import ScoreStandardisation
from crossgap.close.sinkhorn_scores import sinkhorn_offsets
from crossgap.evaluate.folds import Fold
from crossgap.evaluate.mixed_corpus import FUSED, MixedCorpus
from crossgap.geometry.score_offsets import rows_with_offsets
from crossgap.measure.mixed_search import MixedSearch, mixed_search

__all__ = ["CORRECTIONS", "Correction", "Scoring", "learned_scoring", "search_corpus"]

CORRECTIONS = ("csls", "inverted-softmax", "query-bank", "sinkhorn", "score-standardisation")
_STANDARDISED = "score-standardisation"


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A correction of the scores, learned from rows that are not judged.

    Parameters
    ----------
    name
        ``csls``, ``inverted-softmax``, ``query-bank``, ``sinkhorn`` or ``score-standardisation``.
    neighbours
        Length of the neighbourhoods of CSLS.
    temperature
        That of the softmaxes.
    """

    name: str
    neighbours: int = 10
    temperature: float = 0.05

    def __post_init__(self):
        if self.name not in CORRECTIONS:
            raise ValueError(f"the correction must be one of {', '.join(CORRECTIONS)}, but it is {self.name!r}.")

    def offsets(self, gallery: np.ndarray, bank: np.ndarray, *, leave_out_self: bool) -> np.ndarray:
        """Return what is taken from every score of each gallery row."""
        if self.name == "csls":
            k = min(self.neighbours, len(bank) - leave_out_self)
            return csls_offsets(gallery, bank, k=k, leave_out_self=leave_out_self)
        if self.name == "sinkhorn":
            return sinkhorn_offsets(gallery, bank, temperature=self.temperature, leave_out_self=leave_out_self)
        return inverted_softmax_offsets(gallery, bank, temperature=self.temperature, leave_out_self=leave_out_self)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scoring:
    """How cosines become scores: (cosine - offset of the row) / scale of its group.

    Parameters
    ----------
    offsets
        One number for each row, by group; none for 0.
    scales
        Mean and deviation by group; none for 0 and 1.
    active
        By group, the rows that make a query one to correct, where only some are; else none.
    """

    offsets: Mapping[str, np.ndarray] = field(default_factory=dict)
    scales: Mapping[str, tuple[float, float]] | None = None
    active: Mapping[str, np.ndarray] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether scores are cosines."""
        return not self.offsets and self.scales is None

    def apply(self, cosines: np.ndarray, group: str, corrected: np.ndarray | None = None) -> np.ndarray:
        """Return the scores of all rows of a group (q, m); ``corrected`` says for which queries."""
        scores = cosines
        if group in self.offsets:
            scores = cosines - self.offsets[group]
            scores = scores if corrected is None else np.where(corrected[:, None], scores, cosines)
        if self.scales is None:
            return scores
        mean, deviation = self.scales[group]
        return (scores - mean) / deviation

    def corrected(self, plain: MixedSearch) -> np.ndarray | None:
        """Return which queries are corrected: those whose best row is active; None for all."""
        if self.active is None:
            return None
        found = np.zeros(len(plain.group), dtype=bool)
        for number, name in enumerate(plain.names):
            here = plain.group[:, 0] == number
            found[here] = self.active[name][plain.row[here, 0]]
        return found


def learned_scoring(fold: Fold, corpus: MixedCorpus, *, closed: bool, correction: Correction | None) -> Scoring:
    """Learn how cosines become scores, from the fold's rows that are not judged; without a correction, its closer's.

    Raises
    ------
    ValueError
        If the closer standardises scores and another correction or fused documents are asked for.
    DegenerateError
        If there are no rows to learn from.
    """
    scales = fold.scales(corpus.queries) if closed else None
    if scales is not None and (correction is not None or set(corpus.sizes()) - set(scales)):
        raise ValueError(
            f"the closer standardises the scores of {', '.join(scales)}, so it goes with no other correction and no "
            f"fused documents; leave them out, or use --correction {_STANDARDISED} without a closer."
        )
    if correction is None:
        return Scoring(scales=None if scales is None else {name: scales[name] for name in corpus.sizes()})
    if correction.name == _STANDARDISED:
        return Scoring(scales=_learned_scales(fold, corpus, closed=closed))
    rows = corpus.vectors(fold, closed=closed)
    order = sorted(rows, key=lambda name: name != corpus.own)  # own rows first: row i of the bank is row i of the whole
    gallery = np.concatenate([rows[name] for name in order])
    ends = np.cumsum([len(rows[name]) for name in order])[:-1]
    bank = fold.bank(corpus.queries, closed=closed)
    itself = fold.learned is fold.judged and corpus.own is not None
    offsets = correction.offsets(gallery, bank, leave_out_self=itself)
    active = None
    if correction.name == "query-bank":
        marked = activation_set(gallery, bank, leave_out_self=itself)
        active = dict(zip(order, np.split(marked, ends), strict=True))
    return Scoring(offsets=dict(zip(order, np.split(offsets, ends), strict=True)), active=active)


def search_corpus(fold: Fold, corpus: MixedCorpus, *, k: int, closed: bool, scoring: Scoring) -> MixedSearch:
    """Find the k best rows for each query of the corpus' group."""
    queries, rows = fold.rows(corpus.queries, closed=closed), corpus.vectors(fold, closed=closed)
    if not scoring.offsets:
        return _reachable(queries, rows, corpus, k, scoring.scales)
    gallery = np.concatenate(list(rows.values()))
    offsets = np.concatenate([scoring.offsets[name] for name in rows])
    moved_queries, moved = rows_with_offsets(queries, gallery, offsets)
    parts = np.split(moved, np.cumsum([len(part) for part in rows.values()])[:-1])
    found = replace(_reachable(moved_queries, dict(zip(rows, parts, strict=True)), corpus, k), nearest=())
    if scoring.active is None:
        return found
    plain = _reachable(queries, rows, corpus, k)
    corrected = scoring.corrected(plain)
    if corrected is None:
        return found
    chosen = corrected[:, None]
    return replace(
        plain,
        group=np.where(chosen, found.group, plain.group),
        row=np.where(chosen, found.row, plain.row),
        cosine=np.where(chosen, found.cosine, plain.cosine),
    )


def _learned_scales(fold: Fold, corpus: MixedCorpus, *, closed: bool) -> dict[str, tuple[float, float]]:
    """Fit mean and deviation of the cosines with each group on the rows that may be learned from."""
    rows = {name: fold.bank(name, closed=closed) for name in corpus.rows}
    if corpus.fused is not None:
        rows[FUSED] = corpus.fused.learned(fold, closed=closed)
    if corpus.queries not in rows:
        rows[corpus.queries] = fold.bank(corpus.queries, closed=closed)
    groups = np.repeat(list(rows), [len(part) for part in rows.values()])
    closer = ScoreStandardisation()
    closer.fit(np.concatenate(list(rows.values())), groups=groups)
    scales = closer.scales(corpus.queries)
    return {name: scales[name] for name in corpus.sizes()}


def _reachable(
    queries: np.ndarray,
    rows: Mapping[str, np.ndarray],
    corpus: MixedCorpus,
    k: int,
    scales: Mapping[str, tuple[float, float]] | None = None,
) -> MixedSearch:
    """Search, and leave out the fused document that holds the query itself."""
    if corpus.hidden is None:
        return mixed_search(queries, rows, k=k, own=corpus.own, scales=scales)
    found = mixed_search(queries, rows, k=k + 1, own=corpus.own, scales=scales)
    itself = (found.group == found.names.index(FUSED)) & (found.row == corpus.hidden[:, None])
    order = np.argsort(itself, axis=1, kind="stable")[:, :k]  # what may be found keeps its order; the rest goes last
    group, row, cosine = (np.take_along_axis(part, order, 1) for part in (found.group, found.row, found.cosine))
    return replace(found, group=group, row=row, cosine=cosine)

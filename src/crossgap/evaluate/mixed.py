"""``evaluate mixed``: one index over all groups, who fills the top of its lists, and how good they are.

The protocol of MixBench where there are queries of their own (``text/query``): texts, pictures and fused documents in
equal parts, one form an item. Else every row of a group queries all others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crossgap import __version__
from crossgap.errors import DegenerateError
from crossgap.evaluate.comparison import Resampling, compared, item_counts, units
from crossgap.evaluate.corrected_search import Correction, Scoring, learned_scoring, search_corpus
from crossgap.evaluate.evaluation import Evaluation
from crossgap.evaluate.folds import Fold
from crossgap.evaluate.mixed_corpus import DEAL_SEED, MixedCorpus, lay_out
from crossgap.evaluate.mixed_verdict import MixedNumbers, mixed_verdict
from crossgap.evaluate.share_causes import ShareCauses, score_law, share_causes
from crossgap.geometry.means import weighted_mean
from crossgap.measure.hubness import hubness
from crossgap.measure.resultant_length import resultant_length
from crossgap.results import Measurement

__all__ = ["SHARES_AT", "SearchScores", "evaluate_mixed", "modality_fairness"]

SHARES_AT = (1, 5, 10, 20, 50)
Progress = Callable[[Sequence[Any], Callable[[Any], str]], Iterable[Any]]


def modality_fairness(shares: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return how near the shares of the groups in the lists are to their shares of the corpus: 1 is the same.

    Formula::

        fairness = 1 - (1/2) sum over groups of | share in the top k - share of the corpus |

    How to read it: range [0, 1]; one less the total variation. With a corpus of two halves, 0.5 where one group takes
    every place. Right answers of one modality only lower it without any fault.

    Examples
    --------
    >>> float(modality_fairness(np.array([1.0, 0.0]), np.array([0.5, 0.5])))
    0.5
    """
    return 1.0 - np.abs(np.asarray(shares) - np.asarray(expected)).sum(axis=-1) / 2


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchScores:
    """What each query found: shares of its list by group, and its NDCG.

    Parameters
    ----------
    names
        The groups of the corpus.
    items
        The item of each query (q,).
    shares
        The share of each group in the first k places, (q, g) by k.
    expected
        The share of each group among what the query can find (q, g).
    answered, ndcg
        Whether a right answer can be found, and the NDCG (q,); 0 where none can.
    """

    names: tuple[str, ...]
    items: np.ndarray
    shares: Mapping[int, np.ndarray]
    expected: np.ndarray
    answered: np.ndarray
    ndcg: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence["SearchScores"]) -> "SearchScores":
        """Return the queries of all folds."""
        first = parts[0]
        return cls(
            names=first.names,
            items=np.concatenate([part.items for part in parts]),
            shares={k: np.concatenate([part.shares[k] for part in parts if k in part.shares]) for k in first.shares},
            expected=np.concatenate([part.expected for part in parts]),
            answered=np.concatenate([part.answered for part in parts]),
            ndcg=np.concatenate([part.ndcg for part in parts]),
        )

    def share(self, name: str, k: int, counts: np.ndarray | None = None) -> np.ndarray:
        """Mean share of one group in the first k places."""
        return weighted_mean(self.shares[k][:, self.names.index(name)], counts)

    def corpus_share(self, name: str) -> float:
        """Mean share of one group among what queries can find."""
        return float(self.expected[:, self.names.index(name)].mean())

    def fairness(self, k: int, counts: np.ndarray | None = None) -> np.ndarray:
        """``modality_fairness`` of the mean shares."""
        found = np.stack([np.asarray(self.share(name, k, counts)) for name in self.names], axis=-1)
        return modality_fairness(found, self.expected.mean(axis=0))

    def mean_ndcg(self, counts: np.ndarray | None = None) -> np.ndarray:
        """Mean NDCG of the queries that have a right answer."""
        return weighted_mean(self.ndcg[self.answered], None if counts is None else counts[self.answered])


def evaluate_mixed(
    folds: Sequence[Fold],
    *,
    queries: Sequence[str],
    k: int = 10,
    fused: float | None = None,
    correction: Correction | None = None,
    unit: str = "item",
    deal_seed: int = DEAL_SEED,
    resampling: Resampling | None = None,
    settings: Mapping[str, Any] | None = None,
    inputs: Iterable[Mapping[str, Any]] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate mixed search, before and after closing.

    Parameters
    ----------
    folds
        What is judged and the closer (``crossgap.evaluate.folds``). Without a closer and without a correction there is
        one version only.
    queries
        The groups that search, one after the other.
    k
        Length of the list for NDCG, fairness and the verdict.
    fused
        Weight of the text in fused documents; None for none.
    correction
        A correction of the scores, for the version after closing.
    unit
        ``"item"``: intervals resample items; ``"row"``: queries, where items are classes.
    deal_seed
        Seed with which items are dealt to forms; MixBench takes 42.
    resampling
        How intervals are made.
    settings, inputs
        Further facts for the record.
    progress
        Called with the steps and a function that names one; yields the steps.

    Raises
    ------
    ValueError
        If ``k`` is out of range, or as ``lay_out`` says.
    DegenerateError
        If there is nothing to search.
    """
    resampling = resampling or Resampling()
    measurements: list[Measurement] = []
    verdicts = []
    notes = list((settings or {}).get("notes", []))
    changes = correction is not None or folds[0].closer is not None
    for name in queries if progress is None else progress(queries, lambda step: f"{step} queries"):
        corpora = [lay_out(fold.judged, name, fused=fused, seed=deal_seed) for fold in folds]
        least = min(sum(corpus.sizes().values()) - (corpus.own is not None) for corpus in corpora)
        least -= any(corpus.hidden is not None for corpus in corpora)
        if not 1 <= k <= least:
            raise ValueError(
                f"k must lie between 1 and the {least} rows that a query of {name} can find, but it is {k}; choose a "
                f"smaller k."
            )
        depths = sorted({k, *(depth for depth in SHARES_AT if depth <= least)})
        before = _scores(folds, corpora, [Scoring() for _ in folds], depths, k, closed=False)
        after, scorings = None, []
        if changes:
            scorings = [
                learned_scoring(fold, corpus, closed=True, correction=correction)
                for fold, corpus in zip(folds, corpora, strict=True)
            ]
            after = _scores(folds, corpora, scorings, depths, k, closed=True)
        drawn = units(before.items, unit)
        counts = item_counts(drawn, resampling)
        if counts is None and resampling.replicates:
            notes.append(f"no intervals for {name}: its rows show too few items.")
        found = list(_measured(name, before, after, counts, depths, k, corpora, resampling.level, drawn))
        measurements += found
        measurements += _shapes(folds, corpora, name, changes)
        causes = []
        if changes:
            causes = _causes(folds, corpora, scorings, before.names, k)
            measurements += _told_causes(name, causes, k)
        numbers = MixedNumbers(queries=name, names=before.names, k=k, measurements=tuple(found), causes=tuple(causes))
        verdicts.append(mixed_verdict(numbers, changes=changes))
    return Evaluation(
        task="mixed",
        version=__version__,
        inputs=tuple(inputs),
        settings={
            **(settings or {}),
            "k": k,
            "fused": fused,
            "correction": None if correction is None else correction.name,
            "unit": unit,
            "deal_seed": deal_seed,
            "bootstrap": resampling.replicates,
            "level": resampling.level,
            "seed": resampling.seed,
            "notes": notes,
        },
        measurements=tuple(measurements),
        verdicts=tuple(verdicts),
    )


def _scores(
    folds: Sequence[Fold],
    corpora: Sequence[MixedCorpus],
    scorings: Sequence[Scoring],
    depths: Sequence[int],
    k: int,
    *,
    closed: bool,
) -> SearchScores:
    parts = []
    for fold, corpus, scoring in zip(folds, corpora, scorings, strict=True):
        search = search_corpus(fold, corpus, k=max(depths), closed=closed, scoring=scoring)
        taken = {
            depth: np.stack([(search.group[:, :depth] == g).mean(axis=1) for g in range(len(search.names))], axis=1)
            for depth in depths
        }
        answered, ndcg = _ndcg(replace(search, group=search.group[:, :k], row=search.row[:, :k]), corpus)
        parts.append(
            SearchScores(
                names=search.names,
                items=corpus.query_items,
                shares=taken,
                expected=corpus.expected_shares(),
                answered=answered,
                ndcg=ndcg,
            )
        )
    return SearchScores.joined(parts)


def _ndcg(search: Any, corpus: MixedCorpus) -> tuple[np.ndarray, np.ndarray]:
    """Return which queries have a right answer, and the NDCG of each; a hidden fused document is none."""
    answered, ndcg = np.zeros(len(search.group), dtype=bool), np.zeros(len(search.group))
    visible = {name: items for name, items in corpus.items.items() if name != "fused"}
    apart = np.zeros(len(answered), dtype=bool) if corpus.hidden is None else corpus.hidden >= 0
    for items, chosen in ((corpus.items, ~apart), (visible, apart)):
        if not items or not chosen.any():
            continue
        try:
            rows, values = search.ndcg_per_query(corpus.query_items, items)
        except DegenerateError:
            continue
        kept = chosen[rows]
        answered[rows[kept]] = True
        ndcg[rows[kept]] = values[kept]
    return answered, ndcg


def _measured(
    name: str,
    before: SearchScores,
    after: SearchScores | None,
    counts: np.ndarray | None,
    depths: Sequence[int],
    k: int,
    corpora: Sequence[MixedCorpus],
    level: float,
    drawn: np.ndarray,
) -> Iterator[Measurement]:
    sizes = {"n": len(before.items), "corpus": dict(corpora[0].sizes())}
    versions = (before, after)
    for depth in depths:
        for group in before.names:
            yield from compared(
                "modality_share_at_k",
                (name, group),
                lambda scores, w, group=group, depth=depth: scores.share(group, depth, w),
                versions,
                counts,
                options={"k": depth, "corpus_share": before.corpus_share(group), **sizes},
                level=level,
                share_of=len(np.unique(drawn)),
            )
    yield from compared(
        "modality_fairness",
        (name,),
        lambda scores, w: scores.fairness(k, w),
        versions,
        counts,
        options={"k": k, **sizes},
        level=level,
    )
    if before.answered.any():
        yield from compared(
            "ndcg_at_k",
            (name,),
            lambda scores, w: scores.mean_ndcg(w),
            versions,
            counts,
            options={"k": k, "answered": int(before.answered.sum()), **sizes},
            level=level,
            share_of=len(np.unique(drawn[before.answered])),
        )
    else:
        yield Measurement(
            name="ndcg_at_k",
            groups=(name,),
            value=None,
            options={"k": k, **sizes},
            reason=f"needs relevance, but no other row shows the item of a row of {name}",
        )


def _shapes(folds: Sequence[Fold], corpora: Sequence[MixedCorpus], name: str, changes: bool) -> Iterator[Measurement]:
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


def _causes(
    folds: Sequence[Fold],
    corpora: Sequence[MixedCorpus],
    scorings: Sequence[Scoring],
    names: Sequence[str],
    k: int,
) -> list[ShareCauses]:
    """Take the excess of each group apart, after closing; means over folds."""
    found: dict[str, list[ShareCauses]] = {name: [] for name in names}
    for fold, corpus, scoring in zip(folds, corpora, scorings, strict=True):
        corrected = None
        if scoring.active is not None:
            corrected = scoring.corrected(search_corpus(fold, corpus, k=1, closed=True, scoring=Scoring()))
        law = score_law(fold, corpus, closed=True, scoring=scoring, corrected=corrected)
        search = search_corpus(fold, corpus, k=k, closed=True, scoring=scoring)
        for name in names:
            found[name].append(share_causes(search, corpus, law, name, k))
    parts = ("right_answers", "level", "spread", "rest")
    return [
        ShareCauses(group=name, **{part: float(np.mean([getattr(cause, part) for cause in causes])) for part in parts})
        for name, causes in found.items()
    ]


def _told_causes(name: str, causes: Sequence[ShareCauses], k: int) -> Iterator[Measurement]:
    for cause in causes:
        for part in ("right_answers", "level", "spread", "rest"):
            yield Measurement(
                name="modality_share_excess_part",
                groups=(name, cause.group),
                value=getattr(cause, part),
                options={"version": "after", "part": part, "k": k},
            )

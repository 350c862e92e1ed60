"""``evaluate mixed``: one index over all groups, who fills the top of its lists, and how good they are.

The protocol of MixBench where there are queries of their own (``text/query``): texts, pictures and fused documents in
equal parts, one form an item. Else every row of a group queries all others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from crossgap import __version__
from crossgap.evaluate.comparison import Resampling, compared, item_counts, units
from crossgap.evaluate.corrected_search import Correction, Scoring, learned_scoring
from crossgap.evaluate.evaluation import Evaluation
from crossgap.evaluate.folds import Fold
from crossgap.evaluate.mixed_corpus import DEAL_SEED, MixedCorpus, lay_out
from crossgap.evaluate.mixed_verdict import MixedNumbers, mixed_verdict
from crossgap.evaluate.remaining_differences import causes_of_shares, plain_laws, shapes, told_causes
from crossgap.evaluate.search_scores import SearchScores, search_scores
from crossgap.results import Measurement

__all__ = ["SHARES_AT", "Progress", "evaluate_mixed"]

SHARES_AT = (1, 5, 10, 20, 50)
Progress = Callable[[Sequence[Any], Callable[[Any], str]], Iterable[Any]]


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
        before, searches = search_scores(folds, corpora, [Scoring() for _ in folds], depths, k, closed=False)
        laws = plain_laws(folds, corpora, closed=False)
        shape = list(shapes(folds, corpora, laws, searches, closed=False, version="before" if changes else "as is"))
        after, causes = None, []
        if changes:
            scorings = [
                learned_scoring(fold, corpus, closed=True, correction=correction)
                for fold, corpus in zip(folds, corpora, strict=True)
            ]
            after, searches = search_scores(folds, corpora, scorings, depths, k, closed=True)
            laws = plain_laws(folds, corpora, closed=True)
            causes = causes_of_shares(folds, corpora, scorings, searches, laws, k)
            shape += shapes(folds, corpora, laws, searches, closed=True, version="after")
        drawn = units(before.items, unit)
        counts = item_counts(drawn, resampling)
        if counts is None and resampling.replicates:
            notes.append(f"no intervals for {name}: its rows show too few items.")
        found = list(_measured(name, before, after, counts, depths, k, corpora, resampling.level, drawn))
        measurements += found
        measurements += shape
        measurements += told_causes(name, causes, k)
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
            reason=f"needs matches, but no other row shows the item of a row of {name}",
        )

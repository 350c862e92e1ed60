"""``evaluate retrieval``: one group searches another, before and after closing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from crossgap import __version__
from crossgap.close.tasks import LEAVE
from crossgap.errors import DegenerateError
from crossgap.evaluate.comparison import Resampling, compared, decide, item_counts, units
from crossgap.evaluate.evaluation import MEASURED, Evaluation, Verdict
from crossgap.evaluate.folds import Fold
from crossgap.evaluate.mixed import Progress
from crossgap.measure.retrieval_ranks import RetrievalRanks, retrieval_ranks
from crossgap.results import Measurement, told

__all__ = ["RECALL_AT", "evaluate_retrieval"]

RECALL_AT = (1, 5, 10)


def evaluate_retrieval(
    folds: Sequence[Fold],
    *,
    unit: str = "item",
    resampling: Resampling | None = None,
    settings: Mapping[str, Any] | None = None,
    inputs: Iterable[Mapping[str, Any]] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate retrieval from each group to each other one: recall@1, 5, 10, mean reciprocal rank, median rank.

    All candidates of such a search come from one group, so a gap hides none of them; a closer helps only where it
    changes their order. The gallery of a half is half as large, so compare figures of one kind of split only.

    Parameters
    ----------
    folds
        What is judged and the closer (``crossgap.evaluate.folds``).
    unit
        ``"item"``: intervals resample items; ``"row"``: queries.
    resampling, settings, inputs, progress
        As in ``evaluate_mixed``.

    Raises
    ------
    DegenerateError
        If no two groups pair.
    """
    resampling = resampling or Resampling()
    changes = folds[0].closer is not None
    if len(folds[0].judged) < 2:
        raise DegenerateError(
            f"retrieval needs two groups, one that searches and one that is searched, but there is only "
            f"{next(iter(folds[0].judged))}; give a source with more."
        )
    pairs = [pair for pair in permutations(folds[0].judged, 2) if _pairs(folds, *pair)]
    if not pairs:
        raise DegenerateError(
            "retrieval needs groups that pair, but no two groups share an item; give item ids, or groups of one size "
            "in one order."
        )
    measurements: list[Measurement] = []
    verdicts = []
    for queries, gallery in pairs if progress is None else progress(pairs, lambda pair: f"{pair[0]} > {pair[1]}"):
        before, items = _ranks(folds, queries, gallery, closed=False)
        after = _ranks(folds, queries, gallery, closed=True)[0] if changes else None
        drawn = units(items, unit)
        counts = item_counts(drawn, resampling)
        shares = len(np.unique(drawn[before.answered]))
        found = list(_measured((queries, gallery), before, after, counts, resampling.level, shares))
        measurements += found
        verdicts.append(_verdict((queries, gallery), found))
    return Evaluation(
        task="retrieval",
        version=__version__,
        inputs=tuple(inputs),
        settings={
            **(settings or {}),
            "unit": unit,
            "bootstrap": resampling.replicates,
            "level": resampling.level,
            "seed": resampling.seed,
        },
        measurements=tuple(measurements),
        verdicts=tuple(verdicts),
    )


def _pairs(folds: Sequence[Fold], queries: str, gallery: str) -> bool:
    return all(np.isin(fold.items(queries), fold.items(gallery)).any() for fold in folds)


def _ranks(folds: Sequence[Fold], queries: str, gallery: str, *, closed: bool) -> tuple[RetrievalRanks, np.ndarray]:
    """Return the places of right answers for the queries of all folds, and the items of these queries."""
    parts, items = [], []
    for fold in folds:
        items.append(fold.items(queries))
        parts.append(
            retrieval_ranks(
                fold.rows(queries, closed=closed),
                fold.rows(gallery, closed=closed),
                query_items=items[-1],
                gallery_items=fold.items(gallery),
            )
        )
    starts = np.cumsum([0, *(part.n_queries for part in parts)])
    joined = RetrievalRanks(
        query=np.concatenate([part.query + start for part, start in zip(parts, starts, strict=False)]),
        place=np.concatenate([part.place for part in parts]),
        n_queries=int(starts[-1]),
        gallery_size=min(part.gallery_size for part in parts),
        ties=parts[0].ties,
    )
    return joined, np.concatenate(items)


def _measured(
    groups: tuple[str, str],
    before: RetrievalRanks,
    after: RetrievalRanks | None,
    counts: np.ndarray | None,
    level: float,
    share_of: int,
) -> Iterator[Measurement]:
    sizes = {"n": before.n_queries, "m": before.gallery_size, "answered": len(before.answered)}
    for k in RECALL_AT:
        if k <= before.gallery_size:
            yield from compared(
                "recall_at_k",
                groups,
                lambda ranks, w, k=k: ranks.recall_at_k(k, w),
                (before, after),
                counts,
                options={"k": k, **sizes},
                level=level,
                share_of=share_of,
            )
    yield from compared(
        "mean_reciprocal_rank",
        groups,
        lambda ranks, w: ranks.mean_reciprocal_rank(w),
        (before, after),
        counts,
        options=sizes,
        level=level,
    )
    yield from compared(
        "median_rank",
        groups,
        lambda ranks, w: ranks.median_rank(w),
        (before, after),
        counts,
        options=sizes,
        level=level,
        lowest=1.0,
        highest=float(before.gallery_size),
    )


def _verdict(groups: tuple[str, str], found: Sequence[Measurement]) -> Verdict:
    recall = {m.options["version"]: m for m in found if m.name == "recall_at_k" and m.options["k"] == 1}
    what = f"{groups[0]} to {groups[1]}"
    if "as is" in recall:
        return Verdict(groups=groups, decision=MEASURED, sentence=f"{what}: recall@1 {told(recall['as is'])}.")
    decision = decide(recall["difference"]) or LEAVE
    sentence = (
        f"{what}: {decision}: recall@1 goes from {told(recall['before'])} to {told(recall['after'])}, a change of "
        f"{told(recall['difference'], sign=True)}."
    )
    return Verdict(groups=groups, decision=decision, sentence=sentence)

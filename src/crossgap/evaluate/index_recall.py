"""``evaluate index``: how much of the true lists an approximate index finds, before and after closing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from crossgap import __version__
from crossgap.close.tasks import LEAVE
from crossgap.evaluate.approximate_index import approximate_neighbours, index_settings
from crossgap.evaluate.comparison import Resampling, compared, decide, item_counts
from crossgap.evaluate.evaluation import MEASURED, Evaluation, Verdict
from crossgap.evaluate.folds import Fold
from crossgap.evaluate.mixed import Progress
from crossgap.geometry.means import weighted_mean
from crossgap.geometry.neighbours import nearest_rows
from crossgap.results import Measurement, told

__all__ = ["EVERYTHING", "evaluate_index", "list_overlap"]

EVERYTHING = "all"


def list_overlap(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Return for each query the share of its true neighbours that were found, (n,): recall@k of the index.

    Examples
    --------
    >>> list_overlap(np.array([[3, 1], [0, -1]]), np.array([[1, 2], [0, 5]])).tolist()
    [0.5, 0.5]
    """
    return (found[:, :, None] == true[:, None, :]).any(axis=1).mean(axis=1)


def evaluate_index(
    folds: Sequence[Fold],
    *,
    kind: str = "ivf-pq",
    k: int = 10,
    parameters: Mapping[str, int] | None = None,
    resampling: Resampling | None = None,
    settings: Mapping[str, Any] | None = None,
    inputs: Iterable[Mapping[str, Any]] = (),
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate the recall of an approximate index against exact search, for each group of queries and each gallery.

    A gallery is one group, searched by its own rows (within a modality; each leaves itself out) and by those of another
    (across); or all groups in one index (``all``). Queries from another modality lie away from all gallery rows, which
    cells and graphs do not expect: that is what closing may mend.

    Parameters
    ----------
    folds
        What is judged and the closer (``crossgap.evaluate.folds``).
    kind
        ``ivf-pq``, ``hnsw`` or ``flat-pq``.
    k
        Length of the lists.
    parameters
        Of the index, in place of the usual ones (``index_settings``).
    resampling, settings, inputs, progress
        As in ``evaluate_mixed``; intervals resample items, the index being kept.

    Raises
    ------
    MissingExtraError
        If faiss is not installed.
    ValueError
        If ``k`` is out of range, or the index or a parameter is unknown.
    """
    resampling = resampling or Resampling()
    names = list(folds[0].judged)
    changes = folds[0].closer is not None
    least = min(len(fold.judged[name]) for fold in folds for name in names) - 1
    if not 1 <= k <= least:
        raise ValueError(f"k must lie between 1 and the {least} rows of a gallery, but it is {k}; choose a smaller k.")
    galleries = [*names, *([EVERYTHING] if len(names) > 1 else [])]
    steps = [(queries, gallery) for gallery in galleries for queries in names]
    measurements: list[Measurement] = []
    verdicts, used = [], {}
    for queries, gallery in steps if progress is None else progress(steps, lambda step: f"{step[0]} > {step[1]}"):
        items = np.concatenate([fold.items(queries) for fold in folds])
        counts = item_counts(items, resampling)
        before = _recall(folds, queries, gallery, k, kind, parameters, resampling.seed, used, closed=False)
        after = None
        if changes:
            after = _recall(folds, queries, gallery, k, kind, parameters, resampling.seed, used, closed=True)
        found = list(
            compared(
                "index_recall_at_k",
                (queries, gallery),
                lambda values, w: weighted_mean(values, w),
                (before, after),
                counts,
                options={"k": k, "index": kind, "n": len(items), **used[gallery]},
                level=resampling.level,
                share_of=len(np.unique(items)),
            )
        )
        measurements += found
        verdicts.append(_verdict((queries, gallery), found, k))
    return Evaluation(
        task="index",
        version=__version__,
        inputs=tuple(inputs),
        settings={
            **(settings or {}),
            "index": kind,
            "k": k,
            "parameters": used,
            "unit": "item",
            "bootstrap": resampling.replicates,
            "level": resampling.level,
            "seed": resampling.seed,
        },
        measurements=tuple(measurements),
        verdicts=tuple(verdicts),
    )


def _recall(
    folds: Sequence[Fold],
    queries: str,
    gallery: str,
    k: int,
    kind: str,
    parameters: Mapping[str, int] | None,
    seed: int,
    used: dict[str, dict[str, int]],
    *,
    closed: bool,
) -> np.ndarray:
    """Return the recall of each query of all folds; notes the parameters of the index of the last fold."""
    values = []
    for fold in folds:
        own = fold.rows(queries, closed=closed)
        if gallery == EVERYTHING:  # own rows first: row i of the whole is query i
            order = [queries, *(name for name in fold.judged if name != queries)]
            rows = np.concatenate([fold.rows(name, closed=closed) for name in order])
        else:
            rows = fold.rows(gallery, closed=closed)
        itself = gallery in (queries, EVERYTHING)
        used[gallery] = {"rows": len(rows), **index_settings(kind, len(rows), rows.shape[1], parameters)}
        chosen = {key: value for key, value in used[gallery].items() if key != "rows"}
        true = nearest_rows(own, rows, k, leave_out_self=itself).rows
        found = approximate_neighbours(own, rows, k, kind=kind, settings=chosen, leave_out_self=itself, seed=seed)
        values.append(list_overlap(found, true))
    return np.concatenate(values)


def _verdict(groups: tuple[str, str], found: Sequence[Measurement], k: int) -> Verdict:
    recall = {m.options["version"]: m for m in found}
    what = f"{groups[0]} searching {'one index of all groups' if groups[1] == EVERYTHING else groups[1]}"
    if "as is" in recall:
        sentence = f"{what}: the index finds {told(recall['as is'])} of the true top {k}."
        return Verdict(groups=groups, decision=MEASURED, sentence=sentence)
    decision = decide(recall["difference"]) or LEAVE
    sentence = (
        f"{what}: {decision}: the index finds {told(recall['before'])} of the true top {k} before and "
        f"{told(recall['after'])} after, a change of {told(recall['difference'], sign=True)}."
    )
    return Verdict(groups=groups, decision=decision, sentence=sentence)

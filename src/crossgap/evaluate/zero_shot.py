"""``evaluate zero-shot``: rows are sorted into classes that are given by prompts, before and after closing."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from crossgap import __version__
from crossgap.close.tasks import LEAVE
from crossgap.data.embeddings import Embeddings, Group
from crossgap.errors import DegenerateError
from crossgap.evaluate.comparison import Resampling, compared, decide, item_counts
from crossgap.evaluate.evaluation import MEASURED, Evaluation, Verdict
from crossgap.evaluate.folds import Fold
from crossgap.geometry.means import weighted_mean
from crossgap.geometry.rows import unit_rows
from crossgap.measure.retrieval_ranks import retrieval_ranks
from crossgap.results import Measurement, told

__all__ = ["ACCURACY_AT", "class_vectors", "evaluate_zero_shot", "with_classes"]

ACCURACY_AT = (1, 5)


def class_vectors(prompts: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of the classes (c,), sorted, and the vector of each (c, d): the prompt ensemble of CLIP.

    Formula::

        w_c = norm( mean over the prompts p of class c of norm(p) )

    Raises
    ------
    DegenerateError
        If the prompts of a class cancel.

    References
    ----------
    Radford et al., *Learning transferable visual models from natural language supervision*, ICML 2021, section 3.1.4.

    Examples
    --------
    >>> ids, vectors = class_vectors(np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]]), np.array([7, 7, 4]))
    >>> ids.tolist(), vectors.round(3).tolist()
    ([4, 7], [[0.0, 1.0], [0.707, 0.707]])
    """
    ids, number = np.unique(classes, return_inverse=True)
    rows = unit_rows(prompts, name="prompts")
    sums = np.zeros((len(ids), rows.shape[1]), dtype=np.float64)
    np.add.at(sums, number, rows)
    means = sums / np.bincount(number)[:, None]
    lengths = np.sqrt(np.vecdot(means, means))
    if lengths.min() < 1e-9:
        raise DegenerateError(f"the prompts of class {ids[lengths.argmin()]} cancel; give other prompts.")
    return ids, means / lengths[:, None]


def with_classes(embeddings: Embeddings, queries: str, prompts: str) -> Embeddings:
    """Return the two groups with the class of each row as item id: the labels where both have them, else the items.

    Raises
    ------
    DegenerateError
        If no row of the queries is of a class that has a prompt.
    """
    groups = embeddings.select([queries, prompts])
    labels = [group.label for group in groups.values()]
    if all(label is not None and None not in label for label in labels):
        classes = [np.asarray([str(name) for name in label or ()]) for label in labels]
        found = {name: replace(group, items=ids) for (name, group), ids in zip(groups.items(), classes, strict=True)}
    else:
        found = {name: replace(group, items=groups.row_items[name]) for name, group in groups.items()}
    known = np.isin(np.asarray(found[queries].items), np.asarray(found[prompts].items))
    if not known.any():
        raise DegenerateError(
            f"no row of {queries} is of a class of {prompts}: neither their labels nor their item ids agree; give both "
            f"groups labels (or ids) that name the class."
        )
    rows: Group = found[queries] if known.all() else found[queries].take(np.flatnonzero(known))
    return Embeddings({queries: rows, prompts: found[prompts]})


@dataclass(frozen=True, kw_only=True, eq=False)
class _Hits:
    """The place of the right class of each query, and its class."""

    place: np.ndarray
    classes: np.ndarray

    def accuracy(self, k: int, counts: np.ndarray | None) -> np.ndarray:
        return weighted_mean(self.place <= k, counts)

    def mean_class_accuracy(self, counts: np.ndarray | None) -> np.ndarray:
        """Mean over the classes of their top-1 accuracy; under a weighting, of the classes that it draws."""
        number = np.unique(self.classes, return_inverse=True)[1]
        members = (number[None, :] == np.arange(number.max() + 1)[:, None]).astype(np.float64)
        weights = np.ones((len(number), 1)) if counts is None else counts.astype(np.float64)
        drawn, right = members @ weights, (members * (self.place <= 1)) @ weights
        shares = np.where(drawn > 0, right / np.maximum(drawn, 1), 0.0)
        found = shares.sum(axis=0) / (drawn > 0).sum(axis=0)
        return found if counts is not None else found[0]


def evaluate_zero_shot(
    folds: Sequence[Fold],
    *,
    queries: str,
    prompts: str,
    resampling: Resampling | None = None,
    settings: Mapping[str, Any] | None = None,
    inputs: Iterable[Mapping[str, Any]] = (),
) -> Evaluation:
    """Evaluate zero-shot classification: top-1, top-5 and the mean accuracy of the classes.

    Parameters
    ----------
    folds
        What is judged and the closer, made from ``with_classes``; prompts stand in every fold.
    queries
        The group to classify.
    prompts
        The group whose rows name classes; several of one class are averaged after closing.
    resampling, settings, inputs
        As in ``evaluate_mixed``; intervals resample the queries.

    Raises
    ------
    DegenerateError
        If there are fewer than two classes.
    """
    resampling = resampling or Resampling()
    changes = folds[0].closer is not None
    before = _hits(folds, queries, prompts, closed=False)
    after = _hits(folds, queries, prompts, closed=True) if changes else None
    classes = len(np.unique(folds[0].items(prompts)))
    counts = item_counts(np.arange(len(before.place)), resampling)
    found = list(_measured((queries, prompts), before, after, counts, classes, resampling.level))
    return Evaluation(
        task="zero-shot",
        version=__version__,
        inputs=tuple(inputs),
        settings={
            **(settings or {}),
            "unit": "row",
            "bootstrap": resampling.replicates,
            "level": resampling.level,
            "seed": resampling.seed,
        },
        measurements=tuple(found),
        verdicts=(_verdict((queries, prompts), found, classes),),
    )


def _hits(folds: Sequence[Fold], queries: str, prompts: str, *, closed: bool) -> _Hits:
    places, classes = [], []
    for fold in folds:
        own = fold.items(queries)
        ids, vectors = class_vectors(fold.rows(prompts, closed=closed), fold.items(prompts))
        if len(ids) < 2:
            raise DegenerateError(f"classifying needs at least two classes, but {prompts} names one; give more.")
        ranks = retrieval_ranks(
            fold.rows(queries, closed=closed).astype(np.float64), vectors, query_items=own, gallery_items=ids
        )
        places.append(ranks.best)
        classes.append(own[ranks.answered])
    return _Hits(place=np.concatenate(places), classes=np.concatenate(classes))


def _measured(
    groups: tuple[str, str],
    before: _Hits,
    after: _Hits | None,
    counts: np.ndarray | None,
    classes: int,
    level: float,
) -> Iterator[Measurement]:
    sizes = {"n": len(before.place), "classes": classes}
    for k in ACCURACY_AT:
        if k < classes:
            yield from compared(
                "zero_shot_accuracy",
                groups,
                lambda hits, w, k=k: hits.accuracy(k, w),
                (before, after),
                counts,
                options={"k": k, **sizes},
                level=level,
                share_of=len(before.place),
            )
    yield from compared(
        "zero_shot_mean_class_accuracy",
        groups,
        lambda hits, w: hits.mean_class_accuracy(w),
        (before, after),
        counts,
        options={"k": 1, **sizes},
        level=level,
    )


def _verdict(groups: tuple[str, str], found: Sequence[Measurement], classes: int) -> Verdict:
    top = {m.options["version"]: m for m in found if m.name == "zero_shot_accuracy" and m.options["k"] == 1}
    what = f"{groups[0]} into {classes} classes of {groups[1]}"
    if "as is" in top:
        return Verdict(groups=groups, decision=MEASURED, sentence=f"{what}: top-1 {told(top['as is'])}.")
    decision = decide(top["difference"]) or LEAVE
    sentence = (
        f"{what}: {decision}: top-1 goes from {told(top['before'])} to {told(top['after'])}, a change of "
        f"{told(top['difference'], sign=True)}."
    )
    return Verdict(groups=groups, decision=decision, sentence=sentence)

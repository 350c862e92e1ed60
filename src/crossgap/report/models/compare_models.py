"""Measure several models with one seed, and hold each against the first."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import Any

from crossgap import __version__
from crossgap.data.embeddings import Embeddings
from crossgap.report.collect import collect
from crossgap.report.models.differences import differences, is_point
from crossgap.report.models.model_comparison import ModelComparison
from crossgap.report.models.same_items import same_items
from crossgap.report.models.similarities import MOST_ROWS, similarities
from crossgap.results import Measurement

__all__ = ["compare_models"]

_MOST_PAIRS = 15  # of models whose spaces are held against each other; of more models, each against the first


def compare_models(
    models: Mapping[str, Embeddings],
    *,
    metrics: Sequence[str] | None = None,
    replicates: int = 200,
    level: float = 0.95,
    seed: int = 0,
    most_rows: int = 10_000,
    different_items: bool = False,
    everything: bool = False,
    inputs: Mapping[str, Iterable[Mapping[str, Any]]] | None = None,
    notes: Iterable[str] = (),
    command: str | None = None,
    progress: Callable[[Sequence[Any], Callable[[Any], str]], Iterable[Any]] | None = None,
) -> ModelComparison:
    """Compare embeddings of several models, of the same items or of different ones.

    Parameters
    ----------
    models
        At least two, by label; the first is the baseline. Only groups that all of them have are compared; dimensions
        may differ.
    metrics
        Names of quantities; None for the usual ones.
    replicates, level, seed, most_rows
        As in ``collect``. All models are resampled together where their items are the same.
    different_items
        Say that rows of different models show different items, whatever their ids and number.
    everything
        Also representation topology divergence, which needs gudhi and some seconds for each two models and group.
    inputs, notes, command
        Facts for the record.
    progress
        As in ``collect``.

    Raises
    ------
    ValueError
        If there are fewer than two models, no group is common to all, or a curve is asked for.

    Notes
    -----
    A difference is paired: both values are computed under the same resampling of items, so what the models share
    cancels. For different items both are resampled on their own and the interval is wider. Shares that are 0 or 1 in
    every replicate of both models get Newcombe's interval, since resampling cannot show what was never seen. No
    correction is made for the many differences shown: of twenty true zeros about one lies outside its 95 % interval.
    Points of histograms and curves, at scores of each model's own, are left to ``collect``.
    How alike spaces are is measured on at most 2,000 rows of a group, whole items drawn at random.
    """
    if len(models) < 2:
        raise ValueError(f"comparing needs at least two models, but there is {len(models)}; give another one.")
    if metrics is not None and "precision_recall" in metrics:
        raise ValueError("precision_recall is a curve, which is not compared; crossgap measure holds it.")
    shared = _shared_groups(models)
    left_out = [
        f"{label}: group {name} is not compared, since not all models have it."
        for label, found in models.items()
        for name in found
        if name not in shared
    ]
    matched = same_items({label: found.select(shared) for label, found in models.items()}, different=different_items)
    measurements: dict[str, tuple[Measurement, ...]] = {}
    report_notes: list[str] = []
    for number, (label, found) in enumerate(matched.models.items()):
        report = collect(
            found,
            metrics=metrics,
            replicates=replicates,
            level=level,
            seed=seed if matched.aligned else seed + number,  # different items are resampled each on their own
            most_rows=most_rows,
            progress=_labelled(progress, label),
        )
        measurements[label] = tuple(found for found in report.measurements if not is_point(found))
        report_notes += [f"{label}: {note}" for note in report.settings["notes"]]
    first, *others = measurements
    alike: list[Measurement] = []
    if matched.aligned:
        pairs, note = _pairs(list(measurements))
        report_notes += note
        steps = [(*pair, group) for pair in pairs for group in shared]
        for one, other, group in steps if progress is None else progress(steps, _alike):
            alike += similarities(
                {label: matched.models[label] for label in (one, other)},
                group,
                everything=everything,
                replicates=replicates,
                level=level,
                seed=seed,
                most_rows=min(most_rows, MOST_ROWS),
            )
    return ModelComparison(
        version=__version__,
        models={label: tuple((inputs or {}).get(label, _facts(found))) for label, found in models.items()},
        settings={
            "seed": seed,
            "bootstrap": replicates,
            "level": level,
            "rows": most_rows,
            "paired": matched.aligned,
            "groups": shared,
            "items": {
                label: {name: len(group) for name, group in found.items()} for label, found in matched.models.items()
            },
            "metrics": None if metrics is None else list(metrics),
            "notes": [*notes, *left_out, *matched.notes, *report_notes],
            **({} if command is None else {"command": command}),
        },
        measurements=measurements,
        differences={
            label: tuple(differences(measurements[first], measurements[label], level=level)) for label in others
        },
        similarities=tuple(alike),
    )


def _shared_groups(models: Mapping[str, Embeddings]) -> list[str]:
    first, *others = models.values()
    shared = [name for name in first if all(name in other for other in others)]
    if not shared:
        listed = "; ".join(f"{label}: {', '.join(found)}" for label, found in models.items())
        raise ValueError(f"the models have no group in common ({listed}); name the groups alike: image=a.npy.")
    return shared


def _pairs(labels: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Return whose spaces are held against each other, and what that leaves out."""
    every = list(combinations(labels, 2))
    if len(every) <= _MOST_PAIRS:
        return every, []
    note = f"of {len(labels)} models the likeness of spaces was measured against {labels[0]} only."
    return [pair for pair in every if labels[0] in pair], [note]


def _alike(step: tuple[str, str, str]) -> str:
    return f"{step[0]} and {step[1]}: likeness, {step[2]}"


def _labelled(progress: Any, label: str) -> Any:
    if progress is None:
        return None
    return lambda steps, name: progress(steps, lambda step: f"{label}: {name(step)}")


def _facts(embeddings: Embeddings) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"group": name, "n": len(group), "d": embeddings.dimension, "dtype": str(group.vectors.dtype)}
        for name, group in embeddings.items()
    )

"""Measure several models with one seed, and hold each against the first."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from crossgap import __version__
from crossgap.data.embeddings import Embeddings
from crossgap.errors import DegenerateError
from crossgap.measure.certainty import change_bounds
from crossgap.report.collect import collect
from crossgap.report.models.model_comparison import ModelComparison
from crossgap.report.models.same_items import same_items
from crossgap.report.models.similarities import similarities
from crossgap.results import Measurement

__all__ = ["compare_models"]

_CURVES = ("cosine_quantiles", "match_probability", "precision_recall")  # at scores that each model has of its own
_SAMPLING_FACTS = ("n", "m", "d", "sampled_from", "corpus", "pair_count", "answered", "corpus_share", "no_interval")


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
        Also representation topology divergence, which needs gudhi and some seconds for each two models.
    inputs, notes, command
        Facts for the record.
    progress
        As in ``collect``.

    Raises
    ------
    ValueError
        If there are fewer than two models, or no group is common to all.

    Notes
    -----
    A difference is paired: both values are computed under the same resampling of items, so what the models share
    cancels. For different items both are resampled on their own and the interval is wider. No correction is made for
    the many differences shown: of twenty true zeros about one lies outside its 95 % interval.
    """
    if len(models) < 2:
        raise ValueError(f"comparing needs at least two models, but there is {len(models)}; give another one.")
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
        measurements[label] = report.measurements
        report_notes += [f"{label}: {note}" for note in report.settings["notes"]]
    first, *others = measurements
    alike: tuple[Measurement, ...] = ()
    if matched.aligned:
        settings = {"replicates": replicates, "level": level, "seed": seed, "most_rows": most_rows}
        alike = tuple(
            found
            for pair in combinations(matched.models.items(), 2)
            for found in similarities(dict(pair), everything=everything, **settings)
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
        differences={label: tuple(_differences(measurements[first], measurements[label], level)) for label in others},
        similarities=alike,
    )


def _shared_groups(models: Mapping[str, Embeddings]) -> list[str]:
    first, *others = models.values()
    shared = [name for name in first if all(name in other for other in others)]
    if not shared:
        listed = "; ".join(f"{label}: {', '.join(found)}" for label, found in models.items())
        raise ValueError(f"the models have no group in common ({listed}); name the groups alike: image=a.npy.")
    return shared


def _labelled(progress: Any, label: str) -> Any:
    if progress is None:
        return None
    return lambda steps, name: progress(steps, lambda step: f"{label}: {name(step)}")


def _differences(
    baseline: tuple[Measurement, ...], model: tuple[Measurement, ...], level: float
) -> Iterator[Measurement]:
    """Yield model - baseline for each measurement that both have under the same options."""
    before = {_key(found): found for found in baseline}
    for found in model:
        if found.name in _CURVES:
            continue
        reference = before.get(_key(found))
        if reference is None or found.value is None or reference.value is None:
            continue
        change = None
        if found.replicates and reference.replicates and len(found.replicates) == len(reference.replicates):
            drawn = np.array([found.value, *found.replicates]) - np.array([reference.value, *reference.replicates])
            try:
                change = change_bounds(drawn, level=level)
            except DegenerateError:  # hardly any replicate has a value
                change = None
        yield Measurement(
            name=found.name,
            groups=found.groups,
            value=found.value - reference.value,
            interval=change,
            options=_asked(found),
        )


def _key(found: Measurement) -> tuple[Any, ...]:
    return found.name, found.groups, repr(sorted(_asked(found).items(), key=str))


def _asked(found: Measurement) -> dict[str, Any]:
    """Return what was asked for, without the facts that belong to one model's rows."""
    return {key: value for key, value in found.options.items() if key not in _SAMPLING_FACTS}


def _facts(embeddings: Embeddings) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"group": name, "n": len(group), "d": embeddings.dimension, "dtype": str(group.vectors.dtype)}
        for name, group in embeddings.items()
    )

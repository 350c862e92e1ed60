"""E7: a dual encoder in three dimensions, from two cones to a filled sphere (Figure 1 of Fahim et al.)."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from crossgap import measure
from crossgap.reproduce.sphere_picture import SphereStage, write_sphere_picture
from crossgap.reproduce.table import Ordering, Progress, Reference, Row, Table, check_counts, lower, ordering
from crossgap.reproduce.twins import TwinSettings, train_twins

__all__ = ["measure_stage", "run", "sphere_table"]

SMALL = TwinSettings(points=256, dimension=3, epochs=200, gap_at_init=None)
SMALL_STAGES = (0, 5, 25, 50, 75, 200)
EVEN = -2.0798  # uniformity of the uniform law on the sphere in three dimensions, t = 2

_COLUMNS = (
    "centroid_distance",
    "linear_separability",
    "uniformity",
    "matched_cosine",
    "recall_at_1/x_to_y",
    "explained_variance_1",
    "explained_variance_2",
)
_HEADINGS = {"explained_variance_1": "1st component", "explained_variance_2": "first two"}
_SOURCES = {
    "goal": "A closed gap on a filled sphere: gap below 0.1, separability 0.45 to 0.58, uniformity near -2.08.",
    "recipe": "An independent run of this recipe: range over 5 seeds.",
    "paper": "Fahim, Murphy, Fyshe, arXiv 2405.18570, Figure 1: stages of a CLIP in three dimensions.",
}
_RECIPE_START = {
    "centroid_distance": Reference.band(0.59, 1.65),
    "linear_separability": Reference.band(0.92, 1.00),
}
_RECIPE_END = {
    "centroid_distance": Reference.band(0.014, 0.055),
    "linear_separability": Reference.band(0.50, 0.52),
    "recall_at_1/x_to_y": Reference.band(0.75, 0.92),
}
_GOAL = {
    "centroid_distance": Reference.band(0.0, 0.1),
    "linear_separability": Reference.band(0.45, 0.58),
    "uniformity": Reference.band(EVEN - 0.05, EVEN + 0.05, EVEN),
}


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    seeds: int | None = None,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    settings: TwinSettings = SMALL,
    stages: Sequence[int] | None = None,
    **paths: Any,
) -> Table:
    """Train a dual encoder into three dimensions, and measure and draw it at several moments.

    How to read it: the two groups start as separate cones, are drawn out to arcs and rings, and at last cover the
    sphere together: in three dimensions the contrastive loss closes the gap. The shares of variance of the first one
    and two principal components of x tell the stages apart: an arc has nearly all of it in one, a ring in two, an even
    sphere a third in each.

    Parameters
    ----------
    scale
        "small": two perceptrons that see the same 256 points, about 20 seconds on one core. "full": a CLIP from
        scratch on photos and captions.
    seed
        First seed.
    seeds
        Number of seeds: 8 where None at small scale, 1 at full scale. The picture is of the first.
    output
        File that the table is written to as JSON; the picture lies beside it under the same name, as .svg, .png and
        in words as .txt.
    progress
        Called after each training.
    settings
        Sizes of the small scale.
    stages
        Epochs after which to measure and draw; the last one should be that of the end.
    paths
        Paths and options of ``crossgap.reproduce.sphere_photos.photo_stages``, for the full scale.

    Returns
    -------
    The table: one row for each stage.

    Raises
    ------
    ValueError
        If ``scale`` is unknown, or a stage is not from 0 to the number of epochs.

    References
    ----------
    Fahim, Murphy, Fyshe, arXiv 2405.18570, Figure 1.
    """
    check_counts(seeds=seeds)
    if scale == "full":
        from crossgap.reproduce.sphere_photos import photo_stages

        return photo_stages(
            seed=seed, seeds=1 if seeds is None else seeds, output=output, progress=progress, stages=stages, **paths
        )
    if scale != "small":
        raise ValueError(f"scale must be 'small' or 'full', but it is {scale!r}; choose one.")
    if paths:
        raise ValueError(f"{', '.join(paths)} belongs to the full scale, but scale is 'small'; leave it out.")
    moments = tuple(sorted(set(SMALL_STAGES if stages is None else stages)))
    check_stages(moments, settings.epochs)
    count = 8 if seeds is None else seeds
    found: dict[int, list[dict[str, float]]] = {moment: [] for moment in moments}
    drawn: list[SphereStage] = []

    for number in range(count):

        def watch(epoch: int, x: Tensor, y: Tensor, first: bool = number == 0) -> None:
            if epoch in found:
                found[epoch].append(measure_stage(x, y))
                if first:
                    drawn.append(SphereStage(when=f"epoch {epoch}", x=x, y=y))

        train_twins(settings, seed=seed + number, watch=watch)
        if progress is not None:
            progress(number + 1, count, f"seed {seed + number}")
    table = sphere_table(
        found,
        title=f"Two encoders of the same {settings.points} points in three dimensions, by epoch",
        settings={
            "scale": "small",
            "seed": seed,
            "seeds": count,
            "points": settings.points,
            "batch_size": settings.batch_size,
            "temperature": settings.temperature,
        },
        recipe=settings == SMALL,
    )
    if output is not None:
        table.write(output)
        write_sphere_picture(drawn, Path(output).with_suffix(""), names=("encoder 1", "encoder 2"), title=table.title)
    return table


def measure_stage(x: Tensor, y: Tensor) -> dict[str, float]:
    """Gap, separability, uniformity, matched cosine, recall and explained variance of one stage.

    The shares of variance are those of ``x``. Separability is left out below 10 rows.
    """
    variance = measure.explained_variance(x)
    return {
        "centroid_distance": float(measure.centroid_distance(x, y)),
        "linear_separability": float(measure.linear_separability(x, y)),
        "uniformity": float(measure.uniformity(x) + measure.uniformity(y)) / 2,
        "matched_cosine": float(measure.matched_cosine(x, y)),
        "recall_at_1/x_to_y": float(measure.recall_at_k(x, y, k=1)),
        "explained_variance_1": float(variance[0]),
        "explained_variance_2": float(variance[1]),
    }


def check_stages(moments: Sequence[int], epochs: int) -> None:
    """Raise unless there are moments, all of them within the training."""
    if not moments or not all(0 <= moment <= epochs for moment in moments):
        raise ValueError(f"stages must be epochs from 0 to {epochs}, but they are {tuple(moments)}; choose others.")


def sphere_table(
    found: dict[int, list[dict[str, float]]],
    *,
    title: str,
    settings: dict[str, Any],
    unit: str = "epoch",
    name: str = "sphere",
    shape: str = "arc",
    recipe: bool = False,
) -> Table:
    """Build the table of the stages, with what should hold of the last one.

    ``shape`` is what the points should pass through: an "arc" (one component has most of the variance) or a "ring"
    (two have nearly all of it).
    """
    moments = sorted(found)
    rows = []
    for moment in moments:
        references: dict[str, dict[str, Reference]] = {}
        if moment == moments[-1]:
            references["goal"] = _GOAL
        if recipe and moment in (0, SMALL.epochs):
            references["recipe"] = _RECIPE_END if moment else _RECIPE_START
        runs = found[moment]
        measured = {quantity: tuple(values[quantity] for values in runs) for quantity in _COLUMNS}
        rows.append(Row(condition={unit: moment}, measured=measured, references=references))
    shown = {label for row in rows for label in row.references} | {"paper"}
    return Table(
        name=name,
        title=title,
        columns=_COLUMNS,
        rows=tuple(rows),
        sources={label: source for label, source in _SOURCES.items() if label in shown},
        orderings=tuple(_orderings(rows, shape)),
        settings=settings,
        notes=("1st component, first two: shares of the variance of x in its leading principal components.",),
        headings=_HEADINGS,
    )


def _orderings(rows: list[Row], shape: str) -> list[Ordering]:
    first, last = rows[0], rows[-1]
    claims = [
        lower(
            "the gap closes: distance and separability end below their start",
            "paper",
            {
                "distance": (last.middle("centroid_distance"), first.middle("centroid_distance")),
                "separability": (last.middle("linear_separability"), first.middle("linear_separability")),
            },
        ),
        ordering(
            "the points end all over the sphere",
            "paper",
            last.middle("uniformity") <= EVEN + 0.05,
            {"uniformity": last.middle("uniformity"), "an even sphere": EVEN},
        ),
    ]
    components, words = {
        "arc": ("explained_variance_1", "on the way they lie along an arc: one component has most of the variance"),
        "ring": ("explained_variance_2", "on the way they lie on a ring: two components have nearly all the variance"),
    }[shape]
    between = [row.middle(components) for row in rows[1:-1]]
    if between:
        ends = {"start": first.middle(components), "end": last.middle(components)}
        held = max(between) > max(ends.values()) and max(between) > (0.8 if shape == "arc" else 0.95)
        claims.append(ordering(words, "paper", held, {**ends, "most on the way": max(between)}))
    return claims

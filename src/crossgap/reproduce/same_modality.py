"""E5: a gap between two encoders of the same inputs, that start on top of each other (Table 1 of Fahim et al.)."""

import os
from dataclasses import dataclass, field, replace
from typing import Any

from crossgap.reproduce.table import Ordering, Progress, Reference, Row, Table, check_counts, lower, ordering, rising
from crossgap.reproduce.twins import TwinSettings, train_twins

__all__ = ["run"]

_COLUMNS = (
    "centroid_distance/start",
    "centroid_distance",
    "linear_separability/start",
    "linear_separability",
    "loss/start",
    "loss",
    "matched_cosine",
    "stable_region",
    "redraws",
)
_HEADINGS = {"loss": "loss", "stable_region": "at rest", "matched_cosine": "matched cos", "redraws": "redrawn"}
_SOURCES = {
    "paper": "Fahim, Murphy, Fyshe, arXiv 2405.18570, Table 1: two ViT-B/32 on 2,048 photos, 1,200 epochs.",
    "recipe": "An independent run of this recipe: range over 4 or 6 seeds, or one seed (one number, not judged).",
    "start": "Two encoders that no plane tells apart: separability below 0.6 and a gap below 0.1.",
}


@dataclass(frozen=True, kw_only=True)
class _Case:
    settings: TwinSettings
    recipe: dict[str, Reference] = field(default_factory=dict)
    paper: dict[str, Reference] = field(default_factory=dict)


def _printed(low: float, high: float, digits: int) -> Reference:
    """Return a range as it is printed: half a unit of its last digit belongs to it."""
    half = 0.5 * 10**-digits
    return Reference.band(max(0.0, low - half), high + half)


_NARROW = TwinSettings()
_WIDE = TwinSettings(points=1024, hidden=256, layers=4, epochs=120)
_CASES = {
    "wide": _Case(
        settings=_WIDE,
        recipe={
            "centroid_distance": _printed(0.13, 0.17, 2),
            "linear_separability": _printed(0.81, 0.90, 2),
            "loss": _printed(0.0008, 0.0009, 4),
            "matched_cosine": _printed(0.964, 0.972, 3),
        },
        paper={
            "centroid_distance/start": Reference.published(0.00),
            "centroid_distance": Reference.published(0.06),
            "linear_separability/start": Reference.published(0.50),
            "linear_separability": Reference.published(1.00),
            "loss/start": Reference.published(4.83),
            "loss": Reference.published(0.00),
        },
    ),
    "cold": _Case(
        settings=replace(_NARROW, temperature=0.01),
        recipe={
            "centroid_distance": _printed(0.48, 0.59, 2),
            "linear_separability": _printed(1.00, 1.00, 2),
            "loss": _printed(0.0, 0.0, 4),
            "matched_cosine": _printed(0.64, 0.70, 2),
        },
    ),
    "small batch": _Case(
        settings=replace(_NARROW, batch_size=64),
        recipe={
            "centroid_distance": Reference(value=0.134),
            "linear_separability": Reference(value=0.77),
            "loss": Reference(value=0.0005),
            "matched_cosine": Reference(value=0.967),
        },
    ),
    "narrow": _Case(
        settings=_NARROW,
        recipe={
            "centroid_distance": _printed(0.055, 0.081, 3),
            "linear_separability": _printed(0.58, 0.66, 2),
            "loss": _printed(0.0010, 0.0011, 4),
            "matched_cosine": _printed(0.964, 0.965, 3),
        },
    ),
    "few dimensions": _Case(
        settings=replace(_NARROW, dimension=128),
        recipe={
            "centroid_distance": Reference(value=0.056),
            "linear_separability": Reference(value=0.54),
            "loss": Reference(value=0.0013),
            "matched_cosine": Reference(value=0.961),
        },
    ),
    "not turned": _Case(
        settings=replace(_NARROW, gap_at_init=None),
        recipe={
            "centroid_distance/start": Reference(value=1.244),
            "centroid_distance": Reference(value=0.070),
            "linear_separability/start": Reference(value=1.00),
            "linear_separability": Reference(value=0.63),
            "loss": Reference(value=0.0020),
            "matched_cosine": Reference(value=0.965),
        },
    ),
    "slow second momentum": _Case(settings=replace(_NARROW, beta2=0.999)),
}


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    seeds: int | None = None,
    gap_at_init: float = 0.0,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    images: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Table:
    """Train two encoders of the same inputs from a start without a gap, and say where a gap appears.

    How to read it: both encoders see the same inputs, and start turned onto each other. What distance there is at the
    end was made by training. Low temperature makes one every time, since the loss is 0 long before the pairs meet; at
    0.07 it depends on width, batch and optimiser.

    Parameters
    ----------
    scale
        "small": multilayer perceptrons on points, seven cases, some minutes on one core. "full": two ViT-B/32 with
        random weights on photos, at temperatures 0.07 and 0.01.
    seed
        First seed.
    seeds
        Number of seeds of each case: 4 where None at small scale, 1 at full scale.
    gap_at_init
        Share of the first gap that the rotation leaves, from 0 to 1.
    output
        File that the table is written to as JSON.
    progress
        Called after each training.
    images
        Folder of photos, for the full scale.
    options
        Options of ``crossgap.reproduce.same_modality_photos.photo_table``, for the full scale.

    Returns
    -------
    The table; a gap at the end is on the training inputs, as in the paper.

    Raises
    ------
    ValueError
        If ``scale`` is unknown, or ``images`` is missing at full scale.

    Notes
    -----
    The paper says batch 64; its count of steps and its first loss belong to 128 (erratum 4). The second momentum of
    AdamW is 0.99 as in the paper's code; the last case has torch's default 0.999 instead.

    References
    ----------
    Fahim, Murphy, Fyshe, arXiv 2405.18570, section 3 and Table 1.
    """
    check_counts(seeds=seeds)
    if scale == "full":
        from crossgap.reproduce.same_modality_photos import photo_table

        if images is None:
            raise ValueError("images must name a folder of photos at full scale, but it is None; give a local folder.")
        table = photo_table(
            images,
            seed=seed,
            seeds=1 if seeds is None else seeds,
            gap_at_init=gap_at_init,
            progress=progress,
            **options,
        )
    elif scale == "small":
        if options:
            raise ValueError(f"{', '.join(options)} belongs to the full scale, but scale is 'small'; leave it out.")
        table = _small(seed, 4 if seeds is None else seeds, gap_at_init, progress)
    else:
        raise ValueError(f"scale must be 'small' or 'full', but it is {scale!r}; choose one.")
    if output is not None:
        table.write(output)
    return table


def _small(seed: int, seeds: int, gap_at_init: float, progress: Progress | None) -> Table:
    rows: dict[str, Row] = {}
    done, total = 0, seeds * len(_CASES)
    for name, case in _CASES.items():
        settings = case.settings
        if settings.gap_at_init is not None:
            settings = replace(settings, gap_at_init=gap_at_init)
        runs = []
        for number in range(seeds):
            runs.append(train_twins(settings, seed=seed + number))
            done += 1
            if progress is not None:
                progress(done, total, f"{name}, seed {seed + number}")
        rows[name] = _row(name, settings, runs, case)
    return Table(
        name="same-modality",
        title="Two encoders of the same points, turned onto each other before training: gap before and after",
        columns=_COLUMNS,
        rows=tuple(rows.values()),
        sources=_SOURCES,
        orderings=tuple(_orderings(rows)) if gap_at_init == 0 else (),
        settings={"seed": seed, "seeds": seeds, "gap_at_init": gap_at_init, "scale": "small"},
        notes=(
            "A draw that starts with a separability of 0.6 or more is drawn again; 'redrawn' is how often, a seed.",
            "'at rest' is the share of points whose loss among the negatives of a batch is 0.01 or less.",
            "The first loss of the paper is near ln 128: its encoders hardly tell photos apart at the start. These do.",
        ),
        headings=_HEADINGS,
    )


def _row(name: str, settings: TwinSettings, runs: list[dict[str, float]], case: _Case) -> Row:
    references = {"paper": case.paper, "recipe": case.recipe}
    if settings.gap_at_init == 0:
        references["start"] = {
            "centroid_distance/start": Reference.band(0.0, 0.1),
            "linear_separability/start": Reference.band(0.0, 0.6),
        }
    return Row(
        condition={
            "case": name,
            "n": settings.points,
            "network": f"{settings.layers} x {settings.hidden}",
            "d": settings.dimension,
            "B": settings.batch_size,
            "temperature": settings.temperature,
            "beta2": settings.beta2,
            "turned": "no" if settings.gap_at_init is None else "yes",
        },
        measured={quantity: tuple(found[quantity] for found in runs) for quantity in _COLUMNS},
        references={source: numbers for source, numbers in references.items() if numbers},
    )


def _orderings(rows: dict[str, Row]) -> list[Ordering]:
    def middle(name: str, quantity: str = "centroid_distance") -> float:
        return rows[name].middle(quantity)

    claims = []
    for name, which in (("wide", "wide, temperature 0.07"), ("cold", "cold, temperature 0.01")):
        claims += [
            lower(
                f"training creates a gap: distance and separability end above their start ({which})",
                "paper",
                {
                    "distance": (middle(name, "centroid_distance/start"), middle(name)),
                    "separability": (middle(name, "linear_separability/start"), middle(name, "linear_separability")),
                },
            ),
            ordering(
                f"separability ends at 1.00 ({which})",
                "paper",
                middle(name, "linear_separability") >= 0.995,
                {"separability": middle(name, "linear_separability")},
            ),
            ordering(
                f"the loss ends at 0.00 ({which})",
                "paper",
                middle(name, "loss") < 0.005,
                {"loss": middle(name, "loss")},
            ),
        ]
    pairs = (
        ("the lower temperature creates the larger gap", ("narrow", "cold")),
        ("the wider network on more points creates the larger gap", ("narrow", "wide")),
        ("the smaller batch creates the larger gap", ("narrow", "small batch")),
        ("a shorter memory of AdamW's second moment creates the larger gap", ("slow second momentum", "narrow")),
    )
    claims += [rising(sentence, "recipe", {name: middle(name) for name in names}) for sentence, names in pairs]
    return claims

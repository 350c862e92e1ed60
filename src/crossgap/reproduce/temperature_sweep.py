"""E16.1: which temperatures, dimensions and batch sizes create a gap between two encoders of the same inputs."""

import math
import os
from collections.abc import Sequence
from dataclasses import replace

from crossgap.measure import stable_region_width
from crossgap.reproduce.table import Ordering, Progress, Reference, Row, Table, check_counts, ordering
from crossgap.reproduce.twins import TwinSettings, train_twins

__all__ = ["run", "widest_gap_at_rest"]

TEMPERATURES = (0.01, 0.02, 0.05, 0.07, 0.1)
DIMENSIONS = (8, 32, 128, 512)
BATCH_SIZES = (64, 128)
_FULL = TwinSettings(points=1024, hidden=256, layers=4, epochs=120)
_COLUMNS = (
    "centroid_distance/start",
    "centroid_distance",
    "linear_separability",
    "matched_cosine",
    "loss",
    "stable_region",
)


def widest_gap_at_rest(batch_size: int, temperature: float) -> float:
    """Largest gap that the contrastive loss leaves in place for sure, were all negatives at cosine 0.

    Formula::

        sqrt(2 - 2 m),   m = stable_region_width(batch_size, temperature), at most 1

    How to read it: pairs at cosine m have a loss of 0.01 or less, so training no longer moves them. A constant offset
    of length g costs every pair g^2 of its squared distance, which is 2 - 2 m there. It is a bound on what *can* stay,
    from 0 to sqrt(2), and no forecast of what does: 0 where the region of rest is out of reach.

    Parameters
    ----------
    batch_size, temperature
        Those of the training.

    Raises
    ------
    ValueError
        If ``batch_size`` is below 2 or ``temperature`` is not above 0.

    References
    ----------
    Zhang, Sui, Yeung-Levy, arXiv 2401.08567, lemmas 3 and 4, for the region.

    Examples
    --------
    >>> [round(widest_gap_at_rest(128, temperature), 2) for temperature in (0.01, 0.07, 0.1, 0.5)]
    [1.35, 0.82, 0.33, 0.0]
    """
    return math.sqrt(2 - 2 * min(1.0, stable_region_width(batch_size, temperature)))


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    seeds: int = 1,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    temperatures: Sequence[float] = TEMPERATURES,
    dimensions: Sequence[int] = DIMENSIONS,
    batch_sizes: Sequence[int] | None = None,
    settings: TwinSettings | None = None,
) -> Table:
    """Train two encoders that start without a gap at each temperature, dimension and batch size.

    How to read it: a map of the gap that training creates. Beside it stands the largest gap that could rest there by
    the theory of the stable region.

    Parameters
    ----------
    scale
        "small": the narrow network of ``same_modality``, at batch 128, about two minutes on one core. "full": the wide
        one, at batches 64 and 128.
    seed
        First seed.
    seeds
        Number of seeds of each cell.
    output
        File that the table is written to as JSON.
    progress
        Called after each training.
    temperatures, dimensions
        What is swept.
    batch_sizes
        None for 128 at small scale, 64 and 128 at full scale.
    settings
        Other sizes of the networks and their training.

    Returns
    -------
    The table.

    Raises
    ------
    ValueError
        If ``scale`` is unknown.

    References
    ----------
    Fahim, Murphy, Fyshe, arXiv 2405.18570, section 3; Zhang, Sui, Yeung-Levy, arXiv 2401.08567, section 3.
    """
    check_counts(seeds=seeds)
    if scale not in ("small", "full"):
        raise ValueError(f"scale must be 'small' or 'full', but it is {scale!r}; choose one.")
    base = settings if settings is not None else TwinSettings() if scale == "small" else _FULL
    batches = tuple(batch_sizes) if batch_sizes is not None else (128,) if scale == "small" else BATCH_SIZES
    cells = [(batch, d, t) for batch in batches for d in dimensions for t in temperatures]
    rows = []
    for number, (batch, d, temperature) in enumerate(cells):
        cell = replace(base, batch_size=batch, dimension=d, temperature=temperature)
        runs = []
        for turn in range(seeds):
            runs.append(train_twins(cell, seed=seed + turn))
            if progress is not None:
                progress(number * seeds + turn + 1, len(cells) * seeds, f"B {batch}, d {d}, temperature {temperature}")
        rows.append(
            Row(
                condition={"B": batch, "d": d, "temperature": temperature},
                measured={name: tuple(found[name] for found in runs) for name in _COLUMNS},
                references={
                    "bound": {"centroid_distance": Reference.band(0.0, widest_gap_at_rest(batch, temperature))}
                },
            )
        )
    return _written(
        Table(
            name="temperature-sweep",
            title="The gap that training creates, by batch size, dimension and temperature",
            columns=_COLUMNS,
            rows=tuple(rows),
            sources={
                "bound": "Largest gap at rest by the stable region of Zhang et al., arXiv 2401.08567, lemmas 3 and 4.",
                "spec": "What the sweep was run to see.",
            },
            orderings=tuple(_orderings(rows)),
            settings={
                "scale": scale,
                "seed": seed,
                "seeds": seeds,
                "points": base.points,
                "network": f"{base.layers} x {base.hidden}",
                "epochs": base.epochs,
            },
            notes=("All cells start turned onto each other, with a separability below 0.6.",),
            headings={"loss": "loss", "stable_region": "at rest"},
        ),
        output,
    )


def _written(table: Table, output: str | os.PathLike[str] | None) -> Table:
    if output is not None:
        table.write(output)
    return table


def _orderings(rows: Sequence[Row]) -> list[Ordering]:
    """Compare the coldest with the hottest cell of each batch size and dimension."""
    claims = []
    for batch in dict.fromkeys(row.condition["B"] for row in rows):
        own = [row for row in rows if row.condition["B"] == batch]
        by_d: dict[object, list[Row]] = {}
        for row in own:
            by_d.setdefault(row.condition["d"], []).append(row)
        ratios = {}
        for d, cells in by_d.items():
            cells = sorted(cells, key=lambda row: float(row.condition["temperature"]))
            gaps = [row.middle("centroid_distance") for row in cells]
            ratios[f"d={d}"] = gaps[0] / gaps[-1]
        claims.append(
            ordering(
                f"the lowest temperature creates a gap at least twice that of the highest (B {batch}; ratio)",
                "spec",
                min(ratios.values()) >= 2,
                ratios,
            )
        )
        grown = [row.middle("centroid_distance") - row.middle("centroid_distance/start") for row in own]
        claims.append(
            ordering(
                f"every cell ends above its start (B {batch}; growth)",
                "spec",
                min(grown) > 0,
                {"least": min(grown), "greatest": max(grown)},
            )
        )
    return claims

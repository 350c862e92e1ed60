"""E11: how far a match must lead before the contrastive loss leaves it alone, by temperature."""

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from crossgap import measure
from crossgap.geometry.rows import materialise, unit_rows
from crossgap.reproduce.stored_pairs import stored_pairs
from crossgap.reproduce.table import Ordering, Progress, Reference, Row, Table, lower, ordering, rising

__all__ = ["TEMPERATURES", "run"]

TEMPERATURES = (0.01, 0.02, 0.05, 0.07, 0.1, 0.2, 0.5, 1.0)
_ROWS = (64, 128, 512, 32768)
_LARGEST = 2.0  # a difference of two cosines
_UNATTAINABLE = 0.5
_DELTA = 0.01
_COLUMNS = (
    *(f"width_{n}" for n in _ROWS),
    "necessary",
    *(f"{name}/{way}" for name in ("hard_negatives", "threshold", "margin", "inside") for way in ("x_to_y", "y_to_x")),
)
_HEADINGS = {
    **{f"width_{n}": f"N={n}" for n in _ROWS},
    **{
        f"{name}/{way}": f"{head} {arrow}"
        for name, head in (("hard_negatives", "hard"), ("threshold", "margin needed"), ("margin", "margin"))
        for way, arrow in (("x_to_y", "x→y"), ("y_to_x", "y→x"))
    },
}
_SPEC = "formula"
_PAPER = "Zhang 2024"
_SOURCES = {
    _SPEC: (
        "margins that suffice for a loss of 0.01 nats, and 4.60 times the temperature as the necessary one, from an "
        "earlier, independent computation; judged by half of the last printed digit."
    ),
    _PAPER: "arXiv 2401.08567, lemmas 3 and 4: claims in words.",
}
_PRINTED = {
    0.01: (0.087, 0.094, 0.108, 0.150),
    0.07: (0.612, 0.661, 0.759, 1.050),
    0.1: (0.874, 0.944, 1.084, 1.500),
}


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    pairs: str | os.PathLike[str] | None = None,
    x: str | None = None,
    y: str | None = None,
    temperatures: Sequence[float] = TEMPERATURES,
    delta: float = _DELTA,
) -> Table:
    """Tabulate the margin of the stable region by temperature and batch, and count the pairs that lie in it.

    How to read it: a match that leads its nearest negative by the margin of column N has a loss of ``delta`` or less in
    a batch of N, whatever the other negatives are; no match with less than "necessary" has. At 0.01 a lead of a tenth
    is enough, and the loss has no reason left to move anything, a gap least of all; at 0.5 the margin exceeds 2, which
    no two cosines differ by, and the loss pulls for ever. "inside" is the share of the stored pairs at rest, each among
    all rows of the other group; "hard" is the number of negatives that count, "margin needed" what those ask for, and
    "margin" what the pairs have, all medians.

    Parameters
    ----------
    scale
        "small": the packaged sample or ``pairs``; "full": ``pairs`` must be given.
    seed
        Not used, since nothing is drawn at random.
    output
        Where to write the JSON of the table; None for nowhere.
    progress
        Called after each temperature.
    pairs, x, y
        File of paired vectors, and the names of its two groups (the first two without).
    temperatures
        Temperatures in rising order.
    delta
        Loss of an anchor, in nats, below which it counts as at rest.

    Returns
    -------
    One row for each temperature.

    Raises
    ------
    ValueError
        If ``scale`` is unknown, a temperature or ``delta`` is not above 0, the temperatures do not rise, or a file is
        missing at the full scale.
    DegenerateError
        If nothing pairs.

    Notes
    -----
    Cost: two passes over n^2 cosines a temperature; seconds for 500 pairs. The margins are those of
    ``measure.stable_region_width``.

    References
    ----------
    Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, lemmas 3 and 4.
    """
    temperatures = tuple(float(temperature) for temperature in temperatures)
    if not temperatures or any(b <= a for a, b in itertools.pairwise(temperatures)):
        raise ValueError(f"temperatures must be some in rising order, but they are {list(temperatures)}; sort them.")
    for temperature in temperatures:
        measure.stable_region_width(2, temperature, delta)  # says which number is out of range
    data, found = stored_pairs(pairs, scale=scale, x=x, y=y)
    aligned = found.pairs(*found)
    a, b = (unit_rows(np.asarray(materialise(rows)).astype(np.float64)) for rows in (aligned.x, aligned.y))
    items = None if len(np.unique(aligned.items)) == len(aligned.items) else aligned.items
    rows = []
    for number, temperature in enumerate(temperatures):
        rows.append(
            Row(
                condition={"temperature": temperature},
                measured={**_widths(temperature, delta), **_at_rest(a, b, items, temperature, delta)},
                references={_SPEC: _references(temperature)} if delta == _DELTA else {},
            )
        )
        if progress is not None:
            progress(number + 1, len(temperatures), f"temperature {temperature:g}")
    table = Table(
        name="stable_region",
        title=f"Stable region by temperature, loss of an anchor at most {delta:g}; {data}: {len(a)} pairs",
        columns=_COLUMNS,
        rows=tuple(rows),
        sources=_SOURCES,
        orderings=tuple(_orderings(rows, delta)),
        settings={"scale": scale, "data": data, "groups": list(found), "delta": delta}
        | {"temperatures": list(temperatures)},
        headings=_HEADINGS,
    )
    if output is not None:
        table.write(output)
    return table


def _widths(temperature: float, delta: float) -> dict[str, tuple[float, ...]]:
    widths = {f"width_{n}": (measure.stable_region_width(n, temperature, delta),) for n in _ROWS}
    return {**widths, "necessary": (measure.stable_region_width(_ROWS[0], temperature, delta, necessary=True),)}


def _at_rest(
    x: np.ndarray, y: np.ndarray, items: np.ndarray | None, temperature: float, delta: float
) -> dict[str, tuple[float, ...]]:
    measured: dict[str, tuple[float, ...]] = {}
    for way, (anchors, others) in {"x_to_y": (x, y), "y_to_x": (y, x)}.items():
        found = measure.stable_region_per_anchor(anchors, others, temperature=temperature, delta=delta, items=items)
        measured[f"margin/{way}"] = (float(np.median(found.margin)),)
        measured[f"hard_negatives/{way}"] = (float(np.median(found.hard_negatives)),)
        measured[f"threshold/{way}"] = (float(np.median(found.threshold)),)
        measured[f"inside/{way}"] = (
            float(measure.stable_region(anchors, others, temperature=temperature, delta=delta, items=items)),
        )
    return measured


def _references(temperature: float) -> Mapping[str, Reference]:
    printed = _PRINTED.get(temperature, ())
    found = {
        f"width_{n}": Reference.published(value, judged_by=0.0005) for n, value in zip(_ROWS, printed, strict=False)
    }
    return {**found, "necessary": Reference.published(4.60 * temperature, judged_by=0.005 * temperature)}


def _orderings(rows: Sequence[Row], delta: float) -> Iterator[Ordering]:
    widths = {f"{row.condition['temperature']:g}": row.middle(f"width_{_ROWS[0]}") for row in rows}
    yield rising("the margin that suffices grows with the temperature (N = 64)", _PAPER, widths)
    least = {f"{row.condition['temperature']:g}": row.middle("necessary") for row in rows}
    high = {at: (_LARGEST, width) for at, width in least.items() if float(at) >= _UNATTAINABLE}
    if high and delta == _DELTA:
        yield lower(
            f"from temperature {_UNATTAINABLE:g} even the necessary margin exceeds 2, so that no pair is ever at rest",
            _SPEC,
            high,
        )
    for way, arrow in (("x_to_y", "x→y"), ("y_to_x", "y→x")):
        inside = {f"{row.condition['temperature']:g}": row.middle(f"inside/{way}") for row in rows}
        shares = list(inside.values())
        yield ordering(
            f"{arrow}: the lower the temperature, the more stored pairs are at rest",
            _PAPER,
            all(after <= before for before, after in itertools.pairwise(shares)) and shares[0] > shares[-1],
            inside,
        )

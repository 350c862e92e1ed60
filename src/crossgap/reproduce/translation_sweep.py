"""E14: what moving the modalities along their gap does to the loss, by temperature, and to retrieval."""

import os
from collections.abc import Iterator

import numpy as np
import torch

from crossgap import measure
from crossgap.close.translation import Translation
from crossgap.data.embeddings import Embeddings
from crossgap.geometry.rows import materialise, unit_rows
from crossgap.losses.clip import clip_loss
from crossgap.reproduce.spherical_toy import lift_of_least_loss, lifted_pairs
from crossgap.reproduce.stored_pairs import stored_pairs
from crossgap.reproduce.table import Ordering, Progress, Reference, Row, Table, ordering

__all__ = ["LOGIT_SCALES", "run"]

LOGIT_SCALES = (1, 5, 35, 50, 100)
_REACH = 5.0
_NEAR = 0.25  # one step of the paper's
_SIDES = {"two": "both", "one": "x alone"}
_CAPTIONS = {"toy": False, "toy, swapped": True}
_LIFTS = range(-90, 91, 15)
_COLUMNS = (
    "signed_centroid_distance",
    *(f"loss/{scale}" for scale in LOGIT_SCALES),
    "recall_at_1/x_to_y",
    "recall_at_1/y_to_x",
)
_HEADINGS = {
    "signed_centroid_distance": "signed gap",
    **{f"loss/{scale}": f"loss 1/{scale}" if scale > 1 else "loss 1" for scale in LOGIT_SCALES},
}
_PAPER = "Liang 2022"
_SOURCES = {
    _PAPER: (
        "arXiv 2203.02053, section 5, and stored output of the authors' notebook: COCO validation pairs of a CLIP that "
        "is not named there. Other data than here, so numbers are shown and not judged; the claims are."
    )
}
_PUBLISHED = {
    "two": {-1.0: 1.413, -0.5: 1.173, 0.0: 0.822, 0.25: 0.600, 0.5: 0.350, 0.75: 0.084},
    "one": {-1.0: 1.288, 0.5: 0.318, 0.75: 0.070},
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
    step: float = 0.25,
) -> Table:
    """Move two modalities along their gap by a length from -5 to 5, and measure loss, retrieval and signed distance.

    How to read it: a length above 0 moves the groups towards each other and at last past each other; "signed gap" is
    what comes of it. Look at which length each loss is least: near 0 the loss holds the gap as it is, near the length
    of the gap it would close it. The toy shows why: with a low temperature and a few wrong pairs a gap makes the loss
    smaller.

    Parameters
    ----------
    scale
        "small": the packaged sample or ``pairs``; "full": ``pairs`` must be given.
    seed
        Not used, since nothing is drawn at random.
    output
        Where to write the JSON of the table; None for nowhere.
    progress
        Called after each length.
    pairs, x, y
        File of paired vectors, and the names of its two groups (the first two without).
    step
        Distance of the lengths, above 0 and at most 5.

    Returns
    -------
    One row for each length δ ("both": both groups move δ / 2, "x alone": x moves δ), also for that of the gap itself,
    and one for each lift of the toy, six images on the equator of a sphere and their texts lifted by an angle.

    Raises
    ------
    ValueError
        If ``scale`` is neither of the two, ``step`` is out of range, or a file is missing at the full scale.
    DegenerateError
        If nothing pairs, or the centres coincide.

    Notes
    -----
    Cost: five losses and two searches a row, 84 rows; seconds for 500 pairs. Departs from the
    source, which also evaluates zero-shot classification: that needs labels.

    References
    ----------
    Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053, section 5 and figure 3.
    """
    if not 0 < step <= _REACH:
        raise ValueError(f"step must lie above 0 and not above {_REACH:g}, but it is {step}; 0.25 is the paper's.")
    data, found = stored_pairs(pairs, scale=scale, x=x, y=y)
    swept = list(_swept(found, step, progress))
    table = Table(
        name="translation_sweep",
        title=f"Translation along the gap: {data}, {len(found.pairs(*found))} pairs; and six points on a sphere",
        columns=_COLUMNS,
        rows=(*swept, *_toy_rows()),
        sources=_SOURCES,
        orderings=(*_orderings(swept), *_toy_orderings()),
        settings={"scale": scale, "data": data, "groups": list(found), "step": step, "reach": _REACH},
        notes=(
            "by: the length of the move before rows are renormalised, off the grid that of the gap itself; in the toy "
            "the angle by which texts are lifted, with captions in order or the first two swapped.",
        ),
        headings=_HEADINGS,
    )
    if output is not None:
        table.write(output)
    return table


def _swept(found: Embeddings, step: float, progress: Progress | None) -> Iterator[Row]:
    names = tuple(found)
    aligned = found.pairs(*names)
    a, b = (unit_rows(np.asarray(materialise(rows)).astype(np.float64)) for rows in (aligned.x, aligned.y))
    gap = measure.gap_vector(a, b)
    length = float(np.linalg.norm(gap))
    count = int(np.floor(_REACH / step + 1e-9))
    deltas = sorted({*(round(number * step, 9) for number in range(-count, count + 1)), round(length, 6)})
    rows, groups = np.concatenate([a, b]), np.repeat(names, [len(a), len(b)])
    done = 0
    for sides in _SIDES:
        for delta in deltas:
            closer = Translation(length=delta, target=None if sides == "two" else names[1]).fit(rows, groups=groups)
            moved = closer.move(a, names[0]), closer.move(b, names[1])
            published = _PUBLISHED[sides].get(delta)
            yield Row(
                condition={"moved": _SIDES[sides], "by": delta},
                measured={name: (value,) for name, value in _measured(*moved, aligned.items, gap).items()},
                references={}
                if published is None
                else {_PAPER: {"signed_centroid_distance": Reference(value=published)}},
            )
            done += 1
            if progress is not None:
                progress(done, 2 * len(deltas), f"{sides}, delta {delta:g}")


def _measured(a: np.ndarray, b: np.ndarray, items: np.ndarray, gap: np.ndarray) -> dict[str, float]:
    tensors = torch.from_numpy(a), torch.from_numpy(b)
    shown = None if len(np.unique(items)) == len(items) else torch.from_numpy(items)
    ranks = measure.retrieval_ranks_both(a, b, x_items=items, y_items=items)
    return {
        "signed_centroid_distance": float(measure.signed_centroid_distance(a, b, direction=gap)),
        "centroid_distance": float(measure.centroid_distance(a, b)),
        **{f"loss/{scale}": float(clip_loss(*tensors, float(scale), items=shown)) for scale in LOGIT_SCALES},
        **{
            f"recall_at_1/{way}": float(found.recall_at_k(1))
            for way, found in zip(("x_to_y", "y_to_x"), ranks, strict=True)
        },
    }


def _toy_rows() -> Iterator[Row]:
    for name, swapped in _CAPTIONS.items():
        for lift in _LIFTS:
            a, b = (rows.numpy() for rows in lifted_pairs(lift, swapped=swapped))
            found = _measured(a, b, np.arange(len(a)), np.array([0.0, 0.0, -1.0]))
            measured = {quantity: (value,) for quantity, value in found.items()}
            yield Row(condition={"moved": name, "by": f"{lift:+d}°"}, measured=measured)


def _orderings(swept: list[Row]) -> Iterator[Ordering]:
    for moved in _SIDES.values():
        own = [row for row in swept if row.condition["moved"] == moved]
        start = next(row for row in own if row.condition["by"] == 0).middle("signed_centroid_distance")
        best = {scale: min(own, key=lambda row, s=scale: row.middle(f"loss/{s}")) for scale in LOGIT_SCALES}
        lengths = {_temperature(scale): float(row.condition["by"]) for scale, row in best.items()}
        gaps = {_temperature(scale): row.middle("signed_centroid_distance") for scale, row in best.items()}
        yield ordering(
            f"{moved}: at temperature 1/100 the loss is least near the gap as it is (length of the best move)",
            _PAPER,
            abs(lengths["1/100"]) <= _NEAR,
            lengths,
        )
        if moved == _SIDES["two"]:
            yield ordering(
                f"{moved}: at temperature 1 it is least with at most a third of the gap (signed gap after that move)",
                _PAPER,
                abs(gaps["1"]) <= start / 3,
                gaps,
            )


def _toy_orderings() -> Iterator[Ordering]:
    lifts = {
        name: {_temperature(scale): lift_of_least_loss(float(scale), swapped=swapped)[0] for scale in LOGIT_SCALES}
        for name, swapped in _CAPTIONS.items()
    }
    swapped, in_order = lifts["toy, swapped"], lifts["toy"]
    yield ordering(
        "toy: with two captions swapped a gap is best at temperature 1/100, and none at 1 (lift of the least loss)",
        _PAPER,
        swapped["1/100"] > 0 == swapped["1"],
        swapped,
    )
    yield ordering(
        "toy: with captions in order no gap is best (lift of the least loss)",
        _PAPER,
        not any(in_order.values()),
        in_order,
    )


def _temperature(scale: int) -> str:
    return "1" if scale == 1 else f"1/{scale}"

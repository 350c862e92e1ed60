"""E8: over how many principal components each loss spreads the variance (figures 2 and 4)."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from crossgap.measure import explained_variance, participation_ratio
from crossgap.reproduce.fine_tuning import LOSSES, rows_of_scale
from crossgap.reproduce.linear_heads import measured_by_condition
from crossgap.reproduce.published import CUMULATIVE_VARIANCE, CURVE_POINTS, PARTICIPATION_RATIO
from crossgap.reproduce.table import Ordering, Progress, Reference, Row, Table, lower, rising

__all__ = ["curve_of", "run"]

DIMENSIONS = (32, 64, 128)
SAME_BELOW = 60  # the paper's claim about the curves is judged up to this number of components
_SIDES = ("x", "y")
_PAPER = "Fahim 2024"
_SOURCES = {
    _PAPER: (
        "figures 2 and 4 of arXiv 2405.18570, from the authors' stored results: CLIP ViT-B/32 fine-tuned on COCO, seed "
        "42; their text claims lower curves for CUA too, which their numbers show up to some 20 components only."
    )
}


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    features: str | os.PathLike[str] | None = None,
    dimensions: Sequence[int] | None = None,
    worlds: int = 4,
    heads: int = 2,
    **paths: Any,
) -> Table:
    """Train as ``fine_tuning`` does, and compare the curves of explained variance.

    How to read it: ``PR`` is the participation ratio, the number of equally strong directions; c_k the share of the
    variance in the first k components. A lower curve and a higher PR mean that more directions are used.

    Parameters
    ----------
    scale, seed, output, progress, features, worlds, heads, **paths
        As in ``fine_tuning.run``.
    dimensions
        Values of d; None for 32, 64 and 128.

    Returns
    -------
    One row for each d and loss.

    Raises
    ------
    ValueError
        If ``scale`` is neither "small" nor "full".

    Notes
    -----
    Cost: 72 trainings, two to three minutes on one core. The curve has a value for every k; those at 1, 5, 10, 20, 30,
    40, 60, 80 and 100 are kept, for which the paper's are known.

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, figures 2 and 4.
    """
    dimensions = DIMENSIONS if dimensions is None else tuple(dimensions)
    title, runs = rows_of_scale(
        scale=scale,
        seed=seed,
        progress=progress,
        features=features,
        dimensions=dimensions,
        worlds=worlds,
        heads=heads,
        **paths,
    )
    found = measured_by_condition(runs, curve_of)
    rows = tuple(
        Row(condition={"d": d, "loss": name}, measured=found[d, name], references={_PAPER: _published(d, name)})
        for d in dimensions
        for name in LOSSES
    )
    names = [name for row in rows for name in row.measured]
    table = Table(
        name="explained_variance",
        title=f"Explained variance by principal components, by loss and dimension: {title}",
        columns=tuple(dict.fromkeys(sorted(names, key=_place))),
        rows=rows,
        sources=_SOURCES,
        orderings=tuple(_orderings(rows, dimensions)),
        settings={"scale": scale, "seed": seed, "worlds": worlds, "heads": heads, "dimensions": list(dimensions)}
        | {"data": title},
        headings={name: _heading(name) for name in names},
    )
    if output is not None:
        table.write(output)
    return table


def curve_of(x: Tensor, y: Tensor) -> dict[str, float]:
    """Participation ratio of each side, and its explained variance at the k of the published figures.

    How to read it: a side with several candidates an item (n, c, d) counts all n c rows.

    Examples
    --------
    Two opposite pairs at right angles: two equal directions.

    >>> import torch
    >>> rows = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> {name: round(value, 6) for name, value in curve_of(rows, rows).items() if name.endswith("x")}
    {'participation_ratio/x': 2.0, 'explained_variance_at_1/x': 0.5}
    """
    found: dict[str, float] = {}
    for side, rows in zip(_SIDES, (x, y), strict=True):
        rows = rows.reshape(-1, rows.shape[-1])
        found[f"participation_ratio/{side}"] = float(participation_ratio(rows))
        shares = explained_variance(rows)
        for k in CURVE_POINTS:
            if k < rows.shape[-1]:
                found[f"explained_variance_at_{k}/{side}"] = float(shares[k - 1])
    return found


def _published(d: int, name: str) -> dict[str, Reference]:
    references = {}
    for side in _SIDES:
        if (d, name, side) in PARTICIPATION_RATIO:
            references[f"participation_ratio/{side}"] = Reference(value=PARTICIPATION_RATIO[d, name, side])
        for k, share in zip(CURVE_POINTS, CUMULATIVE_VARIANCE.get((d, name, side), ()), strict=False):
            references[f"explained_variance_at_{k}/{side}"] = Reference(value=share)
    return references


def _place(quantity: str) -> tuple[int, int]:
    name, _, side = quantity.partition("/")
    k = int(name.rpartition("_")[2]) if name.startswith("explained") else 0
    return _SIDES.index(side), k


def _heading(quantity: str) -> str:
    name, _, side = quantity.partition("/")
    return f"PR {side}" if name == "participation_ratio" else f"c_{name.rpartition('_')[2]} {side}"


def _orderings(rows: Sequence[Row], dimensions: Sequence[int]) -> Iterator[Ordering]:
    at: Mapping[Any, Row] = {(row.condition["d"], row.condition["loss"]): row for row in rows}
    for d in dimensions:
        values = {name: at[d, name].middle("participation_ratio/x") for name in LOSSES}
        yield rising(f"at d = {d} the participation ratio rises from CLIP over CUA to CUAXU", _PAPER, values)
    for d in dimensions:
        points = [k for k in CURVE_POINTS if k < d and k <= SAME_BELOW]
        for other in ("CLIP", "CUA"):
            yield lower(
                f"at d = {d} the curve of CUAXU lies below that of {other} up to {points[-1]} components",
                _PAPER,
                {f"k={k}": _both(at, d, "CUAXU", other, k) for k in points},
            )
        early, late = [k for k in points if k <= 10], [k for k in points if k >= 30]
        if late:
            yield lower(
                f"at d = {d} the curve of CUA lies below that of CLIP up to 10 components",
                _PAPER,
                {f"k={k}": _both(at, d, "CUA", "CLIP", k) for k in early},
            )
            yield lower(
                f"at d = {d} the curve of CUA lies above that of CLIP from 30 components on",
                _PAPER,
                {f"k={k}": _both(at, d, "CLIP", "CUA", k) for k in late},
            )


def _both(at: Mapping[Any, Row], d: int, first: str, second: str, k: int) -> tuple[float, float]:
    quantity = f"explained_variance_at_{k}/x"
    return at[d, first].middle(quantity), at[d, second].middle(quantity)

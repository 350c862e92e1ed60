"""E11: how few dimensions the output of a network with random weights keeps, layer by layer."""

import math
import os
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crossgap import measure
from crossgap.measure.effective_dimension import components_for_share
from crossgap.measure.entropy_rank import entropy_rank_of
from crossgap.measure.participation_ratio import participation_ratio_of
from crossgap.measure.spectrum_values import spectrum_values
from crossgap.reproduce.kept_runs import KeptRuns
from crossgap.reproduce.table import Ordering, Progress, Row, Table, check_counts, rising

__all__ = ["relu_layer", "run"]

_SEEDS = {"small": 3, "full": 10}
_SHARE = 0.99
_COLUMNS = (
    "effective_dimension",
    "effective_dimension_raw",
    "participation_ratio",
    "entropy_rank",
    "first_share",
    "within_cosine",
)
_HEADINGS = {
    "effective_dimension": "n99",
    "effective_dimension_raw": "n99, raw rows",
    "participation_ratio": "PR",
    "entropy_rank": "entropy rank",
    "first_share": "1st component",
    "within_cosine": "within cos",
}
_PAPER = "Zhang 2024"
_SOURCES = {
    _PAPER: (
        "arXiv 2401.08567 and the authors' notebook: a plot of the spectrum at every fifth layer, which steepens, and "
        "an effective dimension that falls with depth; no numbers are printed."
    )
}


def relu_layer(rows: Tensor, *, generator: torch.Generator, width: int | None = None) -> Tensor:
    """Apply one layer of random weights without bias and a ReLU, and bring the batch to mean square 1.

    Formula::

        relu(X W^T),   W_ij ~ U(-a, a),   a = sqrt(6 / (d_in + d_out))        (Xavier)

    How to read it: without a bias a ReLU layer passes the length of a row through, so that the rescaling changes no
    direction; it keeps fifty layers, each of which halves the mean square, from underflow.

    Parameters
    ----------
    rows
        Inputs (n, d_in).
    generator
        Where the weights are drawn from.
    width
        Outputs d_out; as many as inputs without it.

    Examples
    --------
    >>> import torch
    >>> found = relu_layer(torch.eye(3), generator=torch.Generator().manual_seed(0), width=64)
    >>> found.shape, round(float(found.square().mean()), 4), bool((found >= 0).all())
    (torch.Size([3, 64]), 1.0, True)
    """
    width = rows.shape[1] if width is None else width
    reach = math.sqrt(6 / (rows.shape[1] + width))
    drawn = torch.rand(width, rows.shape[1], generator=generator, dtype=torch.float32)
    weights = drawn.mul_(2).sub_(1).mul_(reach).to(rows.device, rows.dtype)
    out = torch.relu_(rows @ weights.T)
    return out.div_(out.square().mean().sqrt())


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    seeds: int | None = None,
    depth: int = 50,
    width: int = 512,
    rows: int = 10_000,
    every: int = 5,
    device: str = "cpu",
) -> Table:
    """Send Gaussian inputs through a deep ReLU network with random weights, and count the dimensions on the way.

    How to read it: layer 0 is the input, round in all its dimensions. n99 directions hold 99 % of the variance of the
    unit rows; it falls with depth while the cosine of two rows rises to 1: an untrained tower sends everything into a
    narrow cone that has few dimensions, and the rest of its coordinates are nearly constant. Two towers have different
    constants: that is the gap before training. "raw rows" counts on rows with their lengths, as the source does.

    Parameters
    ----------
    scale
        "small": 3 networks. "full": 10; the source's network is this one at either scale.
    seed
        Of the first network and its inputs.
    output
        Where to write the JSON of the table; None for nowhere. Beside it each network's result is kept, so that a
        killed run goes on.
    progress
        Called after each layer.
    seeds
        Networks, other than that of the scale.
    depth, width, rows, every
        Layers, coordinates of each, inputs, and layers from one line to the next.
    device
        Where to compute: "cpu", "cuda".

    Returns
    -------
    One row for each layer that is looked at.

    Raises
    ------
    ValueError
        If ``scale`` is unknown or a number is below 1.

    Notes
    -----
    Cost: 2 n d^2 flops a layer and n d^2 + 4/3 d^3 in float64 a line: 10 s a network on one core. Weights from
    Xavier's uniform law, no biases, float32.

    References
    ----------
    Zhang, Sui, Yeung-Levy, *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, the appendix on dimension
    collapse; Liang et al., *Mind the Gap*, NeurIPS 2022, arXiv 2203.02053, section 3, on the cone.
    """
    if scale not in _SEEDS:
        raise ValueError(f"scale must be 'small' or 'full', but it is {scale!r}; choose one.")
    check_counts(seeds=seeds, depth=depth, width=width, every=every)
    if rows < 2:
        raise ValueError(f"rows must be at least 2, but it is {rows}; the source sends 10,000 inputs.")
    count = _SEEDS[scale] if seeds is None else seeds
    settings = {"depth": depth, "width": width, "rows": rows, "every": every, "device": device}
    kept = KeptRuns(output, {"experiment": "collapse_with_depth", **settings})
    found: list[dict[int, dict[str, float]]] = []
    for turn in range(count):
        key = {"seed": seed + turn}
        layers = kept.get(key)
        if layers is None:
            layers = _collapsing(settings, seed + turn, progress, (turn * depth, count * depth))
            kept.put(key, layers)
        elif progress is not None:
            progress((turn + 1) * depth, count * depth, f"seed {seed + turn}")
        found.append({int(layer): measured for layer, measured in layers.items()})
    lines = tuple(
        Row(
            condition={"layer": layer},
            measured={name: tuple(network[layer][name] for network in found) for name in _COLUMNS},
        )
        for layer in found[0]
    )
    table = Table(
        name="collapse_with_depth",
        title=f"{rows} Gaussian inputs through {depth} random ReLU layers of width {width}, {count} networks",
        columns=_COLUMNS,
        rows=lines,
        sources=_SOURCES,
        orderings=_orderings(lines),
        settings={"scale": scale, "seed": seed, "seeds": count, **settings},
        headings=_HEADINGS,
    )
    if output is not None:
        table.write(output)
    return table


def _collapsing(
    settings: dict[str, Any], seed: int, progress: Progress | None, done: tuple[int, int]
) -> dict[str, dict[str, float]]:
    """Measure one network at each layer that is looked at; the names are those layers."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(settings["rows"], settings["width"], generator=generator).to(settings["device"])
    found = {"0": _measured(rows)}
    for layer in range(1, settings["depth"] + 1):
        rows = relu_layer(rows, generator=generator)
        if layer % settings["every"] == 0 or layer == settings["depth"]:
            found[str(layer)] = _measured(rows)
        if progress is not None:
            progress(done[0] + layer, done[1], f"seed {seed}, layer {layer}")
    return found


def _measured(rows: Tensor) -> dict[str, float]:
    x = rows.cpu().numpy()
    values = spectrum_values(x)
    raw = np.clip(np.linalg.eigvalsh(np.cov(x.T.astype(np.float64)))[::-1], 0.0, None)
    return {
        "effective_dimension": float(components_for_share(values, _SHARE)),
        "effective_dimension_raw": float(components_for_share(raw, _SHARE)),
        "participation_ratio": float(participation_ratio_of(values)),
        "entropy_rank": float(entropy_rank_of(values)),
        "first_share": float(values[0] / values.sum()),
        "within_cosine": float(measure.within_cosine(x)),
    }


def _orderings(rows: tuple[Row, ...]) -> tuple[Ordering, ...]:
    def of(quantity: str, sign: float = 1.0) -> dict[str, float]:
        return {f"layer {row.condition['layer']}": sign * row.middle(quantity) for row in rows}

    steeper = rising("so does its head: the share of the first component rises", _PAPER, of("first_share"))
    falling = [
        Ordering(
            sentence=sentence,
            source=_PAPER,
            held=rising(sentence, _PAPER, of(quantity, -1.0)).held,
            numbers=", ".join(f"{layer} {value:.1f}" for layer, value in of(quantity).items()),
        )
        for quantity, sentence in (
            ("effective_dimension", "n99 falls with depth, at every line"),
            ("effective_dimension_raw", "so it does on raw rows, as in the source"),
            ("entropy_rank", "the spectrum as a whole steepens with depth: the entropy rank falls"),
        )
    ]
    return (*falling, steeper)

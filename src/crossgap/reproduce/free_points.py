"""E7 without networks: two clouds of free points on the sphere, moved by the contrastive loss alone."""

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from crossgap.losses.clip import clip_loss
from crossgap.losses.temperature import LogitScale
from crossgap.reproduce.sphere import check_stages, measure_stage, sphere_table
from crossgap.reproduce.sphere_picture import SphereStage, write_sphere_picture
from crossgap.reproduce.table import Progress, Table, check_counts
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.optimisers import adamw
from crossgap.train.pairs import PairedTensors
from crossgap.train.run import TrainingRun

__all__ = ["opposite_clouds", "run"]

LEARNING_RATE = 0.01
TEMPERATURE = 0.01
_SIZES = {  # points of a cloud, steps, stages
    "small": (256, 1000, (0, 100, 300, 500, 650, 1000)),
    "full": (4096, 10_000, (0, 100, 500, 1000, 3000, 10_000)),
}


class _FreePoints(nn.Module):
    """Points that are their own parameters: input i gives point i."""

    def __init__(self, points: Tensor) -> None:
        super().__init__()
        self.points = nn.Parameter(points.clone())

    def forward(self, index: Tensor) -> Tensor:
        return self.points[index]


def opposite_clouds(n: int, *, seed: int, spread: float = 0.1) -> tuple[Tensor, Tensor]:
    """Two small clouds at opposite poles, of unit rows.

    Formula::

        x_i = a / |a|,  a ~ N((0, 1, 0), spread^2 I)        y_i = b / |b|,  b ~ N((0, -1, 0), spread^2 I)

    Parameters
    ----------
    n
        Points of each.
    seed
        Of the draw.
    spread
        Standard deviation of each coordinate.

    Returns
    -------
    Two float32 tensors (n, 3).

    Examples
    --------
    >>> x, y = opposite_clouds(100, seed=0)
    >>> x.shape, bool((x[:, 1] > 0.5).all()), bool((y[:, 1] < -0.5).all())
    (torch.Size([100, 3]), True, True)
    """
    generator = torch.Generator().manual_seed(seed)
    pole = torch.tensor([0.0, 1.0, 0.0])
    clouds = [side * pole + spread * torch.randn(n, 3, generator=generator) for side in (1.0, -1.0)]
    x, y = (nn.functional.normalize(cloud, dim=1) for cloud in clouds)
    return x, y


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    seeds: int | None = None,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    points: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    stages: Sequence[int] | None = None,
    device: str = "cpu",
) -> Table:
    """Move two opposite clouds of points by the contrastive loss, and measure and draw them at several moments.

    How to read it: no network and no data are left, only the loss. From a gap of nearly 2 the clouds spread to rings,
    meet and cover the sphere together, if the points are few (256 or 384 a side). With 512 a side they stay on two
    parallel rings, a gap of 0.38 apart, for 10,000 steps: the loss alone need not close a gap even in three dimensions.

    Parameters
    ----------
    scale
        "small": 256 points a side, 1,000 steps, some seconds on one core. "full": 4,096 points, 10,000 steps.
    seed
        First seed.
    seeds
        Number of seeds: 4 where None at small scale, 1 at full scale. The picture is of the first.
    output
        File that the table is written to as JSON; the picture lies beside it under the same name, as .svg, .png and
        in words as .txt.
    progress
        Called after each seed.
    points, steps, stages
        Sizes other than those of the scale; stages are numbers of steps, the last one the end.
    batch_size
        Points of each side in a step; None for all.
    device
        Where to compute: "cpu", "cuda".

    Returns
    -------
    The table: one row for each stage.

    Raises
    ------
    ValueError
        If ``scale`` is unknown, or a stage is not from 0 to the number of steps.

    Notes
    -----
    AdamW with learning rate 0.01, torch's momenta (0.9, 0.999) and no weight decay, temperature 0.01, all points in
    each step. Only directions count: the points' lengths are free and change little.

    References
    ----------
    Welle, *Understanding the Modality Gap in CLIP*, ICLR 2023 Tiny Papers, whose toy this is.
    """
    check_counts(seeds=seeds)
    if scale not in _SIZES:
        raise ValueError(f"scale must be 'small' or 'full', but it is {scale!r}; choose one.")
    n, length, moments = _SIZES[scale]
    n, length = n if points is None else points, length if steps is None else steps
    if stages is None and steps is not None:
        moments = (0, length)
    moments = tuple(sorted(set(moments if stages is None else stages)))
    check_stages(moments, length)
    count = seeds if seeds is not None else 4 if scale == "small" else 1
    found: dict[int, list[dict[str, float]]] = {moment: [] for moment in moments}
    drawn: list[SphereStage] = []
    for number in range(count):
        for step, x, y in _moved(n, length, moments, seed + number, n if batch_size is None else batch_size, device):
            found[step].append(measure_stage(x, y))
            if number == 0:
                drawn.append(SphereStage(when=f"step {step}", x=x, y=y))
        if progress is not None:
            progress(number + 1, count, f"seed {seed + number}")
    table = sphere_table(
        found,
        title=f"{n} free points a side, moved by the contrastive loss at temperature 0.01",
        settings={
            "scale": scale,
            "seed": seed,
            "seeds": count,
            "points": n,
            "steps": length,
            "temperature": TEMPERATURE,
        },
        unit="step",
        name="free-points",
        shape="ring",
    )
    if output is not None:
        table.write(output)
        write_sphere_picture(drawn, Path(output).with_suffix(""), names=("cloud 1", "cloud 2"), title=table.title)
    return table


def _moved(
    n: int, steps: int, moments: Sequence[int], seed: int, batch_size: int, device: str
) -> list[tuple[int, Tensor, Tensor]]:
    """Return the unit rows of both clouds at each moment."""
    x, y = opposite_clouds(n, seed=seed)
    model = DualEncoder(_FreePoints(x), _FreePoints(y), LogitScale(1 / TEMPERATURE, learnable=False)).to(device)
    numbers = torch.arange(n)
    run = TrainingRun(
        model,
        clip_loss,
        PairedTensors(numbers, numbers),
        optimiser=adamw(model, learning_rate=LEARNING_RATE, weight_decay=0.0, betas=(0.9, 0.999)),
        batch_size=batch_size,
        epochs=-(-steps * batch_size // n),
        seed=seed,
    )
    kept = []
    turns = iter(run)
    for moment in moments:
        while run.step < moment:
            next(turns)
        with torch.no_grad():
            rows = [encode(numbers.to(device)).cpu() for encode in (model.encode_x, model.encode_y)]
        kept.append((moment, rows[0], rows[1]))
    return kept

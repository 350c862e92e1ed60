"""Two networks that see the same inputs: encoders of one modality, drawn without a gap and trained."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from crossgap import measure
from crossgap.errors import DegenerateError
from crossgap.geometry.procrustes import orthogonal_procrustes
from crossgap.losses.clip import clip_loss
from crossgap.losses.temperature import LogitScale
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.optimisers import adamw
from crossgap.train.pairs import PairedTensors
from crossgap.train.run import TrainingRun
from crossgap.train.towers import mlp_tower

__all__ = [
    "TurnedTower",
    "TwinSettings",
    "Twins",
    "align_twins",
    "draw_twins",
    "encode_both",
    "follow",
    "share_at_rest",
    "starts_together",
    "train_twins",
]

Watch = Callable[[int, Tensor, Tensor], None]

INPUT_DIMENSION = 64
INPUT_MEAN = 2.0
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 0.1
MOST_SEPARABLE = 0.6
MOST_DRAWS = 50


@dataclass(frozen=True, kw_only=True)
class TwinSettings:
    """Sizes of two multilayer perceptrons that see the same points, and of their training.

    Parameters
    ----------
    points
        Training points, drawn from N(2, 1) in 64 dimensions; the offset makes the cone.
    hidden, layers, dimension
        Width and number of the layers, and dimension of the shared space; see ``mlp_tower``.
    batch_size, epochs, temperature
        Of the training with ``clip_loss`` at a fixed logit scale of 1 / temperature.
    beta2
        Second momentum of AdamW, whose first is 0.9.
    gap_at_init
        Share of the first gap that is left at the start, from 0 to 1; None leaves the encoders as they are drawn.
    """

    points: int = 512
    hidden: int = 128
    layers: int = 3
    dimension: int = 512
    batch_size: int = 128
    epochs: int = 150
    temperature: float = 0.07
    beta2: float = 0.99
    gap_at_init: float | None = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Twins:
    """Two encoders before training, their inputs, and how many draws were thrown away to get them."""

    model: DualEncoder
    inputs: Tensor
    redraws: int


class TurnedTower(nn.Module):
    """A tower whose unit rows are multiplied by a fixed orthogonal matrix: rows W^T.

    Parameters
    ----------
    tower
        Module from inputs to vectors (B, d).
    matrix
        W (d, d); not trained, but saved with the weights.
    """

    matrix: Tensor

    def __init__(self, tower: nn.Module, matrix: Tensor) -> None:
        super().__init__()
        self.tower = tower
        self.register_buffer("matrix", matrix)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return turned unit rows (B, d)."""
        rows = self.tower(inputs)
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        with torch.autocast(rows.device.type, enabled=False):
            return nn.functional.normalize(rows, dim=-1) @ self.matrix.T


def draw_twins(settings: TwinSettings, *, seed: int) -> Twins:
    """Draw points and two networks, and turn the second onto the first, without a gap to begin with.

    A rotation does not always make the two groups inseparable. A draw whose separability at the start is 0.6 or more
    (at ``gap_at_init`` 0 only) is thrown away and drawn again, since no gap could be said to be *created* there.

    Raises
    ------
    DegenerateError
        If 50 draws in turn are separable.
    """
    for redraws in range(MOST_DRAWS):
        generator = torch.Generator().manual_seed(seed + 1000 * redraws)
        inputs = torch.randn(settings.points, INPUT_DIMENSION, generator=generator) + INPUT_MEAN
        sizes = (INPUT_DIMENSION, settings.hidden, settings.layers, settings.dimension)
        x_tower, y_tower = (mlp_tower(*sizes, generator=generator) for _ in range(2))
        scale = 1 / settings.temperature
        held = LogitScale(scale, learnable=False, highest=max(100.0, scale), lowest=min(1.0, scale))
        model = DualEncoder(x_tower, y_tower, held)
        align_twins(model, inputs, gap_at_init=settings.gap_at_init)
        if settings.gap_at_init != 0:
            return Twins(model=model, inputs=inputs, redraws=redraws)
        if starts_together(model, inputs):
            return Twins(model=model, inputs=inputs, redraws=redraws)
    raise DegenerateError(
        f"two networks must start inseparable (linear separability below {MOST_SEPARABLE}), but {MOST_DRAWS} draws "
        f"from seed {seed} did not; use more points or another seed."
    )


def starts_together(model: DualEncoder, inputs: Tensor) -> bool:
    """Whether no plane tells the two encoders apart: linear separability below 0.6."""
    return float(measure.linear_separability(*encode_both(model, inputs))) < MOST_SEPARABLE


def align_twins(model: DualEncoder, inputs: Tensor, *, gap_at_init: float | None) -> None:
    """Turn the second encoder onto the first for good, by the rotation that fits best on some inputs.

    Formula::

        W = argmin over orthogonal W of sum_i |x_i + s (m_y - m_x) - W y_i|^2,    y_i becomes W y_i

    with m_x, m_y the means of the unit rows and s = ``gap_at_init``.

    How to read it: at s = 0 the two cones lie on each other; at s = 1 the targets lie where the second cone is
    already, so about the whole gap stays; in between a part of it.

    Parameters
    ----------
    model
        Its second tower is put in a ``TurnedTower``.
    inputs
        What both towers take, (n, ...).
    gap_at_init
        s, from 0 to 1, or None to change nothing.

    Raises
    ------
    ValueError
        If ``gap_at_init`` is not from 0 to 1.

    Notes
    -----
    The paper says that the second encoder is translated; its code turns it, as here (erratum 5). The rotation is
    fitted on the points themselves, and with fewer points than dimensions it fits them closely.

    References
    ----------
    Fahim, Murphy, Fyshe, arXiv 2405.18570, section 3.
    """
    if gap_at_init is None:
        return
    if not 0 <= gap_at_init <= 1:
        raise ValueError(
            f"gap_at_init must be from 0 to 1, or None for no rotation, but it is {gap_at_init}; 0 closes."
        )
    x, y = (rows.double() for rows in encode_both(model, inputs))
    targets = x + gap_at_init * (y.mean(dim=0) - x.mean(dim=0))
    found = orthogonal_procrustes(targets, y, unit=False)
    like = next(model.parameters())
    model.y_tower = TurnedTower(model.y_tower, found.matrix.to(like.device, torch.float32))


def train_twins(settings: TwinSettings, *, seed: int, watch: Watch | None = None) -> dict[str, float]:
    """Draw two encoders, train them with the contrastive loss, and measure on the training points.

    Parameters
    ----------
    settings
        Sizes and options.
    seed
        Of the points, the weights and the order of the points.
    watch
        Called with the number of epochs done and the unit rows of both encoders, before training and after each epoch.

    Returns
    -------
    What ``follow`` gives, and ``redraws``: how many draws were thrown away.
    """
    twins = draw_twins(settings, seed=seed)
    optimiser = adamw(
        twins.model, learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY, betas=(0.9, settings.beta2), decay_all=True
    )
    run = TrainingRun(
        twins.model,
        clip_loss,
        PairedTensors(twins.inputs, twins.inputs),
        optimiser=optimiser,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        seed=seed,
    )
    return follow(run, twins.inputs, watch=watch) | {"redraws": float(twins.redraws)}


def follow(run: TrainingRun, inputs: Tensor, *, watch: Watch | None = None) -> dict[str, float]:
    """Take all steps of a run of two encoders of one kind of input, and measure on the inputs before and after.

    Parameters
    ----------
    run
        At its start; its logit scale is fixed.
    inputs
        What both encoders take, (n, ...).
    watch
        Called with the number of epochs done and the unit rows of both encoders, before training and after each epoch.

    Returns
    -------
    By name: gap, separability and loss at the start (``/start``) and at the end, matched cosine, uniformity, recall,
    and the share of inputs at rest (``stable_region``). The loss at the start is that of the first batch, at the end
    the mean over the last epoch.
    """
    x, y = encode_both(run.model, inputs)
    found = {
        "centroid_distance/start": float(measure.centroid_distance(x, y)),
        "linear_separability/start": float(measure.linear_separability(x, y)),
    }
    if watch is not None:
        watch(0, x, y)
    losses: list[float] = []
    scale = 1.0
    for step in run:
        losses.append(step.loss)
        scale = scale if step.logit_scale is None else step.logit_scale  # a dual encoder always gives one
        if watch is not None and run.step % run.steps_per_epoch == 0:
            watch(step.epoch + 1, *encode_both(run.model, inputs))
    x, y = encode_both(run.model, inputs)
    last = losses[-run.steps_per_epoch :]
    return found | {
        "loss/start": losses[0],
        "centroid_distance": float(measure.centroid_distance(x, y)),
        "linear_separability": float(measure.linear_separability(x, y)),
        "loss": sum(last) / len(last),
        "matched_cosine": float(measure.matched_cosine(x, y)),
        "uniformity": float(measure.uniformity(x) + measure.uniformity(y)) / 2,
        "recall_at_1/x_to_y": float(measure.recall_at_k(x, y, k=1)),
        "stable_region": share_at_rest(x, y, temperature=1 / scale, batch_size=run.batch_size),
    }


def share_at_rest(x: Tensor, y: Tensor, *, temperature: float, batch_size: int) -> float:
    """Share of anchors of both sides that training leaves in place, each among the negatives of one batch.

    The mean of ``stable_region`` over consecutive batches and both directions; a last batch of one row is left out.
    """
    shares, sizes = [], []
    for first in range(0, len(x), batch_size):
        x_part, y_part = x[first : first + batch_size], y[first : first + batch_size]
        if len(x_part) >= 2:
            both = [
                measure.stable_region(*sides, temperature=temperature) for sides in ((x_part, y_part), (y_part, x_part))
            ]
            shares.append(float(sum(both)) / 2)
            sizes.append(len(x_part))
    return sum(size * share for size, share in zip(sizes, shares, strict=True)) / sum(sizes)


@torch.no_grad()
def encode_both(
    model: Any, inputs: Tensor, y_inputs: Tensor | None = None, *, batch_size: int = 256
) -> tuple[Tensor, Tensor]:
    """Return the unit rows of both encoders for all inputs, on the CPU; the model is left in evaluation mode.

    Without ``y_inputs`` both encoders see ``inputs``.
    """
    model.eval()
    device = next(model.parameters()).device
    sides = ((model.encode_x, inputs), (model.encode_y, inputs if y_inputs is None else y_inputs))
    x, y = (
        torch.cat([encode(part.to(device)).cpu() for part in torch.split(values, batch_size)])
        for encode, values in sides
    )
    return x, y

"""Two linear heads on stored features: the smallest dual encoder in which the gap lives, trained in a second."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from crossgap.data.synthetic import two_cone_pairs
from crossgap.losses.temperature import LogitScale
from crossgap.measure import retrieval_ranks_both
from crossgap.reproduce.table import Progress
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.gap_curves import gap_curve
from crossgap.train.optimisers import adamw
from crossgap.train.pairs import PairedTensors
from crossgap.train.run import TrainingRun
from crossgap.train.towers import linear_tower

__all__ = [
    "Loss",
    "Recipe",
    "TrainedRows",
    "World",
    "measure_rows",
    "measured_by_condition",
    "recalls",
    "synthetic_worlds",
    "train_heads",
    "trained_rows",
]

TRAINING_PAIRS = 2000
TEST_PAIRS = 1000


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How heads are trained. The defaults are those of the experiments on synthetic pairs."""

    learning_rate: float = 3e-3
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.99)
    batch_size: int = 64
    epochs: int = 15


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A loss as an experiment compares it: its function, the logit scale at which it is held, and how it is trained.

    ``function`` takes (x, y, logit_scale), as all of ``crossgap.losses``; bind options with ``functools.partial``.
    """

    function: Callable[..., Tensor]
    logit_scale: float
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """Features to train on and features to measure on, of one source.

    Parameters
    ----------
    x, y
        Training features (n, a) and (n, b), or (n, c, b) with c candidates an item, of which an epoch draws one.
    x_test, y_test
        The same for items that training never sees.
    """

    x: Tensor
    y: Tensor
    x_test: Tensor
    y_test: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedRows:
    """Unit rows of unseen items after one training: the condition it had, and both sides (y may keep candidates)."""

    d: int
    loss: str
    x: Tensor
    y: Tensor


def synthetic_worlds(count: int, *, seed: int = 0) -> Iterator[World]:
    """Yield worlds of the two-cone generator, with 2,000 pairs to train on and 1,000 to measure on.

    How to read it: world number w has seed ``seed + w``; a conclusion should hold over several, since single worlds
    differ more than single initialisations do.

    Parameters
    ----------
    count
        Number of worlds.
    seed
        Of the first.

    Examples
    --------
    >>> [tuple(world.x.shape) for world in synthetic_worlds(2)]
    [(2000, 128), (2000, 128)]
    """
    for number in range(count):
        x, y = (torch.from_numpy(rows) for rows in two_cone_pairs(TRAINING_PAIRS + TEST_PAIRS, seed=seed + number))
        train, test = slice(None, TRAINING_PAIRS), slice(TRAINING_PAIRS, None)
        yield World(x=x[train], y=y[train], x_test=x[test], y_test=y[test])


def train_heads(world: World, loss: Loss, *, d: int, seed: int) -> DualEncoder:
    """Train two bias-free linear heads of one world into d dimensions, at a fixed logit scale.

    Parameters
    ----------
    world
        Where the training features come from.
    loss
        What is minimised, and how.
    d
        Dimension of the shared space.
    seed
        Of both heads' weights, of the order of the pairs and of the choice among candidates.

    Returns
    -------
    The trained encoder, in evaluation mode.

    Notes
    -----
    Cost: about a second for 2,000 pairs and 15 epochs on one core. AdamW without a schedule; both heads are matrices,
    so weight decay meets all that is trained. The last, smaller batch of an epoch is kept.

    Examples
    --------
    >>> from crossgap.losses.clip import clip_loss
    >>> loss = Loss(function=clip_loss, logit_scale=30.0, recipe=Recipe(epochs=1))
    >>> world = next(synthetic_worlds(1))
    >>> tuple(train_heads(world, loss, d=8, seed=0).encode_x(world.x_test).shape)
    (1000, 8)
    """
    recipe = loss.recipe
    generator = torch.Generator().manual_seed(seed)
    x_tower, y_tower = (linear_tower(rows.shape[-1], d, generator=generator) for rows in (world.x, world.y))
    scale = LogitScale(loss.logit_scale, learnable=False, highest=max(100.0, loss.logit_scale))
    model = DualEncoder(x_tower, y_tower, scale)
    run = TrainingRun(
        model,
        loss.function,
        PairedTensors(world.x, world.y, several_y=world.y.ndim == 3, seed=seed),
        optimiser=adamw(
            model, learning_rate=recipe.learning_rate, weight_decay=recipe.weight_decay, betas=recipe.betas
        ),
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        seed=seed,
    )
    for _ in run:
        pass
    return model.eval()


def trained_rows(
    worlds: Sequence[World] | Iterable[World],
    losses: Mapping[str, Loss],
    *,
    dimensions: Sequence[int],
    heads: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> Iterator[TrainedRows]:
    """Train each loss at each d on each world, from several initialisations, and yield the rows of unseen items.

    How to read it: within a world and an initialisation, the losses start from the same weights and see the pairs in
    the same order.

    Parameters
    ----------
    worlds
        Sources of features.
    losses
        What to compare, by name.
    dimensions
        Values of d.
    heads
        Initialisations for each world; number h has seed ``seed + h``.
    seed
        Of the first initialisation.
    progress
        Called after each training.
    """
    worlds = list(worlds)
    total, done = len(worlds) * heads * len(dimensions) * len(losses), 0
    for d in dimensions:
        for name, loss in losses.items():
            for world in worlds:
                for head in range(heads):
                    model = train_heads(world, loss, d=d, seed=seed + head)
                    with torch.no_grad():
                        x, y = model.encode_x(world.x_test), model.encode_y(world.y_test)
                    done += 1
                    if progress is not None:
                        progress(done, total, f"{name}, d = {d}")
                    yield TrainedRows(d=d, loss=name, x=x, y=y)


def measure_rows(x: Tensor, y: Tensor) -> dict[str, float]:
    """All quantities of ``gap_curve`` of unit rows; with candidates (n, c, d) on the side of y, of all of them.

    How to read it: with candidates (five captions of a photo), the geometry is the mean over c of what pairs of an item
    and its candidate number c give, so that each comparison has groups of equal size; and recall searches among all
    n c candidates, where any of an item's own counts (x to y), and among the n items for each candidate (y to x).

    Examples
    --------
    >>> x = torch.eye(2)
    >>> found = measure_rows(x, torch.stack([x, x.flip(0)], dim=1))  # one right and one wrong caption each
    >>> found["recall_at_1/x_to_y"], found["recall_at_1/y_to_x"], found["alignment"]
    (1.0, 0.5, 1.0)
    """
    if y.ndim == 2:
        return dict(gap_curve(x, y))
    curves = [gap_curve(x, y[:, number]) for number in range(y.shape[1])]
    names = [name for name in curves[0] if not name.startswith("recall_at_") and all(name in one for one in curves)]
    return {name: float(np.mean([one[name] for one in curves])) for name in names} | recalls(x, y)


def recalls(x: Tensor, y: Tensor, *, lengths: Sequence[int] = (1, 5, 10)) -> dict[str, float]:
    """Recall at k in both directions, of n items and c candidates each (n, c, d), as ``measure_rows`` counts it."""
    n, c, d = y.shape
    items = np.arange(n)
    both = retrieval_ranks_both(x, y.reshape(n * c, d), x_items=items, y_items=np.repeat(items, c), check=False)
    return {
        f"recall_at_{k}/{direction}": float(ranks.recall_at_k(k))
        for direction, ranks in zip(("x_to_y", "y_to_x"), both, strict=True)
        for k in lengths
        if k <= ranks.gallery_size
    }


def measured_by_condition(
    runs: Iterable[TrainedRows], measure: Callable[[Tensor, Tensor], Mapping[str, float]] = measure_rows
) -> dict[tuple[int, str], dict[str, tuple[float, ...]]]:
    """Measure each run, and gather the values of all runs of a condition, by quantity.

    Examples
    --------
    >>> run = TrainedRows(d=2, loss="CLIP", x=torch.eye(2), y=torch.eye(2))
    >>> measured_by_condition([run, run])[2, "CLIP"]["centroid_distance"]
    (0.0, 0.0)
    """
    found: dict[tuple[int, str], dict[str, tuple[float, ...]]] = {}
    for run in runs:
        place = found.setdefault((run.d, run.loss), {})
        for quantity, value in measure(run.x, run.y).items():
            place[quantity] = (*place.get(quantity, ()), float(value))
    return found

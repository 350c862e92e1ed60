"""The spaces of four losses: linear heads trained on synthetic worlds, and unseen pairs of two kinds seen by them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossgap.data.synthetic import two_cone_pairs
from crossgap.reproduce.table import Progress

__all__ = ["DIMENSION", "LIKE", "PAIRS", "SPACES", "UNLIKE", "TrainedSpace", "trained_spaces"]

DIMENSION = 64
LIKE, UNLIKE = "like training", "unlike training"
SPACES = 8  # of each world: four losses, two kinds of pairs
PAIRS = 1000  # of each space
_TRAINING = 2000


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedSpace:
    """Unit rows of 1,000 pairs that training never saw.

    Parameters
    ----------
    loss
        "CLIP", "InfoLOOB", "InfoNCE + Hopfield" or "CLOOB".
    pairs
        "like training" or "unlike training".
    world
        Number of the world, from 0.
    x, y
        Both sides in float64; row i of one matches row i of the other.
    """

    loss: str
    pairs: str
    world: int
    x: np.ndarray
    y: np.ndarray


def trained_spaces(
    *, worlds: int, heads: int = 1, seed: int = 0, progress: Progress | None = None
) -> Iterator[TrainedSpace]:
    """Train the four losses of ``loss_ablation`` on each world, and yield their spaces of both kinds of pairs.

    How to read it: the latent vectors are Gaussian, so these spaces have no clusters but those of the modalities. Pairs
    unlike those of training come through the same two networks, from latent vectors of another covariance and with
    more nuisance.

    Parameters
    ----------
    worlds
        Worlds; number w has seed ``seed + w``.
    heads
        Initialisations for each world; number h has seed ``seed + h``.
    seed
        Of the first world and of the first initialisation.
    progress
        Called after each training.

    Notes
    -----
    Cost: some 2 s a training on one core, before its two spaces.
    """
    from crossgap.reproduce.linear_heads import World, trained_rows
    from crossgap.reproduce.loss_ablation import LOSSES

    runs = trained_rows(
        [World(**parts) for parts in _worlds(worlds, seed)],
        LOSSES,
        dimensions=(DIMENSION,),
        heads=heads,
        seed=seed,
        progress=progress,
    )
    for place, trained in enumerate(runs):
        for pairs, rows in ((LIKE, slice(None, PAIRS)), (UNLIKE, slice(PAIRS, None))):
            yield TrainedSpace(
                loss={"InfoNCE": "CLIP"}.get(trained.loss, trained.loss),
                pairs=pairs,
                world=place // heads % worlds,
                x=trained.x[rows].double().numpy(),
                y=trained.y[rows].double().numpy(),
            )


def _worlds(count: int, seed: int) -> Iterator[dict[str, Any]]:
    import torch

    train, test = slice(None, _TRAINING), slice(_TRAINING, None)
    for number in range(count):
        drawn = two_cone_pairs(_TRAINING + 2 * PAIRS, seed=seed + number, unlike=PAIRS)
        x, y = map(torch.from_numpy, drawn)
        yield {"x": x[train], "y": y[train], "x_test": x[test], "y_test": y[test]}

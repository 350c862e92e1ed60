"""Five losses on real photos and captions: linear heads on the features of two frozen, pretrained towers."""

import itertools
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from crossgap.errors import FormatError
from crossgap.losses.clip import clip_loss
from crossgap.losses.cloob import cloob_loss
from crossgap.losses.cua import cua_loss, cuaxu_loss
from crossgap.losses.infoloob import infoloob_loss
from crossgap.reproduce.linear_heads import (
    Loss,
    Recipe,
    World,
    measure_rows,
    measured_by_condition,
    train_heads,
    trained_rows,
)
from crossgap.reproduce.table import Ordering, Progress, Row, Table, lower, ordering, rising

__all__ = ["LOSSES", "Trial", "photo_worlds", "read_towers", "run", "search_recipes", "with_recipe"]

TEST_PHOTOS = 200
RECIPE = Recipe(learning_rate=1e-3, epochs=50)
LOSSES = {
    "CLIP": Loss(function=clip_loss, logit_scale=100.0, recipe=RECIPE),
    "CUA": Loss(function=cua_loss, logit_scale=100.0, recipe=RECIPE),
    "CUAXU": Loss(function=cuaxu_loss, logit_scale=100.0, recipe=RECIPE),
    "InfoLOOB": Loss(function=infoloob_loss, logit_scale=30.0, recipe=RECIPE),
    "CLOOB": Loss(function=cloob_loss, logit_scale=30.0, recipe=RECIPE),
}
DIMENSIONS = (32, 64, 128)

_IMAGES, _TEXTS = "image_effnetlite0", "text_usem3"
_COLUMNS = (
    "centroid_distance",
    "linear_separability",
    "uniformity",
    "cross_uniformity",
    "alignment",
    "recall_at_1/x_to_y",
    "recall_at_5/x_to_y",
    "recall_at_10/x_to_y",
    "recall_at_1/y_to_x",
    "recall_at_5/y_to_x",
    "recall_at_10/y_to_x",
)


def read_towers(path: str | os.PathLike[str]) -> tuple[Tensor, Tensor]:
    """Read stored features: of photos (n, a), and of their c captions each (n, c, b).

    How to read it: the file is an .npz with the arrays ``image_effnetlite0`` and ``text_usem3``.

    Raises
    ------
    FormatError
        If the file is no .npz, an array is missing, or the shapes are not those above.
    OSError
        If there is no such file.
    """
    name, arrays = os.fspath(path), {}
    try:
        with zipfile.ZipFile(path) as archive:
            for key in (_IMAGES, _TEXTS):
                if f"{key}.npy" not in archive.namelist():
                    raise FormatError(f"{name!r} holds no array {key!r}; give the file of the frozen Flickr8k towers.")
                with archive.open(f"{key}.npy") as member:
                    arrays[key] = np.lib.format.read_array(member, allow_pickle=False).astype(np.float32)
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"{name!r} cannot be read as .npz ({error}); give the file as it was saved.") from error
    images, texts = arrays[_IMAGES], arrays[_TEXTS]
    if images.ndim != 2 or texts.ndim != 3 or len(images) != len(texts):
        raise FormatError(
            f"{name!r} must hold photos (n, a) and captions (n, c, b), but the shapes are {images.shape} and "
            f"{texts.shape}; keep one row a photo."
        )
    return torch.from_numpy(images), torch.from_numpy(texts)


def photo_worlds(path: str | os.PathLike[str], *, splits: int, seed: int = 0) -> Iterator[World]:
    """Yield splits of the photos: 200 to measure on, the others to train on, all captions with their photo.

    How to read it: split number s is drawn with seed ``seed + s``. Features are divided by the standard deviation of
    all entries of the training part, one number for each tower.

    Parameters
    ----------
    path
        The file of ``read_towers``.
    splits
        Number of splits.
    seed
        Of the first.

    Raises
    ------
    ValueError
        If there are too few photos to leave two for training.
    """
    images, texts = read_towers(path)
    n = len(images)
    if n < TEST_PHOTOS + 2:
        raise ValueError(f"there must be more than {TEST_PHOTOS + 1} photos, but there are {n}; give more.")
    for number in range(splits):
        order = torch.from_numpy(np.random.default_rng(seed + number).permutation(n))
        yield _split(images, texts, train=order[TEST_PHOTOS:], test=order[:TEST_PHOTOS])


def with_recipe(losses: Mapping[str, Loss]) -> dict[str, Loss]:
    """Return the losses of another experiment, to be trained as those of this one."""
    return {name: replace(loss, recipe=RECIPE) for name, loss in losses.items()}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One point of a search: what was tried, and the mean recall on the held-out part of the training photos."""

    loss: str
    logit_scale: float
    learning_rate: float
    epochs: int
    recall: float
    centroid_distance: float


def search_recipes(
    path: str | os.PathLike[str],
    *,
    losses: Mapping[str, Loss] | None = None,
    logit_scales: Sequence[float] = (),
    learning_rates: Sequence[float] = (3e-4, 1e-3, 3e-3),
    epochs: Sequence[int] = (20, 50, 100),
    held_out: int = 140,
    d: int = 64,
    splits: int = 3,
    heads: int = 1,
    seed: int = 0,
    progress: Progress | None = None,
) -> list[Trial]:
    """Try learning rates, lengths and logit scales on the training photos alone.

    How to read it: each split's 200 test photos are set aside first and not looked at; of the others ``held_out`` are
    kept from training and measured. ``recall`` is the mean of R@1, R@5 and R@10 in both directions, over splits and
    initialisations.

    Parameters
    ----------
    path
        The file of ``read_towers``.
    losses
        What to try; None for those of the experiment.
    logit_scales
        Scales to try; none for the scale of each loss.
    learning_rates, epochs
        Values to try.
    held_out
        Photos of the training part to measure on.
    d
        Dimension of the heads.
    splits, heads, seed
        As in ``run``.
    progress
        Called after each trial.
    """
    losses = LOSSES if losses is None else losses
    inner = [_inner_split(world, held_out, seed + number) for number, world in _numbered(path, splits, seed)]
    grid = [
        (name, scale, rate, length)
        for name, loss in losses.items()
        for scale in (logit_scales or (loss.logit_scale,))
        for rate, length in itertools.product(learning_rates, epochs)
    ]
    trials = []
    for done, (name, scale, rate, length) in enumerate(grid, start=1):
        recipe = replace(losses[name].recipe, learning_rate=rate, epochs=length)
        loss = replace(losses[name], logit_scale=scale, recipe=recipe)
        found = [_scores(world, loss, d=d, seed=seed + head) for world in inner for head in range(heads)]
        recall, gap = (float(np.mean(values)) for values in zip(*found, strict=True))
        trials.append(
            Trial(loss=name, logit_scale=scale, learning_rate=rate, epochs=length, recall=recall, centroid_distance=gap)
        )
        if progress is not None:
            progress(done, len(grid), f"{name}, scale {scale:g}, learning rate {rate:g}, {length} epochs")
    return trials


def _numbered(path: str | os.PathLike[str], splits: int, seed: int) -> Iterator[tuple[int, World]]:
    return enumerate(photo_worlds(path, splits=splits, seed=seed))


def _inner_split(world: World, held_out: int, seed: int) -> World:
    order = torch.from_numpy(np.random.default_rng([seed, held_out]).permutation(len(world.x)))
    return _split(world.x, world.y, train=order[held_out:], test=order[:held_out])


def _split(images: Tensor, texts: Tensor, *, train: Tensor, test: Tensor) -> World:
    parts = {}
    for name, features in (("x", images), ("y", texts)):
        scale = features[train].std()
        parts |= {name: features[train] / scale, f"{name}_test": features[test] / scale}
    return World(**parts)


def _scores(world: World, loss: Loss, *, d: int, seed: int) -> tuple[float, float]:
    model = train_heads(world, loss, d=d, seed=seed)
    with torch.no_grad():
        found = measure_rows(model.encode_x(world.x_test), model.encode_y(world.y_test))
    recall = np.mean([value for name, value in found.items() if name.startswith("recall_at_")])
    return float(recall), found["centroid_distance"]

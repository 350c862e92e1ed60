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
from crossgap.measure import centroid_distance
from crossgap.reproduce.linear_heads import (
    Loss,
    Recipe,
    World,
    measured_by_condition,
    recalls,
    train_heads,
    trained_rows,
)
from crossgap.reproduce.table import Ordering, Progress, Row, Table, check_counts, lower, ordering, rising

__all__ = ["LOSSES", "Trial", "photo_worlds", "read_towers", "run", "search_recipes", "with_recipe"]

TEST_PHOTOS = 200
RECIPE = Recipe(learning_rate=3e-3, epochs=40)  # does for all losses
LOSSES = {  # what search_recipes chose for each, at the logit scale of its paper
    "CLIP": Loss(function=clip_loss, logit_scale=100.0, recipe=Recipe(learning_rate=3e-3, epochs=15)),
    "CUA": Loss(function=cua_loss, logit_scale=100.0, recipe=RECIPE),
    "CUAXU": Loss(function=cuaxu_loss, logit_scale=100.0, recipe=RECIPE),
    "InfoLOOB": Loss(function=infoloob_loss, logit_scale=30.0, recipe=Recipe(learning_rate=3e-3, epochs=15)),
    "CLOOB": Loss(function=cloob_loss, logit_scale=30.0, recipe=Recipe(learning_rate=1e-2, epochs=40)),
}
DIMENSIONS = (32, 64, 128)

_FAHIM, _AZIZ = "Fahim 2024", "Aziz 2024"
_SOURCES = {
    _FAHIM: "claims of arXiv 2405.18570, made of CLIP ViT-B/32 fine-tuned on COCO.",
    _AZIZ: "claims of arXiv 2405.18867, made of CLIP and CLOOB ViT-B/16 trained on LAION-400M.",
}
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
        x, y = model.encode_x(world.x_test), model.encode_y(world.y_test)
    recall = np.mean(list(recalls(x, y).values()))
    return float(recall), float(centroid_distance(x, y.flatten(0, 1)))


def run(
    *,
    scale: str = "small",
    seed: int = 0,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    features: str | os.PathLike[str] | None = None,
    dimensions: Sequence[int] = DIMENSIONS,
    splits: int | None = None,
    heads: int = 3,
    one_recipe: bool = False,
) -> Table:
    """Train linear heads on 700 photos with each of five losses, and measure 200 photos that none has seen.

    How to read it: one row for each d and loss; the standard error is over all splits and initialisations, which share
    photos, so it is a little too small. Features, initialisations and the order of the photos are the same for all
    losses. A gap of 200 pairs without any offset is not 0 but about sqrt(alignment / 200), some 0.08, by chance.

    Parameters
    ----------
    scale
        "small": 3 splits; "full": 10.
    seed
        Of the first split and of the first initialisation.
    output
        Where to write the JSON of the table; None for nowhere.
    progress
        Called after each training.
    features
        The file of ``read_towers``; must be given.
    dimensions
        Values of d.
    splits
        Number of splits; None for that of ``scale``.
    heads
        Initialisations for each split.
    one_recipe
        Train all losses with one learning rate and for one number of epochs (3e-3, 40), in place of those that served
        each best. The gap of CLIP falls as training goes on, so a comparison at unequal lengths is of loss and length.

    Returns
    -------
    One row for each d and loss.

    Raises
    ------
    ValueError
        If ``scale`` is neither of the two, or ``features`` is missing.

    Notes
    -----
    Cost: 135 trainings, some four minutes on one core. Protocol of the captions: a training epoch draws one of a
    photo's five captions. Measured are all five: from image to text all 1,000 captions are searched and any of the
    photo's own counts; from text to image each of the 1,000 captions searches the 200 photos; geometry is the mean over
    the five of (photo, caption number c). The logit scales are those of the papers (100, and 30 for InfoLOOB and
    CLOOB), learning rate and length were chosen on photos held out of the training part (``search_recipes``).

    References
    ----------
    Fahim, Murphy, Fyshe, arXiv 2405.18570, and Fürst et al., arXiv 2110.11316, for the losses; Hodosh et al., *Framing
    Image Description as a Ranking Task*, JAIR 2013, for the photos (Flickr8k).
    """
    check_counts(splits=splits, heads=heads)
    if scale not in ("small", "full"):
        raise ValueError(f"scale must be 'small' or 'full', but it is {scale!r}; choose one.")
    if features is None:
        raise ValueError("features must name the file of the frozen towers, but it is missing; give features=PATH.")
    if splits is None:
        splits = 3 if scale == "small" else 10
    losses = with_recipe(LOSSES) if one_recipe else LOSSES
    worlds = list(photo_worlds(features, splits=splits, seed=seed))
    runs = trained_rows(worlds, losses, dimensions=dimensions, heads=heads, seed=seed, progress=progress)
    found = measured_by_condition(runs)
    rows = tuple(Row(condition={"d": d, "loss": name}, measured=found[d, name]) for d in dimensions for name in LOSSES)
    n = len(worlds[0].x)
    table = Table(
        name="frozen_towers",
        title=f"Heads on frozen towers: trained on {n} photos, measured on {TEST_PHOTOS} others, {splits}x{heads} runs",
        columns=_COLUMNS,
        rows=rows,
        sources=_SOURCES,
        orderings=tuple(_orderings(rows, dimensions)),
        settings={"scale": scale, "seed": seed, "splits": splits, "heads": heads, "dimensions": list(dimensions)}
        | {"one_recipe": one_recipe}
        | {"training_photos": n, "test_photos": TEST_PHOTOS, "batch_size": RECIPE.batch_size}
        | {"weight_decay": RECIPE.weight_decay}
        | {
            name: {
                "logit_scale": loss.logit_scale,
                "learning_rate": loss.recipe.learning_rate,
                "epochs": loss.recipe.epochs,
            }
            for name, loss in losses.items()
        },
        notes=(
            "An epoch trains on one caption of each photo. Image to text (x→y) searches all captions, and any of the "
            "photo's own counts; text to image searches with each caption; geometry is the mean over the captions.",
        ),
    )
    if output is not None:
        table.write(output)
    return table


def _orderings(rows: Sequence[Row], dimensions: Sequence[int]) -> Iterator[Ordering]:
    at = {(row.condition["d"], row.condition["loss"]): row for row in rows}

    def pairs(first: str, second: str, quantity: str, among: Sequence[int]) -> dict[str, tuple[float, float]]:
        return {f"d={d}": (at[d, first].middle(quantity), at[d, second].middle(quantity)) for d in among}

    gap, wide = "centroid_distance", [d for d in dimensions if d >= 64]
    if len(dimensions) > 1:
        yield rising("the gap of CLIP grows with d", _FAHIM, {f"d={d}": at[d, "CLIP"].middle(gap) for d in dimensions})
    yield lower("CUA has a smaller gap than CLIP", _FAHIM, pairs("CUA", "CLIP", gap, dimensions))
    yield lower("CUAXU has a smaller gap than CLIP", _FAHIM, pairs("CUAXU", "CLIP", gap, dimensions))
    if wide:
        yield lower("at d of 64 or more CUA has a smaller gap than CUAXU", _FAHIM, pairs("CUA", "CUAXU", gap, wide))
    yield lower("CUA is less separable than CLIP", _FAHIM, pairs("CUA", "CLIP", "linear_separability", dimensions))
    for quantity, word in (("uniformity", "uniformity"), ("cross_uniformity", "cross-uniformity")):
        yield lower(f"CUA has lower {word} than CLIP", _FAHIM, pairs("CUA", "CLIP", quantity, dimensions))
    yield lower("InfoLOOB has a smaller gap than CLIP", _AZIZ, pairs("InfoLOOB", "CLIP", gap, dimensions))
    yield lower("CLOOB has a smaller gap than CLIP", _AZIZ, pairs("CLOOB", "CLIP", gap, dimensions))
    for d in dimensions:
        recalls_at_1 = {name: at[d, name].middle("recall_at_1/x_to_y") for name in ("CLIP", "CUA", "CUAXU")}
        yield ordering(
            f"at d = {d} recall at 1 differs by at most 0.02 between CLIP, CUA and CUAXU",
            _FAHIM,
            max(recalls_at_1.values()) - min(recalls_at_1.values()) <= 0.02,
            recalls_at_1,
        )

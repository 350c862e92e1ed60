"""Pictures with words for them: drawn shapes that need no file, or picture files with stored features."""

import io
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crossgap.errors import DegenerateError, FormatError
from crossgap.losses.clip import clip_loss
from crossgap.losses.temperature import LogitScale
from crossgap.reproduce.linear_heads import Loss, World, train_heads
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.image_tower import convolutional_tower
from crossgap.train.optimisers import adamw
from crossgap.train.pairs import PairedTensors
from crossgap.train.pixels import decoded_pixels
from crossgap.train.run import TrainingRun
from crossgap.train.towers import linear_tower

__all__ = ["PictureWorld", "frozen_rows", "read_picture_world", "shape_world", "small_judge"]

_COLOURS = {
    "red": (214, 40, 40), "green": (40, 160, 60), "blue": (40, 80, 200), "yellow": (245, 205, 50),
    "purple": (130, 60, 170), "orange": (240, 130, 30), "black": (30, 30, 30), "pink": (245, 150, 190),
}  # fmt: skip
_SHAPES = ("disc", "square", "triangle", "ring", "cross", "diamond")
_SIZES = {"small": 0.17, "middle-sized": 0.24, "large": 0.31}
_ROWS, _COLUMNS = ("top", "middle", "bottom"), ("left", "centre", "right")
_DRAWN, _NUISANCE = 4, 16
_ARRAYS = ("image", "text", "picture", "name")


@dataclass(frozen=True, kw_only=True, eq=False)
class PictureWorld:
    """Items with a picture and a name, and the features of both by frozen networks that know nothing of each other.

    Parameters
    ----------
    pictures
        Bytes (n, 3, size, size).
    image, text
        Features (n, a) and (n, b).
    names
        Of the items.
    train, validation, test
        Numbers of the items of each part.
    """

    pictures: np.ndarray
    image: Tensor
    text: Tensor
    names: tuple[str, ...]
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def shape_world(*, size: int = 16, items: int = 900, seed: int = 0) -> PictureWorld:
    """Draw coloured shapes on white, and give picture and name features by two random networks.

    Formula::

        item = (6 shapes, 8 colours, 3 sizes, 9 places), distinct ones of the 1,296
        image features = ReLU(pixels W + b);     text features = ReLU([one-hot item; nuisance] V + c)

    How to read it: what matches is the item; the two random networks put their features into cones of their own, so
    that heads trained on them have a gap.

    Parameters
    ----------
    size
        Pixels a side.
    items
        How many; a sixth of them is for testing, a twelfth for choosing.
    seed
        Of the choice of items, of the networks and of the parts.
    """
    rng = np.random.default_rng([seed, 0x5A])
    kinds = (len(_SHAPES), len(_COLOURS), len(_SIZES), len(_ROWS), len(_COLUMNS))
    if not 24 <= items <= np.prod(kinds):
        raise ValueError(f"items must be from 24 to {np.prod(kinds)}, but it is {items}; change it.")
    numbers = rng.permutation(int(np.prod(kinds)))[:items]
    parts = np.stack(np.unravel_index(numbers, kinds), axis=1)
    pictures = np.stack([_drawn(part, size) for part in parts])
    hot = np.concatenate([np.eye(kind)[parts[:, place]] for place, kind in enumerate(kinds)], axis=1)
    known = np.concatenate([2 * hot, 1.5 * rng.standard_normal((items, _NUISANCE))], axis=1)
    return PictureWorld(
        pictures=pictures,
        image=_seen(2 - pictures.reshape(items, -1) / 127.5, rng),
        text=_seen(known, rng),
        names=tuple(_named(part) for part in parts),
        **_parts(items, seed),
    )


def read_picture_world(
    features: str | os.PathLike[str], pictures: str | os.PathLike[str], *, size: int, seed: int = 0
) -> PictureWorld:
    """Read features and the pictures they are of.

    Parameters
    ----------
    features
        An .npz with "image" (n, a), "text" (n, b), "picture" (n,), the file names, and "name" (n,).
    pictures
        A folder or a .zip of these files; transparent ones are put on white.
    size
        Pixels a side to which they are brought.
    seed
        Of the parts: a sixth of the items is for testing, a twelfth for choosing, the rest for training.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    FormatError
        If an array is missing or of another shape, or a file is no picture.
    DegenerateError
        If there are fewer than 24 items.
    """
    for place in (features, pictures):
        if not Path(place).exists():
            raise FileNotFoundError(
                f"there is no {os.fspath(place)!r}; give the features and the pictures they are of."
            )
    arrays = _arrays(os.fspath(features))
    image, text, files, names = (arrays[name] for name in _ARRAYS)
    n = len(image)
    if n < 24:
        raise DegenerateError(f"there must be at least 24 items, but there are {n}; give more.")
    return PictureWorld(
        pictures=_files(Path(pictures), [str(name) for name in files], size),
        image=torch.from_numpy(image.astype(np.float32)),
        text=torch.from_numpy(text.astype(np.float32)),
        names=tuple(map(str, names)),
        **_parts(n, seed),
    )


def frozen_rows(world: PictureWorld, *, dimension: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Train linear heads on the training pairs with CLIP's loss at scale 100, and return unit rows of all items.

    How to read it: the dual encoder of the experiment, frozen from then on; image rows (n, d), then text rows. Test
    items have no part in it.
    """
    train, test = torch.from_numpy(world.train), torch.from_numpy(world.test)
    pairs = World(x=world.image[train], y=world.text[train], x_test=world.image[test], y_test=world.text[test])
    model = train_heads(pairs, Loss(function=clip_loss, logit_scale=100.0), d=dimension, seed=seed)
    with torch.no_grad():
        return model.encode_x(world.image).numpy(), model.encode_y(world.text).numpy()


def small_judge(
    world: PictureWorld, *, seed: int, epochs: int = 20, width: int = 32
) -> Callable[[np.ndarray], np.ndarray]:
    """Train a convolutional dual encoder on the training pictures and texts, and return its picture side.

    How to read it: features (n, 64) of pictures for measuring what a generator makes. It is trained from scratch on
    pixels, apart from the dual encoder whose rows are the conditions, and it never sees a test item.

    Parameters
    ----------
    world
        Its training part is used.
    seed
        Of the weights and the order.
    epochs, width
        Of the training, and of the first stage of the network.
    """
    generator = torch.Generator().manual_seed(seed)
    train = torch.from_numpy(world.train)
    tower = convolutional_tower(64, width=width, generator=generator)
    texts = linear_tower(world.text.shape[1], 64, generator=generator)
    model = DualEncoder(tower, texts, LogitScale(30.0, learnable=False))
    run = TrainingRun(
        model,
        clip_loss,
        PairedTensors(torch.from_numpy(world.pictures)[train], world.text[train]),
        optimiser=adamw(model, learning_rate=2e-3, weight_decay=0.1),
        batch_size=64,
        epochs=epochs,
        seed=seed,
    )
    for _ in run:
        pass
    model.eval()

    def small_network(pictures: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            blocks = [
                model.encode_x(torch.from_numpy(pictures[start : start + 256]))
                for start in range(0, len(pictures), 256)
            ]
        return torch.cat(blocks).numpy()

    return small_network


def _arrays(name: str) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    try:
        with zipfile.ZipFile(name) as archive:
            for key in _ARRAYS:
                if f"{key}.npy" in archive.namelist():
                    with archive.open(f"{key}.npy") as member:
                        found[key] = np.lib.format.read_array(member, allow_pickle=False)
    except (zipfile.BadZipFile, EOFError, ValueError) as error:
        raise FormatError(f"{name!r} cannot be read as .npz ({error}); give the file as it was saved.") from error
    missing = [key for key in _ARRAYS if key not in found]
    if missing:
        raise FormatError(
            f"{name!r} must hold the arrays {', '.join(_ARRAYS)}, but it has no {missing[0]!r}; write it with "
            f"numpy.savez."
        )
    kinds = [found[key].dtype.kind for key in _ARRAYS]
    shapes = [found[key].shape for key in _ARRAYS]
    if list(map(len, shapes)) != [2, 2, 1, 1] or len({shape[0] for shape in shapes}) > 1 or kinds[:2] != ["f", "f"]:
        told = ", ".join(f"{key} is {found[key].dtype} {found[key].shape}" for key in _ARRAYS)
        raise FormatError(f"{name!r} must hold a row of numbers or a word of each array for each item, but {told}.")
    return found


def _parts(n: int, seed: int) -> dict[str, np.ndarray]:
    order = np.random.default_rng([seed, 0x9A]).permutation(n)
    test, validation = n // 6, n // 12
    return {"test": order[:test], "validation": order[test : test + validation], "train": order[test + validation :]}


def _seen(values: np.ndarray, rng: np.random.Generator, *, width: int = 512) -> Tensor:
    weights = rng.standard_normal((values.shape[1], width)) / np.sqrt(values.shape[1] / 4)
    rows = np.maximum(values @ weights + 2 * rng.standard_normal(width), 0)
    return torch.from_numpy((rows / rows.std()).astype(np.float32))


def _named(part: np.ndarray) -> str:
    shape, colour, size, row, column = part
    return f"{list(_SIZES)[size]} {list(_COLOURS)[colour]} {_SHAPES[shape]}, {_ROWS[row]} {_COLUMNS[column]}"


def _drawn(part: np.ndarray, pixels: int) -> np.ndarray:
    shape, colour, size, row, column = part
    side = pixels * _DRAWN
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    r = list(_SIZES.values())[size]
    y, x = (y - (0.34 + 0.16 * row)) / r, (x - (0.34 + 0.16 * column)) / r
    far = np.hypot(x, y)
    inside = {
        "disc": far <= 1,
        "square": np.maximum(abs(x), abs(y)) <= 0.88,
        "triangle": (y <= 0.8) & (abs(x) <= (y + 1) * 0.58),
        "ring": (far <= 1) & (far >= 0.55),
        "cross": np.minimum(abs(x), abs(y)) <= 0.3,
        "diamond": abs(x) + abs(y) <= 1.15,
    }[_SHAPES[shape]]
    inside = inside & (np.maximum(abs(x), abs(y)) <= 1.2)
    cover = inside.reshape(pixels, _DRAWN, pixels, _DRAWN).mean(axis=(1, 3))
    ink = np.array(list(_COLOURS.values())[colour], np.float64)[:, None, None]
    return np.round(255 + cover * (ink - 255)).astype(np.uint8)


def _files(place: Path, names: list[str], size: int) -> np.ndarray:
    try:
        archive = zipfile.ZipFile(io.BytesIO(place.read_bytes())) if place.is_file() else None
    except zipfile.BadZipFile as error:
        raise FormatError(f"{str(place)!r} is neither a folder nor a .zip ({error}); give the pictures.") from error
    found = np.empty((len(names), 3, size, size), np.uint8)
    for number, name in enumerate(names):
        try:
            data = (place / name).read_bytes() if archive is None else archive.read(name)
        except (KeyError, OSError):
            raise FileNotFoundError(f"{str(place)!r} holds no {name!r}; give the pictures of the features.") from None
        try:
            found[number] = decoded_pixels(data, size=size)
        except FormatError as error:
            raise FormatError(f"{name}: {error}") from None
    return found

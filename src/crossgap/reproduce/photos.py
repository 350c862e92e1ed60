"""Photos and captions from local files, and dual encoders of random weights to train on them from scratch."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crossgap.errors import DegenerateError, FormatError, MissingExtraError
from crossgap.train.caption_file import read_captions
from crossgap.train.pairs import seeded_generator
from crossgap.train.pixels import decoded_pixels

__all__ = ["first_captions", "photo_files", "random_clip", "read_photos"]

_ENDINGS = (".jpg", ".jpeg", ".png")


def photo_files(folder: str | os.PathLike[str], *, count: int, seed: int = 0) -> list[Path]:
    """Choose photos of a folder at random, in the order of their names; all of them where there are fewer.

    Raises
    ------
    FileNotFoundError
        If there is no such folder; nothing is downloaded.
    DegenerateError
        If it holds fewer than 10 photos.
    """
    place = Path(folder)
    if not place.is_dir():
        raise FileNotFoundError(f"there is no folder {str(place)!r} of photos; give a local one, as COCO's train2017.")
    files = sorted(file for file in place.iterdir() if file.suffix.lower() in _ENDINGS)
    if len(files) < 10:
        raise DegenerateError(
            f"{str(place)!r} must hold at least 10 photos ({', '.join(_ENDINGS)}), but it holds {len(files)}; "
            f"give another folder."
        )
    if count >= len(files):
        return files
    chosen = np.random.default_rng(seed).choice(len(files), size=count, replace=False)
    return [files[number] for number in sorted(chosen.tolist())]


def read_photos(files: list[Path], *, size: int) -> Tensor:
    """Return photos as bytes (n, 3, size, size), cut as ``decoded_pixels`` does.

    Raises
    ------
    FormatError
        If a file is no picture.
    MissingExtraError
        If pillow is not installed.
    """
    pixels = torch.empty((len(files), 3, size, size), dtype=torch.uint8)
    for place, file in enumerate(files):
        try:
            pixels[place] = torch.from_numpy(decoded_pixels(file.read_bytes(), size=size))
        except FormatError as error:
            raise FormatError(f"{str(file)!r} is no picture that can be read: {error}") from None
    return pixels


def first_captions(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the first caption of each photo that has one, by its file name; ``path`` as ``read_captions`` takes it."""
    return {name: several[0] for name, several in read_captions(path).items() if several}


def random_clip(*, vision: dict[str, Any] | None, text: dict[str, Any] | None, dimension: int, seed: int) -> Any:
    """Return a CLIP model of transformers with random weights: ViT-B/32 and its text tower where nothing else is said.

    Parameters
    ----------
    vision, text
        Settings of ``CLIPVisionConfig`` and ``CLIPTextConfig`` that differ from their defaults.
    dimension
        Of the shared space.
    seed
        Of the weights, by the library's own initialisation; torch's global generator stays as it was.

    Raises
    ------
    MissingExtraError
        If transformers is not installed.
    """
    try:
        from transformers import CLIPConfig, CLIPModel
    except ImportError:
        raise MissingExtraError("transformers is not installed; install it: pip install 'crossgap[encode]'.") from None
    config = CLIPConfig(vision_config=vision or {}, text_config=text or {}, projection_dim=dimension)
    state = torch.get_rng_state()
    torch.set_rng_state(seeded_generator(seed, purpose="weights of CLIP").get_state())
    try:
        return CLIPModel(config)
    finally:
        torch.set_rng_state(state)

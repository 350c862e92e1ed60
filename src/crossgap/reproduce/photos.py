"""Photos and captions from local files, and dual encoders of random weights to train on them from scratch."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crossgap.errors import DegenerateError, FormatError, MissingExtraError
from crossgap.train.pairs import seeded_generator

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
    """Return photos as bytes (n, 3, size, size): shorter side brought to ``size`` (bicubic), then the centre.

    Raises
    ------
    FormatError
        If a file is no picture.
    MissingExtraError
        If pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise MissingExtraError("pillow is not installed; install it: pip install 'crossgap[encode]'.") from None
    pixels = torch.empty((len(files), 3, size, size), dtype=torch.uint8)
    for place, file in enumerate(files):
        try:
            with Image.open(file) as picture:
                square = ImageOps.fit(picture.convert("RGB"), (size, size), Image.Resampling.BICUBIC)
        except (UnidentifiedImageError, OSError) as error:
            raise FormatError(f"{str(file)!r} is no picture that can be read ({error}); remove it.") from None
        pixels[place] = torch.from_numpy(np.asarray(square).copy()).permute(2, 0, 1)
    return pixels


def first_captions(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the first caption of each photo by its file name, from a file of captions in COCO's format.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is not JSON with "images" (id, file_name) and "annotations" (image_id, caption).
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        captions: dict[str, str] = {}
        for note in content["annotations"]:
            captions.setdefault(names[note["image_id"]], str(note["caption"]))
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {os.fspath(path)!r}; give COCO's captions_train2017.json.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"{os.fspath(path)!r} must be JSON with 'images' (id, file_name) and 'annotations' (image_id, caption), as "
            f"COCO's, but it is not ({type(error).__name__}: {error})."
        ) from None
    return captions


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

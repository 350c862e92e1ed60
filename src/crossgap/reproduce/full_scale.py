"""The papers' own protocol: a Hugging Face CLIP and COCO, both from local paths."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crossgap.errors import DegenerateError
from crossgap.losses.temperature import LogitScale
from crossgap.reproduce.linear_heads import Loss, TrainedRows
from crossgap.reproduce.published import SEEDS
from crossgap.reproduce.table import Progress
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.hugging_face import hugging_face_dual_encoder
from crossgap.train.hugging_face_text import hugging_face_inputs
from crossgap.train.images_and_captions import CaptionedPictures, read_images_and_captions
from crossgap.train.optimisers import adamw
from crossgap.train.run import TrainingRun

__all__ = ["FirstCaptionPairs", "check_paths", "fine_tuned_rows"]

_SAVE_EVERY = 1000  # steps
_NEEDED = {
    "model": "the folder of a Hugging Face CLIP",
    "images": "the pictures to train on",
    "captions": "their captions",
    "test_images": "the pictures to measure on",
    "test_captions": "their captions",
}


def check_paths(scale: str, paths: Mapping[str, Any]) -> None:
    """Raise unless ``scale`` is "small" and has no paths, or "full" and has all that ``fine_tuned_rows`` needs."""
    if scale not in ("small", "full"):
        raise ValueError(f"scale must be 'small' or 'full', but it is {scale!r}; choose one.")
    if scale == "small" and paths:
        raise ValueError(f"{', '.join(paths)} must be left out at scale 'small'; they are options of scale 'full'.")
    missing = [f"{name} ({what})" for name, what in _NEEDED.items() if paths.get(name) is None]
    if scale == "full" and missing:
        raise ValueError(f"scale 'full' needs local paths, but there is no {missing[0]}; nothing is downloaded.")


class FirstCaptionPairs:
    """Training pairs of a picture and its first caption, of which a batch holds no caption twice.

    How to read it: of pairs with the same caption in one batch the first stays, so that none is a false negative of
    another; such a batch is smaller. See ``TrainingPairs``.

    Parameters
    ----------
    pixels
        Pictures (n, 3, size, size), as bytes.
    captions
        First caption of each.
    tokens
        Their token ids (n, length).

    Examples
    --------
    >>> import torch
    >>> pairs = FirstCaptionPairs(torch.zeros(3, 3, 2, 2), ["a", "b", "a"], torch.tensor([[1], [2], [1]]))
    >>> pairs.batch(torch.tensor([2, 1, 0]), 0)[1].tolist()
    [[1], [2]]
    """

    def __init__(self, pixels: Tensor, captions: Sequence[str], tokens: Tensor) -> None:
        numbers: dict[str, int] = {}
        self.pixels, self.tokens = pixels, tokens
        self._same = torch.tensor([numbers.setdefault(caption, len(numbers)) for caption in captions])

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, index: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return pixels and token ids of the numbered pairs, less those whose caption is there already."""
        index = self.distinct(index)
        if len(index) < 2:
            raise DegenerateError(
                "a batch must hold two different captions, but all of one batch are alike; raise batch_size."
            )
        return self.pixels[index], self.tokens[index]

    def distinct(self, index: Tensor) -> Tensor:
        """Return the numbers whose caption no earlier one has."""
        seen: set[int] = set()
        kept = []
        for place, same in enumerate(self._same[index].tolist()):
            if same not in seen:
                seen.add(same)
                kept.append(place)
        return index[torch.tensor(kept, dtype=torch.int64)]


def fine_tuned_rows(
    losses: Mapping[str, Loss],
    *,
    dimensions: Sequence[int],
    model: str | os.PathLike[str],
    images: str | os.PathLike[str],
    captions: str | os.PathLike[str],
    test_images: str | os.PathLike[str],
    test_captions: str | os.PathLike[str],
    seeds: Sequence[int] = SEEDS,
    epochs: int = 9,
    batch_size: int = 64,
    learning_rate: float = 1e-6,
    size: int = 224,
    most: int | None = None,
    device: str | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Iterator[TrainedRows]:
    """Fine-tune a whole CLIP with both projections drawn anew, and yield the rows of the validation pairs.

    How to read it: the defaults are the protocol of Fahim et al.: AdamW at 1e-6 with betas 0.9 and 0.99 and a weight
    decay of 0.1 on everything, no schedule, batches of 64, 9 epochs, first captions, no augmentation, float32, the
    logit scale frozen at the loss's own. With ``openai/clip-vit-base-patch32`` and COCO train2017 and val2017 the
    numbers may be held against the published ones.

    Parameters
    ----------
    losses
        What to compare, by name; the logit scale is that of each, the recipe is not used.
    dimensions
        Dimensions of the new projections.
    model
        Local folder of the model: config.json, safetensors weights and the files of its tokeniser.
    images, captions
        Pictures to train on (folder or zip) and their captions, as ``read_images_and_captions`` takes them: COCO's
        ``train2017`` and ``captions_train2017.json``.
    test_images, test_captions
        Those to measure on: ``val2017`` and ``captions_val2017.json``.
    seeds
        One training for each: of the projections and of the order of the pairs.
    epochs, batch_size, learning_rate, size
        As named; ``size`` is the height and width of the pictures.
    most
        Read only the first so many pictures of each set; None for all.
    device
        Where to train: "cuda", "cpu"; None for CUDA where there is one.
    checkpoints
        Folder in which each training keeps its state every 1,000 steps and at its end, so that a run that was stopped
        goes on, and one that is done is not done again. None for nowhere.
    progress
        Called after each training.

    Raises
    ------
    FormatError
        If the model's folder has no tokeniser, or a file is damaged.
    FileNotFoundError
        If there is nothing at a path.
    DegenerateError
        If all captions of a batch are alike.

    Notes
    -----
    Cost: 3.5 hours and 7 GB for each of the 27 trainings on an RTX A5000, says the paper; and 18 GB of memory for the
    pictures of train2017 as bytes. A caption that occurs again in its batch is left out, in training as in the
    evaluation, whose batch is the whole set (4,962 of 5,000 pairs of val2017).

    References
    ----------
    Fahim, Murphy, Fyshe, *It's Not a Modality Gap*, arXiv 2405.18570, section 4 and table 13.
    """
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    encode = hugging_face_inputs(os.fspath(model)).encode
    train = _first_captions(read_images_and_captions(images, captions, size=size, most=most), encode)
    test = _first_captions(read_images_and_captions(test_images, test_captions, size=size, most=most), encode)
    kept = test.distinct(torch.arange(len(test)))
    total, done = len(dimensions) * len(losses) * len(seeds), 0
    for d in dimensions:
        for name, loss in losses.items():
            for seed in seeds:
                encoder = hugging_face_dual_encoder(
                    model,
                    projection_dimension=d,
                    logit_scale=LogitScale(loss.logit_scale, learnable=False),
                    seed=seed,
                ).to(device)
                run = TrainingRun(
                    encoder,
                    loss.function,
                    train,
                    optimiser=adamw(encoder, learning_rate=learning_rate, weight_decay=0.1, decay_all=True),
                    batch_size=batch_size,
                    epochs=epochs,
                    seed=seed,
                )
                _finish(run, None if checkpoints is None else Path(checkpoints, f"{_file_name(name)}-{d}-{seed}"))
                x, y = _encoded(encoder.eval(), test.pixels[kept], test.tokens[kept], batch_size, device)
                done += 1
                if progress is not None:
                    progress(done, total, f"{name}, d = {d}, seed {seed}")
                yield TrainedRows(d=d, loss=name, x=x, y=y)


def _finish(run: TrainingRun, checkpoint: Path | None) -> None:
    """Take the steps that are left, from a checkpoint where there is one."""
    path = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.safetensors")
    if path is not None and path.exists():
        run.restore(path)
    for record in run:
        if path is not None and ((record.step + 1) % _SAVE_EVERY == 0 or run.step == run.total_steps):
            run.save(path)


def _file_name(loss: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in loss.lower())


def _first_captions(pictures: CaptionedPictures, encode: Any) -> FirstCaptionPairs:
    captions = [several[0] for several in pictures.captions]
    return FirstCaptionPairs(pictures.pixels, captions, encode(captions))


def _encoded(model: DualEncoder, pixels: Tensor, tokens: Tensor, batch_size: int, device: str) -> tuple[Tensor, Tensor]:
    parts = []
    with torch.no_grad():
        for encode, inputs in ((model.encode_x, pixels), (model.encode_y, tokens)):
            rows = [
                encode(inputs[first : first + batch_size].to(device)) for first in range(0, len(inputs), batch_size)
            ]
            parts.append(torch.cat(rows).cpu())
    return parts[0], parts[1]

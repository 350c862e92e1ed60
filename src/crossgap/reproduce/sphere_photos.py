"""E7 at full scale: a CLIP in three dimensions, trained from scratch on photos and captions."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from crossgap.errors import DegenerateError
from crossgap.losses.clip import clip_loss
from crossgap.losses.temperature import LogitScale
from crossgap.reproduce.photos import first_captions, photo_files, random_clip, read_photos
from crossgap.reproduce.sphere import check_stages, measure_stage, sphere_table
from crossgap.reproduce.sphere_picture import SphereStage, write_sphere_picture
from crossgap.reproduce.table import Progress, Table
from crossgap.reproduce.twins import encode_both
from crossgap.train.hugging_face import hugging_face_dual_encoder
from crossgap.train.optimisers import adamw, cosine_schedule
from crossgap.train.pairs import PairedTensors
from crossgap.train.run import TrainingRun
from crossgap.train.tokeniser import WordTokeniser

__all__ = ["photo_stages"]

_MOST_TOKENS = 77
_STAGES = (0, 12, 37, 100, 150, 275)


def photo_stages(
    *,
    images: str | os.PathLike[str] | None = None,
    captions: str | os.PathLike[str] | None = None,
    seed: int = 42,
    seeds: int = 1,
    output: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    stages: Sequence[int] | None = None,
    photos: int = 1000,
    batch_size: int = 128,
    epochs: int = 300,
    temperature: float = 0.01,
    learning_rate: float = 1e-4,
    warmup_steps: int = 50,
    vision: Mapping[str, Any] | None = None,
    text: Mapping[str, Any] | None = None,
    device: str = "cpu",
    precision: Literal["float32", "bf16", "fp16"] = "float32",
) -> Table:
    """Train a CLIP with a shared space of three dimensions from random weights, and measure and draw its stages.

    Parameters
    ----------
    images, captions
        Folder of photos, and file of their captions in COCO's format; both are needed. The first caption of a photo
        counts.
    seed, seeds
        First seed and number of seeds; the picture is of the first.
    output
        File that the table is written to as JSON; the picture lies beside it.
    progress
        Called after each training.
    stages
        Epochs after which to measure and draw; None for those of the paper's figure.
    photos
        Pairs to train on, chosen at random.
    batch_size, epochs, temperature, learning_rate, warmup_steps
        Of AdamW with weight decay 0.1 on everything, momenta 0.9 and 0.99, and a cosine schedule.
    vision, text
        Settings of CLIP's two configs other than ViT-B/32's.
    device, precision
        Where and how to compute.

    Returns
    -------
    The table: one row for each stage.

    Raises
    ------
    ValueError
        If ``images`` or ``captions`` is missing, or a stage is not from 0 to ``epochs``.
    DegenerateError
        If fewer than 10 photos have a caption.
    FileNotFoundError, FormatError
        If a path is missing or a file cannot be read.

    Notes
    -----
    Weights start at random, so captions are numbered by a ``WordTokeniser`` made from them, and no vocabulary is
    needed. The paper's stored run has 128 pairs in one batch, its text about 1,000 pairs.
    """
    if images is None or captions is None:
        raise ValueError(
            "images and captions must both be given at full scale; name a folder of photos and COCO's file of captions."
        )
    moments = tuple(sorted(set(stages if stages is not None else (m for m in _STAGES if m <= epochs))))
    check_stages(moments, epochs)
    written = first_captions(captions)
    found: dict[int, list[dict[str, float]]] = {moment: [] for moment in moments}
    drawn: list[SphereStage] = []
    count = 0
    for number in range(seeds):
        own = seed + number
        files = [file for file in photo_files(images, count=10**9) if file.name in written]
        pixels, tokens, words = _read(files, written, photos, own, vision)
        count = len(pixels)
        config = {**(text or {}), "vocab_size": words + 1, "eos_token_id": words, "pad_token_id": 0, "bos_token_id": 0}
        clip = random_clip(vision=dict(vision or {}), text=config, dimension=3, seed=own)
        scale = LogitScale(1 / temperature, learnable=False, highest=max(100.0, 1 / temperature))
        model = hugging_face_dual_encoder(clip, logit_scale=scale).to(device)
        run = TrainingRun(
            model,
            clip_loss,
            PairedTensors(pixels, tokens),
            optimiser=adamw(model, learning_rate=learning_rate, weight_decay=0.1, decay_all=True),
            schedule=cosine_schedule(warmup_steps, epochs * -(-count // batch_size)),
            batch_size=batch_size,
            epochs=epochs,
            seed=own,
            precision=precision,
        )
        turns = iter(run)
        for moment in moments:
            while run.step < moment * run.steps_per_epoch:
                next(turns)
            x, y = encode_both(model, pixels, tokens)
            found[moment].append(measure_stage(x, y))
            if number == 0:
                drawn.append(SphereStage(when=f"epoch {moment}", x=x, y=y))
        if progress is not None:
            progress(number + 1, seeds, f"seed {own}")
    table = sphere_table(
        found,
        title=f"A CLIP in three dimensions on {count} photos and captions, by epoch",
        settings={
            "scale": "full",
            "seed": seed,
            "seeds": seeds,
            "photos": count,
            "batch_size": batch_size,
            "epochs": epochs,
            "temperature": temperature,
            "learning_rate": learning_rate,
            "precision": precision,
            "vision": dict(vision or {}),
            "text": dict(text or {}),
        },
    )
    if output is not None:
        table.write(output)
        write_sphere_picture(drawn, Path(output).with_suffix(""), title=table.title)
    return table


def _read(
    files: list[Path], written: Mapping[str, str], photos: int, seed: int, vision: Mapping[str, Any] | None
) -> tuple[Tensor, Tensor, int]:
    """Return pixels, token ids that end with the end token, and the id of that."""
    if len(files) < 10:
        raise DegenerateError(
            f"at least 10 photos must have a caption, but {len(files)} have; give the captions of these photos."
        )
    generator = torch.Generator().manual_seed(seed)
    chosen = sorted(torch.randperm(len(files), generator=generator)[:photos].tolist())
    kept = [files[place] for place in chosen]
    captions = [written[file.name] for file in kept]
    tokeniser = WordTokeniser.from_captions(captions)
    tokens = WordTokeniser(tokeniser.words, length=min(tokeniser.length, _MOST_TOKENS - 1)).encode(captions)
    end = len(tokeniser.words) + 2
    tokens = torch.cat([tokens, torch.zeros_like(tokens[:, :1])], dim=1)
    tokens[torch.arange(len(tokens)), (tokens != 0).sum(dim=1)] = end
    return read_photos(kept, size=int((vision or {}).get("image_size", 224))), tokens, end

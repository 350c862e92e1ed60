"""E5 at full scale: two vision transformers that see the same photos, turned onto each other at the start."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from torch import Tensor

from crossgap.errors import DegenerateError
from crossgap.losses.clip import clip_loss
from crossgap.losses.temperature import LogitScale
from crossgap.reproduce.photos import photo_files, random_clip, read_photos
from crossgap.reproduce.table import Progress, Reference, Row, Table, lower
from crossgap.reproduce.twins import align_twins, follow, starts_together
from crossgap.train.dual_encoder import DualEncoder
from crossgap.train.hugging_face import HuggingFaceTower
from crossgap.train.optimisers import adamw, cosine_schedule
from crossgap.train.pairs import PairedTensors
from crossgap.train.run import TrainingRun

__all__ = ["photo_table"]

_COLUMNS = (
    "centroid_distance/start",
    "centroid_distance",
    "linear_separability/start",
    "linear_separability",
    "loss/start",
    "loss",
    "matched_cosine",
    "stable_region",
    "redraws",
)
_DRAWS = 10
_TINY_TEXT = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
_PUBLISHED = {
    "centroid_distance/start": Reference.published(0.00, judged_by=0.05),
    "centroid_distance": Reference.published(0.06, judged_by=0.03),
    "linear_separability/start": Reference.published(0.50, judged_by=0.1),
    "linear_separability": Reference.published(1.00, judged_by=0.02),
    "loss/start": Reference.published(4.83, judged_by=0.1),
    "loss": Reference.published(0.00, judged_by=0.02),
}


def photo_table(
    images: str | os.PathLike[str],
    *,
    seed: int = 2,
    seeds: int = 1,
    gap_at_init: float | None = 0.0,
    progress: Progress | None = None,
    photos: int = 2048,
    dimension: int = 512,
    temperatures: Sequence[float] = (0.07, 0.01),
    batch_size: int = 128,
    epochs: int = 1200,
    learning_rate: float = 1e-4,
    warmup_steps: int = 100,
    vision: Mapping[str, Any] | None = None,
    device: str = "cpu",
    precision: Literal["float32", "bf16", "fp16"] = "float32",
) -> Table:
    """Train two image encoders of random weights on the same photos, and measure the gap before and after.

    Parameters
    ----------
    images
        Folder of photos.
    seed, seeds
        First seed and number of seeds; each fixes photos, weights and order.
    gap_at_init
        See ``crossgap.reproduce.twins.align_twins``.
    progress
        Called after each training.
    photos
        Photos to train on, chosen at random.
    dimension
        Of the shared space.
    temperatures
        Each is a row of the table; 0.07 is that of the paper's stored run, 0.01 that of its text.
    batch_size, epochs, learning_rate, warmup_steps
        Of AdamW with weight decay 0.1 on everything, momenta 0.9 and 0.99, and a cosine schedule.
    vision
        Settings of ``CLIPVisionConfig`` other than ViT-B/32's.
    device, precision
        Where and how to compute; "cuda" and "bf16" take less than an hour on a large GPU.

    Returns
    -------
    The table.

    Raises
    ------
    DegenerateError
        If ten draws of weights in turn start separable, or there are fewer than 10 photos.
    FileNotFoundError, FormatError
        If the folder is missing or a photo cannot be read.
    """
    rows = []
    count = 0
    for place, temperature in enumerate(temperatures):
        runs = []
        for number in range(seeds):
            own = seed + number
            size = int((vision or {}).get("image_size", 224))
            pixels = read_photos(photo_files(images, count=photos, seed=own), size=size)
            count = len(pixels)
            model, redraws = _drawn(pixels, temperature, dimension, vision, gap_at_init, own, device)
            pairs = PairedTensors(pixels, pixels)
            run = TrainingRun(
                model,
                clip_loss,
                pairs,
                optimiser=adamw(model, learning_rate=learning_rate, weight_decay=0.1, decay_all=True),
                schedule=cosine_schedule(warmup_steps, epochs * -(-count // batch_size)),
                batch_size=batch_size,
                epochs=epochs,
                seed=own,
                precision=precision,
            )
            runs.append(follow(run, pixels) | {"redraws": float(redraws)})
            if progress is not None:
                done = place * seeds + number + 1
                progress(done, len(temperatures) * seeds, f"temperature {temperature}, seed {own}")
        measured = {quantity: tuple(found[quantity] for found in runs) for quantity in _COLUMNS}
        rows.append(Row(condition={"temperature": temperature}, measured=measured, references={"paper": _PUBLISHED}))
    return Table(
        name="same-modality",
        title=f"Two image encoders of the same {count} photos, turned onto each other before training",
        columns=_COLUMNS,
        rows=tuple(rows),
        sources={"paper": "Fahim, Murphy, Fyshe, arXiv 2405.18570, Table 1."},
        orderings=tuple(
            lower(
                f"training creates a gap: distance and separability rise (temperature {row.condition['temperature']})",
                "paper",
                {
                    "distance": (row.middle("centroid_distance/start"), row.middle("centroid_distance")),
                    "separability": (row.middle("linear_separability/start"), row.middle("linear_separability")),
                },
            )
            for row in rows
        ),
        settings={
            "scale": "full",
            "seed": seed,
            "seeds": seeds,
            "gap_at_init": gap_at_init,
            "photos": count,
            "dimension": dimension,
            "batch_size": batch_size,
            "epochs": epochs,
            "learning_rate": learning_rate,
            "precision": precision,
            "vision": dict(vision or {}),
        },
        notes=("Weights that start with a separability of 0.6 or more are drawn again; 'redrawn' is how often.",),
        headings={"loss": "loss", "stable_region": "at rest", "redraws": "redrawn"},
    )


def _drawn(
    pixels: Tensor,
    temperature: float,
    dimension: int,
    vision: Mapping[str, Any] | None,
    gap_at_init: float | None,
    seed: int,
    device: str,
) -> tuple[DualEncoder, int]:
    for redraws in range(_DRAWS):
        first = 2 * (seed + 1000 * redraws)
        x_tower, y_tower = (
            HuggingFaceTower(
                random_clip(vision=dict(vision or {}), text=_TINY_TEXT, dimension=dimension, seed=own),
                "get_image_features",
            )
            for own in (first, first + 1)
        )
        held = LogitScale(1 / temperature, learnable=False, highest=max(100.0, 1 / temperature))
        model = DualEncoder(x_tower, y_tower, held).to(device)
        align_twins(model, pixels, gap_at_init=gap_at_init)
        if gap_at_init != 0 or starts_together(model, pixels):
            return model, redraws
    raise DegenerateError(
        f"two image encoders must start inseparable (linear separability below 0.6), but {_DRAWS} draws from seed "
        f"{seed} did not; give more photos or another seed."
    )

"""Pictures from embeddings of any modality, by a flow that has seen pictures alone."""

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
from torch import Tensor

from crossgap.close import Corruption, read_closer, read_closer_record, write_closer
from crossgap.data.atomic import atomic_path
from crossgap.errors import FormatError
from crossgap.train.checkpoint import load_model, save_model
from crossgap.train.optimisers import adamw, cosine_schedule
from crossgap.train.run import TrainingRun
from crossgap.train.tensor_file import read_record
from crossgap.transfer.pictures.picture_flow import PictureFlow, flow_loss
from crossgap.transfer.pictures.prepared_pictures import PreparedPictures
from crossgap.transfer.pictures.sampling import Sampling
from crossgap.transfer.preparation import ARMS, Preparation

__all__ = ["PictureGenerator", "fit_pictures"]

_FLOW, _PREPARATION, _CLOSER = "flow.safetensors", "preparation.safetensors", "closer.safetensors"


class PictureGenerator:
    """A preparation and a flow: embeddings in, pictures out.

    How to read it: the flow was fitted to pictures and their own embeddings (``fit_pictures``); it draws from a text
    because the preparation brings rows of texts to where those of pictures are.

    Parameters
    ----------
    preparation
        Fitted with ``learn_on`` the group of the pictures, and with rows of every group that will be used if it
        collapses.
    flow
        The trained network.

    Raises
    ------
    ValueError
        If the two have different dimensions.

    References
    ----------
    Zhang et al., *Connect, Collapse, Corrupt*, ICLR 2024, arXiv 2401.08567, section 4.3; there with LAFITE, a GAN.

    Examples
    --------
    >>> from crossgap.data import Embeddings
    >>> images, texts = np.eye(4) + [0, 0, 0, 0.5], np.eye(4) - [0, 0, 0, 0.5]
    >>> preparation = Preparation.fit(Embeddings.from_arrays(image=images, text=texts), learn_on="image")
    >>> flow = PictureFlow(4, size=8, channels=(8, 8))
    >>> pictures = np.zeros((4, 3, 8, 8), np.uint8)
    >>> losses = [step.loss for step in fit_pictures(images, pictures, preparation, flow, batch_size=4, epochs=2)]
    >>> PictureGenerator(preparation, flow).pictures(texts, group="text", sampling=Sampling(steps=2)).shape
    (4, 3, 8, 8)
    """

    def __init__(self, preparation: Preparation, flow: PictureFlow) -> None:
        if preparation.dimension != flow.dimension:
            raise ValueError(
                f"preparation and flow must have one dimension, but they have {preparation.dimension} and "
                f"{flow.dimension}; take those that were fitted together."
            )
        self.preparation, self.flow = preparation, flow

    def pictures(self, rows: Any, *, group: str, sampling: Sampling | None = None) -> np.ndarray:
        """Make a picture for each embedding (n, d) of a group: bytes (n, 3, size, size).

        Raises
        ------
        ValueError
            If the group has no mean, or the rows have another dimension or are not finite.
        """
        return self.flow.generate(self.preparation.rows(rows, group), sampling)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a new folder with all that ``load`` needs, whole or not at all.

        Raises
        ------
        OSError
            If it exists already or cannot be written.
        """
        preparation = self.preparation
        with atomic_path(folder) as place:
            place.mkdir()
            facts = {"arm": preparation.arm, "learn_on": preparation.learn_on}
            write_closer(preparation.corruption, place / _PREPARATION, facts=facts)
            if preparation.closer is not None:
                write_closer(preparation.closer, place / _CLOSER)
            save_model(self.flow, place / _FLOW, notes={"settings": self.flow.settings})

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> "PictureGenerator":
        """Read what ``save`` wrote; it makes the same pictures.

        Raises
        ------
        FormatError
            If a file is damaged or of something else.
        OSError
            If there is no such folder, or a file is missing from it.
        """
        place = Path(folder)
        corruption = read_closer(place / _PREPARATION)
        facts = read_closer_record(place / _PREPARATION).get("facts") or {}
        if not isinstance(corruption, Corruption) or facts.get("arm") not in ARMS or "learn_on" not in facts:
            raise FormatError(
                f"{str(place / _PREPARATION)!r} holds no preparation of a generator; give a folder that "
                f"PictureGenerator.save wrote."
            )
        closer = read_closer(place / _CLOSER) if (place / _CLOSER).exists() else None
        settings = (read_record(place / _FLOW).get("notes") or {}).get("settings")
        if not isinstance(settings, dict):
            raise FormatError(f"{str(place / _FLOW)!r} holds no flow; give a folder that PictureGenerator.save wrote.")
        flow = PictureFlow(**settings)
        load_model(flow, place / _FLOW)
        preparation = Preparation(corruption, arm=facts["arm"], learn_on=facts["learn_on"], closer=closer)
        return cls(preparation, flow.eval())


def fit_pictures(
    rows: Any,
    pictures: np.ndarray | Tensor,
    preparation: Preparation,
    flow: PictureFlow,
    *,
    batch_size: int = 32,
    epochs: int = 55,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.01,
    warmup_steps: int = 100,
    drop_condition: float = 0.1,
    seed: int = 0,
    precision: Literal["float32", "bf16", "fp16"] = "float32",
) -> TrainingRun:
    """Return a run that trains a flow on pictures and their own embeddings; iterate, save and resume it.

    Formula::

        AdamW, learning rate with a linear warm-up and half a cosine down to 0, gradient cut to length 1;  ``flow_loss``

    How to read it: no text, no pair, no other modality enters. The gradient is noisy, since times, noises and corrupted
    rows are drawn; many small steps serve better than few large ones.

    Parameters
    ----------
    rows
        Embeddings (n, d) of the pictures, as they come from the encoder.
    pictures
        Bytes (n, 3, size, size).
    preparation
        Fitted with ``learn_on`` the group of these rows.
    flow
        The network; it is trained in place.
    batch_size, epochs, learning_rate, weight_decay, seed, precision
        As in ``TrainingRun`` and ``adamw``.
    warmup_steps
        Steps of the warm-up; half of all steps where there are fewer than twice as many.
    drop_condition
        See ``PreparedPictures``.

    Raises
    ------
    ValueError
        If shapes do not agree, or a number is out of range.
    DegenerateError
        If there are fewer than two pictures.
    """
    pairs = PreparedPictures(rows, pictures, preparation, drop_condition=drop_condition, seed=seed)
    if tuple(pairs.pictures.shape[2:]) != (flow.size, flow.size):
        raise ValueError(
            f"pictures must have {flow.size} x {flow.size} pixels, as the flow was built for, but they have "
            f"{pairs.pictures.shape[2]} x {pairs.pictures.shape[3]}; resize them or build PictureFlow with their size."
        )
    run = TrainingRun(
        flow,
        flow_loss,
        pairs,
        optimiser=adamw(flow, learning_rate=learning_rate, weight_decay=weight_decay),
        batch_size=batch_size,
        epochs=epochs,
        seed=seed,
        gradient_clip=1.0,
        precision=precision,
    )
    if run.total_steps:
        run.schedule = cosine_schedule(min(warmup_steps, run.total_steps // 2), run.total_steps)
    return run

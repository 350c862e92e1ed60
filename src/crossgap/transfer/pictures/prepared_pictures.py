"""What a picture flow is trained on: prepared rows of pictures, the pictures, and what is drawn for them."""

import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crossgap.transfer.preparation import Preparation

__all__ = ["PreparedPictures"]

_STREAM = 0xF17


class PreparedPictures:
    """Rows of the group that is learned on and their pictures; what ``TrainingRun`` takes as ``pairs``.

    How to read it: no text is in it. All that is random is a function of the seeds, the epoch and the rows of the
    batch, so it differs in each epoch, and a resumed run sees the same.

    Parameters
    ----------
    rows
        Embeddings of the pictures (n, d), as they come from the encoder.
    pictures
        Bytes (n, 3, size, size).
    preparation
        Fitted with ``learn_on`` the group of these rows.
    drop_condition
        Share of items that are trained without condition, from 0 to below 1.
    seed
        Of the noise and times of the flow, and of which conditions are dropped; the noise on the rows has the seed of
        the preparation.

    Raises
    ------
    ValueError
        If the numbers of rows and pictures differ, the dimension is not that of the preparation, the pictures are no
        bytes of three channels, or ``drop_condition`` is out of range.

    Examples
    --------
    >>> from crossgap.data import Embeddings
    >>> rows = np.eye(4)
    >>> preparation = Preparation.fit(Embeddings.from_arrays(image=rows), learn_on="image")
    >>> pairs = PreparedPictures(rows, np.zeros((4, 3, 8, 8), np.uint8), preparation)
    >>> (first, drawn), (second, _) = pairs.batch(torch.tensor([2, 0]), 0), pairs.batch(torch.tensor([2, 0]), 1)
    >>> tuple(first.shape), tuple(drawn["noise"].shape), bool((first == second).any())
    ((2, 4), (2, 3, 8, 8), False)
    """

    def __init__(
        self, rows: Any, pictures: Any, preparation: Preparation, *, drop_condition: float = 0.1, seed: int = 0
    ) -> None:
        self.rows, self.pictures = np.asarray(rows), torch.as_tensor(pictures)
        shape = tuple(self.pictures.shape)
        if self.pictures.dtype != torch.uint8 or len(shape) != 4 or shape[1] != 3:
            raise ValueError(
                f"pictures must be bytes (n, 3, height, width), but they are {self.pictures.dtype} of shape {shape}; "
                f"give red, green and blue from 0 to 255 as uint8."
            )
        if self.rows.ndim != 2 or self.rows.shape[1] != preparation.dimension or len(self.rows) != shape[0]:
            raise ValueError(
                f"rows must have shape ({shape[0]}, {preparation.dimension}), one for each picture, but it is "
                f"{self.rows.shape}; give the embeddings of the pictures, in their order."
            )
        if not 0 <= drop_condition < 1:
            raise ValueError(f"drop_condition must be from 0 to below 1, but it is {drop_condition}; 0.1 is usual.")
        self.preparation, self.drop_condition, self.seed = preparation, drop_condition, seed

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def fingerprint(self) -> int:
        """Checksum of the prepared rows of the first epoch, of the pictures, and of what is drawn."""
        first = self.preparation.training_rows(self.rows, epoch=0)
        check = zlib.crc32(repr((self.seed, self.drop_condition)).encode(), zlib.crc32(first.tobytes()))
        return zlib.crc32(self.pictures.numpy().tobytes(), check)

    def batch(self, index: Tensor, epoch: int) -> tuple[Tensor, dict[str, Tensor]]:
        """Return prepared rows (B, d), and what ``PictureFlow`` takes beside them."""
        number = index.numpy()
        rows = self.preparation.training_rows(self.rows[number], epoch=epoch, index=number)
        pictures = self.pictures[index]
        draws = np.random.default_rng([self.seed, _STREAM, epoch, *number.tolist()])
        drawn = {
            "noise": draws.standard_normal(tuple(pictures.shape), dtype=np.float32),
            "time": (1 / (1 + np.exp(-draws.standard_normal(len(number))))).astype(np.float32),
            "dropped": draws.random(len(number)) < self.drop_condition,
        }
        return torch.from_numpy(rows), {"picture": pictures} | {key: torch.from_numpy(v) for key, v in drawn.items()}

"""What a decoder of captions is trained on: prepared rows, with noise of their epoch, and the tokens of their texts."""

import zlib

import numpy as np
import torch
from torch import Tensor

from crossgap.transfer.preparation import Preparation
from crossgap.transfer.prepared_rows import PreparedRows

__all__ = ["PreparedCaptions"]


class PreparedCaptions:
    """Rows and the tokens of their captions, prepared batch by batch; see ``TrainingRun``.

    Formula::

        batch(index, epoch) = (prepared rows (B, d), tokens (B, T) with -100 behind the end)

    How to read it: noise is a function of the preparation's seed, the epoch and the rows of the batch, so it differs in
    each epoch, and a resumed run sees the same.

    Parameters
    ----------
    rows
        Rows (n, d) of one group, as they are stored.
    tokens
        Tokens (n, T) of their texts, as ``tokens_of`` of a decoder gives them.
    preparation
        A fitted ``Preparation``.
    group
        None for rows of the group that is learned on, with noise; the name of a group for its rows without noise, as
        in fine-tuning on pairs.

    Raises
    ------
    ValueError
        If rows and texts differ in number, or there is no mean for the group.

    Examples
    --------
    >>> from crossgap.data import Embeddings
    >>> texts = np.array([[0.6, 0.8], [-0.6, 0.8]], np.float32)
    >>> preparation = Preparation.fit(Embeddings.from_arrays(text=texts), arm="C3", variance=0.01)
    >>> pairs = PreparedCaptions(texts, torch.tensor([[5, 0, -100], [7, 8, 0]]), preparation)
    >>> rows, tokens = pairs.batch(torch.tensor([0]), epoch=0)
    >>> tuple(rows.shape), tokens.tolist()  # as long as the longest of the batch
    ((1, 2), [[5, 0]])
    >>> bool((pairs.batch(torch.tensor([0]), epoch=1)[0] == rows).all())
    False
    """

    def __init__(self, rows: np.ndarray, tokens: Tensor, preparation: Preparation, *, group: str | None = None) -> None:
        if len(rows) != len(tokens):
            raise ValueError(
                f"there must be one text a row, but there are {len(rows)} rows and {len(tokens)} texts; align them."
            )
        self.rows = rows
        self._prepared = PreparedRows(rows, preparation, group=group)
        self.tokens = tokens.to(torch.int32)  # half the memory of 500,000 captions: 80 MB at 40 tokens
        self._lengths = (tokens >= 0).sum(dim=1)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def fingerprint(self) -> int:
        """Checksum of all rows and tokens, and of what is done to the rows."""
        return zlib.crc32(self.tokens.contiguous().numpy().data, self._prepared.fingerprint)

    def batch(self, index: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return prepared rows (B, d) and tokens (B, T), int64, as long as the longest of the batch."""
        tokens = self.tokens[index, : int(self._lengths[index].max())]
        return self._prepared.batch(index, epoch), tokens.long()

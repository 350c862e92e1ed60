"""What a head of attributes is trained on: prepared rows, with noise of their epoch, and the labels of each."""

import zlib

import numpy as np
import torch
from torch import Tensor

from crossgap.transfer.preparation import Preparation
from crossgap.transfer.prepared_rows import PreparedRows

__all__ = ["PreparedAttributes"]


class PreparedAttributes:
    """Rows and their labels, prepared batch by batch; see ``TrainingRun`` and ``AttributeHead``.

    Formula::

        batch(index, epoch) = (prepared rows (B, d), labels (B, A))

    How to read it: noise is a function of the preparation's seed, the epoch and the rows of the batch, as in
    ``PreparedCaptions``.

    Parameters
    ----------
    rows
        Rows (n, d) of one group, as they are stored.
    labels
        (n, A): 1 where the attribute holds, 0 where it does not, or a share.
    preparation
        A fitted ``Preparation``.
    group
        None for rows of the group that is learned on, with noise; the name of a group for its rows without noise.

    Raises
    ------
    ValueError
        If labels are not (n, A), or one lies outside of [0, 1]; if there is no mean for the group.

    Examples
    --------
    >>> from crossgap.data import Embeddings
    >>> texts = np.array([[0.6, 0.8], [-0.6, 0.8]], np.float32)
    >>> preparation = Preparation.fit(Embeddings.from_arrays(text=texts), arm="C2_1")
    >>> rows, labels = PreparedAttributes(texts, [[1, 0], [0, 1]], preparation).batch(torch.tensor([1]), epoch=0)
    >>> rows.tolist(), labels.tolist()
    ([[-1.0, 0.0]], [[0.0, 1.0]])
    """

    def __init__(self, rows: np.ndarray, labels: object, preparation: Preparation, *, group: str | None = None) -> None:
        found = np.array(labels, dtype=np.float32)
        if found.ndim != 2 or len(found) != len(rows):
            raise ValueError(
                f"labels must have shape ({len(rows)}, A), a line for each row, but it is {found.shape}; align them."
            )
        if not ((found >= 0) & (found <= 1)).all():
            raise ValueError("labels must lie in [0, 1], but some do not; give 1 where an attribute holds and 0 else.")
        self.labels = torch.from_numpy(found)
        self._prepared = PreparedRows(rows, preparation, group=group)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def fingerprint(self) -> int:
        """Checksum of all rows and labels, and of what is done to the rows."""
        return zlib.crc32(self.labels.numpy().data, self._prepared.fingerprint)

    def batch(self, index: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return prepared rows (B, d) and labels (B, A)."""
        return self._prepared.batch(index, epoch), self.labels[index]

"""Rows as a decoder is trained on them, batch by batch: with the noise of their epoch, or another group's without."""

import zlib

import numpy as np
import torch
from torch import Tensor

from crossgap.close.closer_record import pack_closer
from crossgap.transfer.preparation import Preparation

__all__ = ["PreparedRows"]


class PreparedRows:
    """Rows (n, d) of one group and what is done to them; see ``PreparedCaptions``.

    Parameters
    ----------
    rows
        As they are stored.
    preparation
        A fitted ``Preparation``.
    group
        None for rows of the group that is learned on, with noise; the name of a group for its rows without noise.

    Raises
    ------
    ValueError
        If there is no mean for the group.
    """

    def __init__(self, rows: np.ndarray, preparation: Preparation, *, group: str | None = None) -> None:
        self._rows, self._preparation, self._group = rows, preparation, group
        self._clean = None if group is None else torch.from_numpy(preparation.rows(rows, group))

    @property
    def fingerprint(self) -> int:
        """Checksum of all rows and of what is done to them."""
        preparation = self._preparation
        check = zlib.crc32(np.ascontiguousarray(self._rows).data)
        check = zlib.crc32(repr((self._group, preparation.arm, preparation.learn_on)).encode(), check)
        for closer in (preparation.closer, preparation.corruption):
            if closer is None:
                continue
            record, arrays = pack_closer(closer)
            check = zlib.crc32(repr({**record, "crossgap": None}).encode(), check)
            for name in sorted(arrays):
                check = zlib.crc32(np.ascontiguousarray(arrays[name]).data, check)
        return check

    def batch(self, index: Tensor, epoch: int) -> Tensor:
        """Return prepared rows (B, d); their noise is a function of the preparation's seed, the epoch and the index."""
        if self._clean is not None:
            return self._clean[index]
        numbers = index.numpy()
        return torch.from_numpy(self._preparation.training_rows(self._rows[numbers], epoch=epoch, index=numbers))

"""Pairs of items that have one or several rows in either group: captions of one image, views of one object."""

import zlib

import numpy as np
import torch
from torch import Tensor

from crossgap.train.pairs import seeded_generator

__all__ = ["ItemPairs"]


class ItemPairs:
    """Matched items held in memory; each epoch draws one row of either group for each item.

    How to read it: an item with five captions is one pair, not five, so a batch never holds an item twice; over many
    epochs all of its captions are seen. ``PairedTensors`` does the same where every item has equally many.

    Parameters
    ----------
    x, y
        Rows of the two groups (n, ...) and (m, ...).
    x_items, y_items
        Number of the item of each row: (n,) and (m,), whole numbers of at least 0. Items of one group alone are left
        out.
    seed
        Of the draw, which depends on the seed and the epoch alone.

    Attributes
    ----------
    item_numbers
        Number of the item of each pair, ascending. It is not called ``items``, since no batch holds an item twice and
        losses need not look for that.

    Raises
    ------
    ValueError
        If items and rows differ in number, or no item is in both groups.

    Examples
    --------
    Item 7 has one row in x and two in y; item 8 is in y alone.

    >>> import torch
    >>> x, y = torch.tensor([[1.0]]), torch.tensor([[1.1], [1.2], [2.0]])
    >>> pairs = ItemPairs(x, y, x_items=np.array([7]), y_items=np.array([7, 7, 8]))
    >>> len(pairs), pairs.item_numbers.tolist()
    (1, [7])
    >>> drawn = {round(pairs.batch(torch.tensor([0]), epoch)[1].item(), 1) for epoch in range(20)}
    >>> sorted(drawn)
    [1.1, 1.2]
    """

    def __init__(self, x: Tensor, y: Tensor, *, x_items: np.ndarray, y_items: np.ndarray, seed: int = 0) -> None:
        for name, rows, items in (("x", x, x_items), ("y", y, y_items)):
            if items.shape != (len(rows),):
                raise ValueError(
                    f"{name}_items must number the item of each of the {len(rows)} rows of {name}, but it has shape "
                    f"{items.shape}; align them first."
                )
        shared = np.intersect1d(x_items, y_items)
        if len(shared) == 0:
            raise ValueError("x_items and y_items must have an item in common, but they have none; check the ids.")
        self.x, self.y, self.seed = x, y, seed
        self.item_numbers = torch.from_numpy(shared.astype(np.int64))
        self._rows_of = tuple(_rows_of(items, shared) for items in (x_items, y_items))
        self._drawn: tuple[int, list[Tensor]] | None = None

    def __len__(self) -> int:
        return len(self.item_numbers)

    @property
    def several(self) -> bool:
        """Whether some item has more than one row in a group."""
        return any(len(order) > len(self) for order, _ in self._rows_of)

    @property
    def fingerprint(self) -> int:
        """Checksum of which row shows which item, of the first and last rows, and of how they are drawn."""
        check = zlib.crc32(repr(self.several and self.seed).encode())
        for rows, (order, first) in zip((self.x, self.y), self._rows_of, strict=True):
            check = zlib.crc32(repr((tuple(rows.shape), rows.dtype)).encode(), check)
            for part in (order, first, rows[:16], rows[-16:]):
                flat = part.detach().cpu().contiguous().reshape(-1)
                check = zlib.crc32(flat.view(torch.uint8).numpy().tobytes(), check)
        return check

    def batch(self, index: Tensor, epoch: int) -> tuple[Tensor, Tensor]:
        """Return the rows of the items numbered by ``index``, as they are drawn in this epoch."""
        if self._drawn is None or self._drawn[0] != epoch:
            generator = seeded_generator(self.seed, epoch, purpose="choice of rows")
            self._drawn = (epoch, [_draw(order, first, generator) for order, first in self._rows_of])
        x_rows, y_rows = self._drawn[1]
        return self.x[x_rows[index].to(self.x.device)], self.y[y_rows[index].to(self.y.device)]

    def first_rows(self) -> tuple[Tensor, Tensor]:
        """Return the first row of each item in either group."""
        (x_order, x_first), (y_order, y_first) = self._rows_of
        return self.x[x_order[x_first[:-1]]], self.y[y_order[y_first[:-1]]]


def _rows_of(items: np.ndarray, shared: np.ndarray) -> tuple[Tensor, Tensor]:
    """Return the rows in the order of their items, and where those of each shared item begin, with the end."""
    order = np.argsort(items, kind="stable")
    order = order[np.isin(items[order], shared)]
    first = np.searchsorted(items[order], shared)
    return torch.from_numpy(order), torch.from_numpy(np.append(first, len(order)))


def _draw(order: Tensor, first: Tensor, generator: torch.Generator) -> Tensor:
    counts = first[1:] - first[:-1]
    if len(order) == len(counts):
        return order
    part = torch.rand(len(counts), dtype=torch.float64, generator=generator)
    return order[first[:-1] + (part * counts).to(torch.int64)]

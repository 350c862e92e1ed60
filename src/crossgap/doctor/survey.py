"""All that the checks of one group need, from one pass over its rows in blocks."""

import hashlib
from dataclasses import dataclass

import numpy as np

from crossgap.data.npy import numpy_blocks
from crossgap.geometry.rows import Rows, as_float, is_numpy, take_rows, unit_rows

__all__ = ["Survey", "survey", "unit_sample"]

_BLOCK_ROWS = 2048
_HALF = np.finfo(np.float16)


@dataclass(frozen=True, kw_only=True, eq=False)
class Survey:
    """Facts of one group of n rows. A *usable* row is finite and not zero; all means are over usable rows.

    Parameters
    ----------
    dtype
        The type as stored, without the library's name.
    usable, zero, infinite
        One truth for each row; ``infinite`` rows hold an infinity and no NaN.
    lengths
        Euclidean length of each row, 0 where it is not usable.
    digests
        A 64-bit digest of each row in float32: equal rows, equal digests.
    mean_unit
        Mean of the unit rows (d,).
    share
        Mean square of each coordinate of the unit rows (d,); adds up to 1.
    low, high
        Least and greatest entry of each coordinate (d,).
    whole
        Whether all entries are whole numbers.
    zeros, tiny, largest
        Share of entries that are exactly 0; share that is not 0 but below float16's normal range; greatest magnitude.
    """

    n: int
    d: int
    dtype: str
    usable: np.ndarray
    zero: np.ndarray
    infinite: np.ndarray
    lengths: np.ndarray
    digests: np.ndarray
    mean_unit: np.ndarray
    share: np.ndarray
    low: np.ndarray
    high: np.ndarray
    whole: bool
    zeros: float
    tiny: float
    largest: float

    @property
    def count(self) -> int:
        """How many rows are usable."""
        return int(np.count_nonzero(self.usable))


def survey(vectors: Rows) -> Survey:
    """Read all rows once, in blocks."""
    n, d = int(vectors.shape[0]), int(vectors.shape[1])
    usable, zero, infinite = np.zeros(n, bool), np.zeros(n, bool), np.zeros(n, bool)
    lengths, digests = np.zeros(n), np.zeros(n, np.uint64)
    unit_sum, square_sum = np.zeros(d), np.zeros(d)
    low, high = np.full(d, np.inf), np.full(d, -np.inf)
    whole, zeros, tiny = True, 0, 0
    start = 0
    for stored in numpy_blocks(vectors, _BLOCK_ROWS):
        rows = slice(start, start + len(stored))
        start = rows.stop
        digests[rows] = _digests(stored)
        block = stored.astype(np.float64)
        finite = np.asarray(np.isfinite(block).all(axis=1))
        if not finite.all():
            infinite[rows] = ~finite & ~np.isnan(block).any(axis=1)
            block = np.where(finite[:, None], block, 0.0)
        magnitude = np.abs(block)
        largest = magnitude.max(axis=1)
        zero[rows] = finite & (largest == 0)
        good = finite & (largest > 0)
        usable[rows] = good
        if not good.all():
            block, magnitude, largest = block[good], magnitude[good], largest[good]
        if len(block) == 0:
            continue
        zeros += int(np.count_nonzero(magnitude == 0))
        tiny += int(np.count_nonzero(magnitude < float(_HALF.tiny)))
        np.minimum(low, block.min(axis=0), out=low)
        np.maximum(high, block.max(axis=0), out=high)
        whole = whole and bool(np.array_equal(block, np.rint(block)))
        block /= largest[:, None]  # so that no square over- or underflows
        scale = np.sqrt(np.einsum("ij,ij->i", block, block))
        lengths[np.arange(rows.start, rows.stop)[good]] = largest * scale
        unit_sum += (1 / scale) @ block
        square_sum += (1 / scale**2) @ np.square(block, out=block)
    count = max(1, int(np.count_nonzero(usable)))
    return Survey(
        n=n,
        d=d,
        dtype=str(vectors.dtype).removeprefix("torch."),
        usable=usable,
        zero=zero,
        infinite=infinite,
        lengths=lengths,
        digests=digests,
        mean_unit=unit_sum / count,
        share=square_sum / count,
        low=low,
        high=high,
        whole=whole and bool(usable.any()),
        zeros=zeros / (count * d),
        tiny=(tiny - zeros) / (count * d),
        largest=float(max(high.max(), -low.min())) if usable.any() else 0.0,
    )


def unit_sample(vectors: Rows, index: np.ndarray) -> np.ndarray:
    """Return the numbered rows at length 1 in float64; rows that are not usable become zero."""
    rows = as_float(take_rows(vectors, index))
    block = np.array(rows if is_numpy(rows) else rows.detach().cpu().numpy(), dtype=np.float64)
    bad = ~np.isfinite(block).all(axis=1) | ~block.any(axis=1)
    block[bad] = 1.0
    unit = unit_rows(block)
    unit[bad] = 0.0
    return unit


def _digests(stored: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        block = np.ascontiguousarray(stored, dtype=np.float32)
    digest = b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in block)
    return np.frombuffer(digest, np.uint64)

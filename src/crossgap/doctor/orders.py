"""In which other order two groups might pair: shifted, reversed, sorted by id, or without their ids."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from crossgap.doctor.survey import unit_sample
from crossgap.geometry.rows import Rows

__all__ = ["Order", "Sketch", "counted", "repeats", "row_orders", "shifted", "sketch", "sorted_orders"]

_SKETCHED_PAIRS = 65_536
_SKETCH_DIMENSION = 32
_NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Order:
    """A way to pair: row ``x_rows[k]`` of one group with row ``y_rows[k]`` of the other.

    ``words`` says what would have happened for this order to be right, ``mend`` how to undo it.
    """

    words: str
    mend: str
    x_rows: np.ndarray
    y_rows: np.ndarray
    shift: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Sketch:
    """Centred unit rows of the first pairs of two groups, projected to a few random dimensions: (p, 32) each."""

    x: np.ndarray
    y: np.ndarray

    def best_shift(self, wanted: slice = slice(None), *, backwards: bool = False) -> int:
        """Return the s for which rows k of x (only the wanted) agree best with rows k + s of y, among all s.

        The sum over k of x_k . y_(k+s) is a circular cross-correlation of each coordinate: three Fourier transforms.
        """
        x = np.zeros_like(self.x)
        x[wanted] = self.x[wanted]
        y = self.y[::-1] if backwards else self.y
        spectrum = np.conj(np.fft.rfft(x, axis=0)) * np.fft.rfft(y, axis=0)
        shift = int(np.argmax(np.fft.irfft(spectrum.sum(axis=1), n=len(x))))
        return shift - len(x) if shift > len(x) // 2 else shift


def sketch(x: Rows, y: Rows, x_rows: np.ndarray, y_rows: np.ndarray, seed: int) -> Sketch:
    """Project the first 65,536 pairs; angles survive well enough to recognise an order."""
    projection = np.random.default_rng(seed).standard_normal((int(x.shape[1]), _SKETCH_DIMENSION))
    return Sketch(x=_projected(x, x_rows, projection), y=_projected(y, y_rows, projection))


def row_orders(
    names: tuple[str, str], x_rows: np.ndarray, y_rows: np.ndarray, small: Sketch, noun: str
) -> Iterator[Order]:
    """Yield the best shift as the rows are, and after y is turned round."""
    shift = small.best_shift()
    if shift:
        yield shifted(names, x_rows, y_rows, shift, noun)
    turned = small.best_shift(backwards=True) if len(small.x) == len(x_rows) else 0
    yield Order(
        words=f"{names[1]} stands in reverse order" + (f", shifted by {counted(turned, noun)}" if turned else ""),
        mend=f"Turn {names[1]} round: y = {f'numpy.roll(y[::-1], {-turned}, axis=0)' if turned else 'y[::-1]'}.",
        x_rows=x_rows,
        y_rows=np.roll(y_rows[::-1], -turned),
    )


def shifted(names: tuple[str, str], x_rows: np.ndarray, y_rows: np.ndarray, shift: int, noun: str) -> Order:
    """Return the order in which pair k of x meets pair k + shift of y."""
    lacking, other = names if shift > 0 else names[::-1]
    return Order(
        words=f"{names[1]} is shifted by {counted(shift, noun)} against {names[0]}",
        mend=f"Shift {names[1]} back: y = numpy.roll(y, {-shift}, axis=0); if {lacking} lost {counted(shift, noun)} "
        f"on the way, drop the same from {other} instead.",
        x_rows=x_rows,
        y_rows=np.roll(y_rows, -shift),
        shift=shift,
    )


def sorted_orders(
    names: tuple[str, str],
    x_rows: np.ndarray,
    y_rows: np.ndarray,
    items: tuple[np.ndarray | None, np.ndarray | None],
    sizes: tuple[int, int],
) -> Iterator[Order]:
    """Yield the orders in which one side was saved sorted by id and the other was not.

    Without ids the row numbers stand for them, counted from 0 and from 1, as in files named 0, 1, 10, 100, 2.
    """
    if sizes[0] != sizes[1]:
        return
    if items[0] is not None:
        yield Order(
            words="rows pair by position and the item ids belong to other rows",
            mend="Write the ids in the order in which the vectors were saved, or leave them out.",
            x_rows=x_rows,
            y_rows=x_rows,
        )
    if len(x_rows) != sizes[0]:
        return  # sorting moves a group as a whole, so every row needs its partner
    for (x_keys, what), (y_keys, _) in zip(_keys(items[0], sizes[0]), _keys(items[1], sizes[1]), strict=False):
        for side, other, ranks in ((1, 0, _ranks(y_keys)), (0, 1, _ranks(x_keys))):
            letter = "xy"[side]
            yield Order(
                words=f"{names[side]} was saved sorted {what}, and {names[other]} was not",
                mend=f"Undo the sorting of {names[side]}: {letter} = {letter}[numpy.argsort(numpy.argsort(keys))], "
                "with keys the names by which it was sorted.",
                x_rows=x_rows if side == 1 else ranks[x_rows],
                y_rows=ranks[y_rows] if side == 1 else y_rows,
            )


def repeats(names: tuple[str, str], sizes: tuple[int, int]) -> Iterator[Order]:
    """Yield the ways in which groups without ids may pair although their sizes differ."""
    (n, short), (m, long) = sorted(zip(sizes, names, strict=True))
    k, rows, ways = m // n, np.arange(n), []
    if m % n == 0:
        again = f"numpy.tile(numpy.arange({n}), {k})"
        ways.append((f"{long} goes through the rows of {short} {k} times", rows + n * (k - 1), again))
        each = f"numpy.repeat(numpy.arange({n}), {k})"
        ways.append((f"each row of {short} belongs to {k} rows of {long} that follow each other", rows * k, each))
    ways.append((f"row i of {names[0]} belongs to row i of {names[1]}, as far as both go", rows, f"numpy.arange({m})"))
    for words, partner, ids in ways:
        yield Order(
            words=words,
            mend=f"Say so with item ids: Embeddings.from_arrays(..., items={{{short!r}: numpy.arange({n}), {long!r}: "
            f"{ids}}}).",
            x_rows=rows if long == names[1] else partner,
            y_rows=partner if long == names[1] else rows,
        )


def _keys(items: np.ndarray | None, n: int) -> Iterator[tuple[np.ndarray, str]]:
    if items is None:
        yield np.arange(n).astype(str), "as text by number (0, 1, 10, 100, 2)"
        yield np.arange(1, n + 1).astype(str), "as text by number (1, 10, 100, 2)"
        return
    yield items.astype(str), "by item id as text"
    if items.dtype.kind in "iu":
        yield items, "by item id"
    elif np.char.isdecimal(items).all() and np.char.str_len(items).max() < 19:
        yield items.astype(np.int64), "by item id as a number"


def _ranks(keys: np.ndarray) -> np.ndarray:
    ranks = np.empty(len(keys), np.int64)
    ranks[np.argsort(keys, kind="stable")] = np.arange(len(keys))
    return ranks


def counted(shift: int, noun: str) -> str:
    """Return the size of a shift in words."""
    count = abs(shift)
    return f"{_NUMBERS.get(count, count)} {noun}{'' if count == 1 else 's'}"


def _projected(rows: Rows, index: np.ndarray, projection: np.ndarray) -> np.ndarray:
    index = index[:_SKETCHED_PAIRS]
    order = np.argsort(index, kind="stable")  # a file is read from front to back
    out = np.empty((len(index), projection.shape[1]))
    for first in range(0, len(index), 4096):
        chunk = order[first : first + 4096]
        out[chunk] = unit_sample(rows, index[chunk]) @ projection
    return out - out.mean(axis=0)

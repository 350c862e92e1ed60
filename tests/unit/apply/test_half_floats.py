"""float16 and back: every number, every tie, and what lies just beside."""

import numpy as np
import pytest

from crossgap.apply.half_floats import HalfFloats

HALVES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
FINITE = np.sort(HALVES[np.isfinite(HALVES)].astype(np.float32))


def _halved(numbers: np.ndarray) -> np.ndarray:
    out = np.empty((1, len(numbers)), np.float16)
    HalfFloats(1, len(numbers)).halve(numbers[None], out)
    return out[0]


def test_every_half_is_widened():
    found = HalfFloats(256, 256).widen(HALVES.reshape(256, 256)).reshape(-1)
    assert (found.view(np.uint32) == HALVES.astype(np.float32).view(np.uint32)).all()


@pytest.mark.parametrize("beside", ["itself", "above", "below"])
@pytest.mark.parametrize("of", ["halves", "ties"])
def test_rounding_is_that_of_numpy(of, beside):
    numbers = FINITE
    if of == "ties":  # exact in float32
        numbers = ((FINITE[1:].astype(np.float64) + FINITE[:-1]) / 2).astype(np.float32)
    if beside != "itself":
        numbers = np.nextafter(numbers, np.float32(np.inf if beside == "above" else -np.inf))
    numbers = numbers[np.abs(numbers) < 65520]
    assert (_halved(numbers).view(np.uint16) == numbers.astype(np.float16).view(np.uint16)).all()


def test_small_and_random_numbers(rng):
    numbers = np.concatenate(
        [
            np.array([0.0, -0.0, 1e-45, -1e-45, 1e-38, 2.0**-25, -(2.0**-25), 65519.9], np.float32),
            rng.standard_normal(20_000).astype(np.float32),
            rng.standard_normal(20_000).astype(np.float32) * np.float32(1e-5),
        ]
    )
    assert (_halved(numbers).view(np.uint16) == numbers.astype(np.float16).view(np.uint16)).all()


@pytest.mark.parametrize("value", [65520.0, -65520.0, np.inf, -np.inf, np.nan])
def test_what_no_half_holds(value):
    with pytest.raises(FloatingPointError, match="largest of float16"):
        _halved(np.array([1.0, value], np.float32))


def test_memory_is_used_again(rng):
    """Blocks that are shorter, or narrower, than the memory."""
    halves = HalfFloats(8, 6)
    for n, d in ((8, 6), (3, 6), (8, 2), (1, 1)):
        rows = rng.standard_normal((n, d)).astype(np.float16)
        wide = halves.widen(rows)
        out = np.empty((n, d), np.float16)
        halves.halve(wide, out)
        assert (out == rows).all()

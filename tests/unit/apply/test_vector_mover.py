"""Blocks of stored vectors: moved as ``transform`` moves them, in their own type, with every bad row named."""

import warnings

import numpy as np
import pytest

from crossgap.apply import vector_mover
from crossgap.apply.vector_mover import VectorMover
from crossgap.close.closer import Closer
from crossgap.close.mean_removal import MeanRemoval
from crossgap.errors import DegenerateError

D = 12


def _rows(n: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((n, D))
    rows[:, 0] += 2
    return rows


@pytest.fixture
def closer() -> Closer:
    return MeanRemoval().fit(np.concatenate([_rows(40), -_rows(40, 1)]), groups=["image"] * 40 + ["text"] * 40)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 64 rows, the least there is, so that a few hundred rows are several blocks."""
    monkeypatch.setattr(vector_mover, "_BLOCK_BYTES", 1)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 64, 65, 200])
def test_one_group_is_moved_as_by_transform(closer, dtype, n):
    rows = _rows(n, 3).astype(dtype)
    before = rows.copy()
    moved, zeros = VectorMover(closer, {"image": "image"}).move(rows, ["image"], None, first=0, where="f")
    expected = closer.transform(rows, groups=["image"] * n).astype(dtype)
    assert moved.dtype == dtype
    assert (moved == expected).all()
    assert not len(zeros)
    assert (rows == before).all()


def test_rows_of_several_groups_in_any_order(closer, rng):
    rows = _rows(300, 3).astype(np.float16)
    names = ["image", "caption", "audio"]
    number = rng.integers(0, 3, len(rows))
    mover = VectorMover(closer, {"image": "image", "caption": "text", "audio": None})
    moved, _ = mover.move(rows, names, number, first=0, where="f")
    for place, group in enumerate(("image", "text", None)):
        own = number == place
        expected = rows[own] if group is None else closer.transform(rows[own], groups=[group] * own.sum())
        assert (moved[own] == expected.astype(np.float16)).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_rows_of_zeros_stay_and_are_counted_without_a_warning(closer, dtype):
    rows = _rows(130).astype(dtype)
    rows[[0, 63, 64, 129]] = 0
    rows[5, 0] = 0  # begins with a zero, and is none
    rows[64, 1] = -0.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        moved, zeros = VectorMover(closer, {"image": "image"}).move(rows, ["image"], None, first=0, where="f")
    assert zeros.tolist() == [0, 63, 64, 129]
    assert not moved[zeros].any()
    kept = np.setdiff1d(np.arange(130), zeros)
    assert (moved[kept] == closer.transform(rows[kept], groups=["image"] * 126).astype(dtype)).all()


def test_a_block_of_nothing_but_zeros(closer):
    moved, zeros = VectorMover(closer, {"image": "image"}).move(
        np.zeros((70, D), np.float16), ["image"], None, first=0, where="f"
    )
    assert len(zeros) == 70
    assert not moved.any()


def test_zeros_of_a_group_that_passes_are_not_counted(closer):
    mover = VectorMover(closer, {"image": "image", "audio": None})
    _, zeros = mover.move(np.zeros((3, D), np.float32), ["audio"], None, first=0, where="f")
    assert not len(zeros)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_row_that_is_not_finite_is_named(closer, value, dtype):
    rows = _rows(200).astype(dtype)
    rows[7] = 0
    rows[150, 4] = value
    number = np.zeros(200, int)
    number[100:] = 1
    mover = VectorMover(closer, {"image": "image", "text": "text"})
    with pytest.raises(ValueError, match=r"'f.npy': row 1150 \(text\) holds a NaN or an infinity"):
        mover.move(rows, ["image", "text"], number, first=1000, where="'f.npy'")


def test_a_row_of_which_nothing_is_left_is_named():
    mover = VectorMover(MeanRemoval().fit(np.tile([[3.0, 4.0]], (3, 1))), {"rows": "rows"})
    stored = np.tile([[1.0, 0.0]], (100, 1))
    stored[77] = [3.0, 4.0]
    with pytest.raises(DegenerateError, match=r"nothing is left of row 1077 \(rows\)"):
        mover.move(stored, ["rows"], None, first=1000, where="f")


class _Scaled(MeanRemoval):
    """Rows times a number."""

    scale = 1e6

    def _move(self, rows: np.ndarray, group: str) -> np.ndarray:
        return rows * np.asarray(self.scale, rows.dtype)


@pytest.mark.parametrize("wide", [False, True])
def test_what_float16_cannot_hold(wide):
    closer = _Scaled().fit(_rows(10))
    if wide:
        closer._move = lambda rows, group: rows.astype(np.float64) * 1e6  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(DegenerateError, match="rows from 164 on are moved beyond the largest number of float16"):
        VectorMover(closer, {"rows": "rows"}).move(
            np.vstack([np.zeros((64, D)), _rows(9)]).astype(np.float16), ["rows"], None, first=100, where="f"
        )


def test_another_error_of_the_closer_says_where(closer):
    class Refusing(MeanRemoval):
        def _move(self, rows: np.ndarray, group: str) -> np.ndarray:
            if len(rows) > 1:
                raise ValueError("no")
            return rows

    mover = VectorMover(Refusing().fit(_rows(10)), {"rows": "rows"})
    with pytest.raises(ValueError, match="f, rows from 5 on: no"):
        mover.move(_rows(10), ["rows"], None, first=5, where="f")


class _Shorter(MeanRemoval):
    """Keeps fewer numbers of images than of texts."""

    def _move(self, rows: np.ndarray, group: str) -> np.ndarray:
        return rows[:, : {"image": 5, "text": 6}[group]].copy()


def test_moved_rows_may_be_shorter():
    closer = _Shorter().fit(np.vstack([_rows(10), _rows(10)]), groups=["image"] * 10 + ["text"] * 10)
    mover = VectorMover(closer, {"image": "image"})
    assert mover.moved_dimension == 5
    moved, _ = mover.move(_rows(100).astype(np.float16), ["image"], None, first=0, where="f")
    assert moved.shape == (100, 5)
    with pytest.raises(ValueError, match="image to 5, text to 6 dimensions; apply it to each group by itself"):
        VectorMover(closer, {"image": "image", "text": "text"})
    with pytest.raises(ValueError, match="image to 5 dimensions, while rows that pass unchanged keep 12"):
        VectorMover(closer, {"image": "image", "audio": None})

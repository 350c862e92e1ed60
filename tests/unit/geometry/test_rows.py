import re

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.geometry import rows as kernels


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
@pytest.mark.parametrize("n", [1, 1024, 1025, 2500])
def test_blocks_cover_every_row_once(make, n):
    x = make(np.arange(n * 3, dtype=np.float32).reshape(n, 3) + 1)
    seen = []
    for rows, block in kernels.row_blocks(x):
        assert block.shape == (rows.stop - rows.start, 3)
        assert block.shape[0] <= kernels.BLOCK_ROWS
        seen.append(np.asarray(block))
    assert np.array_equal(np.concatenate(seen), np.asarray(x))
    assert [rows.start for rows, _ in kernels.row_blocks(x, 7, start=n - 1)] == [n - 1]


def test_unit_blocks_equal_the_definition(rng, lazy, normalised):
    x = rng.normal(size=(2500, 4))
    reader = lazy(x)
    found = np.concatenate([block for _, block in kernels.unit_blocks(reader)])
    assert np.abs(found - normalised(x)).max() < 1e-15
    assert reader.largest == kernels.BLOCK_ROWS


def test_narrow_types_are_widened_to_float32():
    half = np.ones((2, 2), np.float16)
    assert kernels.as_float(half).dtype == np.float32
    assert kernels.as_float(torch.ones(2, 2, dtype=torch.bfloat16)).dtype == torch.float32
    assert kernels.as_float(np.ones((2, 2))).dtype == np.float64
    assert kernels.unit_rows(half).dtype == np.float32


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
@pytest.mark.parametrize("size", [1e-30, 1e-20, 1e20, 1e30])
def test_lengths_neither_under_nor_overflow(make, size):
    x = make(np.array([[3.0, 4.0], [3 * size, 4 * size]], np.float32))
    assert np.asarray(kernels.unit_rows(x)) == pytest.approx(np.array([[0.6, 0.8], [0.6, 0.8]]), rel=1e-6)


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_row_that_is_not_finite_is_named(make, bad):
    x = np.ones((1030, 3), np.float32)
    x[1027, 1] = bad
    message = "queries must be finite, but row 1027 holds a NaN or an infinity; drop such rows"
    with pytest.raises(ValueError, match=message):
        list(kernels.unit_blocks(make(x), name="queries"))


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_a_row_that_is_not_finite_is_named_where_lengths_do_not_matter(make):
    x = np.zeros((1030, 3))
    kernels.check_finite(make(x))
    x[1027, 1] = np.inf
    with pytest.raises(ValueError, match="y must be finite, but row 1027 holds a NaN or an infinity; drop such rows"):
        kernels.check_finite(make(x), "y")


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_rows_coincide_up_to_the_rounding_of_their_type(rng, make, dtype):
    same = np.repeat(10 * rng.normal(size=(1, 7)), 1500, axis=0).astype(dtype)
    assert kernels.coincide(make(same))
    assert kernels.coincide(make(same), unit=False)
    assert kernels.coincide(make(1e-200 * rng.normal(size=(5, 3))), unit=False)
    scaled = same * np.linspace(1, 2, 1500)[:, None].astype(dtype)
    assert not kernels.coincide(make(scaled), unit=False)
    if dtype != np.float16:
        assert kernels.coincide(make(scaled))
        scaled[1400, 2] *= 1 + 100 * np.finfo(dtype).eps
        assert not kernels.coincide(make(scaled))


def test_rows_as_a_numpy_array(rng, lazy):
    x = rng.normal(size=(5, 3)).astype(np.float32)
    assert kernels.as_numpy(x) is x
    for rows in (torch.tensor(x, requires_grad=True), lazy(x)):
        assert np.array_equal(kernels.as_numpy(rows), x)
    assert kernels.as_numpy(torch.tensor(x).bfloat16()).dtype == np.float32
    assert kernels.as_numpy(x, np.float64).dtype == np.float64


@pytest.mark.parametrize("make", [np.asarray, torch.tensor])
def test_a_zero_row_is_named_and_without_check_stays_zero(make):
    x = np.ones((1030, 3), np.float32)
    x[1026] = 0
    with pytest.raises(ValueError, match="x must have rows of a length above zero, but row 1026 is all zeros"):
        list(kernels.unit_blocks(make(x)))
    *_, (_, last) = kernels.unit_blocks(make(x), check=False)
    assert np.asarray(last[2]).tolist() == [0, 0, 0]
    assert np.isfinite(np.asarray(last)).all()


def test_check_rows_returns_the_shape_of_anything_that_slices(lazy):
    assert kernels.check_rows(np.ones((3, 2))) == (3, 2)
    assert kernels.check_rows(lazy(np.ones((3, 2), np.float16))) == (3, 2)
    assert kernels.check_rows(torch.ones(3, 2, dtype=torch.bfloat16)) == (3, 2)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        ([[1.0]], TypeError, "x must be an array of shape (n, d), but it is a list; convert it first"),
        (np.ones(3), ValueError, "x must have shape (n, d), one vector a row, but its shape is (3,)"),
        (np.ones((2, 2), int), TypeError, "x must hold floating-point numbers, but its dtype is int64"),
        (np.ones((2, 2), complex), TypeError, "x must hold floating-point numbers, but its dtype is complex128"),
        (torch.ones(2, 2, dtype=torch.int8), TypeError, "x must hold floating-point numbers, but its dtype is"),
        (np.ones((2, 0)), ValueError, "x must have at least one dimension, but its shape is (2, 0)"),
        (np.ones((0, 2)), DegenerateError, "x must have at least one row for this quantity, but it has 0"),
    ],
)
def test_what_is_no_rows_is_refused(x, error, message):
    with pytest.raises(error, match=re.escape(message)):
        kernels.check_rows(x)


def test_too_few_rows():
    with pytest.raises(DegenerateError, match="gallery must have at least 3 rows for this quantity, but it has 2"):
        kernels.check_rows(np.ones((2, 2)), "gallery", least=3)


def test_pairs_need_one_space_and_equally_many_rows():
    assert kernels.check_pair(np.ones((3, 2)), np.ones((3, 2))) == (3, 2)
    with pytest.raises(ValueError, match="x and y must pair row by row, but they have 3 and 4 rows; align them first"):
        kernels.check_pair(np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(ValueError, match="x and y must share one space, but their vectors have 2 and 5 dimensions"):
        kernels.check_pair(np.ones((3, 2)), np.ones((3, 5)))
    with pytest.raises(ValueError, match="a and b must share one space"):
        kernels.check_same_dimension(np.ones((3, 2)), np.ones((3, 5)), ("a", "b"))


@pytest.mark.parametrize("weights", [np.ones(3), np.ones((2, 3)), np.ones((3, 2, 1))])
def test_weights_have_one_row_for_each_row(weights):
    with pytest.raises(ValueError, match=r"w must have shape \(n, b\) with n = 3, one column for each weighting"):
        kernels.row_weights(weights, 3, "w")


def test_weights_of_two_groups():
    both = np.ones((3, 2))
    assert kernels.group_weights(None, 3, 4) == (None, None)
    assert all(w is not None and w.shape == (3, 2) for w in kernels.group_weights(both, 3, 3))
    x_weights, y_weights = kernels.group_weights((both, np.ones((4, 2))), 3, 4)
    assert x_weights is not None
    assert y_weights is not None
    assert (x_weights.shape, y_weights.shape) == ((3, 2), (4, 2))
    with pytest.raises(ValueError, match=r"one matrix or a tuple of two, \(x, y\), but 3 were given"):
        kernels.group_weights((both, both, both), 3, 3)
    for y_weights in (np.ones((4, 5)), None):
        with pytest.raises(ValueError, match="must have equally many columns, one for each weighting; give both"):
            kernels.group_weights((both, y_weights), 3, 4)


def test_rows_are_taken_by_number_from_all_kinds(rng, lazy):
    x, index = rng.normal(size=(9, 2)), np.array([4, 4, 0])
    for rows in (x, lazy(x), torch.tensor(x)):
        assert np.array_equal(np.asarray(kernels.take_rows(rows, index)), x[index])
        assert np.array_equal(np.asarray(kernels.materialise(rows)), x)
    assert kernels.is_numpy(lazy(x))
    assert not kernels.is_numpy(torch.tensor(x))

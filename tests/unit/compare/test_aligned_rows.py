import numpy as np
import pytest
import torch

from crossgap import compare
from crossgap.compare.aligned_rows import centred_blocks, check_aligned
from crossgap.errors import DegenerateError
from crossgap.geometry.rows import as_numpy

FUNCTIONS = [
    compare.cka,
    compare.cknna,
    compare.cycle_neighbours,
    compare.mutual_neighbours,
    compare.mutual_neighbours_per_row,
    compare.procrustes_distance,
    compare.representational_similarity,
]


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_messages(rng, function):
    x = rng.normal(size=(12, 3))
    with pytest.raises(ValueError, match="hold the same items row by row, but they have 12 and 11 rows"):
        function(x, x[:11])
    with pytest.raises(TypeError, match="x and y must be arrays of one library, but x is of numpy and y of torch"):
        function(x, torch.tensor(x))
    with pytest.raises(DegenerateError, match="x must have at least"):
        function(x[:1], x[:1])
    with pytest.raises(TypeError, match="y must be an array"):
        function(x, x.tolist())
    for place, (a, b) in enumerate(((x.copy(), x), (x, x.copy()))):
        (a, b)[place][4] = 0
        with pytest.raises(ValueError, match=f"{'xy'[place]} must have rows of a length above zero, but row 4"):
            function(a, b)
        (a, b)[place][4] = np.nan
        with pytest.raises(ValueError, match=f"{'xy'[place]} must be finite, but row 4"):
            function(a, b)
        function(np.nan_to_num(a), np.nan_to_num(b) + 1e-3, check=False)
    if "weights" in function.__kwdefaults__:
        with pytest.raises(ValueError, match="weights must have shape"):
            function(x, x[::-1].copy(), weights=np.ones((3, 1)))


@pytest.mark.parametrize(
    "function",
    [compare.cka, compare.procrustes_distance, compare.representational_similarity],
    ids=lambda f: f.__name__,
)
def test_rows_as_they_are_may_be_zero_but_must_be_finite(rng, function):
    x = rng.normal(size=(12, 3))
    x[4] = 0
    assert np.isfinite(function(x, x[::-1], unit=False))
    x[5] = np.inf
    with pytest.raises(ValueError, match="x must be finite, but row 5"):
        function(x, np.nan_to_num(x, posinf=1.0), unit=False)
    with pytest.raises(ValueError, match="y must be finite, but row 5"):
        function(np.nan_to_num(x, posinf=1.0), x, unit=False)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_numpy_torch_and_other_precisions_agree(two_spaces, function):
    x, y = two_spaces
    expected = function(x, y)
    assert expected.dtype == np.float64
    a, b = torch.tensor(x, requires_grad=True), torch.tensor(y)
    found = function(a, b)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(as_numpy(found), expected, rtol=1e-9)
    np.testing.assert_allclose(function(x.astype(np.float32), y.astype(np.float32)), expected, rtol=1e-4)
    np.testing.assert_allclose(
        np.mean(function(x.astype(np.float16), y.astype(np.float16))), np.mean(expected), rtol=0.1
    )
    if "weights" in function.__kwdefaults__:
        weights = np.random.default_rng(0).integers(0, 4, (60, 3)).astype(np.uint8)
        found = function(a, b, weights=weights)
        assert found.shape == (3,)
        np.testing.assert_allclose(as_numpy(found), function(x, y, weights=weights), rtol=1e-9)
        np.testing.assert_allclose(function(x, y, weights=np.ones((60, 2), np.uint8)), np.full(2, expected), rtol=1e-9)


def test_blocks_are_centred(two_spaces, normalised):
    x, _ = two_spaces
    rows = np.concatenate(list(centred_blocks(x, unit=True)))
    np.testing.assert_allclose(rows, normalised(x) - normalised(x).mean(axis=0), atol=1e-12)
    rows = np.concatenate(list(centred_blocks(x.astype(np.float32), unit=False)))
    assert rows.dtype == np.float64
    np.testing.assert_allclose(rows, x - x.mean(axis=0), atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("n", [4, 3000])
def test_rows_that_all_coincide_have_nothing_to_compare(rng, dtype, unit, n):
    """Their mean is not always theirs to the last bit, and what is left of them then is no spread."""
    same = np.repeat(10 * rng.normal(size=(1, 7)), n, axis=0).astype(dtype)
    with pytest.raises(DegenerateError, match="the rows of y must differ, but they do not; give rows that vary"):
        list(centred_blocks(same, unit=unit, name="y"))
    other = rng.normal(size=(n, 7))
    for function in (compare.cka, compare.procrustes_distance):
        with pytest.raises(DegenerateError, match="the rows of x must differ"):
            function(same, other, unit=unit)
    with pytest.raises(DegenerateError, match="the rows of x must differ"):
        compare.cka(same, other, unit=unit, debiased=False)
    with pytest.raises(DegenerateError, match="the rows of x must differ"):
        compare.cka(same, other, unit=unit, weights=np.ones((n, 2)))


def test_rows_that_hardly_differ_are_compared(rng):
    x = rng.normal(size=(40, 5))
    moved = 1e-9 * x + rng.normal(size=5)
    assert compare.procrustes_distance(x, moved, unit=False) == pytest.approx(0, abs=1e-4)
    assert compare.cka(x, 1e6 * x + 1e9, unit=False) == pytest.approx(1, abs=1e-6)


def test_checks(two_spaces):
    x, y = two_spaces
    assert check_aligned(x, y, least=60) == 60
    with pytest.raises(DegenerateError, match="x must have at least 61 rows"):
        check_aligned(x, y, least=61)

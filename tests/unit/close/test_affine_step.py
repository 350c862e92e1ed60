"""One step: what it does to rows, by a plain loop, and the same as one full matrix and one offset."""

import numpy as np
import pytest

from crossgap.close.affine_step import AffineStep
from crossgap.errors import DegenerateError


@pytest.fixture
def rows(rng):
    return rng.normal(size=(6, 4))


@pytest.fixture
def parts(rng):
    """Arrays that fit rows of four columns."""
    return {
        "full": rng.normal(size=(3, 4)),
        "factors": rng.normal(size=4),
        "removed": np.linalg.qr(rng.normal(size=(4, 2)))[0].T,
        "offset": rng.normal(size=4),
        "short": rng.normal(size=3),
        "appended": rng.normal(size=2),
    }


STEPS = {
    "nothing": {},
    "offset": {"offset": "offset"},
    "full": {"matrix": "full"},
    "full, offset": {"matrix": "full", "offset": "short"},
    "factors": {"matrix": "factors"},
    "factors, offset": {"matrix": "factors", "offset": "offset"},
    "removed": {"removed": "removed"},
    "removed, offset": {"removed": "removed", "offset": "offset"},
    "appended": {"appended": "appended"},
    "full, offset, appended": {"matrix": "full", "offset": "short", "appended": "appended"},
    "factors, appended": {"matrix": "factors", "appended": "appended"},
    "removed, offset, appended": {"removed": "removed", "offset": "offset", "appended": "appended"},
}


@pytest.fixture(params=STEPS)
def arrays(request, parts):
    return {name: parts[part] for name, part in STEPS[request.param].items()}


def by_a_loop(row, *, matrix=None, removed=(), offset=None, appended=()):
    moved = list(row)
    if matrix is not None and matrix.ndim == 1:
        moved = [a * x for a, x in zip(matrix, row, strict=True)]
    elif matrix is not None:
        moved = [sum(a * x for a, x in zip(line, row, strict=True)) for line in matrix]
    for direction in removed:
        share = sum(a * x for a, x in zip(direction, row, strict=True))
        moved = [x - share * a for a, x in zip(direction, moved, strict=True)]
    if offset is not None:
        moved = [x + b for x, b in zip(moved, offset, strict=True)]
    return [*moved, *appended]


@pytest.mark.parametrize("renormalise", [False, True])
def test_it_is_a_plain_loop(rows, arrays, renormalise):
    given = rows.copy()
    found = AffineStep(**arrays, renormalise=renormalise).apply(rows)
    expected = np.array([by_a_loop(row, **arrays) for row in rows])
    if renormalise:
        expected /= np.linalg.norm(expected, axis=1)[:, None]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(rows, given)
    assert not np.shares_memory(found, rows)


def test_one_matrix_and_one_offset_do_the_same(rows, arrays):
    step = AffineStep(**arrays, renormalise=False)
    matrix, offset = step.dense(4)
    assert matrix.shape == (step.width(4), 4)
    assert offset.shape == (step.width(4),)
    np.testing.assert_allclose(rows @ matrix.T + offset, step.apply(rows), rtol=0, atol=1e-14)


def test_it_keeps_the_type_of_the_rows(rows, arrays):
    step = AffineStep(**arrays)
    found = step.apply(rows.astype(np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, step.apply(rows), rtol=0, atol=1e-6)
    assert step.apply(rows[:0]).shape == (0, step.width(4))


def test_its_arrays_go_into_another(arrays):
    assert list(AffineStep().arrays()) == ["matrix", "removed", "offset", "appended"]
    for name, array in AffineStep(**AffineStep(**arrays).arrays()).arrays().items():
        assert array is arrays.get(name)


def test_a_matrix_or_directions(parts):
    with pytest.raises(ValueError, match="either matrix or removed, but both are given; make two steps of them"):
        AffineStep(matrix=parts["full"], removed=parts["removed"])


@pytest.mark.parametrize(
    ("name", "shape", "told"),
    [
        ("matrix", (4, 3), r"\(4,\) or \(4, 4\)"),
        ("matrix", (3,), r"\(4,\) or \(4, 4\)"),
        ("matrix", (), r"\(4,\) or \(4, 4\)"),
        ("matrix", (2, 2, 4), r"\(4,\) or \(4, 4\)"),
        ("removed", (2, 3), r"\(2, 4\)"),
        ("removed", (4,), r"\(4, 4\)"),
        ("removed", (), r"\(4,\)"),
        ("removed", (1, 1, 4), r"\(1, 4\)"),
        ("offset", (3,), r"\(4,\)"),
        ("offset", (), r"\(4,\)"),
        ("offset", (1, 4), r"\(4,\)"),
        ("appended", (1, 1), r"\(1,\)"),
        ("appended", (), r"\(1,\)"),
    ],
)
def test_arrays_that_do_not_fit(name, shape, told):
    with pytest.raises(ValueError, match=rf"{name} must have the shape {told} for rows of 4 columns, but it has \("):
        AffineStep(**{name: np.ones(shape)}).width(4)


def test_nothing_is_left_of_a_row():
    with pytest.raises(DegenerateError, match="text: nothing is left of row 1 once the closer has moved it"):
        AffineStep(removed=np.array([[1.0, 0.0]])).apply(np.array([[0.6, 0.8], [1.0, 0.0]]), name="text")
    kept = AffineStep(removed=np.array([[1.0, 0.0]]), renormalise=False).apply(np.array([[1.0, 0.0]]))
    np.testing.assert_array_equal(kept, 0)

"""Angle between the gap and differences within a group."""

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.gap_orthogonality import gap_orthogonality, gap_orthogonality_reference
from crossgap.measure.gap_vector import gap_vector
from crossgap.measure.participation_ratio import participation_ratio


class Reader:
    """Rows that can only be sliced."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self.rows[rows]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def plain(group, g, w=None):
    """All pairs a < b, one row of them at a time."""
    rows = unit(group)
    w = np.ones(len(rows)) if w is None else w
    g = g / np.linalg.norm(g)
    total = count = 0.0
    for i in range(len(rows)):
        differences = rows[i] - rows[i + 1 :]
        lengths = np.linalg.norm(differences, axis=1)
        far = lengths > 1e-3
        weights = w[i] * w[i + 1 :][far]
        total += weights @ ((differences[far] @ g) / lengths[far]) ** 2
        count += weights.sum()
    return np.sqrt(total / count)


@pytest.mark.parametrize(("of", "spread"), [("x", 0.069), ("y", 0.077)])
def test_golden(coco, of, spread):
    assert gap_orthogonality(coco["image"], coco["text"], of=of) == pytest.approx(spread, abs=0.002)


@pytest.mark.parametrize("of", ["x", "y"])
def test_equals_a_plain_double_loop(of, rng):
    x, y = rng.normal(size=(1100, 4)) + np.eye(4)[0], rng.normal(size=(1060, 4)) * [1, 2, 3, 4]
    x[5], y[7] = 2 * x[3], y[1040]
    expected = plain(x if of == "x" else y, gap_vector(x, y))
    assert gap_orthogonality(x, y, of=of) == pytest.approx(expected)
    assert gap_orthogonality(x, y, of=of, check=False) == pytest.approx(expected)
    assert gap_orthogonality(Reader(x), Reader(y), of=of) == pytest.approx(expected)
    assert float(gap_orthogonality(torch.from_numpy(x), torch.from_numpy(y), of=of)) == pytest.approx(expected)
    narrow = gap_orthogonality(x.astype(np.float32), y.astype(np.float32), of=of)
    assert narrow.dtype == np.float64
    assert narrow == pytest.approx(expected, abs=1e-5)


def test_a_gap_at_right_angles(rng):
    tail = 0.6 * unit(rng.normal(size=(30, 3)))
    x = np.concatenate([np.full((30, 1), 0.8), tail], axis=1)
    assert gap_orthogonality(x, x * [-1, 1, 1, 1]) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("of", ["x", "y"])
def test_weights(of, rng):
    x, y = rng.normal(size=(25, 3)) + 1, rng.normal(size=(18, 3))
    w, v = rng.integers(0, 3, size=(25, 4)), rng.integers(0, 3, size=(18, 4))
    gaps = gap_vector(x, y, weights=(w, v))
    expected = [plain(x if of == "x" else y, gaps[b], (w if of == "x" else v)[:, b]) for b in range(4)]
    assert gap_orthogonality(x, y, of=of, weights=(w, v)) == pytest.approx(np.array(expected))
    tensors = gap_orthogonality(torch.from_numpy(x), torch.from_numpy(y), of=of, weights=(w, v))
    assert tensors.numpy() == pytest.approx(np.array(expected))


def test_weights_are_repeated_rows(rng):
    x = rng.normal(size=(12, 3)) + 1
    y = rng.normal(size=(12, 3))
    w = rng.integers(0, 3, size=(12, 1))
    repeated = gap_orthogonality(np.repeat(x, w[:, 0], axis=0), np.repeat(y, w[:, 0], axis=0))
    assert gap_orthogonality(x, y, weights=w)[0] == pytest.approx(repeated)


def test_gradients(rng):
    x, y = (torch.tensor(rng.normal(size=(5, 3)) + shift, requires_grad=True) for shift in (1, -1))
    assert torch.autograd.gradcheck(lambda a, b: gap_orthogonality(a, b, check=False), (x, y))


def test_references(rng):
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(20, 4)) * [1, 2, 3, 4]
    assert gap_orthogonality_reference(x, y) == 0.5
    assert float(gap_orthogonality_reference(torch.from_numpy(x), torch.from_numpy(y))) == 0.5
    for of, group in (("x", x), ("y", y)):
        reference = gap_orthogonality_reference(x, y, of=of, within="span")
        assert reference == pytest.approx(participation_ratio(group) ** -0.5)


def test_messages(rng):
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(6, 3))
    for quantity in (gap_orthogonality, gap_orthogonality_reference):
        with pytest.raises(ValueError, match="of must be 'x' or 'y'"):
            quantity(x, y, of="z")
        with pytest.raises(ValueError, match="share one space"):
            quantity(x, y[:, :2])
    with pytest.raises(ValueError, match="within must be 'space' or 'span', but it is 'all'"):
        gap_orthogonality_reference(x, y, within="all")
    with pytest.raises(DegenerateError, match="y must have at least 2 rows"):
        gap_orthogonality(x, y[:1], of="y")
    with pytest.raises(DegenerateError, match="they have no difference"):
        gap_orthogonality(np.ones((4, 3)), y)
    with pytest.raises(DegenerateError, match="the means of x and y coincide"):
        gap_orthogonality(x, x.copy())

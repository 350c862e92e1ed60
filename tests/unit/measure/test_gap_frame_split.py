"""The gap in a fixed frame."""

import dataclasses

import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.measure.gap_frame_split import gap_frame_split


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_golden(coco):
    split = gap_frame_split(coco["image"], coco["text"])
    assert split.rank == 185
    assert split.gap_share_u == pytest.approx(0.657, abs=5e-4)
    assert split.share_of_dimensions == pytest.approx(0.361, abs=5e-4)
    assert split.spectra_correlation == pytest.approx(0.9987, abs=1e-4)
    assert split.residual_trace_u + split.residual_trace_v == pytest.approx((1.38016 - 0.72480) * 500 / 499, abs=1e-4)
    assert (split.pairs, split.dimension, split.energy) == (500, 512, 0.9)


def test_equals_plain_algebra(rng):
    x = rng.normal(size=(1100, 5)) * [5, 4, 1, 1, 1] + 1
    y = x + rng.normal(size=x.shape)
    split = gap_frame_split(x, y, energy=0.6)
    a, b = unit(x), unit(y)
    values, vectors = np.linalg.eigh(np.cov(a.T) + np.cov(b.T))
    values, vectors = values[::-1], vectors[:, ::-1]
    rank = int(np.argmax(np.cumsum(values) > 0.6 * values.sum())) + 1
    u, v = vectors[:, :rank], vectors[:, rank:]
    g, residual = (a - b).mean(axis=0), np.cov((a - b).T)
    spectra = [np.linalg.eigvalsh(np.cov(rows.T)) for rows in (a, b)]
    assert split.rank == rank
    assert split.gap_share_u == pytest.approx(((u.T @ g) ** 2).sum() / (g @ g))
    assert split.gap_share_v == pytest.approx(((v.T @ g) ** 2).sum() / (g @ g))
    assert split.residual_trace_u == pytest.approx(np.trace(u.T @ residual @ u))
    assert split.residual_trace_v == pytest.approx(np.trace(v.T @ residual @ v))
    assert split.condition_u == pytest.approx(np.linalg.cond(u.T @ residual @ u))
    assert split.condition_v == pytest.approx(np.linalg.cond(v.T @ residual @ v))
    assert split.spectra_correlation == pytest.approx(np.corrcoef(*spectra)[0, 1])
    tensors = dataclasses.astuple(gap_frame_split(torch.from_numpy(x), torch.from_numpy(y), energy=0.6, check=False))
    assert tensors == pytest.approx(dataclasses.astuple(split))
    assert all(type(value) in (int, float) for value in tensors)
    assert gap_frame_split(x, y, energy=0.99).rank > rank


def test_a_gap_outside_the_frame(rng):
    tail = 0.6 * unit(rng.normal(size=(30, 3)))
    x = np.concatenate([np.full((30, 1), 0.8), tail], axis=1)
    split = gap_frame_split(x, x * [-1, 1, 1, 1], energy=0.999)
    assert split.rank == 3
    assert split.gap_share_v == pytest.approx(1.0)
    assert split.residual_trace_u == pytest.approx(0.0)
    assert split.condition_u is None
    assert split.condition_v is None


def test_a_frame_that_is_the_whole_space(rng):
    x, y = rng.normal(size=(30, 3)) + 1, rng.normal(size=(30, 3))
    split = gap_frame_split(x, y, energy=0.99999)
    assert split.rank == 3
    assert (split.gap_share_v, split.residual_trace_v, split.condition_v) == (0.0, 0.0, None)


def test_a_flat_or_empty_spectrum_has_no_correlation(rng):
    flat = np.concatenate([np.eye(3), -np.eye(3)])
    other = rng.normal(size=(6, 3)) + 1
    assert gap_frame_split(flat, other).spectra_correlation is None
    assert gap_frame_split(other, -np.ones((6, 3))).spectra_correlation is None


def test_messages(rng):
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="energy must lie between 0 and 1, but it is 1"):
        gap_frame_split(x, y, energy=1)
    with pytest.raises(ValueError, match="must pair row by row"):
        gap_frame_split(x, y[:4])
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        gap_frame_split(x[:1], y[:1])
    with pytest.raises(DegenerateError, match="the means of x and y coincide"):
        gap_frame_split(x, x[::-1].copy())
    with pytest.raises(DegenerateError, match="do not vary"):
        gap_frame_split(np.ones((5, 3)), -np.ones((5, 3)))

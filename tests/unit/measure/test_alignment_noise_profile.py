"""Shape of the residuals of the pairs."""

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from crossgap.errors import DegenerateError
from crossgap.measure.alignment_noise_profile import alignment_noise_profile


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_golden(coco):
    profile = alignment_noise_profile(coco["image"], coco["text"])
    assert profile.nu == pytest.approx(0.0346, abs=1e-4)
    assert profile.nu_rms == pytest.approx(0.0358, abs=1e-4)
    assert profile.norm_mean == pytest.approx(0.805, abs=5e-4)
    assert profile.participation_ratio == pytest.approx(77.9, abs=0.05)
    assert profile.top_over_mean == pytest.approx(28.3, abs=0.05)
    assert profile.mean_excess_kurtosis == pytest.approx(0.08, abs=5e-3)
    assert profile.isotropy == profile.participation_ratio / 512
    assert (profile.pairs, profile.dimension, profile.tested_rows, profile.constant_coordinates) == (500, 512, 500, 0)


def test_equals_scipy(rng):
    x = rng.normal(size=(1100, 4)) + 2
    y = rng.exponential(size=x.shape)
    profile = alignment_noise_profile(x, y)
    gaps = unit(x) - unit(y)
    e = gaps - gaps.mean(axis=0)
    lengths, values = np.linalg.norm(e, axis=1), np.linalg.eigvalsh(np.cov(e.T))
    assert profile.nu == pytest.approx(e.std(axis=0).mean())
    assert profile.nu_rms == pytest.approx(np.sqrt((e**2).mean()))
    assert profile.norm_mean == pytest.approx(lengths.mean())
    assert profile.norm_concentration == pytest.approx(lengths.std() / lengths.mean())
    assert profile.mean_skew == pytest.approx(stats.skew(e).mean())
    assert profile.mean_excess_kurtosis == pytest.approx(stats.kurtosis(e).mean())
    assert profile.participation_ratio == pytest.approx(values.sum() ** 2 / (values**2).sum())
    assert profile.top_over_mean == pytest.approx(values.max() / values.mean())
    tensors = dataclasses.astuple(alignment_noise_profile(torch.from_numpy(x), torch.from_numpy(y), check=False))
    assert tensors == pytest.approx(dataclasses.astuple(profile))
    assert all(type(value) in (int, float) for value in tensors)


def test_normal_share_with_holms_correction(rng):
    """A hair of noise on a fixed gap leaves the marginals as they were drawn: five normal, three exponential."""
    levels = (np.arange(300) + 0.5) / 300
    marginals = [stats.norm.ppf(levels)] * 5 + [stats.expon.ppf(levels)] * 3
    noise = np.stack([rng.permutation(values) for values in marginals], axis=1)
    x = np.concatenate([np.ones((300, 1)), 1e-4 * noise], axis=1)
    y = np.tile(-np.eye(9)[:1], (300, 1))
    profile = alignment_noise_profile(x, y)
    assert profile.normal_share == pytest.approx(5 / 9)  # the first coordinate holds squares of the others
    assert profile.constant_coordinates == 0


@pytest.mark.parametrize("level", [0.05, 0.5, 0.999])
def test_holms_correction_step_by_step(level, rng):
    x, y = rng.normal(size=(60, 30)) + 1, rng.normal(size=(60, 30))
    p = sorted(stats.shapiro(column).pvalue for column in (unit(x) - unit(y)).T)
    rejected = 0
    while rejected < 30 and p[rejected] <= level / (30 - rejected):
        rejected += 1
    assert alignment_noise_profile(x, y, level=level).normal_share == pytest.approx(1 - rejected / 30)


def test_sample_and_seed_choose_the_tested_pairs(rng):
    x, y = rng.normal(size=(400, 20)) + 2, rng.normal(size=(400, 20)) ** 3
    few = alignment_noise_profile(x, y, sample=25)
    assert few.tested_rows == 25
    assert few.normal_share > alignment_noise_profile(x, y).normal_share
    shares = {alignment_noise_profile(x, y, sample=25, seed=seed).normal_share for seed in range(4)}
    assert len(shares) > 1


def test_constant_coordinates_are_left_out(rng):
    tail = unit(rng.normal(size=(50, 3)))
    x = np.concatenate([tail, np.zeros((50, 1))], axis=1)
    profile = alignment_noise_profile(x, np.tile(np.eye(4)[3:], (50, 1)))
    assert profile.constant_coordinates == 1
    assert np.isfinite(dataclasses.astuple(profile)).all()


def test_messages(rng):
    x, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="level must lie between 0 and 1, but it is 0"):
        alignment_noise_profile(x, y, level=0)
    for sample in (2, 5001):
        with pytest.raises(ValueError, match=f"sample must lie between 3 and 5000 pairs, but it is {sample}"):
            alignment_noise_profile(x, y, sample=sample)
    with pytest.raises(DegenerateError, match="at least 3 rows"):
        alignment_noise_profile(x[:2], y[:2])
    with pytest.raises(DegenerateError, match="one and the same gap"):
        alignment_noise_profile(x, x.copy())
    with pytest.raises(ValueError, match="must pair row by row"):
        alignment_noise_profile(x, y[:4])

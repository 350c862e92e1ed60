import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes as reference
from scipy.stats import ortho_group

from crossgap.errors import DegenerateError
from crossgap.geometry.procrustes import orthogonal_procrustes


@pytest.fixture
def turned(rng):
    """Rows, the same rows turned by a known matrix, and that matrix: x = y W^T."""
    y = rng.normal(size=(50, 6)) + 0.5
    matrix = ortho_group.rvs(6, random_state=0)
    return y @ matrix.T, y, matrix


def _squares(x, y):
    return float(((x - y) ** 2).sum())


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("centre", [True, False])
def test_a_known_rotation_is_found(turned, unit, centre):
    x, y, matrix = turned
    found = orthogonal_procrustes(x, y, unit=unit, centre=centre)
    np.testing.assert_allclose(found.matrix, matrix, atol=1e-12)
    np.testing.assert_allclose(found.transform(y), x, atol=1e-10) if not unit else None
    assert found.scale == pytest.approx(1.0)


def test_it_is_that_of_scipy_on_unit_rows(rng, normalised):
    x, y = rng.normal(size=(2, 40, 7))
    matrix, total = reference(normalised(y), normalised(x))  # SciPy multiplies from the right
    found = orthogonal_procrustes(x, y)
    np.testing.assert_allclose(found.matrix, matrix.T, atol=1e-12)
    assert found.singular_values.sum() == pytest.approx(total)
    assert found.scale == pytest.approx(total / 40)


def test_no_other_orthogonal_matrix_comes_closer(rng, normalised):
    x, y = (normalised(rows) for rows in rng.normal(size=(2, 30, 4)))
    found = orthogonal_procrustes(x, y)
    least = _squares(x, y @ found.matrix.T)
    np.testing.assert_allclose(found.matrix @ found.matrix.T, np.eye(4), atol=1e-12)
    assert all(_squares(x, y @ ortho_group.rvs(4, random_state=rng).T) > least for _ in range(50))
    near = [orthogonal_procrustes(x, y + 0.01 * rng.normal(size=y.shape)).matrix for _ in range(20)]
    assert all(_squares(x, y @ matrix.T) >= least for matrix in near)
    assert least == pytest.approx(60 - 2 * found.singular_values.sum())


def test_centring_takes_both_means_away_and_puts_one_back(rng):
    x = rng.normal(size=(40, 3)) + [5, 0, 0]
    turn = ortho_group.rvs(3, random_state=1)
    y = (x - 7.0) @ turn
    about_origin = orthogonal_procrustes(x, y, unit=False)
    centred = orthogonal_procrustes(x, y, unit=False, centre=True)
    np.testing.assert_allclose(centred.transform(y), x, atol=1e-10)
    np.testing.assert_allclose(centred.x_mean, x.mean(axis=0))
    np.testing.assert_allclose(centred.y_mean, y.mean(axis=0))
    assert _squares(about_origin.transform(y), x) > 1
    assert not about_origin.x_mean.any()
    assert not about_origin.y_mean.any()


def test_the_scale_is_the_factor_that_fits_best(rng):
    y = rng.normal(size=(40, 5))
    x = 3 * y @ ortho_group.rvs(5, random_state=2) + 0.1 * rng.normal(size=(40, 5))
    found = orthogonal_procrustes(x, y, unit=False)
    moved = found.transform(y)
    assert found.scale == pytest.approx(3, abs=0.1)
    best = min(np.linspace(2.5, 3.5, 10_001), key=lambda scale: _squares(x, scale * moved))
    assert found.scale == pytest.approx(best, abs=1e-4)


def test_without_reflections_the_determinant_is_one(rng):
    y = rng.normal(size=(40, 4))
    x = y * [1, 1, 1, -1]
    mirrored, turned = orthogonal_procrustes(x, y), orthogonal_procrustes(x, y, reflection=False)
    assert np.linalg.det(mirrored.matrix) == pytest.approx(-1)
    assert np.linalg.det(turned.matrix) == pytest.approx(1)
    np.testing.assert_allclose(turned.matrix @ turned.matrix.T, np.eye(4), atol=1e-12)
    unit_x, unit_y = (rows / np.linalg.norm(rows, axis=1)[:, None] for rows in (x, y))
    assert turned.singular_values.sum() == pytest.approx(float((unit_x * (unit_y @ turned.matrix.T)).sum()))
    assert turned.singular_values[-1] < 0
    assert turned.scale < mirrored.scale


def test_a_proper_rotation_is_the_same_with_and_without_reflections(rng):
    y = rng.normal(size=(40, 2))
    x = y @ np.array([[0.6, -0.8], [0.8, 0.6]])
    both = [orthogonal_procrustes(x, y, reflection=allowed).matrix for allowed in (True, False)]
    np.testing.assert_allclose(both[0], both[1], atol=1e-12)


def test_two_narrow_cones_come_together_also_with_fewer_pairs_than_dimensions(rng, normalised):
    x, y = (normalised(rng.normal(size=64) * 4 + rng.normal(size=(20, 64))) for _ in range(2))
    found = orthogonal_procrustes(x, y)
    before = np.linalg.norm(x.mean(axis=0) - y.mean(axis=0))
    after = np.linalg.norm(x.mean(axis=0) - found.transform(y).mean(axis=0))
    assert before > 1
    assert after < 0.05 * before


def test_the_gap_of_real_pairs_in_sample(coco):
    """Spec C6: fitted on the 500 pairs themselves, centroid distance 0.013 and pair cosine 0.856 (over-fitted)."""
    x, y = (rows / np.linalg.norm(rows, axis=1)[:, None] for rows in (coco["image"], coco["text"]))
    moved = orthogonal_procrustes(x, y).transform(y)
    assert np.linalg.norm(x.mean(axis=0) - moved.mean(axis=0)) == pytest.approx(0.013, abs=5e-4)
    assert (x * moved).sum(axis=1).mean() == pytest.approx(0.856, abs=5e-4)


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize("centre", [True, False])
def test_blocks_readers_and_tensors_give_the_same(rng, lazy, unit, centre):
    x, y = rng.normal(size=(2, 3000, 5)) + 0.3
    whole = orthogonal_procrustes(x, y, unit=unit, centre=centre)
    read = orthogonal_procrustes(lazy(x), lazy(y), unit=unit, centre=centre)
    tensors = orthogonal_procrustes(torch.from_numpy(x), torch.from_numpy(y), unit=unit, centre=centre)
    np.testing.assert_allclose(read.matrix, whole.matrix, atol=1e-12)
    assert isinstance(tensors.matrix, torch.Tensor)
    np.testing.assert_allclose(tensors.matrix.numpy(), whole.matrix, atol=1e-10)
    assert tensors.scale == pytest.approx(whole.scale)


def test_a_map_keeps_the_precision_and_library_of_what_it_moves(rng):
    x, y = (torch.from_numpy(rows).float() for rows in rng.normal(size=(2, 30, 4)))
    found = orthogonal_procrustes(x, y)
    assert found.matrix.dtype == torch.float64
    moved = found.transform(y)
    assert moved.dtype == torch.float32
    assert torch.allclose(moved.double(), y.double() @ found.matrix.T, atol=1e-6)


def test_rows_of_any_length_count_alike_on_the_unit_sphere_only(rng):
    x, y = rng.normal(size=(2, 30, 4))
    factors = rng.uniform(0.1, 10, size=(30, 1))
    np.testing.assert_allclose(
        orthogonal_procrustes(x, factors * y).matrix, orthogonal_procrustes(x, y).matrix, atol=1e-12
    )
    raw = [orthogonal_procrustes(x, rows, unit=False).matrix for rows in (y, factors * y)]
    assert abs(raw[0] - raw[1]).max() > 1e-3


def test_what_is_refused(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(ValueError, match="pair row by row"):
        orthogonal_procrustes(x, x[:4])
    zero, broken = x.copy(), x.copy()
    zero[2], broken[3, 1] = 0, np.nan
    with pytest.raises(ValueError, match="y must have rows of a length above zero, but row 2"):
        orthogonal_procrustes(x, zero)
    assert np.isfinite(orthogonal_procrustes(x, zero, check=False).matrix).all()
    assert np.isfinite(orthogonal_procrustes(x, zero, unit=False).matrix).all()
    with pytest.raises(ValueError, match="x must be finite, but row 3"):
        orthogonal_procrustes(broken, x)
    with pytest.raises(ValueError, match="y must be finite, but it holds a NaN"):
        orthogonal_procrustes(x, broken, unit=False)
    with pytest.raises(DegenerateError, match=r"product X\^T Y other than zero"):
        orthogonal_procrustes(np.ones((4, 3)), np.ones((4, 3)), unit=False, centre=True)

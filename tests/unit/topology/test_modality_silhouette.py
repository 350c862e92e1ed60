import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_samples, silhouette_score

from crossgap import topology
from crossgap.errors import DegenerateError


def _labels(n, m):
    return np.repeat([0, 1], [n, m])


@pytest.mark.parametrize("unit", [True, False])
@pytest.mark.parametrize(("n", "m"), [(2, 2), (2, 30), (60, 40), (1100, 1300)])
def test_values_are_those_of_scikit_learn(rng, unit, n, m):
    x, y = rng.normal(size=(n, 5)) + 2.0, rng.normal(size=(m, 5)) + 2.5
    rows = np.concatenate([x, y])
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True) if unit else rows
    of_x, of_y = topology.modality_silhouette_per_row(x, y, unit=unit)
    assert of_x.shape == (n,)
    assert of_y.shape == (m,)
    assert np.abs(np.concatenate([of_x, of_y]) - silhouette_samples(rows, _labels(n, m))).max() < 1e-7
    value = topology.modality_silhouette(x, y, unit=unit)
    assert value == pytest.approx(silhouette_score(rows, _labels(n, m)), abs=1e-7)
    assert topology.modality_silhouette(y, x, unit=unit) == pytest.approx(value, abs=1e-12)


def test_two_points_give_one_and_one_point_gives_nothing():
    x = np.tile([[1.0, 0.0]], (4, 1))
    assert topology.modality_silhouette(x, -x) == 1.0
    assert topology.modality_silhouette(x, x) == 0.0


def test_shuffled_rows_give_zero_on_average(rng):
    rows = rng.normal(size=(60, 4))
    found = [
        topology.modality_silhouette(shuffled[:40], shuffled[40:])
        for shuffled in (rng.permutation(rows) for _ in range(200))
    ]
    assert abs(np.mean(found)) < 0.005


def test_a_wider_gap_is_higher(rng):
    x, y = rng.normal(size=(2, 50, 5))
    values = [topology.modality_silhouette(x, y + gap, unit=False) for gap in (0.0, 1.0, 3.0, 30.0)]
    assert values == sorted(values)
    assert values[0] < 0.02
    assert values[-1] > 0.9


def test_real_pairs(coco):
    assert round(topology.modality_silhouette(coco["image"], coco["text"]), 3) == 0.251


def test_unit_matters_and_tensors_are_taken(rng):
    x, y = rng.normal(size=(2, 40, 3)).astype(np.float32)
    y += 0.5
    assert topology.modality_silhouette(x, y) != topology.modality_silhouette(x, y, unit=False)
    assert topology.modality_silhouette(torch.tensor(x), torch.tensor(y)) == topology.modality_silhouette(x, y)


def test_messages():
    x, y = np.ones((3, 2)), np.ones((4, 2))
    with pytest.raises(DegenerateError, match="x must have at least 2 rows"):
        topology.modality_silhouette(x[:1], y)
    with pytest.raises(DegenerateError, match="y must have at least 2 rows"):
        topology.modality_silhouette_per_row(x, y[:1])
    with pytest.raises(ValueError, match="2 and 3 dimensions"):
        topology.modality_silhouette(x, np.ones((4, 3)))
    y[2] = 0
    with pytest.raises(ValueError, match="y must have rows of a length above zero, but row 2"):
        topology.modality_silhouette(x, y)
    assert topology.modality_silhouette(x, y, unit=False) >= -1
    assert topology.modality_silhouette(x, y, check=False) >= -1
    y[1] = np.inf
    with pytest.raises(ValueError, match="y must be finite, but row 1"):
        topology.modality_silhouette(x, y, unit=False)

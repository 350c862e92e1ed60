import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.energy_distance import energy_distance

# torch says so once, when a checked length is read from a tensor that has a gradient


def plain(x, y, a, b):
    x, y = unit_rows(x), unit_rows(y)

    def mean(u, v, p, q, same):
        distance = np.sqrt(((u[:, None] - v[None]) ** 2).sum(-1))
        w = np.outer(p, q) * (1 - np.eye(len(u)) if same else 1)
        return (distance * w).sum() / w.sum()

    return 2 * mean(x, y, a, b, False) - mean(x, x, a, a, True) - mean(y, y, b, b, True)


def test_equals_a_double_loop_over_several_blocks(rng):
    x, y = rng.normal(size=(1100, 3)) + 0.5, rng.normal(size=(1040, 3))
    assert float(energy_distance(x, y)) == pytest.approx(plain(x, y, np.ones(1100), np.ones(1040)), abs=1e-10)


def test_real_pairs_differ_and_halves_of_one_group_do_not(coco):
    assert float(energy_distance(coco["image"], coco["text"])) == pytest.approx(0.6481, abs=1e-4)
    assert abs(float(energy_distance(coco["image"][:250], coco["image"][250:]))) < 0.02


def test_weights_count_rows_but_never_pair_a_row_with_itself(rng):
    x, y = rng.normal(size=(40, 4)), rng.normal(size=(30, 4)) + 0.3
    a, b = rng.poisson(1, (40, 3)).astype(np.uint8), rng.poisson(1, (30, 3)).astype(np.uint8)
    expected = [plain(x, y, a[:, k].astype(float), b[:, k].astype(float)) for k in range(3)]
    assert energy_distance(x, y, weights=(a, b)) == pytest.approx(expected, abs=1e-10)


def test_torch_agrees_and_has_a_gradient_even_where_rows_coincide(rng):
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(15, 4)) + 0.3
    y[0] = x[0]
    a = torch.tensor(x, requires_grad=True)
    value = energy_distance(a, torch.tensor(y))
    assert value.item() == pytest.approx(float(energy_distance(x, y)), abs=1e-9)
    value.backward()
    assert torch.isfinite(a.grad).all()
    weights = (np.ones((20, 2)), np.ones((15, 2)))
    assert energy_distance(torch.tensor(x), torch.tensor(y), weights=weights).tolist() == pytest.approx(
        [value.item()] * 2
    )
    assert float(energy_distance(x.astype(np.float16), y.astype(np.float16))) == pytest.approx(value.item(), abs=2e-3)


def test_messages(rng):
    x = rng.normal(size=(5, 3))
    with pytest.raises(DegenerateError, match="y must have at least 2 rows"):
        energy_distance(x, x[:1])
    with pytest.raises(ValueError, match="share one space"):
        energy_distance(x, x[:, :2])
    x[2] = 0
    with pytest.raises(ValueError, match="row 2 is all zeros"):
        energy_distance(x, x)
    energy_distance(x, x, check=False)

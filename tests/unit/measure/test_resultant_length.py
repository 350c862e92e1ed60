import numpy as np
import pytest
import torch

from crossgap.errors import DegenerateError
from crossgap.geometry.rows import unit_rows
from crossgap.measure.resultant_length import (
    conformity_per_row,
    resultant_length,
    thin_shell,
    von_mises_concentration,
)

# torch says so once, when a checked length is read from a tensor that has a gradient


@pytest.mark.parametrize(
    ("name", "value"),
    [("image", 0.72967), ("text", 0.71845), ("image_random_init", 0.82587), ("text_random_init", 0.81494)],
)
def test_golden_values(coco, name, value):
    assert float(resultant_length(coco[name])) == pytest.approx(value, abs=1e-5)


def test_closed_forms(rng):
    x = rng.normal(size=(1300, 4)) + np.eye(4)[0]
    mean = unit_rows(x).mean(axis=0)
    length = np.linalg.norm(mean)
    assert float(resultant_length(x)) == pytest.approx(length, abs=1e-12)
    assert float(von_mises_concentration(x)) == pytest.approx(length * (4 - length**2) / (1 - length**2), abs=1e-9)
    assert conformity_per_row(x) == pytest.approx(unit_rows(x) @ mean / length, abs=1e-12)
    assert conformity_per_row(x).mean() == pytest.approx(length, abs=1e-12)
    distances = np.linalg.norm(x - x.mean(axis=0), axis=1)
    assert float(thin_shell(x)) == pytest.approx(distances.std() / distances.mean(), abs=1e-12)


def test_a_standard_normal_is_a_thin_shell(rng):
    assert float(thin_shell(rng.normal(size=(4000, 200)) + 3)) == pytest.approx(1 / 20, rel=0.05)


@pytest.mark.parametrize("quantity", [resultant_length, von_mises_concentration, thin_shell])
def test_weights_equal_repeated_rows_and_torch_agrees(rng, quantity):
    x = rng.normal(size=(40, 3)) + 0.4
    w = rng.poisson(1, (40, 4)).astype(np.uint8)
    expected = [float(quantity(np.repeat(x, w[:, k], axis=0))) for k in range(4)]
    assert quantity(x, weights=w) == pytest.approx(expected, abs=1e-10)
    assert quantity(torch.tensor(x), weights=w).tolist() == pytest.approx(expected, abs=1e-9)
    a = torch.tensor(x, requires_grad=True)
    value = quantity(a)
    assert value.dtype == torch.float64
    assert value.item() == pytest.approx(float(quantity(x)), abs=1e-12)
    value.backward()
    assert torch.isfinite(a.grad).all()
    assert a.grad.abs().max() > 0
    assert float(quantity(x.astype(np.float16))) == pytest.approx(value.item(), rel=5e-3)


def test_conformity_on_torch(rng):
    x = rng.normal(size=(40, 3)) + 0.4
    assert conformity_per_row(torch.tensor(x)).numpy() == pytest.approx(conformity_per_row(x), abs=1e-12)


def test_messages():
    one, opposite = np.ones((3, 2)), np.array([[1.0, 0.0], [-1.0, 0.0]])
    with pytest.raises(DegenerateError, match="all rows of x point one way"):
        von_mises_concentration(one)
    with pytest.raises(DegenerateError, match="the rows of x cancel"):
        conformity_per_row(opposite)
    with pytest.raises(DegenerateError, match="all rows of x coincide"):
        thin_shell((one / 3).astype(np.float32))
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        thin_shell(one[:1])
    bad = np.array([[0.0, 1.0], [np.nan, 1.0]])
    with pytest.raises(ValueError, match="a row holds a NaN or an infinity"):
        thin_shell(bad)
    for quantity in (resultant_length, von_mises_concentration, conformity_per_row):
        with pytest.raises(ValueError, match="row 1 holds a NaN"):
            quantity(bad)
        with pytest.raises(ValueError, match="row 0 is all zeros"):
            quantity(np.zeros((2, 2)))

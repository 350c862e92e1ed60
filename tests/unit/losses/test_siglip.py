import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from crossgap.errors import DegenerateError
from crossgap.losses.siglip import siglip_loss


def unit(rng, n=12, d=5):
    return normalize(torch.from_numpy(rng.normal(size=(n, d))), dim=1)


def log_sigmoid(logit):
    return min(logit, 0.0) - math.log1p(math.exp(-abs(logit)))


def by_loops(x, y, scale, bias):
    """The definition: a double loop in float64."""
    total = 0.0
    for i in range(len(x)):
        for j in range(len(y)):
            total -= log_sigmoid((1 if i == j else -1) * (scale * float(np.dot(x[i], y[j])) + bias))
    return total / len(x)


@pytest.mark.parametrize("bias", [-10.0, 0, 3.0])
@pytest.mark.parametrize("scale", [0.1, 10.0, 100.0, 2000.0])
def test_equals_a_double_loop(rng, scale, bias):
    x, y = unit(rng), unit(rng)
    expected = pytest.approx(by_loops(x.numpy(), y.numpy(), scale, bias), rel=1e-10)
    assert float(siglip_loss(x, y, scale, bias)) == expected
    assert float(siglip_loss(x, y, scale, logit_bias=bias)) == expected
    assert float(siglip_loss(x, y, torch.tensor([scale]).double(), torch.tensor([[bias]]).double())) == expected
    if bias == -10.0:
        assert float(siglip_loss(x, y, scale)) == expected  # the default


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("n", "golden"), [(64, 6.8802259), (500, 7.0314102)])
def test_golden_values_on_clip(coco, n, golden, dtype):
    x, y = (normalize(torch.from_numpy(coco[name][:n]), dim=1).to(dtype) for name in ("image", "text"))
    loss = siglip_loss(x, y, 10.0, -10.0)
    assert loss.dtype == dtype
    assert float(loss) == pytest.approx(golden, rel=1e-5)


def test_closed_forms():
    axes = torch.eye(6, dtype=torch.float64)
    for scale, bias in ((4.0, -2.0), (300.0, -150.0), (300.0, 0.0)):
        expected = math.log1p(math.exp(-scale - bias)) + 5 * (max(bias, 0) + math.log1p(math.exp(-abs(bias))))
        assert float(siglip_loss(axes, axes, scale, bias)) == pytest.approx(expected, rel=1e-12)
    # far on the wrong side: the loss is linear there, not infinite
    assert float(siglip_loss(axes, -axes, 1000.0, 0.0)) == pytest.approx(1000 + 5 * math.log(2), rel=1e-12)


def test_derivative_in_the_bias_is_predicted_less_true_matches(rng):
    x, y = unit(rng), unit(rng)
    bias = torch.tensor(-1.5, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(siglip_loss(x, y, 3.0, bias), bias)
    predicted = 1 / (1 + np.exp(-(3.0 * (x @ y.T).numpy() - 1.5)))
    assert float(slope) == pytest.approx((predicted.sum() - 12) / 12, rel=1e-10)


def test_an_offset_of_all_cosines_is_an_offset_of_the_bias(rng):
    x, y = unit(rng), unit(rng)
    height = 0.6  # every cosine becomes 0.64 cos + 0.36
    lifted = [math.sqrt(1 - height**2) * rows for rows in (x, y)]
    column = torch.full((12, 1), height, dtype=torch.float64)
    lifted_x, lifted_y = (torch.cat([rows, column], dim=1) for rows in lifted)
    same = siglip_loss(x, y, 0.64 * 10, -5 + 0.36 * 10)
    assert float(siglip_loss(lifted_x, lifted_y, 10.0, -5.0)) == pytest.approx(float(same), rel=1e-12)
    assert float(siglip_loss(x, y, 0.64 * 10, -5.0)) != pytest.approx(float(same), rel=1e-2)


def test_ignores_a_joint_rotation_the_order_of_pairs_and_a_swap_and_sees_other_changes(rng):
    x, y = unit(rng), unit(rng)
    value = float(siglip_loss(x, y, 10.0, -3.0))
    rotation = torch.linalg.qr(torch.from_numpy(rng.normal(size=(5, 5))))[0]
    order = torch.from_numpy(rng.permutation(12))
    assert float(siglip_loss(x @ rotation, y @ rotation, 10.0, -3.0)) == pytest.approx(value, rel=1e-12)
    assert float(siglip_loss(x[order], y[order], 10.0, -3.0)) == pytest.approx(value, rel=1e-12)
    assert float(siglip_loss(y, x, 10.0, -3.0)) == pytest.approx(value, rel=1e-12)
    assert float(siglip_loss(x @ rotation, y, 10.0, -3.0)) != pytest.approx(value, rel=1e-3)
    assert float(siglip_loss(x[order], y, 10.0, -3.0)) != pytest.approx(value, rel=1e-3)
    assert float(siglip_loss(x, y, 11.0, -3.0)) != pytest.approx(value, rel=1e-3)


def test_rows_are_what_a_process_adds_up_while_texts_travel_a_ring(rng):
    x, y = unit(rng).numpy(), unit(rng).numpy()
    shards = [range(first, first + 4) for first in (0, 4, 8)]
    for own in shards:
        total = 0.0
        for visiting in shards:  # texts of another process bring negatives only
            for i in own:
                for j in visiting:
                    match = visiting is own and i == j
                    total -= log_sigmoid((1 if match else -1) * (10.0 * float(np.dot(x[i], y[j])) - 10.0))
        part = siglip_loss(torch.from_numpy(x), torch.from_numpy(y), 10.0, rows=slice(own.start, own.stop))
        assert float(part) == pytest.approx(total / 4, rel=1e-12)  # divided by the local number of rows


@pytest.mark.parametrize("parts", [2, 3, 12])
def test_the_mean_over_parts_is_the_whole_in_value_and_gradient(rng, parts):
    numbers = [torch.tensor(value, dtype=torch.float64).requires_grad_() for value in (7.0, -4.0)]
    inputs = (unit(rng).requires_grad_(), unit(rng).requires_grad_(), *numbers)
    slices = [slice(first, first + 12 // parts) for first in range(0, 12, 12 // parts)]
    whole = siglip_loss(*inputs)
    pieces = sum(siglip_loss(*inputs, rows=rows) for rows in slices) / parts
    assert float(pieces.detach()) == pytest.approx(float(whole.detach()), rel=1e-12)
    for a, b in zip(torch.autograd.grad(pieces, inputs), torch.autograd.grad(whole, inputs), strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-14)


def test_gradient(rng):
    numbers = [torch.tensor(value, dtype=torch.float64).requires_grad_() for value in (4.0, -1.0)]
    inputs = (unit(rng, n=5).requires_grad_(), unit(rng, n=5).requires_grad_(), *numbers)
    assert torch.autograd.gradcheck(lambda x, y, s, b: siglip_loss(x, y, s, b, check=False), inputs)
    assert torch.autograd.gradcheck(lambda x, y, s, b: siglip_loss(x, y, s, b, rows=slice(1, 3), check=False), inputs)


def test_messages(rng):
    x, y = unit(rng), unit(rng)
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        siglip_loss(x[:1], y[:1], 1.0)
    with pytest.raises(ValueError, match="x must have rows of length 1"):
        siglip_loss(2 * x, y, 1.0)
    assert torch.isfinite(siglip_loss(2 * x, y, 1.0, check=False))
    with pytest.raises(ValueError, match="logit_scale must be a finite number above 0"):
        siglip_loss(x, y, 0.0)
    with pytest.raises(ValueError, match="rows must be a part of the 12 rows"):
        siglip_loss(x, y, 1.0, rows=slice(3, 13))
    for bias in ("-10", None, True):
        with pytest.raises(TypeError, match=f"logit_bias must be a number .* but it is a {type(bias).__name__}"):
            siglip_loss(x, y, 1.0, bias)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"logit_bias must be one number, but its shape is \(2,\)"):
        siglip_loss(x, y, 1.0, torch.zeros(2))
    for bias in (math.nan, math.inf):
        with pytest.raises(ValueError, match=f"logit_bias must be finite, but it is {bias}"):
            siglip_loss(x, y, 1.0, bias)
        with pytest.raises(ValueError, match="logit_bias must be finite"):
            siglip_loss(x, y, 1.0, torch.tensor(bias))
    siglip_loss(x, y, 1.0, torch.tensor(math.inf), check=False)  # a tensor is not read

import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from crossgap.errors import DegenerateError
from crossgap.losses.inputs import check_batch, check_logit_scale, check_unit_length, full_precision, row_range
from crossgap.losses.temperature import LogitScale


def unit(seed, n=6, d=4, dtype=torch.float64):
    return normalize(torch.from_numpy(np.random.default_rng(seed).normal(size=(n, d))), dim=1).to(dtype)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ((torch.float64, torch.float64), torch.float64),
        ((torch.float32, torch.float32), torch.float32),
        ((torch.bfloat16, torch.bfloat16), torch.float32),
        ((torch.float16, torch.float16), torch.float32),
        ((torch.float16, torch.bfloat16), torch.float32),
        ((torch.float32, torch.float64), torch.float64),
    ],
)
def test_narrow_types_become_float32_and_wide_ones_stay(given, kept):
    x, y, scale = check_batch(unit(0, dtype=given[0]), unit(1, dtype=given[1]), torch.tensor(2.0, dtype=torch.float64))
    assert x.dtype == y.dtype == scale.dtype == kept
    assert torch.equal(x, unit(0, dtype=given[0]).to(kept))


def test_the_scale_is_a_scalar_that_keeps_its_gradient():
    assert float(check_batch(unit(0), unit(1))[2]) == 1.0
    assert float(check_batch(unit(0), unit(1), 7)[2]) == 7.0
    learned = torch.tensor([[3.0]], requires_grad=True)
    scale = check_batch(unit(0), unit(1), learned)[2]
    assert scale.shape == ()
    (scale * scale).backward()
    assert learned.grad is not None
    assert learned.grad.tolist() == [[6.0]]


def test_rows_keep_their_gradient():
    x = unit(0, dtype=torch.bfloat16).requires_grad_()
    check_batch(x, unit(1, dtype=torch.bfloat16), 1.0)[0].sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.ones_like(x))


def test_messages_of_a_batch():
    x, y = unit(0), unit(1)
    with pytest.raises(TypeError, match=r"x must be a torch tensor, but it is a NumPy array; .*torch.as_tensor\(x\)"):
        check_batch(x.numpy(), y)
    with pytest.raises(TypeError, match="y must be a torch tensor, but it is a list"):
        check_batch(x, y.tolist())
    with pytest.raises(TypeError, match=r"x must hold floating-point numbers, but its dtype is torch\.int64"):
        check_batch(torch.ones(6, 4, dtype=torch.int64), y)
    with pytest.raises(ValueError, match=r"x must have shape \(n, d\)"):
        check_batch(x[0], y)
    with pytest.raises(ValueError, match="pair row by row, but they have 6 and 5 rows"):
        check_batch(x, y[:5])
    with pytest.raises(ValueError, match="must share one space, but their vectors have 4 and 3 dimensions"):
        check_batch(x, unit(1, d=3))
    with pytest.raises(DegenerateError, match="at least 2 rows for this quantity, but it has 1"):
        check_batch(x[:1], y[:1])
    assert check_batch(x[:1], y[:1], least=1)[0].shape == (1, 4)
    with pytest.raises(DegenerateError, match="at least 7 rows"):
        check_batch(x, y, least=7)
    with pytest.raises(ValueError, match="must be on one device, but they are on cpu and meta; move one"):
        check_batch(x, y.to("meta"))


@pytest.mark.parametrize(
    ("dtype", "inside", "outside"),
    [
        (torch.float64, 0.9e-4, 1.2e-4),
        (torch.float32, 0.9e-4, 1.2e-4),
        (torch.float16, 1.2e-3, 3e-3),
        (torch.bfloat16, 5e-3, 2e-2),
    ],
)
def test_tolerance_of_lengths(dtype, inside, outside):
    axis = torch.eye(3, dtype=torch.float64)
    check_unit_length((axis * (1 + inside)).to(dtype), "x")
    check_unit_length((axis * (1 - inside)).to(dtype), "x")
    for factor in (1 + outside, 1 - outside):
        with pytest.raises(ValueError, match=r"\(tolerance .* for torch\..*\), but row 0 has length"):
            check_unit_length((axis * factor).to(dtype), "x")


def test_message_of_a_length_names_the_worst_row():
    x, y = unit(0), unit(1)
    longer = y.clone()
    longer[2] *= 1.1
    longer[4] *= 1.5
    with pytest.raises(ValueError, match=r"y must have rows of length 1 .* row 4 has length 1\.5; normalise first"):
        check_batch(x, longer)
    broken = x.clone()
    broken[3, 1] = math.nan
    with pytest.raises(ValueError, match=r"x must have rows of length 1 .* row 3 has length nan"):
        check_batch(broken, y)
    broken[3, 1] = math.inf
    with pytest.raises(ValueError, match="row 3 has length inf"):
        check_batch(broken, y)
    assert check_batch(broken, longer, check=False)[1] is longer  # nothing read


def test_messages_of_the_scale():
    x = unit(0)
    with pytest.raises(ValueError, match=r"logit_scale must be one number, but its shape is \(2,\)"):
        check_logit_scale(torch.ones(2), x)
    assert float(check_logit_scale(np.float32(3.0), x)) == 3.0
    with pytest.raises(TypeError, match="but it is a LogitScale; call it"):
        check_logit_scale(LogitScale(), x)
    for value in ("100", None, True, 1j):
        with pytest.raises(TypeError, match=f"logit_scale must be a number .* but it is a {type(value).__name__}"):
            check_logit_scale(value, x)
    for value in (0, -1.0, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"logit_scale must be a finite number above 0, but it is {value:g}"):
            check_logit_scale(value, x)
        with pytest.raises(ValueError, match="a finite number above 0"):
            check_logit_scale(value, x, check=False)  # a number costs nothing to look at
        with pytest.raises(ValueError, match=f"a finite number above 0, but it is {value:g}"):
            check_logit_scale(torch.tensor(float(value)), x)
        check_logit_scale(torch.tensor(float(value)), x, check=False)  # a tensor is not read


def test_rows_of_a_batch():
    assert row_range(None, 5) == slice(0, 5)
    assert row_range(slice(None), 5) == slice(0, 5)
    assert row_range(slice(2, 4), 5) == slice(2, 4)
    assert row_range(slice(-2, None), 5) == slice(3, 5)
    for rows in (
        slice(2, 2),
        slice(4, 1),
        slice(5, None),
        slice(3, 6),
        slice(0, 4, 2),
        slice(None, None, -1),
        slice(-9, 2),
    ):
        with pytest.raises(ValueError, match=r"rows must be a part of the 5 rows of the batch, but it is slice\("):
            row_range(rows, 5)
    with pytest.raises(TypeError, match="rows must be a slice, but it is a int"):
        row_range(3, 5)


def test_full_precision_switches_autocast_off_and_on_again():
    @full_precision
    def product(x, y, *, factor=1.0):
        """A product."""
        return factor * (x @ y.T)

    x = unit(0, dtype=torch.float32)
    assert product.__name__ == "product"
    assert product.__doc__ == "A product."
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(product(x, x, factor=2.0), (2.0 * x.double() @ x.double().T).float(), atol=1e-6)
        assert product(x=x, y=x).dtype == torch.float32
        assert (x @ x.T).dtype == torch.bfloat16
    assert product(x.numpy(), x.numpy()).shape == (6, 6)  # what is no tensor goes through, to be refused by the loss

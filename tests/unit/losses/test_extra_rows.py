"""Checks of what losses take beside the batch."""

import math

import pytest
import torch

from crossgap.losses.extra_rows import check_extra_rows, check_number

LIKE = torch.zeros(3, 2)


def test_rows_take_the_type_of_the_batch():
    rows = check_extra_rows(torch.eye(2, dtype=torch.float64).repeat(2, 1)[:3], "v", LIKE)
    assert rows.dtype == torch.float32


def test_what_is_checked():
    assert check_extra_rows(torch.ones(3, 2), "v", LIKE, unit=False).shape == (3, 2)
    assert check_extra_rows(torch.ones(3, 2), "v", LIKE, check=False).shape == (3, 2)
    assert check_extra_rows(torch.ones(7, 2), "v", LIKE, matched=False, check=False).shape == (7, 2)
    assert check_extra_rows(torch.full((3, 2), math.nan), "v", LIKE, unit=False, check=False).isnan().all()


@pytest.mark.parametrize(
    ("rows", "options", "kind", "message"),
    [
        ([1.0], {}, TypeError, "v must be a torch tensor of floating-point numbers, but it is a list; convert it"),
        (torch.ones(3, 2).int(), {}, TypeError, r"but it is a torch.int32 tensor; convert it"),
        (torch.ones(2, 2), {}, ValueError, r"v must have shape \(3, 2\), as the batch, but its shape is \(2, 2\)"),
        (torch.ones(2, 3), {"matched": False}, ValueError, r"v must have shape \(h, 2\), h at least 1"),
        (torch.ones(3, 2), {}, ValueError, "v must have rows of length 1"),
        (torch.full((3, 2), math.inf), {"unit": False}, ValueError, "v must hold finite numbers"),
    ],
)
def test_errors_of_rows(rows, options, kind, message):
    with pytest.raises(kind, match=message):
        check_extra_rows(rows, "v", LIKE, **options)


def test_numbers_in_range_come_back():
    assert check_number(0, "w", 0) == 0.0
    assert check_number(1, "w", 0, 1) == 1.0
    assert check_number(1e300, "w", 0, open_ends="low") == 1e300


@pytest.mark.parametrize(
    ("value", "limits", "kind", "message"),
    [
        (-1, {}, ValueError, "w must be a finite number of at least 0, but it is -1; give another"),
        (0, {"open_ends": "low"}, ValueError, "w must be a finite number above 0, but it is 0"),
        (2, {"high": 1}, ValueError, "w must be a finite number of at least 0 and at most 1, but it is 2"),
        (
            1,
            {"high": 1, "open_ends": "high"},
            ValueError,
            "w must be a finite number of at least 0 and below 1, but it is 1",
        ),
        (math.inf, {}, ValueError, "w must be a finite number of at least 0, but it is inf"),
        (math.nan, {}, ValueError, "w must be a finite number of at least 0, but it is nan"),
        (False, {}, TypeError, "w must be a number, but it is a bool; give for example 0.5"),
        (torch.ones(()), {}, TypeError, "w must be a number, but it is a Tensor"),
    ],
)
def test_errors_of_numbers(value, limits, kind, message):
    with pytest.raises(kind, match=message):
        check_number(value, "w", 0, **limits)

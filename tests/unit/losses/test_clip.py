import math

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from crossgap.errors import DegenerateError
from crossgap.losses.clip import clip_loss


def unit(rng, n=12, d=5):
    return normalize(torch.from_numpy(rng.normal(size=(n, d))), dim=1)


def by_loops(x, y, scale, items=None, weights=(0.5, 0.5), rows=None):
    """The definition: a double loop in float64, with the probabilities themselves."""
    n = len(x)
    items = range(n) if items is None else items
    rows = range(n) if rows is None else rows
    total = 0.0
    for anchors, others, weight in ((x, y, weights[0]), (y, x, weights[1])):
        for i in rows:
            logits = [scale * float(np.dot(anchors[i], others[j])) for j in range(n)]
            normaliser = sum(math.exp(logit) for logit in logits)
            positives = [j for j in range(n) if items[j] == items[i]]
            for j in positives:
                total -= weight * math.log(math.exp(logits[j]) / normaliser) / len(positives) / len(rows)
    return total


@pytest.mark.parametrize("scale", [1.0, 1 / 0.07, 100.0])
def test_equals_a_double_loop(rng, scale):
    x, y = unit(rng), unit(rng)
    assert float(clip_loss(x, y, scale)) == pytest.approx(by_loops(x.numpy(), y.numpy(), scale), rel=1e-10)
    only = clip_loss(x, y, scale, x_to_y_weight=0.2, y_to_x_weight=1.3)
    assert float(only) == pytest.approx(by_loops(x.numpy(), y.numpy(), scale, weights=(0.2, 1.3)), rel=1e-10)


def test_several_positives_equal_a_double_loop(rng):
    x, y = unit(rng), unit(rng)
    items = torch.tensor([7, 3, 3, 1, 7, 7, 2, 9, 9, -4, 5, 6])
    expected = by_loops(x.numpy(), y.numpy(), 20.0, items=items.tolist())
    assert float(clip_loss(x, y, 20.0, items=items)) == pytest.approx(expected, rel=1e-10)
    assert expected != pytest.approx(by_loops(x.numpy(), y.numpy(), 20.0), rel=1e-2)
    for kind in (torch.int32, torch.int16, torch.int8):
        assert float(clip_loss(x, y, 20.0, items=items.to(kind))) == pytest.approx(expected, rel=1e-10)
    part = clip_loss(x, y, 20.0, items=items, rows=slice(4, 9))
    expected = by_loops(x.numpy(), y.numpy(), 20.0, items=items.tolist(), rows=range(4, 9))
    assert float(part) == pytest.approx(expected, rel=1e-10)


def test_several_positives_have_soft_labels(rng):
    x, y = unit(rng, n=6), unit(rng, n=6)
    items = torch.tensor([0, 0, 1, 2, 2, 2])
    labels = torch.tensor(
        [[1 / 2, 1 / 2, 0, 0, 0, 0]] * 2 + [[0, 0, 1, 0, 0, 0]] + [[0, 0, 0, 1 / 3, 1 / 3, 1 / 3]] * 3, dtype=x.dtype
    )
    expected = sum(torch.nn.functional.cross_entropy(logits, labels) for logits in (9 * x @ y.T, 9 * y @ x.T)) / 2
    assert float(clip_loss(x, y, 9.0, items=items)) == pytest.approx(float(expected), rel=1e-12)
    apart = clip_loss(x, y, 9.0, items=torch.arange(6))
    assert float(apart) == pytest.approx(float(clip_loss(x, y, 9.0)), rel=1e-14)


def test_several_positives_have_the_entropy_of_the_labels_as_floor():
    corners = torch.eye(3, dtype=torch.float64)
    items = torch.tensor([0, 0, 1, 2])
    floor = 2 * math.log(2) / 4  # two rows of four share their label between two
    assert float(clip_loss(corners[items], corners[items], 100.0, items=items)) == pytest.approx(floor, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("n", "scale", "golden"),
    [(64, 100.0, 0.6570562), (500, 100.0, 1.8008860), (64, 1 / 0.07, 2.2966023), (500, 1 / 0.07, 4.3401651)],
)
def test_golden_values_on_clip(coco, n, scale, golden, dtype):
    x, y = (normalize(torch.from_numpy(coco[name][:n]), dim=1).to(dtype) for name in ("image", "text"))
    loss = clip_loss(x, y, scale)
    assert loss.dtype == dtype
    assert float(loss) == pytest.approx(golden, rel=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("n", [2, 5, 64])
def test_equal_cosines_give_log_of_the_batch_size(rng, n, scale):
    x, y = unit(rng, n=1).expand(n, -1), unit(rng, n=1).expand(n, -1)
    assert float(clip_loss(x, y, scale)) == pytest.approx(math.log(n), rel=1e-12)
    assert float(clip_loss(x, -x, scale)) == pytest.approx(math.log(n), rel=1e-12)


def test_closed_form_of_orthogonal_rows():
    axes = torch.eye(8, dtype=torch.float64)
    for scale in (0.5, 3.0, 30.0):
        expected = math.log1p(7 * math.exp(-scale))
        assert float(clip_loss(axes, axes, scale)) == pytest.approx(expected, rel=1e-12, abs=1e-14 * scale)


def test_ignores_a_joint_rotation_and_the_order_of_pairs_and_sees_other_changes(rng):
    x, y = unit(rng), unit(rng)
    value = float(clip_loss(x, y, 10.0))
    rotation = torch.linalg.qr(torch.from_numpy(rng.normal(size=(5, 5))))[0]
    order = torch.from_numpy(rng.permutation(12))
    assert float(clip_loss(x @ rotation, y @ rotation, 10.0)) == pytest.approx(value, rel=1e-12)
    assert float(clip_loss(x[order], y[order], 10.0)) == pytest.approx(value, rel=1e-12)
    assert float(clip_loss(y, x, 10.0)) == pytest.approx(value, rel=1e-12)
    assert float(clip_loss(x @ rotation, y, 10.0)) != pytest.approx(value, rel=1e-3)
    assert float(clip_loss(x[order], y, 10.0)) != pytest.approx(value, rel=1e-3)
    assert float(clip_loss(x, y, 11.0)) != pytest.approx(value, rel=1e-3)


def test_a_number_added_to_a_row_of_cosines_changes_only_the_direction_over_columns(rng):
    x, y = unit(rng), unit(rng)
    offset = torch.from_numpy(rng.normal(size=(12, 1)))
    longer_x, longer_y = torch.cat([x, offset], dim=1), torch.cat([y, torch.ones_like(offset)], dim=1)
    for weights, same in (((1.0, 0.0), True), ((0.0, 1.0), False)):
        options = {"x_to_y_weight": weights[0], "y_to_x_weight": weights[1], "check": False}
        before, after = clip_loss(x, y, 5.0, **options), clip_loss(longer_x, longer_y, 5.0, **options)
        assert (float(after) == pytest.approx(float(before), rel=1e-12)) is same
        if not same:
            assert abs(float(after) - float(before)) > 0.01


@pytest.mark.parametrize("parts", [2, 3, 12])
def test_the_mean_over_parts_is_the_whole_in_value_and_gradient(rng, parts):
    x, y, scale = unit(rng).requires_grad_(), unit(rng).requires_grad_(), torch.tensor(7.0).double().requires_grad_()
    items = torch.arange(12) // 2
    size = 12 // parts
    for options in ({}, {"items": items}, {"x_to_y_weight": 1.0, "y_to_x_weight": 0.1}):
        whole = clip_loss(x, y, scale, **options)
        slices = [slice(first, first + size) for first in range(0, 12, size)]
        pieces = sum(clip_loss(x, y, scale, rows=rows, **options) for rows in slices) / parts
        assert float(pieces.detach()) == pytest.approx(float(whole.detach()), rel=1e-12)
        for a, b in zip(
            torch.autograd.grad(pieces, (x, y, scale)), torch.autograd.grad(whole, (x, y, scale)), strict=True
        ):
            assert torch.allclose(a, b, rtol=1e-10, atol=1e-14)
    part = clip_loss(x, y, 7.0, rows=slice(3, 5))
    assert float(part.detach()) == pytest.approx(
        by_loops(x.detach().numpy(), y.detach().numpy(), 7.0, rows=range(3, 5)), rel=1e-10
    )


def test_gradient(rng):
    inputs = (
        unit(rng, n=5).requires_grad_(),
        unit(rng, n=5).requires_grad_(),
        torch.tensor(4.0).double().requires_grad_(),
    )
    assert torch.autograd.gradcheck(lambda x, y, s: clip_loss(x, y, s, check=False), inputs)
    items = torch.tensor([0, 1, 1, 2, 0])
    assert torch.autograd.gradcheck(lambda x, y, s: clip_loss(x, y, s, items=items, check=False), inputs)
    assert torch.autograd.gradcheck(lambda x, y, s: clip_loss(x, y, s, rows=slice(1, 3), check=False), inputs)


def test_messages(rng):
    x, y = unit(rng), unit(rng)
    with pytest.raises(DegenerateError, match="at least 2 rows"):
        clip_loss(x[:1], y[:1], 1.0)
    with pytest.raises(ValueError, match="x must have rows of length 1"):
        clip_loss(2 * x, y, 1.0)
    assert torch.isfinite(clip_loss(2 * x, y, 1.0, check=False))
    with pytest.raises(ValueError, match="logit_scale must be a finite number above 0"):
        clip_loss(x, y, 0.0)
    with pytest.raises(ValueError, match="rows must be a part of the 12 rows"):
        clip_loss(x, y, 1.0, rows=slice(3, 13))
    with pytest.raises(TypeError, match="items must be a torch tensor of whole numbers, but it is a list"):
        clip_loss(x, y, 1.0, items=list(range(12)))  # pyright: ignore[reportArgumentType]
    for items in (torch.arange(12.0), torch.ones(12, dtype=torch.bool), torch.ones(12, dtype=torch.complex64)):
        with pytest.raises(TypeError, match=f"items must be .* whole numbers, but it is a {items.dtype}"):
            clip_loss(x, y, 1.0, items=items)
    with pytest.raises(ValueError, match=r"items must be one for each of the 12 pairs, but their shape is \(11,\)"):
        clip_loss(x, y, 1.0, items=torch.arange(11))
    with pytest.raises(ValueError, match="y_to_x_weight must be a finite number of at least 0, but it is -1"):
        clip_loss(x, y, 1.0, y_to_x_weight=-1)
    for weight in (math.nan, math.inf):
        with pytest.raises(ValueError, match=f"x_to_y_weight must be .* but it is {weight}"):
            clip_loss(x, y, 1.0, x_to_y_weight=weight)
    with pytest.raises(ValueError, match="one of x_to_y_weight, y_to_x_weight must be above 0, but all are 0"):
        clip_loss(x, y, 1.0, x_to_y_weight=0, y_to_x_weight=0)
    for weight in ("1", True):
        with pytest.raises(TypeError, match=f"x_to_y_weight must be a number, but it is a {type(weight).__name__}"):
            clip_loss(x, y, 1.0, x_to_y_weight=weight)  # pyright: ignore[reportArgumentType]
